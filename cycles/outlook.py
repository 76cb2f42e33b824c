"""What a move of a cycle would do, counted before anybody confirms it."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from django.db.models import Count

from cycles import standing
from cycles.models import Cycle, ExtensionRequest, Participant
from cycles.services import next_deadline, preflight
from cycles.services.preflight import Preflight
from masterdata.models import MatrixEntry
from sop_portal.accounts.models import User
from sop_portal.lib.clock import portal_now

# How many rows a page names before it only counts.
NAMED = 50
# So long before their deadline reps are offered to ask for more time.
ASK_FROM = dt.timedelta(days=3)


@dataclass(frozen=True)
class Opening:
    """lines: how many would be made for `reps` reps."""

    lines: int
    reps: int
    preflight: Preflight
    other_open: Cycle | None = None

    @property
    def too_late(self) -> bool:
        """Whether nobody could type, whatever reason is given."""
        return bool(self.preflight.final)

    @property
    def is_possible(self) -> bool:
        return self.other_open is None and not self.too_late


def opening(cycle: Cycle) -> Opening:
    """What opening `cycle` now would make; the same conditions as the opening itself."""
    served = (
        MatrixEntry.objects.in_use()
        .filter(customer__sales_rep__is_active=True)
        .aggregate(lines=Count("pk"), reps=Count("customer__sales_rep", distinct=True))
    )
    return Opening(
        lines=served["lines"],
        reps=served["reps"],
        preflight=preflight(cycle),
        other_open=Cycle.objects.open().exclude(pk=cycle.pk).first(),
    )


@dataclass(frozen=True)
class Share:
    """One participant with the counts of their lines."""

    participant: Participant
    counts: standing.Counts

    @property
    def expected(self) -> int:
        return self.participant.lines_expected

    @property
    def to_do(self) -> int:
        return self.counts.to_do


def shares(cycle: Cycle, user: Any, counts: dict[int | None, standing.Counts] | None = None) -> list[Share]:
    """The participants that `user` may see, those who are furthest first; `counts` when they are known already."""
    if counts is None:
        counts = standing.by_rep([cycle.pk], user).get(cycle.pk, {})
    people = Participant.objects.visible_to(user).filter(cycle=cycle).select_related("rep")
    rows = [Share(person, counts.get(person.rep_id, standing.Counts())) for person in people]
    return sorted(
        rows,
        key=lambda row: (
            -row.counts.handed_in / max(row.expected, 1),
            -row.counts.approved,
            row.participant.rep.full_name,
        ),
    )


def reopening(cycle: Cycle) -> list[tuple[User, int]]:
    """Who could be let in again by reopening `cycle`, each with the missed lines they would get; by name."""
    missed = standing.missed(cycle)
    known = Participant.objects.filter(cycle=cycle).values_list("rep", flat=True)
    people = User.objects.active().filter(pk__in={*known, *missed}).order_by("full_name", "pk")
    return [(rep, missed.get(rep.pk, 0)) for rep in people]


@dataclass(frozen=True)
class MoreTime:
    """What a participant of an open cycle sees about asking for a later deadline."""

    cycle: Cycle
    deadline: dt.datetime | None
    is_past: bool
    proposed: dt.datetime
    request: ExtensionRequest | None

    @property
    def is_shown(self) -> bool:
        """Asking is offered when the deadline comes near; what became of a request is told all along."""
        near = self.deadline is not None and portal_now() >= self.deadline - ASK_FROM
        return near or self.request is not None


def more_time(cycle: Cycle, user: Any) -> MoreTime | None:
    """Whether `user` may ask for more time, and what they asked for last; None for people who take no part."""
    if not cycle.is_open:
        return None
    share = Participant.objects.filter(cycle=cycle, rep=user).first()
    if share is None:
        return None
    now = portal_now()
    deadline = cycle.deadline_with(share.deadline_extension)
    last = ExtensionRequest.objects.filter(cycle=cycle, rep=user).order_by("-asked_at", "-pk").first()
    if last is not None and cycle.reopened_at is not None and last.asked_at < cycle.reopened_at:
        # What was asked before it was reopened is of no interest any more.
        last = None
    return MoreTime(
        cycle, deadline, deadline is not None and deadline <= now, next_deadline(cycle, deadline, now), last
    )
