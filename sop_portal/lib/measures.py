"""What quantities of several products add up to: different units of measure are never added.

A total over products of one unit is in that unit; over several it is in kilograms, quantity times the product's weight,
and names the products whose weight nobody knows. `static/js/grid/totals.js` holds the same rule for the grid.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Self

KG = "kg"
_ONE = Decimal(1)


@dataclass(frozen=True, slots=True)
class Measure:
    """In what a total is written."""

    unit: str
    by_weight: bool = False

    def factor(self, weight: Decimal | None) -> Decimal | None:
        """By what the quantity of a product of this weight is multiplied before it is added; None leaves it out."""
        return weight if self.by_weight else _ONE


def common(units: Iterable[str]) -> Measure:
    """The measure of a total over products of these units.

    >>> common(["CS", "CS"]), common(["CS", "EA"]).unit, common([]).unit
    (Measure(unit='CS', by_weight=False), 'kg', '')
    """
    found = set(units)
    return Measure(found.pop() if found else "") if len(found) < 2 else Measure(KG, by_weight=True)


@dataclass(frozen=True, slots=True)
class Part:
    """A quantity of one unit of measure, what it weighs in kilograms, and the names of products left out of that."""

    unit: str
    quantity: Decimal
    weight: Decimal | None
    weightless: tuple[str, ...] = ()

    @classmethod
    def of(cls, name: str, unit: str, quantity: Decimal, weight: Decimal | None) -> Self:
        """The part of one product; weight: of one unit. Of nothing the weight is 0, whether known or not."""
        if weight is None and quantity:
            return cls(unit, quantity, None, (name,))
        return cls(unit, quantity, quantity * (weight or 0))


@dataclass(frozen=True, slots=True)
class Total:
    """A quantity with its unit; None where several units meet and no weight is known."""

    unit: str
    quantity: Decimal | None
    weightless: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.unit)


def total(parts: Iterable[Part]) -> Total:
    """The sum of `parts` by the rule above."""
    parts = list(parts)
    measure = common(part.unit for part in parts)
    if not measure.by_weight:
        return Total(measure.unit, sum((part.quantity for part in parts), Decimal(0)))
    weights = [part.weight for part in parts if part.weight is not None]
    names = sorted({name for part in parts for name in part.weightless})
    return Total(KG, sum(weights, Decimal(0)) if weights else None, tuple(names))
