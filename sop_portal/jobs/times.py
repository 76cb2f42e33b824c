"""When the crontab of a schedule is due: the next time after an instant, and the last one before."""

import datetime as dt
from typing import Any

from celery.schedules import crontab

# How far back a missed time is looked for; more than a week, since some jobs run weekly.
LOOKING_BACK = dt.timedelta(days=8)


def next_due(schedule: Any, after: dt.datetime) -> dt.datetime | None:
    """The first time of a stored or running crontab after an instant; None for a schedule of another kind.

    A time that the clocks skip in spring moves with them; one that comes twice in autumn counts once.
    """
    if not isinstance(schedule, crontab):
        return None
    start, ahead, _ = schedule.remaining_delta(after, tz=schedule.tz)
    due: dt.datetime = start + ahead
    return due.astimezone(dt.UTC)


def last_due(schedule: Any, since: dt.datetime, until: dt.datetime) -> dt.datetime | None:
    """The last time after `since` and not after `until`, none from more than LOOKING_BACK ago."""
    found, due = None, next_due(schedule, max(since, until - LOOKING_BACK))
    while due is not None and due <= until:
        found, due = due, next_due(schedule, due)
    return found
