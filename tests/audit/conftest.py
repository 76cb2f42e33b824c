"""What the tests of the trail share."""

from collections.abc import Callable, Iterator

import pytest
from django.db import connection

from audit.context import acting


@pytest.fixture
def claimed() -> Iterator[None]:
    """Everything written in the test is the system's."""
    with acting("system", source="command"):
        yield


@pytest.fixture
def next_transaction(db: None) -> Callable[[], None]:
    """Make the trail believe that a new transaction begins; a test itself runs in one."""

    def renew() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('audit.tx', '', true)")

    return renew
