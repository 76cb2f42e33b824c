"""Deadlines: wall-clock times in the business time zone, and working days."""

import datetime as dt
from zoneinfo import ZoneInfo

from sop_portal import conf
from sop_portal.accounts.formats import zone_name
from sop_portal.lib.errors import Refused


def business_zone() -> ZoneInfo:
    """The time zone in which deadlines are entered and shown."""
    return ZoneInfo(conf.get("business_time_zone"))


def deadline_text(when: dt.datetime) -> str:
    """ "27 Nov 2026 18:00 (New York)": an instant in the business time zone, as sentences print it."""
    zone = business_zone()
    local = when.astimezone(zone)
    return f"{local.day} {local:%b %Y %H:%M} ({zone_name(zone.key)})"


def localize(naive: dt.datetime) -> dt.datetime:
    """The instant of a wall-clock time in the business time zone.

    Raises Refused for a time that the clocks skip, naming the next one that exists, and for one that happens twice,
    since nobody could tell which was meant.
    """
    zone = business_zone()
    aware = naive.replace(tzinfo=zone)
    back = aware.astimezone(dt.UTC).astimezone(zone)
    if back.replace(tzinfo=None) != naive:
        raise Refused(
            {
                "closes_at": f"The clocks skip {naive:%H:%M} on {naive:%-d %b %Y} in {zone.key}; "
                f"the next time that exists is {back:%H:%M}."
            }
        )
    if aware.utcoffset() != aware.replace(fold=1).utcoffset():
        raise Refused(
            {
                "closes_at": f"{naive:%H:%M} happens twice on {naive:%-d %b %Y} in {zone.key}, because the clocks are set "
                "back; choose a time before or after that hour."
            }
        )
    return aware.astimezone(dt.UTC)


def working_days_between(first: dt.date, day: dt.date) -> int:
    """Working days (Monday to Friday) from `first` to `day`, negative when `day` is earlier."""
    step = 1 if day >= first else -1
    count, current = 0, first
    while current != day:
        current += dt.timedelta(days=step)
        if current.weekday() < 5:
            count += step
    return count


def working_day(first: dt.date, offset: int, at: dt.time) -> dt.datetime:
    """The instant `offset` working days from the day `first`, at the wall-clock time `at`."""
    step = 1 if offset >= 0 else -1
    current, left = first, abs(offset)
    while left:
        current += dt.timedelta(days=step)
        if current.weekday() < 5:
            left -= 1
    # A time that the clocks skip on that day becomes one that exists.
    return dt.datetime.combine(current, at, business_zone()).astimezone(dt.UTC)


def same_offset(instant: dt.datetime | None, old: dt.date, new: dt.date) -> dt.datetime | None:
    """`instant` moved from the month `old` to `new`: the same working day of it and the same wall-clock time."""
    if instant is None:
        return None
    local = instant.astimezone(business_zone())
    return working_day(new, working_days_between(old, local.date()), local.time())
