"""The words that several mails share: times on two clocks, lists of lines, and links."""

import datetime as dt
from collections.abc import Iterable
from typing import Any
from zoneinfo import ZoneInfo

from django.urls import reverse

from cycles.models import Cycle
from cycles.services import business_zone
from forecasts.models import Line
from forecasts.services.writing import line_label
from sop_portal.accounts import formats

# How many lines a mail names before it only counts.
NAMED = 10


def deadline_words(at: dt.datetime | None, user: Any) -> str:
    """A deadline in the business time zone and, where it differs, on the reader's clock."""
    return formats.both_clocks(at, business_zone().key, user.time_zone)


def own_clock(at: dt.datetime | None, user: Any) -> str:
    """An instant on the reader's clock, with the zone's name."""
    return f"{formats.instant(at, user.time_zone)} {formats.zone_name(user.time_zone)}" if at else ""


def due_day(at: dt.datetime, user: Any, now: dt.datetime) -> str:
    """The day of a deadline on the reader's clock, as a subject says it: "today", "tomorrow", "Friday", "Fri 4 Dec"."""
    zone = ZoneInfo(user.time_zone)
    local = at.astimezone(zone)
    days = (local.date() - now.astimezone(zone).date()).days
    if days in (0, 1):
        return ("today", "tomorrow")[days]
    return f"{local:%A}" if 0 < days < 7 else f"{local:%a} {local.day} {local:%b}"


def named(lines: Iterable[Line], total: int) -> dict[str, Any]:
    """The first lines by name and how many more there are, for `mail/_lines.*`."""
    names = [line_label(line) for line in lines][:NAMED]
    return {"lines": names, "more": total - len(names)}


def cycle_url(cycle: Cycle) -> str:
    return reverse("cycles:detail", args=[cycle.pk])


def board_url(cycle: Cycle) -> str:
    return f"{reverse('forecasts:board')}?cycle={cycle.pk}"
