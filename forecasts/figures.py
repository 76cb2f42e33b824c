"""Figures of lines that the database computes, as expressions for annotate() and aggregate().

Totals are over the mandatory periods ("next 12"). A dormant line has no figures: filter on `live` first.
"""

from django.db import models
from django.db.models import Func, Q

from cycles.models import MANDATORY
from forecasts.models import Line

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
