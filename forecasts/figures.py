"""Figures of lines that the database computes, as expressions for annotate() and aggregate().

Totals are over the mandatory periods ("next 12"). A dormant line has no figures: filter on `live` first. What a line
holds is `Next...`; what the plan counts of it, `plan_...`, differs for missed lines.
"""

from django.db import models
from django.db.models import Case, Func, Q, When

from cycles.models import MANDATORY
from forecasts.models import Line
from forecasts.plan import PLAN_CELLS

HANDED_IN = [Line.Status.SUBMITTED, Line.Status.APPROVED]


class NextQuantity(Func):
    """The sum of a line's quantities over the mandatory periods, in its own unit of measure."""

    template = f"(SELECT coalesce(sum(q), 0) FROM unnest((%(expressions)s)[1:{MANDATORY}]) AS cell(q))"
    output_field = models.DecimalField(max_digits=24, decimal_places=6)

    def __init__(self) -> None:
        super().__init__("quantity")


class NextMoney(Func):
    """Quantity times price over the mandatory periods; a cell without a price counts as 0."""

    template = (
        "(SELECT coalesce(sum(q * p), 0) FROM unnest(%(expressions)s) WITH ORDINALITY AS cell(q, p, n) "
        f"WHERE n <= {MANDATORY})"
    )
    output_field = models.DecimalField(max_digits=32, decimal_places=10)

    def __init__(self) -> None:
        super().__init__("quantity", "unit_price")


class _PlanSum(Func):
    """A sum over the mandatory months of what the plan counts, by the key of a line."""

    def __init__(self, term: str, digits: int, places: int) -> None:
        self.template = (
            f"(SELECT coalesce(sum({term}), 0) FROM forecasts_line AS line {PLAN_CELLS} "
            "CROSS JOIN LATERAL unnest(plan.quantity, plan.unit_price) WITH ORDINALITY AS cell(q, p, n) "
            f"WHERE line.id = %(expressions)s AND n <= {MANDATORY})"
        )
        super().__init__("pk", output_field=models.DecimalField(max_digits=digits, decimal_places=places))


def plan_quantity() -> Case:
    """Of live lines the quantity of the next 12 months as the plan counts it: a missed line by the cycle's policy."""
    return Case(When(status=Line.Status.MISSED, then=_PlanSum("q", 24, 6)), default=NextQuantity())


def plan_money() -> Case:
    """The same in money."""
    return Case(When(status=Line.Status.MISSED, then=_PlanSum("q * p", 32, 10)), default=NextMoney())


class Complete(Func):
    """Whether every mandatory cell is answered and every quantity above 0 has a price."""

    template = (
        "NOT EXISTS (SELECT FROM unnest(%(expressions)s) WITH ORDINALITY AS cell(q, p, n) "
        f"WHERE (q IS NULL AND n <= {MANDATORY}) OR (q > 0 AND p IS NULL))"
    )
    output_field = models.BooleanField()

    def __init__(self) -> None:
        super().__init__("quantity", "unit_price")


def ready() -> Q:
    """Of live lines, those that are handed in, or could be as they stand."""
    return Q(status__in=HANDED_IN) | (Q(Complete()) & Q(status=Line.Status.DRAFT))
