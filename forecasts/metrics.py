"""What a number means: pure functions over the sixteen cells of a line, without the database."""

from collections.abc import Sequence
from decimal import Decimal

from cycles.models import MANDATORY

Numbers = Sequence[Decimal | None]


def revenue(quantity: Numbers, price: Numbers) -> list[Decimal | None]:
    """Quantity times price per period; 0 where the quantity is 0, None where one of the two is missing.

    >>> revenue([Decimal(2), Decimal(0), None, Decimal(1)], [Decimal(3), None, Decimal(3), None])
    [Decimal('6'), Decimal('0'), None, None]
    """
    return [None if q is None or (p is None and q) else q * (p or 0) for q, p in zip(quantity, price, strict=True)]


def next12(values: Numbers) -> Decimal:
    """The sum over the mandatory periods; blanks count as nothing."""
    return sum((value for value in values[:MANDATORY] if value is not None), Decimal(0))
