"""What is told when lines are handed in or decided: one mail per act and person, which lists its lines."""

from collections.abc import Sequence
from typing import Any

from django.urls import reverse

from cycles.models import Cycle
from forecasts.mails import people
from forecasts.mails.words import board_url, named
from forecasts.models import Line
from sop_portal.accounts.formats import counted
from sop_portal.accounts.models import User
from sop_portal.mail.services import Letter, queue_many

# Acts by their verb: the kind of mail, and whether the manager of the owner hears of it when somebody else did it.
_DECISIONS = {
    "approve": ("lines_approved", False),
    "reject": ("lines_rejected", False),
    "return": ("lines_returned", True),
    "adjust": ("lines_adjusted", True),
}


def tell_of_act(verb: str, cycle: Cycle, lines: Sequence[Line], *, by: Any, comment: str) -> None:
    """Mail those whom an act on `lines` concerns; a recall concerns nobody.

    The key names the first line with its revision, which stands for the snapshot that the act made of it: an act that
    is repeated moves nothing and tells nothing, so a line with one revision belongs to one mail of a person.
    """
    if verb == "submit":
        queue_many("lines_submitted", [_received(cycle, lines, by)])
    elif verb in _DECISIONS:
        kind, tells_manager = _DECISIONS[verb]
        queue_many(kind, _decided(cycle, lines, by, comment, tells_manager))


def _key(lines: Sequence[Line], user: Any) -> str:
    first = min(lines, key=lambda line: line.pk)
    return f"{first.pk}:{first.revision}:{user.pk}"


def _url(cycle: Cycle, lines: Sequence[Line]) -> str:
    """The line itself, the grid of the one customer, or the list of customers."""
    if len(lines) == 1:
        return reverse("forecasts:line", args=[lines[0].pk])
    customers = {line.customer_id for line in lines}
    if len(customers) == 1:
        return reverse("forecasts:grid", args=[cycle.pk, *customers])
    return reverse("forecasts:list" if cycle.is_open else "home")


def _facts(cycle: Cycle, lines: Sequence[Line]) -> dict[str, Any]:
    ordered = sorted(lines, key=lambda line: (line.customer.label, line.product.item_code))
    return {
        "cycle": str(cycle),
        "number": len(lines),
        "lines_words": counted(len(lines)),
        **named(ordered, len(lines)),
    }


def _received(cycle: Cycle, lines: Sequence[Line], by: Any) -> Letter:
    owners = {line.owner_id for line in lines}
    return Letter(
        by, _key(lines, by),
        {"url": _url(cycle, lines), **_facts(cycle, lines), "for_others": owners != {by.pk}},
    )  # fmt: skip


def _decided(cycle: Cycle, lines: Sequence[Line], by: Any, comment: str, tells_manager: bool) -> list[Letter]:
    by_owner: dict[int, list[Line]] = {}
    for line in lines:
        if line.owner_id is not None:
            by_owner.setdefault(line.owner_id, []).append(line)
    owners = list(User.objects.active().filter(pk__in=by_owner).select_related("manager"))
    common = {"by": str(by), "comment": comment, "is_open": cycle.is_open}
    letters = [
        Letter(
            owner,
            _key(by_owner[owner.pk], owner),
            {"url": _url(cycle, by_owner[owner.pk]), **_facts(cycle, by_owner[owner.pk]), **common},
        )
        for owner in owners
        if owner != by
    ]
    if not tells_manager:
        return letters
    for manager, team in people.teams(owners).items():
        if manager in (by, *owners):
            continue
        theirs = [line for rep in team for line in by_owner[rep.pk]]
        context = {**_facts(cycle, theirs), **common, "team": people.words(team), "url": board_url(cycle)}
        letters.append(Letter(manager, _key(theirs, manager), context))
    return letters
