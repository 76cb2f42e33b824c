"""When the crontab of a schedule is due: the next time after an instant, and the last one before."""

import datetime as dt
from typing import Any

from celery.schedules import crontab

# How far back a missed time is looked for; more than a week, since some jobs run weekly.
LOOKING_BACK = dt.timedelta(days=8)
# As crontabs count them.
_DAYS = ("Sundays", "Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays")


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


def words(crontab_row: Any) -> str:
    """The times of a stored crontab as people read them: "daily 02:10", "every 5 minutes"; its own words if not."""
    minute, hour, day = crontab_row.minute, crontab_row.hour, crontab_row.day_of_week
    zone = str(crontab_row.timezone).replace("_", " ")
    plain = (crontab_row.day_of_month, crontab_row.month_of_year) == ("*", "*")
    if plain and (hour, day) == ("*", "*"):
        if minute == "*":
            return "every minute"
        if minute.startswith("*/") and minute[2:].isdigit():
            return f"every {minute[2:]} minutes"
        if minute == "0":
            return "hourly"
        if minute.isdigit():
            return f"hourly, {int(minute)} minutes past"
    if plain and minute.isdigit() and hour.isdigit():
        at = f"{int(hour):02}:{int(minute):02}"
        if day == "*":
            return f"daily {at} {zone}"
        if day.isdigit():
            return f"{_DAYS[int(day) % 7]} {at} {zone}"
    return f"{minute} {hour} {crontab_row.day_of_month} {crontab_row.month_of_year} {day} {zone}"
