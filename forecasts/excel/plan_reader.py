"""Reading the plan of a cycle for workbooks and CSV: totals first, then the live lines one by one.

Both read the cells that `forecasts.plan` defines. Within `one_snapshot` they see the same state of the data, so that
the totals of a book are those of its lines.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.db import connection, transaction

from cycles.models import HORIZON, MANDATORY, Cycle
from forecasts.metrics import revenue
from forecasts.models import Line
from forecasts.plan import PLAN_CELLS

Numbers = list[Decimal | None]
# Rows asked from the server at a time: few enough to stay small, many enough to be quick.
_PAGE = 500


@dataclass(slots=True)
class PlanLine:
    """One live line as the plan has it; `saved` are the unsubmitted quantities of a missed line that stands otherwise."""

    owner_id: int | None
    rep: str
    customer: str
    customer_code: str
    item: str
    description: str
    group: str
    unit: str
    risk_class: int
    status: str
    quantity: Numbers
    unit_price: Numbers
    saved: Numbers | None

    @property
    def sales(self) -> Numbers:
        """Quantity times price per period."""
        return revenue(self.quantity, self.unit_price)


@dataclass(slots=True)
class Total:
    """Sums over lines of one unit of measure that share a key (a rep, a group, a status ...)."""

    unit: str
    lines: int
    quantity: list[Decimal]
    sales: list[Decimal]
    # Of the mandatory periods: kilograms of the products whose weight is known, and the codes of the others.
    weight: Decimal
    without_weight: list[str]
    blank_cells: int
    unpriced_cells: int

    @property
    def year_quantity(self) -> Decimal:
        return sum(self.quantity[:MANDATORY], Decimal(0))

    @property
    def year_sales(self) -> Decimal:
        return sum(self.sales[:MANDATORY], Decimal(0))


@dataclass
class Totals:
    """The totals of a plan by several keys; each key has one Total per unit of measure."""

    by_unit: dict[str, Total] = field(default_factory=dict)
    # (owner id, name); the owner of a line of an old workbook may be unknown.
    by_rep: dict[tuple[int | None, str], list[Total]] = field(default_factory=dict)
    # (rep, customer, customer code)
    by_customer: dict[tuple[str, str, str], list[Total]] = field(default_factory=dict)
    by_group: dict[str, list[Total]] = field(default_factory=dict)
    by_risk: dict[int, list[Total]] = field(default_factory=dict)
    by_status: dict[str, list[Total]] = field(default_factory=dict)

    @property
    def lines(self) -> int:
        return sum(total.lines for total in self.by_unit.values())

    @property
    def year_sales(self) -> Decimal:
        return sum((total.year_sales for total in self.by_unit.values()), Decimal(0))


NO_REP = "Unassigned"

# Names of the columns that lines and totals share.
_PLAN = f"""
SELECT line.id, line.owner_id, coalesce(nullif(rep.full_name, ''), rep.email, '{NO_REP}') AS rep,
       coalesce(nullif(customer.short_name, ''), customer.name) AS customer, customer.customer_id AS customer_code,
       product.item_code, product.description, family.code || ' ' || family.name AS family, product.uom AS unit,
       line.risk_class, line.status, plan.quantity, plan.unit_price, product.weight,
       CASE WHEN plan.from_prefill AND line.quantity IS DISTINCT FROM plan.quantity THEN line.quantity END AS saved
  FROM forecasts_line AS line
  JOIN masterdata_customer AS customer ON customer.id = line.customer_id
  JOIN masterdata_product AS product ON product.id = line.product_id
  JOIN masterdata_productgroup AS family ON family.id = product.group_id
  LEFT JOIN accounts_user AS rep ON rep.id = line.owner_id
  {PLAN_CELLS}
 WHERE line.cycle_id = %(cycle)s AND line.live
"""

_LINES = """
SELECT owner_id, rep, customer, customer_code, item_code, description, family, unit, risk_class, status, quantity,
       unit_price, saved
  FROM ({plan}) AS plan_line
 ORDER BY rep, owner_id, customer, customer_code, item_code
"""

_POSITIONS = range(1, HORIZON + 1)
_KEYS = "owner_id, rep, customer, customer_code, family, risk_class, status"
_TOTALS = f"""
SELECT GROUPING(owner_id, customer_code, family, risk_class, status), {_KEYS}, unit, count(*),
       ARRAY[{", ".join(f"sum(coalesce(quantity[{n}], 0))" for n in _POSITIONS)}],
       ARRAY[{", ".join(f"sum(coalesce(quantity[{n}] * unit_price[{n}], 0))" for n in _POSITIONS)}],
       coalesce(sum(year * weight), 0),
       coalesce(array_agg(DISTINCT item_code) FILTER (WHERE weight IS NULL AND year > 0), ARRAY[]::text[]),
       sum(blank), sum(unpriced)
  FROM (SELECT plan_line.*,
               {" + ".join(f"coalesce(quantity[{n}], 0)" for n in range(1, MANDATORY + 1))} AS year,
               {" + ".join(f"(quantity[{n}] IS NULL)::int" for n in range(1, MANDATORY + 1))} AS blank,
               {" + ".join(f"(quantity[{n}] > 0 AND unit_price[{n}] IS NULL)::int" for n in _POSITIONS)} AS unpriced
          FROM ({{plan}}) AS plan_line) AS plan_line
 GROUP BY GROUPING SETS ((unit), (owner_id, rep, unit), (owner_id, rep, customer, customer_code, unit), (family, unit),
                         (risk_class, unit), (status, unit))
 ORDER BY rep, owner_id, customer, customer_code, family, risk_class, status, unit
"""
# GROUPING gives a bit per key, 1 where the key is not part of the set.
_ALL, _REP, _CUSTOMER, _GROUP, _RISK, _STATUS = 0b11111, 0b01111, 0b00111, 0b11011, 0b11101, 0b11110


@contextmanager
def one_snapshot() -> Iterator[None]:
    """A transaction in which every statement sees the same data; inside another transaction, that one's rules hold."""
    outermost = not connection.in_atomic_block
    with transaction.atomic():
        if outermost:
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


def read_totals(cycle: Cycle, user: Any) -> Totals:
    """The totals of the live lines of `cycle` that `user` may read."""
    totals = Totals()
    # Constants and the SQL that Django makes of the scope, never input.
    sql, params = _query(_TOTALS, cycle, user)
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        for what, owner_id, rep, customer, code, family, risk, status, *sums in cursor:
            total = Total(*sums)
            if what == _ALL:
                totals.by_unit[total.unit] = total
            elif what == _REP:
                totals.by_rep.setdefault((owner_id, rep), []).append(total)
            elif what == _CUSTOMER:
                totals.by_customer.setdefault((rep, customer, code), []).append(total)
            elif what == _GROUP:
                totals.by_group.setdefault(family, []).append(total)
            elif what == _RISK:
                totals.by_risk.setdefault(risk, []).append(total)
            elif what == _STATUS:
                totals.by_status.setdefault(status, []).append(total)
    return totals


def read_lines(cycle: Cycle, user: Any) -> Iterator[PlanLine]:
    """The live lines of `cycle` that `user` may read, by rep, customer and item; needs a transaction."""
    # Constants and the SQL that Django makes of the scope, never input.
    sql, params = _query(_LINES, cycle, user)
    with connection.chunked_cursor() as cursor:
        cursor.execute(sql, params)
        while rows := cursor.fetchmany(_PAGE):
            for row in rows:
                yield PlanLine(*row)


def count_dormant(cycle: Cycle, user: Any) -> int:
    """How many lines of `cycle` that `user` may read are dormant: 0 in the plan, and left out of its sheets."""
    return int(Line.objects.visible_to(user).filter(cycle=cycle, live=False).count())


def _query(template: str, cycle: Cycle, user: Any) -> tuple[str, dict[str, Any]]:
    """`template` over the plan of the lines in the scope of `user`."""
    plan = _PLAN
    params: dict[str, Any] = {"cycle": cycle.pk}
    if not user.has_perm("forecasts.view_all_lines"):
        # The scope has one home, the queryset; its positional parameters get names here.
        scope, values = (
            Line.objects.visible_to(user).filter(cycle=cycle).order_by().values("pk").query.sql_with_params()
        )
        names = [f"scope_{number}" for number in range(len(values))]
        plan += f" AND line.id IN ({scope % tuple(f'%({name})s' for name in names)})"
        params.update(zip(names, values, strict=True))
    return template.format(plan=plan), params
