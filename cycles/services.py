"""All writes of cycles: one function per move. Locks: the cycle's advisory lock first, then rows."""

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

from django.db import IntegrityError, transaction

from audit.context import action
from cycles.models import Cycle
from cycles.signals import cycle_moved
from sop_portal import conf
from sop_portal.accounts.formats import zone_name
from sop_portal.lib import periods
from sop_portal.lib.clock import portal_now
from sop_portal.lib.errors import Conflict, NotAllowed, Refused

# What a cycle copies from the settings when it opens.
COPIED_SETTINGS = ("missing_forecast_policy", "risk_weights", "currency", "business_time_zone")


def require_mover(by: Any) -> None:
    """Refuse people who do not run cycles."""
    if not by.has_perm("cycles.move_cycle"):
        raise NotAllowed("Only an S&OP admin can do this with a cycle.")


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


def propose() -> dict[str, Any]:
    """Values for a new cycle: the last normal one moved by a month; without one, the coming month.

    Returns first_period, opens_at and closes_at (aware, may be None).
    """
    last = Cycle.objects.filter(kind=Cycle.Kind.NORMAL).order_by("-first_period").first()
    if last is None:
        now = portal_now().astimezone(business_zone())
        first = periods.shift(periods.first_of_month(now.date()), 1)
        return {"first_period": first, "opens_at": None, "closes_at": _working_day(first, -2, dt.time(18, 0))}
    first = periods.shift(last.first_period, 1)
    return {
        "first_period": first,
        "opens_at": _same_offset(last.opens_at, last.first_period, first),
        "closes_at": _same_offset(last.closes_at, last.first_period, first),
    }


def _working_days_between(first: dt.date, day: dt.date) -> int:
    """Working days (Monday to Friday) from `first` to `day`, negative when `day` is earlier."""
    step = 1 if day >= first else -1
    count, current = 0, first
    while current != day:
        current += dt.timedelta(days=step)
        if current.weekday() < 5:
            count += step
    return count


def _working_day(first: dt.date, offset: int, at: dt.time) -> dt.datetime:
    """The instant `offset` working days from the day `first`, at the wall-clock time `at`."""
    step = 1 if offset >= 0 else -1
    current, left = first, abs(offset)
    while left:
        current += dt.timedelta(days=step)
        if current.weekday() < 5:
            left -= 1
    return dt.datetime.combine(current, at, business_zone())


def _same_offset(instant: dt.datetime | None, old: dt.date, new: dt.date) -> dt.datetime | None:
    if instant is None:
        return None
    local = instant.astimezone(business_zone())
    return _working_day(new, _working_days_between(old, local.date()), local.time())


@transaction.atomic
def create_cycle(
    *, first_period: dt.date, closes_at: dt.datetime, opens_at: dt.datetime | None = None, name: str = "", by: Any
) -> Cycle:
    """A new draft of a normal cycle. Raises Refused with field -> sentence."""
    require_mover(by)
    cycle = Cycle(
        first_period=first_period,
        opens_at=opens_at,
        closes_at=closes_at,
        name=name,
        created_by=by,
        horizon=conf.get("horizon_months"),
        mandatory=conf.get("mandatory_months"),
    )
    return _save_draft(cycle)


@transaction.atomic
def update_cycle(
    cycle_id: int,
    *,
    first_period: dt.date,
    closes_at: dt.datetime,
    opens_at: dt.datetime | None = None,
    name: str = "",
    by: Any,
) -> Cycle:
    """Change a draft. Raises Conflict once it is open, Refused with field -> sentence."""
    require_mover(by)
    cycle = Cycle.objects.lock_exclusive(cycle_id)
    if cycle.status != Cycle.Status.DRAFT:
        raise Conflict(f"{cycle} is no longer a draft, so its months and deadline stay as they are.")
    if name == cycle.default_name():
        # The name follows the first month as long as nobody chose another one.
        name = ""
    cycle.first_period, cycle.opens_at, cycle.closes_at, cycle.name = first_period, opens_at, closes_at, name
    return _save_draft(cycle)


def _save_draft(cycle: Cycle) -> Cycle:
    if cycle.first_period.day != 1:
        raise Refused({"first_period": "A cycle starts with the first day of a month."})
    if cycle.opens_at and cycle.closes_at and cycle.closes_at <= cycle.opens_at:
        raise Refused({"closes_at": "The deadline must be later than the opening."})
    cycle.clean()
    cycle.clean_fields()
    same_start = Cycle.objects.filter(first_period=cycle.first_period, kind=Cycle.Kind.NORMAL).exclude(
        status=Cycle.Status.ARCHIVED
    )
    taken = same_start.exclude(pk=cycle.pk).first()
    if taken is not None:
        raise Refused({"first_period": f"{taken} already starts in {periods.long_label(cycle.first_period)}."})
    try:
        with transaction.atomic():
            cycle.save()
    except IntegrityError as race:
        raise Refused({"first_period": "Another cycle that starts in this month was just created."}) from race
    return cycle


@transaction.atomic
def delete_cycle(cycle_id: int, *, by: Any) -> None:
    """Delete a draft. Raises Conflict for a cycle that was ever opened."""
    require_mover(by)
    cycle = Cycle.objects.lock_exclusive(cycle_id)
    if cycle.status != Cycle.Status.DRAFT:
        raise Conflict(f"{cycle} has been opened, so it is kept; only drafts can be deleted.")
    cycle.delete()


def _move(cycle: Cycle, status: str) -> None:
    if not cycle.can_move_to(status):
        state = cycle.get_status_display().lower()
        raise Conflict(f"{cycle} is {state}, so it cannot become {Cycle.Status(status).label.lower()}.")
    cycle.status = status


@transaction.atomic
def open_cycle(cycle_id: int, *, by: Any) -> Cycle:
    """Open a draft for input: lines are made and prefilled, participants frozen (by receivers of `cycle_moved`).

    Opening the open cycle again changes nothing. Raises Conflict when another one is open, Refused when the deadline
    has passed.
    """
    require_mover(by)
    cycle = Cycle.objects.lock_exclusive(cycle_id)
    if cycle.is_open:
        return cycle
    if cycle.status != Cycle.Status.DRAFT:
        raise Conflict(f"{cycle} is {cycle.get_status_display().lower()}; only a draft can be opened.")
    other = Cycle.objects.open().exclude(pk=cycle.pk).first()
    if other is not None:
        raise Conflict(f"{other} is still open; close it before opening {cycle}.")
    now = portal_now()
    if cycle.closes_at is None or cycle.closes_at <= now:
        raise Refused({"closes_at": "The deadline of this cycle has passed; edit it before opening."})
    _move(cycle, Cycle.Status.OPEN)
    cycle.opened_at = now
    cycle.settings = {key: conf.get(key) for key in COPIED_SETTINGS}
    try:
        with transaction.atomic(), action("cycle_opened"):
            cycle.save(update_fields=["status", "opened_at", "settings"])
    except IntegrityError as race:
        raise Conflict("Another cycle was opened at the same moment; close it first.") from race
    cycle_moved.send(sender=Cycle, cycle=cycle, move="open", by=by, now=now)
    return cycle


@transaction.atomic
def close_cycle(cycle_id: int, *, by: Any, reason: str = "") -> Cycle:
    """Close the open cycle for input. `closed_at` is stamped after the lock is held, so no write lies behind it.

    Closing a closed cycle again changes nothing.
    """
    require_mover(by)
    cycle = Cycle.objects.lock_exclusive(cycle_id)
    if cycle.is_closed:
        return cycle
    _move(cycle, Cycle.Status.CLOSED)
    cycle.closed_at = now = portal_now()
    cycle.close_reason = reason
    cycle.clean_fields(exclude=["settings"])
    with action("cycle_closed"):
        cycle.save(update_fields=["status", "closed_at", "close_reason"])
    cycle_moved.send(sender=Cycle, cycle=cycle, move="close", by=by, now=now)
    return cycle


@transaction.atomic
def publish_cycle(cycle_id: int, *, by: Any) -> Cycle:
    """Archive a closed cycle as the plan of record: a `final` snapshot of every line, read-only for ever.

    Lines nobody decided are accepted as they are. Publishing twice changes nothing.
    """
    require_mover(by)
    cycle = Cycle.objects.lock_exclusive(cycle_id)
    if cycle.status == Cycle.Status.ARCHIVED:
        return cycle
    if cycle.kind == Cycle.Kind.LEGACY:
        raise Conflict("A plan from old workbooks is not published; it is only carried over.")
    _move(cycle, Cycle.Status.ARCHIVED)
    cycle.archived_at = now = portal_now()
    with action("cycle_archived"):
        cycle.save(update_fields=["status", "archived_at"])
    cycle_moved.send(sender=Cycle, cycle=cycle, move="publish", by=by, now=now)
    return cycle


def legacy_cycle(first_period: dt.date, *, by: Any) -> Cycle:
    """The closed cycle of kind legacy that starts with `first_period`, made when it is missing.

    Must run in a transaction; several old workbooks share one such cycle.
    """
    cycle = Cycle.objects.filter(kind=Cycle.Kind.LEGACY, first_period=first_period).first()
    if cycle is not None:
        return cycle
    fresh = Cycle(kind=Cycle.Kind.LEGACY, first_period=first_period, status=Cycle.Status.CLOSED, created_by=by)
    fresh.closed_at = portal_now()
    fresh.clean()
    try:
        with transaction.atomic():
            fresh.save()
    except IntegrityError:
        return Cycle.objects.get(kind=Cycle.Kind.LEGACY, first_period=first_period)
    return fresh
