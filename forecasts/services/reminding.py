"""Queueing reminders and digests: the daily and the hourly job, and the button of the board."""

from collections.abc import Iterable
from typing import Any

from django.db import transaction
from django.db.models import Q

from audit.services import Event, record
from cycles.models import Cycle, Participant
from forecasts import digests, reminders
from forecasts.reminders import Left
from sop_portal.lib.clock import portal_now
from sop_portal.lib.errors import Conflict, NotAllowed, Refused
from sop_portal.mail.services import queue_many


@transaction.atomic
def remind_everybody_due() -> dict[str, int]:
    """Remind reps of lines left and managers of decisions that wait, each once a day; returns how many mails."""
    opened = reminders.open_cycle()
    sent = 0
    if opened is not None:
        cycle, now = opened
        day = now.astimezone(reminders.business_zone()).date().isoformat()
        sent = queue_many(reminders.REMINDER, reminders.reminders(cycle, reminders.due_today(cycle, now), now, day))
    now = portal_now()
    waiting = queue_many(reminders.WAITING, reminders.waiting_letters(reminders.waiting_decisions(now), now))
    return {"reminders": sent, "decisions": waiting}


@transaction.atomic
def send_digests() -> int:
    """Tell managers and admins what was handed in within the hours that are over; returns how many mails."""
    return queue_many(digests.DIGEST, digests.letters(digests.hours(portal_now())))


def may_remind(user: Any) -> bool:
    """Whether `user` chases anybody: those who run cycles all, managers their team."""
    return bool(user.has_perm("cycles.move_cycle") or user.has_perm("forecasts.decide_team_lines"))


def remindable(cycle_id: int, reps: Iterable[int] | None, by: Any) -> tuple[Cycle, Any, list[Left]]:
    """The open cycle, the database's clock, and those whom pressing "remind" would reach.

    reps: keys of those chosen, None for everybody in scope; who has nothing left or no time left is not among the
    answers. Raises NotAllowed, Conflict unless the cycle is open.
    """
    if not may_remind(by):
        raise NotAllowed("Reminders are sent by managers and S&OP admins.")
    opened = reminders.open_cycle()
    if opened is None or opened[0].pk != cycle_id:
        raise Conflict("This cycle is not open for input, so there is nothing to remind anybody of.")
    cycle, now = opened
    scope = Participant.objects.filter(cycle=cycle)
    if not by.has_perm("cycles.move_cycle"):
        # Who may read every share besides chases the own team all the same.
        scope = scope.filter(Q(rep=by) | Q(rep__manager=by))
    if reps is not None:
        scope = scope.filter(rep__in=list(reps))
    return cycle, now, reminders.left_to_do(cycle, now, scope.order_by().values("rep"))


@transaction.atomic
def remind(cycle_id: int, reps: Iterable[int] | None, *, press: str, by: Any) -> int:
    """Remind now; returns how many mails were queued. press: names one press of the button, which has one effect."""
    cycle, now, left = remindable(cycle_id, reps, by)
    if not left:
        raise Refused("Nobody of those chosen has lines to hand in and time to do it, so no mail was sent.")
    sent = queue_many(reminders.REMINDER, reminders.reminders(cycle, left, now, f"now:{press}"))
    if sent:
        names = sorted(str(one.rep) for one in left)
        record(
            Event(
                action="cycle_reminded",
                entity_type="cycle",
                entity_id=str(cycle.pk),
                label=str(cycle),
                changes={"reminded": [None, ", ".join(names)]},
            )
        )
    return sent
