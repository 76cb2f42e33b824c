"""Deadlines: wall-clock times in the business time zone, and working days."""

import datetime as dt
from zoneinfo import ZoneInfo

from cycles.models import Cycle
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


def is_working_day(day: dt.date) -> bool:
    """Whether people work on `day`: not at weekends, nor on a day of the setting `holidays`."""
    return day.weekday() < 5 and day.isoformat() not in conf.get("holidays")


def day_off(at: dt.datetime) -> str:
    """ "Saturday", "Sunday" or "holiday" when `at` falls on a day off in the business time zone, else ""."""
    local = at.astimezone(business_zone())
    if local.weekday() >= 5:
        return f"{local:%A}"
    return "" if is_working_day(local.date()) else "holiday"


def working_days_between(first: dt.date, day: dt.date) -> int:
    """Working days from `first` to `day`, negative when `day` is earlier."""
    step = 1 if day >= first else -1
    count, current = 0, first
    while current != day:
        current += dt.timedelta(days=step)
        if is_working_day(current):
            count += step
    return count


def working_day(first: dt.date, offset: int, at: dt.time) -> dt.datetime:
    """The instant `offset` working days from the day `first`, at the wall-clock time `at`."""
    step = 1 if offset >= 0 else -1
    current, left = first, abs(offset)
    while left:
        current += dt.timedelta(days=step)
        if is_working_day(current):
            left -= 1
    # A time that the clocks skip on that day becomes one that exists.
    return dt.datetime.combine(current, at, business_zone()).astimezone(dt.UTC)


def same_offset(instant: dt.datetime | None, old: dt.date, new: dt.date) -> dt.datetime | None:
    """`instant` moved from the month `old` to `new`: the same working day of it and the same wall-clock time."""
    if instant is None:
        return None
    local = instant.astimezone(business_zone())
    return working_day(new, working_days_between(old, local.date()), local.time())


def next_deadline(cycle: Cycle, deadline: dt.datetime | None, now: dt.datetime) -> dt.datetime:
    """A later one than `deadline`, as it is proposed: on the next working day after it, or after today, at the time of
    the cycle's first deadline."""
    zone = business_zone()
    day = max(deadline or now, now).astimezone(zone).date()
    usual = cycle.first_deadline or cycle.closes_at
    at = usual.astimezone(zone).time().replace(microsecond=0) if usual else dt.time(18, 0)
    return working_day(day, 1, at)
