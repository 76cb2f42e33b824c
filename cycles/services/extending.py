"""More time: for everybody or for chosen reps, by decision or because a rep asks."""

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any

from django.db import transaction

from audit.context import action
from audit.services import Event, record
from cycles.models import Cycle, ExtensionRequest, Participant
from cycles.services.access import require_mover
from cycles.services.deadlines import deadline_text
from cycles.services.moves import announce
from cycles.services.reasons import reason_text
from cycles.signals import extension_asked, extension_declined
from sop_portal.lib import periods
from sop_portal.lib.clock import portal_now
from sop_portal.lib.errors import Conflict, NotAllowed, Refused

WHY = "Say why there is more time; the reps read it."


@transaction.atomic
def extend_cycle(
    cycle_id: int, *, until: dt.datetime, reason: str, by: Any, rep_ids: Iterable[int] | None = None
) -> Cycle:
    """Move the deadline of the open cycle to `until`: for everybody, or for the participants `rep_ids`.

    It must be later than now and than the deadlines it replaces. Who has this deadline already is left alone, so a
    repeated request changes nothing. Raises Conflict unless the cycle is open, Refused with field -> sentence.
    """
    require_mover(by)
    reason = reason_text(reason, required=WHY)
    cycle = Cycle.objects.lock_exclusive(cycle_id)
    return _extend(cycle, until=until, reason=reason, by=by, rep_ids=rep_ids)


def _extend(cycle: Cycle, *, until: dt.datetime, reason: str, by: Any, rep_ids: Iterable[int] | None) -> Cycle:
    """The same for a cycle whose exclusive lock is held."""
    if not cycle.is_open:
        remedy = "reopen it instead" if cycle.is_closed else "only an open cycle has time left"
        raise Conflict(f"{cycle} is {cycle.get_status_display().lower()}; {remedy}.")
    now = portal_now()
    require_later(until, now)
    was = cycle.closes_at
    if rep_ids is None:
        _extend_all(cycle, until, reason)
        if cycle.closes_at != was:
            announce(cycle, "extend", by=by, now=now, reps=None, until=until, was=was, reason=reason)
        return cycle
    shares = chosen_shares(cycle, rep_ids)
    moved = _extend_some(cycle, shares, until, reason)
    if moved:
        reps = [share.rep_id for share in moved]
        announce(cycle, "extend", by=by, now=now, reps=reps, until=until, was=was, reason=reason)
    return cycle


def require_later(until: dt.datetime, now: dt.datetime) -> None:
    """Refuse a deadline that has passed or lies beyond the calendar of the portal."""
    if until <= now:
        raise Refused({"until": f"{deadline_text(until)} has passed; choose a deadline later than now."})
    if until.date() > periods.LATEST:
        raise Refused({"until": f"Choose a deadline before the year {periods.LATEST.year + 1}."})


def chosen_shares(cycle: Cycle, rep_ids: Iterable[int]) -> list[Participant]:
    """The shares of the chosen reps, locked; somebody who takes no part is refused."""
    wanted = set(rep_ids)
    if not wanted:
        raise Refused({"reps": "Choose at least one rep, or extend the deadline for everybody."})
    shares = list(
        Participant.objects.filter(cycle=cycle, rep__in=wanted).select_related("rep").order_by("pk")
        .select_for_update(of=("self",))
    )  # fmt: skip
    if len(shares) < len(wanted):
        raise Refused(
            {"reps": f"Somebody among those chosen does not take part in {cycle}; choose again from the list."}
        )
    return shares


def _extend_all(cycle: Cycle, until: dt.datetime, reason: str) -> None:
    if cycle.closes_at == until:
        return
    if cycle.closes_at is not None and until < cycle.closes_at:
        raise Refused(
            {"until": f"{cycle} is open until {deadline_text(cycle.closes_at)} already; choose a later deadline."}
        )
    cycle.closes_at, cycle.extend_reason = until, reason
    with action("cycle_extended"):
        cycle.save(update_fields=["closes_at", "extend_reason"])


def _extend_some(cycle: Cycle, shares: Sequence[Participant], until: dt.datetime, reason: str) -> list[Participant]:
    """Give the shares their own deadline; returns those that did not have it yet."""
    later = [share for share in shares if (cycle.deadline_with(share.deadline_extension) or until) > until]
    if later:
        names = ", ".join(str(share.rep.full_name) for share in later[:3])
        more = f" and {len(later) - 3} more" if len(later) > 3 else ""
        have = "has" if len(later) == 1 else "have"
        raise Refused({"until": f"{names}{more} {have} a later deadline already; choose one after it."})
    moved = [share for share in shares if cycle.deadline_with(share.deadline_extension) != until]
    if not moved:
        return []
    before = {share.pk: cycle.deadline_with(share.deadline_extension) for share in moved}
    for share in moved:
        share.deadline_extension, share.extension_reason = until, reason
    Participant.objects.bulk_update(moved, ["deadline_extension", "extension_reason"])
    record(
        Event(
            action="cycle_extended",
            entity_type="cycle",
            entity_id=str(cycle.pk),
            label=str(cycle),
            changes={
                "reason": [None, reason],
                **{
                    f"deadline of {share.rep.full_name} (#{share.rep_id})": [_iso(before[share.pk]), _iso(until)]
                    for share in moved
                },
            },
        )
    )
    return moved


def _iso(at: dt.datetime | None) -> str | None:
    return at.astimezone(dt.UTC).isoformat() if at else None


@transaction.atomic
def ask_for_time(cycle_id: int, *, until: dt.datetime, text: str = "", by: Any) -> ExtensionRequest:
    """A participant of the open cycle asks for a later deadline of their own, also after the present one has passed.

    A request that still waits is changed, so that there is one at a time; sent again it stays as it is.
    """
    text = reason_text(text, field="text")
    Cycle.objects.lock_shared(cycle_id)
    cycle = Cycle.objects.get(pk=cycle_id)
    share = Participant.objects.filter(cycle=cycle, rep=by).select_for_update().first()
    if share is None:
        raise NotAllowed(f"You do not take part in {cycle}, so you have no deadline in it.")
    if not cycle.is_open:
        raise Conflict(
            f"{cycle} is {cycle.get_status_display().lower()}; ask an S&OP admin whether it can be reopened."
        )
    now = portal_now()
    require_later(until, now)
    deadline = cycle.deadline_with(share.deadline_extension)
    if deadline is not None and until <= deadline:
        raise Refused({"until": f"Your deadline is {deadline_text(deadline)} already; ask for a later one."})
    request = ExtensionRequest.objects.filter(cycle=cycle, rep=by, state=ExtensionRequest.State.WAITING).first()
    if request is not None and (request.wanted_until, request.text) == (until, text):
        return request
    request = request or ExtensionRequest(cycle=cycle, rep=by)
    request.wanted_until, request.text, request.asked_at = until, text, now
    request.save()
    extension_asked.send(sender=ExtensionRequest, request=request)
    return request


@transaction.atomic
def grant_request(request_id: int, *, by: Any) -> ExtensionRequest:
    """Give a rep the time they asked for. A request that was granted before stays so."""
    require_mover(by)
    request = _answerable(request_id, ExtensionRequest.State.GRANTED)
    if not request.is_waiting:
        return request
    share = Participant.objects.get(cycle=request.cycle, rep=request.rep_id)
    deadline = request.cycle.deadline_with(share.deadline_extension)
    # Somebody may have extended the deadline beyond the wish meanwhile; then it is fulfilled already.
    if deadline is None or deadline < request.wanted_until:
        reason = request.text or f"{request.rep.full_name} asked for more time."
        _extend(request.cycle, until=request.wanted_until, reason=reason, by=by, rep_ids=[request.rep_id])
    return _answer(request, ExtensionRequest.State.GRANTED, by=by)


@transaction.atomic
def decline_request(request_id: int, *, answer: str = "", by: Any) -> ExtensionRequest:
    """Tell a rep that there is no more time. A request that was declined before stays so."""
    require_mover(by)
    answer = reason_text(answer, field="answer")
    request = _answerable(request_id, ExtensionRequest.State.DECLINED)
    if not request.is_waiting:
        return request
    request = _answer(request, ExtensionRequest.State.DECLINED, by=by, answer=answer)
    extension_declined.send(sender=ExtensionRequest, request=request)
    return request


def _answerable(request_id: int, wanted: str) -> ExtensionRequest:
    """The request with its cycle under the exclusive lock; one that was answered otherwise is refused."""
    cycle_id = ExtensionRequest.objects.values_list("cycle_id", flat=True).get(pk=request_id)
    cycle = Cycle.objects.lock_exclusive(cycle_id)
    request = ExtensionRequest.objects.select_related("rep").get(pk=request_id)
    request.cycle = cycle
    if not request.is_waiting and request.state != wanted:
        state = ExtensionRequest.State(request.state).label.partition(":")[0].lower()
        raise Conflict(
            f"The request of {request.rep.full_name} is {state} already; extend the deadline by hand instead."
        )
    return request


def _answer(request: ExtensionRequest, state: str, *, by: Any, answer: str = "") -> ExtensionRequest:
    request.state, request.answered_by, request.answered_at, request.answer = state, by, portal_now(), answer
    request.save(update_fields=["state", "answered_by", "answered_at", "answer"])
    return request
