"""How far the lines of cycles are: the one place for the counts of strip, home, board and cycle pages.

What "ready" means stands in `forecasts.figures`: handed in, or a draft that could be submitted as it stands. Attention
flags, when they come, narrow it there.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.models import Count, F, OuterRef, Q, Subquery, Sum
from django.db.models.functions import Coalesce

from cycles.models import Cycle
from cycles.standing import Counts, Undecided
from forecasts.figures import Complete, NextMoney, plan_money, ready
from forecasts.models import Line, Snapshot
from forecasts.services.writing import line_label
from masterdata.models import Customer

Status = Line.Status

# Not handed in again since somebody rejected or returned it.
CAME_BACK = Q(status__in=Line.INPUT, decided_at__isnull=False)

# What `cycles.standing.Counts` holds, as aggregates over live lines.
COUNTS = {
    "live": Count("pk"),
    "ready": Count("pk", filter=ready()),
    "blocked": Count("pk", filter=Q(status__in=Line.INPUT) & ~Q(Complete())),
    "came_back": Count("pk", filter=CAME_BACK),
    **{status.value: Count("pk", filter=Q(status=status)) for status in Status},
}


def counts(lines: Any) -> Counts:
    """The counts of some lines, in one query; dormant ones are left out."""
    return Counts(**lines.live().order_by().aggregate(**COUNTS))


def handed_in(lines: Any) -> Counts:
    """Only what a bar on every page needs: live, submitted and approved; the cells are not read."""
    names = ("live", Status.SUBMITTED.value, Status.APPROVED.value)
    return Counts(**lines.live().order_by().aggregate(**{name: COUNTS[name] for name in names}))


def by_rep(cycle_ids: Iterable[int], user: Any) -> dict[int, dict[int | None, Counts]]:
    """Cycle -> owner -> counts of the lines that `user` may read, in one query."""
    rows: Any = (
        Line.objects.visible_to(user).live().filter(cycle__in=list(cycle_ids)).order_by()
        .values("cycle_id", "owner_id").annotate(**COUNTS)
    )  # fmt: skip
    found: dict[int, dict[int | None, Counts]] = {}
    for row in rows:
        cycle_id, owner_id = row.pop("cycle_id"), row.pop("owner_id")
        found.setdefault(cycle_id, {})[owner_id] = Counts(**row)
    return found


@dataclass(frozen=True)
class CustomerShare:
    """One customer of a rep with the counts of their lines."""

    customer: Customer
    counts: Counts


def by_customer(lines: Any) -> list[CustomerShare]:
    """The customers of some lines by name, in two queries; dormant lines are left out."""
    rows = {
        row.pop("customer_id"): Counts(**row)
        for row in lines.live().order_by().values("customer_id").annotate(**COUNTS)
    }
    customers = Customer.objects.filter(pk__in=list(rows)).order_by("name", "pk")
    return [CustomerShare(customer, rows[customer.pk]) for customer in customers]


@dataclass(frozen=True)
class Money:
    """Revenue of the mandatory months as planned now, and as the cycle started from earlier plans."""

    now: Decimal
    prefill: Decimal

    @property
    def change(self) -> Decimal | None:
        """The change as a fraction of the prefill; None when that was nothing."""
        return (self.now - self.prefill) / self.prefill if self.prefill else None


def money(lines: Any) -> Money:
    """What some live lines add up to, in one query."""
    sums = lines.live().order_by().annotate(now=plan_money(), prefill=prefill(NextMoney())).aggregate(
        now_sum=Sum("now"), prefill_sum=Sum("prefill")
    )  # fmt: skip
    return Money(sums["now_sum"] or Decimal(0), sums["prefill_sum"] or Decimal(0))


def prefill(figure: Any) -> Any:
    """`figure` of what a line was prefilled with, as an expression on lines; 0 for one without a prefill."""
    opened = Snapshot.objects.filter(line=OuterRef("pk"), event=Snapshot.Event.OPEN).order_by("-pk")
    return Coalesce(Subquery(opened.annotate(figure=figure).values("figure")[:1]), Decimal(0))


def undecided(cycle: Cycle, user: Any, limit: int) -> tuple[int, Sequence[Undecided]]:
    """How many live lines of `cycle` publishing would accept undecided, and the first `limit` of them."""
    lines = (
        Line.objects.visible_to(user).live()
        .filter(cycle=cycle, status__in=[Status.SUBMITTED, Status.MISSED])
    )  # fmt: skip
    rows = lines.select_related("customer", "product", "owner").order_by(
        F("owner__full_name").asc(nulls_last=True), "customer__name", "product__item_code", "pk"
    )
    named = [
        Undecided(line.pk, line_label(line), str(line.owner or ""), line.status, line.get_status_display())
        for line in rows[:limit]
    ]
    return (lines.count() if len(named) == limit else len(named)), named


def decisions(user: Any, cycle_ids: Iterable[int], limit: int) -> list[Snapshot]:
    """The latest decisions on lines that `user` edits and may read, the newest first."""
    lines = Line.objects.visible_to(user).editable_by(user).filter(cycle__in=list(cycle_ids))
    return list(
        Snapshot.objects.filter(
            line__in=lines,
            event__in=[
                Snapshot.Event.APPROVE, Snapshot.Event.REJECT, Snapshot.Event.RETURN, Snapshot.Event.ADJUST,
            ],
        )
        .select_related("line__customer", "line__product", "actor")
        .order_by("-pk")[:limit]
    )  # fmt: skip
