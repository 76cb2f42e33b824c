"""Figures of lines that the database computes, as expressions for annotate() and aggregate().

Totals are over the mandatory periods ("next 12"). A dormant line has no figures: filter on `live` first.
"""

from dataclasses import dataclass
from typing import Any

from django.db import models
from django.db.models import Count, Func, Q

from cycles.models import MANDATORY
from forecasts.models import Line, LineQuerySet

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
    """Live lines that are handed in, or could be as they stand."""
    return Q(live=True) & (Q(status__in=HANDED_IN) | (Q(Complete()) & Q(status=Line.Status.DRAFT)))


@dataclass(frozen=True)
class Progress:
    """How far some lines of a cycle are: `ready` counts those handed in too, `submitted` the decided ones too."""

    live: int
    ready: int
    submitted: int

    @property
    def text(self) -> str:
        """"48 ready, 17 submitted of 58 lines"."""
        if not self.live:
            return "no lines with a forecast yet"
        return f"{self.ready} ready, {self.submitted} submitted of {self.live} line{'' if self.live == 1 else 's'}"


def progress(lines: LineQuerySet) -> Progress:
    """The progress of `lines`, in one query."""
    counts: dict[str, Any] = lines.order_by().aggregate(
        live=Count("pk", filter=Q(live=True)),
        ready=Count("pk", filter=ready()),
        submitted=Count("pk", filter=Q(live=True, status__in=HANDED_IN)),
    )
    return Progress(**counts)
