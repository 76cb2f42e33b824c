"""The newest plan of a customer, a product or a pair, by month: what master data shows beside what was sold."""

from typing import Any

from django.db import connection

from cycles.models import Cycle
from forecasts.models import Line
from forecasts.plan import PLAN_CELLS, plan_parameters
from masterdata.ahead import Plan, PlanMonth

_MONTHS = f"""
SELECT sum(cell.quantity), sum(cell.quantity * cell.unit_price)
  FROM forecasts_line AS line {PLAN_CELLS}
 CROSS JOIN LATERAL unnest(plan.quantity, plan.unit_price) WITH ORDINALITY AS cell(quantity, unit_price, position)
 WHERE line.id = ANY(%(lines)s)
 GROUP BY position ORDER BY position
"""


def newest_plan(user: Any, customer: Any, product: Any) -> Plan | None:
    """The live lines of the newest cycle that `user` may read, as its plan counts them; None without any."""
    cycle = (
        Cycle.objects.visible_to(user)
        .filter(kind=Cycle.Kind.NORMAL)
        .exclude(status=Cycle.Status.DRAFT)
        .order_by("-first_period", "-pk")
        .first()
    )
    if cycle is None:
        return None
    lines = Line.objects.visible_to(user).live().filter(cycle=cycle)
    if customer is not None:
        lines = lines.filter(customer=customer)
    if product is not None:
        lines = lines.filter(product=product)
    keys = list(lines.order_by().values_list("pk", flat=True))
    if not keys:
        return None
    with connection.cursor() as cursor:
        cursor.execute(_MONTHS, {"lines": keys, **plan_parameters(cycle)})
        sums = cursor.fetchall()
    return Plan(
        cycle=cycle,
        months=[PlanMonth(period, *values) for period, values in zip(cycle.periods, sums, strict=True)],
        line=keys[0] if customer is not None and product is not None else None,
    )
