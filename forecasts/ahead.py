"""The newest plan of a customer, a product or a pair, by month: what master data shows beside what was sold."""

from typing import Any

from django.db import connection

from cycles.models import Cycle
from forecasts.models import Line
from forecasts.plan import PLAN_CELLS
from masterdata.ahead import Plan, PlanMonth

_MONTHS = f"""
SELECT sum(cell.quantity), sum(cell.quantity * cell.unit_price)
  FROM forecasts_line AS line {PLAN_CELLS}
 CROSS JOIN LATERAL unnest(plan.quantity, plan.unit_price) WITH ORDINALITY AS cell(quantity, unit_price, position)
 WHERE line.id = ANY(%(lines)s)
 GROUP BY position ORDER BY position
"""


def newest_plan(user: Any, customer: Any, product: Any) -> Plan | None:
    """The live lines of the newest cycle that `user` may read, as its plan counts them; None without any.

    The months right before it, as far as nothing is sold in them yet, stand as the cycle before planned them.
    """
    cycles = (
        Cycle.objects.visible_to(user)
        .filter(kind=Cycle.Kind.NORMAL)
        .exclude(status=Cycle.Status.DRAFT)
        .order_by("-first_period", "-pk")[:2]
    )
    if not cycles:
        return None
    cycle = cycles[0]
    keys, months = _months(user, cycle, customer, product)
    if not keys:
        return None
    earlier = cycles[1] if len(cycles) > 1 else None
    bridge = _months(user, earlier, customer, product)[1] if earlier is not None else []
    return Plan(
        cycle=cycle,
        months=months,
        line=keys[0] if customer is not None and product is not None else None,
        earlier=earlier,
        bridge=[month for month in bridge if month.period < cycle.first_period],
    )


def _months(user: Any, cycle: Cycle, customer: Any, product: Any) -> tuple[list[int], list[PlanMonth]]:
    """The keys of the lines meant in a cycle, and their plan by month; in two queries."""
    lines = Line.objects.visible_to(user).live().filter(cycle=cycle)
    if customer is not None:
        lines = lines.filter(customer=customer)
    if product is not None:
        lines = lines.filter(product=product)
    keys = list(lines.order_by().values_list("pk", flat=True))
    with connection.cursor() as cursor:
        cursor.execute(_MONTHS, {"lines": keys})
        sums = cursor.fetchall()
    return keys, [PlanMonth(period, *values) for period, values in zip(cycle.periods, sums, strict=False)]
