"""Cycles that are not open yet, and the closed ones that old workbooks make."""

import datetime as dt
from typing import Any

from django.db import IntegrityError, transaction

from cycles.models import Cycle
from cycles.services.access import require_mover
from cycles.services.deadlines import business_zone, same_offset, working_day
from sop_portal import conf
from sop_portal.lib import periods
from sop_portal.lib.clock import portal_now
from sop_portal.lib.errors import Conflict, Refused


def propose() -> dict[str, Any]:
    """Values for a new cycle: the last normal one moved by a month; without one, the coming month.

    Returns first_period, opens_at and closes_at (aware, may be None).
    """
    last = Cycle.objects.filter(kind=Cycle.Kind.NORMAL).order_by("-first_period").first()
    if last is None:
        now = portal_now().astimezone(business_zone())
        first = periods.shift(periods.first_of_month(now.date()), 1)
        return {"first_period": first, "opens_at": None, "closes_at": working_day(first, -2, dt.time(18, 0))}
    first = periods.shift(last.first_period, 1)
    return {
        "first_period": first,
        "opens_at": same_offset(last.opens_at, last.first_period, first),
        "closes_at": same_offset(last.first_deadline or last.closes_at, last.first_period, first),
    }


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
    # What kept the job from opening it may be mended by that; if not, admins hear of it again.
    cycle.opening_refused_at = None
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
