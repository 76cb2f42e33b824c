"""What a number means: pure functions over the sixteen cells of a line, without the database."""

from collections.abc import Iterable, Sequence
from decimal import Decimal

from cycles.models import MANDATORY

Numbers = Sequence[Decimal | None]


def revenue(quantity: Numbers, price: Numbers) -> list[Decimal | None]:
    """Quantity times price per period; 0 where the quantity is 0, None where one of the two is missing.

    >>> revenue([Decimal(2), Decimal(0), None, Decimal(1)], [Decimal(3), None, Decimal(3), None])
    [Decimal('6'), Decimal('0'), None, None]
    """
    return [None if q is None or (p is None and q) else q * (p or 0) for q, p in zip(quantity, price, strict=True)]


def added(values: Iterable[Decimal | None]) -> Decimal:
    """The sum; blanks count as nothing."""
    return sum((value for value in values if value is not None), Decimal(0))


def next12(values: Numbers) -> Decimal:
    """The sum over the mandatory periods; blanks count as nothing."""
    return added(values[:MANDATORY])
