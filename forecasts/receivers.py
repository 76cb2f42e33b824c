"""What lines do when their cycle or their customer moves, in the same transaction, and what they answer when asked."""

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any

from django.dispatch import receiver
from django.urls import reverse

from cycles.models import Cycle, ExtensionRequest
from cycles.signals import (
    cycle_moved,
    extension_asked,
    extension_declined,
    missed_asked,
    opening_refused,
    standing_asked,
    undecided_asked,
)
from cycles.standing import Counts, Undecided
from forecasts import ahead, mails, progress
from forecasts.models import Line
from forecasts.services.opening import close_lines, publish_lines, seed_lines
from forecasts.services.ownership import move_lines, would_move
from forecasts.services.prices import may_take, offer, offer_lately
from forecasts.services.refreshing import refresh_lines
from forecasts.services.reopening import extend_lines, missed_now, reopen_lines
from forecasts.signals import lines_moved
from masterdata.ahead import Plan
from masterdata.notices import Notice
from masterdata.signals import assignment_asked, customers_assigned, notices_asked, plan_asked


@receiver(cycle_moved, dispatch_uid="forecasts.follow_cycle")
def follow_cycle(
    sender: Any, cycle: Cycle, move: str, by: Any, now: dt.datetime, details: dict[str, Any], **kwargs: Any
) -> None:
    """Make, wake, freeze or copy the lines of a cycle that moved."""
    follow = {
        "open": seed_lines,
        "extend": extend_lines,
        "refresh": refresh_lines,
        "close": close_lines,
        "reopen": reopen_lines,
        "publish": publish_lines,
    }.get(move)
    if follow is not None:
        follow(cycle, by=by, now=now, details=details)


@receiver(cycle_moved, dispatch_uid="forecasts.tell_of_move")
def tell_of_move(
    sender: Any, cycle: Cycle, move: str, by: Any, now: dt.datetime, details: dict[str, Any], **kwargs: Any
) -> None:
    """Mail those whom the move concerns; connected after the lines, so that it tells what became of them."""
    mails.tell_of_move(cycle, move, by=by, now=now, details=details)


@receiver(lines_moved, dispatch_uid="forecasts.tell_of_act")
def tell_of_act(
    sender: Any, verb: str, cycle: Cycle, lines: Sequence[Line], by: Any, comment: str, **kwargs: Any
) -> None:
    """Mail those whom an act on lines concerns."""
    mails.tell_of_act(verb, cycle, lines, by=by, comment=comment)


@receiver(extension_asked, dispatch_uid="forecasts.tell_of_request")
def tell_of_request(sender: Any, request: ExtensionRequest, **kwargs: Any) -> None:
    """Mail those who can give more time."""
    mails.tell_of_request(request)


@receiver(opening_refused, dispatch_uid="forecasts.tell_of_refused_opening")
def tell_of_refused_opening(sender: Any, cycle: Cycle, sentence: str, now: dt.datetime, **kwargs: Any) -> None:
    """Mail those who can clear what stands in the way."""
    mails.tell_of_refused_opening(cycle, sentence, now)


@receiver(extension_declined, dispatch_uid="forecasts.tell_of_declined_request")
def tell_of_declined_request(sender: Any, request: ExtensionRequest, **kwargs: Any) -> None:
    """Mail the rep who gets no more time."""
    mails.tell_of_declined_request(request)


@receiver(customers_assigned, dispatch_uid="forecasts.follow_customers")
def follow_customers(sender: Any, customer_ids: Sequence[int], rep: Any, **kwargs: Any) -> None:
    """Give the open lines of customers to their new rep."""
    move_lines(customer_ids, rep)


@receiver(assignment_asked, dispatch_uid="forecasts.assignment")
def answer_assignment(sender: Any, customer_ids: Sequence[int], **kwargs: Any) -> str:
    """Which lines would go with these customers."""
    return would_move(customer_ids)


@receiver(notices_asked, dispatch_uid="forecasts.notices")
def answer_notices(sender: Any, user: Any, lately: bool = False, **kwargs: Any) -> list[Notice]:
    """Whether lines of the open cycle have prices that changed since."""
    cycle = Cycle.objects.open().first() if may_take(user) else None
    if cycle is None or not (found := offer_lately(cycle) if lately else offer(cycle)):
        return []
    return [Notice(found.sentence, "Update or leave them", reverse("forecasts:prices", args=[cycle.pk]))]


@receiver(standing_asked, dispatch_uid="forecasts.standing")
def answer_standing(
    sender: Any, cycle_ids: Iterable[int], user: Any, **kwargs: Any
) -> dict[int, dict[int | None, Counts]]:
    """How far the lines of these cycles are, by rep."""
    return progress.by_rep(cycle_ids, user)


@receiver(undecided_asked, dispatch_uid="forecasts.undecided")
def answer_undecided(
    sender: Any, cycle: Cycle, user: Any, limit: int, **kwargs: Any
) -> tuple[int, Sequence[Undecided]]:
    """Which lines nobody decided."""
    return progress.undecided(cycle, user, limit)


@receiver(missed_asked, dispatch_uid="forecasts.missed")
def answer_missed(sender: Any, cycle: Cycle, **kwargs: Any) -> dict[int, int]:
    """Whose the missed lines would be if the cycle were reopened."""
    return missed_now(cycle)


@receiver(plan_asked, dispatch_uid="forecasts.plan")
def answer_plan(sender: Any, user: Any, customer: Any, product: Any, **kwargs: Any) -> Plan | None:
    """What is planned for a customer, a product or the pair."""
    return ahead.newest_plan(user, customer, product)
