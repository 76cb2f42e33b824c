"""Two cycles beside each other: units and money of the months that both plan, by group, rep, customer or product.

Cells are those that every plan figure reads (`plan`), so a published cycle is compared as it was published, and missed
lines stand as its policy says. Quantities of several units add up by `measures`.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.db import connection

from cycles.models import Cycle
from forecasts.models import Line
from forecasts.plan import PLAN_CELLS
from masterdata.models import Customer, Product, ProductGroup
from sop_portal.accounts.models import User
from sop_portal.lib import measures, periods

GROUP, REP, CUSTOMER, PRODUCT = "group", "rep", "customer", "product"
# In the order in which one looks closer.
TABS = (GROUP, REP, CUSTOMER, PRODUCT)
# What a line belongs to. Nobody's lines have the key 0.
_KEYS = {
    GROUP: "product.group_id",
    REP: "coalesce(line.owner_id, 0)",
    CUSTOMER: "line.customer_id",
    PRODUCT: "line.product_id",
}
_MODELS: Mapping[str, Any] = {GROUP: ProductGroup, REP: User, CUSTOMER: Customer, PRODUCT: Product}
NOBODY, UNKNOWN = "Nobody", "nothing planned"
ZERO = Decimal(0)


@dataclass(frozen=True)
class Wanted:
    """What a person wants to see; comes from the address. of: the tab that a key belongs to -> the key looked into."""

    now: Cycle
    before: Cycle
    tab: str = GROUP
    of: Mapping[str, int] = field(default_factory=dict)
    sort: str = ""

    @property
    def months(self) -> list[dt.date]:
        """The months that both cycles plan, in order; none when the horizons do not meet."""
        theirs = set(self.before.periods)
        return [month for month in self.now.periods if month in theirs]

    @property
    def closer(self) -> str:
        """The tab that looks closer at a row of this one; "" where nothing is closer."""
        later = TABS[TABS.index(self.tab) + 1 :]
        return next((tab for tab in later if tab not in self.of), "")


@dataclass(frozen=True)
class Side:
    """What one cycle plans for a row."""

    money: Decimal = ZERO
    parts: tuple[measures.Part, ...] = ()

    def __add__(self, other: "Side") -> "Side":
        return Side(self.money + other.money, self.parts + other.parts)


@dataclass(frozen=True)
class Row:
    """A group, rep, customer or product in both cycles."""

    key: int
    name: str
    before: Side
    now: Side

    @property
    def change(self) -> Decimal:
        """Money now less money before."""
        return self.now.money - self.before.money

    @property
    def share(self) -> Decimal | None:
        """The change as a fraction; None when nothing was planned before."""
        return self.change / self.before.money if self.before.money else None

    @property
    def unit(self) -> str:
        """In what the quantities of both cycles are told, so that they can be compared."""
        return self._quantities[0].unit

    @property
    def units_before(self) -> Decimal | None:
        return self._quantities[0].quantity

    @property
    def units_now(self) -> Decimal | None:
        return self._quantities[1].quantity

    @property
    def weightless(self) -> tuple[str, ...]:
        """Products that are missing in the weights."""
        return tuple(sorted({*self._quantities[0].weightless, *self._quantities[1].weightless}))

    @property
    def _quantities(self) -> tuple[measures.Total, measures.Total]:
        units = {part.unit for part in self.before.parts + self.now.parts}
        # A part of nothing in every unit of the other cycle: the measure is that of both.
        nothing = tuple(measures.Part(unit, ZERO, ZERO) for unit in units)
        return measures.total(self.before.parts + nothing), measures.total(self.now.parts + nothing)


@dataclass(frozen=True)
class Comparison:
    """The rows wanted, all of them together, and the months one by one. names: tab -> what is looked into."""

    wanted: Wanted
    rows: Sequence[Row]
    total: Row
    months: Sequence[tuple[dt.date, Row]]
    names: Mapping[str, str]

    @property
    def finding(self) -> str:
        """The title: how the plans differ, in money."""
        now, before = self.wanted.now, self.wanted.before
        if not self.wanted.months:
            return f"{now} and {before} have no month in common"
        if not self.total.before.money and not self.total.now.money:
            return f"Neither {now} nor {before} plans any sales here"
        if self.total.share is None:
            return f"{now} plans sales where {before} planned none"
        if not self.total.change:
            return f"{now} plans the same sales as {before}"
        percent = abs(self.total.share) * 100
        size = f"{percent:,.0f} %" if percent >= 1 else "less than 1 %"
        return f"{now} plans {size} {'more' if self.total.change > 0 else 'less'} sales than {before}"


SORTS = {
    "name": lambda row: (row.name.casefold(), row.key),
    "before": lambda row: (row.before.money, row.key),
    "now": lambda row: (row.now.money, row.key),
    "change": lambda row: (row.change, row.key),
    "share": lambda row: (row.share is not None, row.share or ZERO, row.key),
}

# One look at the lines of both cycles: by what is wanted, and by month.
_SUMS = f"""
WITH cell AS MATERIALIZED (
    SELECT line.cycle_id, {{key}} AS key, product.uom, product.weight, product.item_code, month.number, month.units,
           coalesce(month.units * month.price, 0) AS money
      FROM forecasts_line AS line {PLAN_CELLS}
      JOIN (VALUES (%(before)s::bigint, %(before_first)s::int), (%(now)s, %(now_first)s)) AS part(cycle_id, first)
        ON part.cycle_id = line.cycle_id
      JOIN masterdata_product AS product ON product.id = line.product_id
     CROSS JOIN LATERAL unnest((plan.quantity)[part.first:part.first + %(length)s - 1],
                               (plan.unit_price)[part.first:part.first + %(length)s - 1])
           WITH ORDINALITY AS month(units, price, number)
     WHERE month.units <> 0 {{conditions}}
)
SELECT cycle_id, key, number, uom, coalesce(sum(units), 0), sum(units * weight), coalesce(sum(money), 0),
       array_agg(DISTINCT item_code) FILTER (WHERE weight IS NULL)
  FROM cell GROUP BY GROUPING SETS ((cycle_id, uom, key), (cycle_id, uom, number))
"""


def cycles(user: Any) -> Any:
    """The cycles that can be compared, the newest first."""
    return Cycle.objects.visible_to(user).exclude(status=Cycle.Status.DRAFT).order_by("-first_period", "-pk")


def read(user: Any, wanted: Wanted) -> Comparison:
    """Both plans as far as `user` may see their lines, in a number of queries that does not depend on their size."""
    by_key: dict[int, list[Side]] = {}
    by_month: dict[int, list[Side]] = {}
    months = wanted.months
    for cycle, key, number, uom, units, weight, money, weightless in _ask(user, wanted) if months else []:
        sides, which = (by_key, key) if number is None else (by_month, number)
        pair = sides.setdefault(which, [Side(), Side()])
        part = measures.Part(uom, units, weight, tuple(weightless or ()))
        pair[cycle == wanted.now.pk] += Side(money, (part,))
    names = _names(wanted.tab, by_key)
    rows = [Row(key, names.get(key, NOBODY), *sides) for key, sides in by_key.items()]
    nothing = [Side(), Side()]
    total = [sum((pair[side] for pair in by_key.values()), Side()) for side in (0, 1)]
    return Comparison(
        wanted=wanted,
        rows=sorted(rows, key=_sort_key(wanted.sort), reverse=wanted.sort.startswith("-")),
        total=Row(0, "All", *total),
        months=[
            (month, Row(number, periods.label(month), *by_month.get(number, nothing)))
            for number, month in enumerate(months, 1)
        ],
        # An address may name somebody whose lines are not in scope: they stay unnamed.
        names={tab: _names(tab, [key]).get(key, NOBODY) if by_key else UNKNOWN for tab, key in wanted.of.items()},
    )


def _sort_key(sort: str) -> Any:
    """Without a choice the largest change by money stands first, up or down."""
    return SORTS.get(sort.removeprefix("-"), lambda row: (-abs(row.change), row.name.casefold(), row.key))


def _ask(user: Any, wanted: Wanted) -> list[Any]:
    first, now, before = wanted.months[0], wanted.now, wanted.before
    params: dict[str, Any] = {
        "now": now.pk,
        "before": before.pk,
        "now_first": now.periods.index(first) + 1,
        "before_first": before.periods.index(first) + 1,
        "length": len(wanted.months),
    }
    conditions = ""
    for tab, key in wanted.of.items():
        conditions += f" AND {_KEYS[tab]} = %({tab})s"
        params[tab] = key
    if not user.has_perm("forecasts.view_all_lines"):
        # The scope has one home, the queryset; its positional parameters get names here.
        lines = Line.objects.visible_to(user).filter(cycle__in=[now, before]).order_by().values("pk")
        scope, values = lines.query.sql_with_params()
        names = [f"scope_{number}" for number in range(len(values))]
        conditions += f" AND line.id IN ({scope % tuple(f'%({name})s' for name in names)})"
        params.update(zip(names, values, strict=True))
    with connection.cursor() as cursor:
        # Put together from the words above; a key of the address is a parameter, never input of the statement.
        cursor.execute(_SUMS.format(key=_KEYS[wanted.tab], conditions=conditions), params)
        return cursor.fetchall()


def _names(tab: str, keys: Any) -> dict[int, str]:
    """What the rows of a tab are called."""
    found = _MODELS[tab].objects.in_bulk(list(keys))
    return {key: row.label if tab == CUSTOMER else str(row) for key, row in found.items()}
