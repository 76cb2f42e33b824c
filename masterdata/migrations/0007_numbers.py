"""Decimal columns hold numbers: NaN passes `>= 0`, since to PostgreSQL it is larger than every number."""

from decimal import Decimal

import django.core.validators
from django.db import migrations, models
from django.db.models import Q

# Model -> field -> (digits, decimal places).
NUMBERS = {
    "actual": {"quantity": (18, 6), "amount": (18, 4), "cost": (18, 4)},
    "budget": {"quantity": (18, 6), "amount": (18, 4)},
    "customer": {"credit_limit": (14, 2)},
    "matrixentry": {"minimum_order_quantity": (18, 6), "maximum_order_quantity": (18, 6)},
    "price": {"unit_price": (14, 4)},
    "product": {"weight": (12, 4), "list_price": (14, 4), "cost_price": (14, 4)},
}


def largest(digits: int, places: int) -> Decimal:
    return Decimal(10) ** (digits - places) - Decimal(1).scaleb(-places)


class Migration(migrations.Migration):
    dependencies = [("masterdata", "0006_rep_aliases")]

    operations = [
        migrations.AlterField(
            "customer",
            "credit_limit",
            models.DecimalField(
                blank=True,
                decimal_places=2,
                max_digits=14,
                null=True,
                validators=[django.core.validators.MinValueValidator(Decimal(0), "Must be 0 or more.")],
            ),
        ),
        migrations.AddConstraint(
            "matrixentry",
            models.CheckConstraint(
                condition=Q(maximum_order_quantity__isnull=True) | Q(maximum_order_quantity__gte=0),
                name="matrixentry_maximum_not_negative",
                violation_error_message="Must be 0 or more.",
            ),
        ),
        *[
            migrations.AddConstraint(
                model,
                models.CheckConstraint(
                    condition=Q(**{f"{field}__lte": largest(*size)}),
                    name=f"{model}_{field}_is_a_number",
                    violation_error_message="Must be a number.",
                ),
            )
            for model, fields in NUMBERS.items()
            for field, size in fields.items()
        ],
    ]
