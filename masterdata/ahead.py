"""What is planned ahead, for the plots beside what was sold.

Master data stands below the lines, so it asks for the plan by a signal; the app of lines answers.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from masterdata.models import Customer, Product
from masterdata.signals import plan_asked


@dataclass(frozen=True)
class PlanMonth:
    """The plan of one month, summed over lines; None where no line has a value."""

    period: dt.date
    quantity: Decimal | None
    amount: Decimal | None


@dataclass(frozen=True)
class Plan:
    """The newest plan of some lines that a person may read. line: the key of the line, when it is only one.

    bridge: the months right before it, as `earlier`, the cycle before, planned them.
    """

    cycle: Any
    months: Sequence[PlanMonth]
    line: int | None = None
    earlier: Any = None
    bridge: Sequence[PlanMonth] = ()


def newest_plan(user: Any, *, customer: Customer | None = None, product: Product | None = None) -> Plan | None:
    """The plan of the open cycle, else of the latest one, for a customer, a product or the pair; None without lines."""
    answers: Any = plan_asked.send(sender=Customer, user=user, customer=customer, product=product)
    return answers[0][1] if answers else None
