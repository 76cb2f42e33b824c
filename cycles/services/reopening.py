"""Opening a closed cycle again: for everybody, or for chosen reps."""

import datetime as dt
from collections.abc import Iterable
from typing import Any

from django.db import transaction

from cycles.models import Cycle, Participant
from cycles.services.access import require_mover
from cycles.services.extending import require_later
from cycles.services.moves import announce, require_alone, save_open, step
from cycles.services.reasons import reason_text
from masterdata.models import Customer
from sop_portal.lib.clock import portal_now
from sop_portal.lib.errors import Conflict, Refused

WHY = "Say why it is reopened; the reps read it."


@transaction.atomic
def reopen_cycle(
    cycle_id: int, *, until: dt.datetime, reason: str, by: Any, rep_ids: Iterable[int] | None = None
) -> Cycle:
    """Take input to the latest closed cycle again until `until`: from everybody, or from the reps `rep_ids` alone.

    Their missed lines become drafts (by receivers of `cycle_moved`); what was submitted or approved stays. For the others
    the time for input stays over. Repeating it changes nothing.
    Raises Conflict for another cycle than the latest one or beside an open one, Refused with field -> sentence.
    """
    require_mover(by)
    reason = reason_text(reason, required=WHY)
    cycle = Cycle.objects.lock_exclusive(cycle_id)
    chosen = None if rep_ids is None else sorted(set(rep_ids))
    if cycle.is_open and _is_repeated(cycle, until, reason, chosen):
        return cycle
    if cycle.kind == Cycle.Kind.LEGACY:
        raise Conflict("A plan from old workbooks takes no input.")
    if not cycle.is_closed:
        raise Conflict(f"{cycle} is {cycle.get_status_display().lower()}; only a closed cycle is reopened.")
    require_alone(cycle, "reopening")
    later = (
        Cycle.objects.filter(kind=Cycle.Kind.NORMAL, first_period__gt=cycle.first_period)
        .exclude(status=Cycle.Status.DRAFT)
        .order_by("-first_period")
        .first()
    )
    if later is not None:
        raise Conflict(f"{later} came after {cycle}; only the latest cycle is reopened.")
    now = portal_now()
    require_later(until, now)
    was = cycle.closes_at
    if chosen is None:
        cycle.closes_at = until
    else:
        _let_in(cycle, chosen, until, reason, now)
    step(cycle, Cycle.Status.OPEN)
    cycle.times_opened += 1
    cycle.reopened_at, cycle.reopen_reason = now, reason
    cycle.closed_at, cycle.close_reason = None, ""
    save_open(
        cycle, "cycle_reopened", "reopened_at", "reopen_reason", "closed_at", "close_reason", "closes_at", "opens_at"
    )
    announce(cycle, "reopen", by=by, now=now, reps=chosen, until=until, was=was, reason=reason, reopened={})
    return cycle


def _is_repeated(cycle: Cycle, until: dt.datetime, reason: str, chosen: list[int] | None) -> bool:
    """Whether the open cycle was reopened by just this request."""
    if cycle.times_opened < 2 or cycle.reopen_reason != reason:
        return False
    if chosen is None:
        return cycle.closes_at == until
    shares = Participant.objects.filter(cycle=cycle, rep__in=chosen, deadline_extension=until)
    return shares.count() == len(chosen)


def _let_in(cycle: Cycle, chosen: list[int], until: dt.datetime, reason: str, now: dt.datetime) -> None:
    """Give the chosen reps a deadline of their own, and let it be over for the others.

    Somebody who serves customers by now without a share of the cycle gets one.
    """
    if not chosen:
        raise Refused({"reps": "Choose at least one rep, or reopen it for everybody."})
    _join(cycle, chosen)
    shares = list(Participant.objects.filter(cycle=cycle).select_for_update().order_by("pk"))
    changed = []
    for share in shares:
        if share.rep_id in chosen:
            share.deadline_extension, share.extension_reason = until, reason
        elif share.deadline_extension is not None and share.deadline_extension > now:
            share.deadline_extension, share.extension_reason = None, ""
        else:
            continue
        changed.append(share)
    Participant.objects.bulk_update(changed, ["deadline_extension", "extension_reason"])
    # A cycle that was closed by hand may have its deadline still ahead.
    cycle.closes_at = min(cycle.closes_at or now, cycle.closed_at or now)
    if cycle.opens_at is not None and cycle.opens_at >= cycle.closes_at:
        cycle.opens_at = cycle.opened_at


def _join(cycle: Cycle, chosen: list[int]) -> None:
    """Give those of the chosen reps a share who have none; they must serve customers by now."""
    known = set(Participant.objects.filter(cycle=cycle, rep__in=chosen).values_list("rep_id", flat=True))
    missing = set(chosen) - known
    serving = Customer.objects.active().filter(sales_rep__in=missing, sales_rep__is_active=True).order_by()
    if missing - set(serving.values_list("sales_rep_id", flat=True)):
        raise Refused(
            {"reps": f"Somebody among those chosen neither takes part in {cycle} nor serves customers; choose again."}
        )
    Participant.objects.bulk_create(Participant(cycle=cycle, rep_id=rep) for rep in sorted(missing))
