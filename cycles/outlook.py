"""What a move of a cycle would do, counted before anybody confirms it."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Count, Q

from cycles import standing
from cycles.models import Cycle, Participant
from masterdata.models import Customer, MatrixEntry
from sop_portal.lib.clock import portal_now

# How many rows a page names before it only counts.
NAMED = 50


@dataclass(frozen=True)
class Opening:
    """lines: how many would be made for `reps` reps; left_out: customers with products but without an active rep."""

    lines: int
    reps: int
    left_out: Sequence[Customer] = field(default_factory=list)
    left_out_count: int = 0
    other_open: Cycle | None = None
    too_late: bool = False

    @property
    def left_out_more(self) -> int:
        return self.left_out_count - len(self.left_out)

    @property
    def is_possible(self) -> bool:
        return self.other_open is None and not self.too_late


def opening(cycle: Cycle) -> Opening:
    """What opening `cycle` now would make; the same conditions as the opening itself."""
    entries = MatrixEntry.objects.filter(is_active=True, product__is_active=True, customer__is_active=True)
    served = entries.filter(customer__sales_rep__is_active=True).aggregate(
        lines=Count("pk"), reps=Count("customer__sales_rep", distinct=True)
    )
    unserved = (
        Customer.objects.active()
        .filter(Q(sales_rep=None) | Q(sales_rep__is_active=False))
        .filter(pk__in=entries.values("customer"))
        .select_related("sales_rep")
        .order_by("name", "pk")
    )
    count = unserved.count()
    return Opening(
        lines=served["lines"],
        reps=served["reps"],
        left_out=list(unserved[:NAMED]) if count else [],
        left_out_count=count,
        other_open=Cycle.objects.open().exclude(pk=cycle.pk).first(),
        too_late=cycle.closes_at is None or cycle.closes_at <= portal_now(),
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


def weekend(at: dt.datetime, zone: dt.tzinfo) -> str:
    """ "Saturday" or "Sunday" when `at` falls on one in `zone`, else ""."""
    local = at.astimezone(zone)
    return f"{local:%A}" if local.weekday() >= 5 else ""
