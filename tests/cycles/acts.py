"""What tests of moves of cycles share: acts as somebody, and a deadline with moments around it."""

import datetime as dt
from typing import Any

from audit.context import acting
from cycles import services
from forecasts.models import Line
from tests.factories import answer

DEADLINE = dt.datetime(2026, 12, 20, 18, tzinfo=dt.UTC)
LATER = DEADLINE + dt.timedelta(days=2)
BEFORE, AFTER = DEADLINE - dt.timedelta(minutes=1), DEADLINE + dt.timedelta(hours=1)
WHY = "The price list came late."


def act(function: str, *args: Any, by: Any, **kw: Any) -> Any:
    """Call a service of cycles as `by`."""
    with acting(by, source="web"):
        return getattr(services, function)(*args, by=by, **kw)


def type_into(line: Line, quantity: int = 7) -> None:
    """Answer every cell of a line as its owner."""
    line.refresh_from_db()
    answer(line, quantity)
