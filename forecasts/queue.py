"""What waits for a decision, what was decided and what was missed: the lists of the review page.

Every list is sorted and counted in the database; what stands beside a line is fetched for the lines of one page.
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.contrib.postgres.aggregates import StringAgg
from django.db import connection
from django.db.models import CharField, Count, F, Func, Max, Min, Q, Sum, Value
from django.db.models.functions import Abs, Cast, Coalesce, Concat, NullIf

from cycles.models import MANDATORY, Cycle
from forecasts.figures import NextMoney, NextQuantity, plan_money, plan_quantity
from forecasts.models import GIVEN, Line, Snapshot
from forecasts.progress import prefill
from forecasts.services.moves import LineRef
from forecasts.services.opening import LOOK_BACK, sold_since
from sop_portal.accounts.formats import price
from sop_portal.lib import periods

Status = Line.Status

WAITING, DECIDED, MISSED = "waiting", "decided", "missed"
_IN_TAB = {
    WAITING: Q(status=Status.SUBMITTED),
    DECIDED: Q(decided_at__isnull=False) & ~Q(status__in=[Status.SUBMITTED, Status.MISSED]),
    MISSED: Q(status=Status.MISSED),
}
TABS = tuple(_IN_TAB)
PER_PAGE = 100
HISTORY = 24

# Sort key of the URL -> the columns that decide; the key alone sorts upwards, with a minus downwards.
SORTS = {
    "line": ("customer_label", "product__description"),
    "rep": ("owner__full_name", "customer_label"),
    "next12": ("next12",),
    "change": ("quantity_change",),
    "money": ("money_change",),
    "at": ("submitted_at",),
}


@dataclass(frozen=True)
class Wanted:
    """What a person wants to see of one cycle; comes from the URL."""

    cycle: Cycle
    tab: str = WAITING
    rep: int | None = None
    customer: int | None = None
    sort: str = ""


def may_decide(user: Any) -> bool:
    """Whether `user` reviews anybody's lines."""
    return bool(user.has_perm("forecasts.decide_team_lines") or user.has_perm("forecasts.decide_any_line"))


def reviewed_cycles() -> Any:
    """The cycles whose lines are decided: open or closed, not published, not from old workbooks."""
    return Cycle.objects.filter(kind=Cycle.Kind.NORMAL, status__in=[Cycle.Status.OPEN, Cycle.Status.CLOSED]).order_by(
        "-first_period"
    )


def waiting(user: Any) -> Any:
    """Submitted lines that `user` may decide, over all cycles under review; not those they handed in themselves."""
    return (
        Line.objects.decidable_by(user)
        .filter(cycle__in=reviewed_cycles().order_by(), status=Status.SUBMITTED)
        .not_worked_on_by(user)
    )


def oldest_wait(user: Any) -> tuple[int, dt.datetime | None]:
    """How many lines wait for `user`, and since when the first of them does."""
    row = waiting(user).order_by().aggregate(number=Count("pk"), since=Min("submitted_at"))
    return row["number"], row["since"]


def lines(user: Any, wanted: Wanted) -> Any:
    """The lines of one tab in the order wanted; at first those whose money changed most."""
    found = _reviewed(user, wanted.cycle).filter(_IN_TAB[wanted.tab])
    if wanted.rep is not None:
        found = found.filter(owner=wanted.rep)
    if wanted.customer is not None:
        found = found.filter(customer=wanted.customer)
    found = found.select_related("customer", "product", "owner", "decided_by")
    return with_money(found).order_by(*_order(wanted.sort), "pk")


def _reviewed(user: Any, cycle: Cycle) -> Any:
    return Line.objects.decidable_by(user).live().filter(cycle=cycle)


def _order(sort: str) -> list[Any]:
    columns = SORTS.get(sort.removeprefix("-"))
    if columns is None:
        return [Abs("money_change").desc()]
    if sort.startswith("-"):
        return [F(column).desc(nulls_last=True) for column in columns]
    return [F(column).asc(nulls_last=True) for column in columns]


def with_money(found: Any) -> Any:
    """Lines with what the plan makes of them over the mandatory months, what they hold, and what they started with."""
    return found.annotate(
        customer_label=Coalesce(NullIf("customer__short_name", Value("")), "customer__name"),
        next12=plan_quantity(),
        saved12=NextQuantity(),
        money=plan_money(),
        prefill12=prefill(NextQuantity()),
        prefill_money=prefill(NextMoney()),
    ).annotate(quantity_change=F("next12") - F("prefill12"), money_change=F("money") - F("prefill_money"))


class _Digest(Func):
    function = "md5"
    output_field = CharField()


@dataclass(frozen=True)
class Totals:
    """What one list adds up to. `digest` changes with every line in it and every revision of one."""

    number: int
    money: Decimal
    prefill_money: Decimal
    digest: str

    @property
    def change(self) -> Decimal | None:
        """The change of money as a fraction of the prefill."""
        return (self.money - self.prefill_money) / self.prefill_money if self.prefill_money else None


def totals(found: Any) -> Totals:
    """The sums of a whole list, in one query."""
    named = Concat(Cast("pk", CharField()), Value(":"), Cast("revision", CharField()))
    row = found.order_by().aggregate(
        number=Count("pk"),
        money_sum=Sum("money"),
        prefill_sum=Sum("prefill_money"),
        digest=_Digest(StringAgg(named, Value(","), order_by="pk")),
    )
    zero = Decimal(0)
    return Totals(row["number"], row["money_sum"] or zero, row["prefill_sum"] or zero, row["digest"] or "")


def refs(found: Any, user: Any) -> list[LineRef]:
    """The lines of a list that `user` may decide, as the database holds them now."""
    mine = found.not_worked_on_by(user).order_by("pk")
    return [LineRef(pk, revision) for pk, revision in mine.values_list("pk", "revision")]


def choices(user: Any, wanted: Wanted) -> tuple[list[tuple[int, str, int]], list[tuple[int, str, int]]]:
    """The reps and the customers of a tab with how many lines each has there: (key, name, number)."""
    found = _reviewed(user, wanted.cycle).filter(_IN_TAB[wanted.tab]).order_by()
    reps = found.values_list("owner_id", "owner__full_name").annotate(number=Count("pk")).order_by("owner__full_name")
    if wanted.rep is not None:
        found = found.filter(owner=wanted.rep)
    customers = (
        found.values_list("customer_id", "customer__name").annotate(number=Count("pk")).order_by("customer__name")
    )
    return list(reps), list(customers)


def tab_counts(user: Any, cycle: Cycle) -> dict[str, int]:
    """How many lines stand in each tab."""
    counts = {tab: Count("pk", filter=condition) for tab, condition in _IN_TAB.items()}
    row: dict[str, int] = _reviewed(user, cycle).order_by().aggregate(**counts)
    return row


@dataclass
class Row:
    """One line of a list with what a decision needs."""

    line: Any
    own: bool
    history: list[Decimal] = field(default_factory=list)
    last12: Decimal | None = None
    started: list[Decimal | None] = field(default_factory=list)
    price_change: str = ""
    earlier: Snapshot | None = None

    @property
    def ref(self) -> str:
        return f"{self.line.pk}:{self.line.revision}"

    @property
    def change(self) -> Decimal | None:
        """The change of the quantity as a fraction of the prefill; None for a line that started with nothing."""
        start = self.line.prefill12
        return self.line.quantity_change / start if start else None


def rows(found: Iterable[Any], user: Any, cycle: Cycle) -> list[Row]:
    """The lines of one page with history, prefill, price change and earlier decision; three queries for all."""
    listed = [Row(line, line.was_worked_on_by(user)) for line in found]
    by_line = {row.line.pk: row for row in listed}
    _add_history(by_line, cycle)
    _add_snapshots(by_line, cycle)
    return listed


_SOLD = """
SELECT line.id, actual.period, actual.quantity
  FROM forecasts_line AS line
  JOIN masterdata_customersuccession AS customer ON customer.heir_id = line.customer_id
  JOIN masterdata_productsuccession AS product ON product.heir_id = line.product_id
  JOIN masterdata_actual AS actual ON actual.customer_id = customer.origin_id AND actual.product_id = product.origin_id
 WHERE line.id = ANY(%s) AND actual.period >= %s AND actual.period < %s
"""


def history(line_ids: Sequence[int], cycle: Cycle) -> dict[int, list[Decimal]]:
    """Line -> what its pair sold in the last 24 months of loaded actuals; a pair that sold nothing is missing."""
    last = sold_since(cycle)
    first = periods.shift(last, LOOK_BACK - HISTORY)
    found: dict[int, list[Decimal]] = {}
    with connection.cursor() as cursor:
        cursor.execute(_SOLD, [list(line_ids), first, periods.shift(first, HISTORY)])
        for line_id, period, quantity in cursor.fetchall():
            months = found.setdefault(line_id, [Decimal(0)] * HISTORY)
            months[periods.between(first, period)] += quantity
    return found


def _add_history(by_line: dict[int, Row], cycle: Cycle) -> None:
    for line_id, months in history(list(by_line), cycle).items():
        by_line[line_id].history = months
        by_line[line_id].last12 = sum(months[-LOOK_BACK:], Decimal(0))


def _add_snapshots(by_line: dict[int, Row], cycle: Cycle) -> None:
    """The prefill, and the last time somebody said no."""
    events = [Snapshot.Event.OPEN, Snapshot.Event.REJECT, Snapshot.Event.RETURN]
    latest = Snapshot.objects.filter(
        pk__in=Snapshot.objects.filter(line__in=list(by_line), event__in=events)
        .order_by().values("line", "event").annotate(last=Max("pk")).values("last")
    )  # fmt: skip
    for snapshot in latest.select_related("actor").order_by("pk"):
        row = by_line[snapshot.line_id]
        if snapshot.event == Snapshot.Event.OPEN:
            row.started = snapshot.quantity
            row.price_change = price_change(row.line, snapshot.unit_price, cycle)
        else:
            row.earlier = snapshot


def price_change(line: Any, started: Sequence[Decimal | None], cycle: Cycle) -> str:
    """ "52.00 to 58.40 from Jan 2027" for the first price somebody gave that differs from the prefill, else ""."""
    for position in range(MANDATORY):
        old, new = started[position], line.unit_price[position]
        if line.price_source[position] in GIVEN and old != new and new is not None:
            month = periods.label(cycle.periods[position])
            return f"{price(old)} to {price(new)} from {month}" if old is not None else f"{price(new)} from {month}"
    return ""
