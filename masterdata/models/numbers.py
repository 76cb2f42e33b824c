"""What a stored number can be."""

from decimal import Decimal, InvalidOperation

from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q

NOT_NEGATIVE = MinValueValidator(Decimal(0), "Must be 0 or more.")


def numbers(model: str, **fields: tuple[int, int]) -> list[models.CheckConstraint]:
    """Constraints that keep NaN out of decimal columns, which `>= 0` lets in: to PostgreSQL it is the largest number.

    fields: name -> (max_digits, decimal_places). The fields' own check says it before, for people.
    """
    return [
        models.CheckConstraint(
            condition=Q(**{f"{name}__lte": Decimal(10) ** (digits - places) - Decimal(1).scaleb(-places)}),
            name=f"{model}_{name}_is_a_number",
            violation_error_message="Must be a number.",
        )
        for name, (digits, places) in fields.items()
    ]


def below(low: Decimal | None, high: Decimal | None) -> bool:
    """Whether both are numbers and `low` is the smaller one. What is no number is told by its own field."""
    try:
        return low is not None and high is not None and low < high
    except InvalidOperation:
        return False
