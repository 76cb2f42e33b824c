"""Field values as the trail keeps them: safe for JSON, normalised as the column would, readable by people."""

import datetime as dt
import decimal
import enum
from typing import Any

from django.db import models


def plain(field: models.Field, value: Any) -> Any:
    """`value` of `field` as JSON: numbers of a decimal column as text with its places, instants in UTC, ids of keys.

    Two values are the same to the trail exactly when their plain forms are equal.
    """
    if value is None:
        return None
    base = getattr(field, "base_field", None)
    if base is not None:
        return [plain(base, part) for part in value]
    if isinstance(field, models.ForeignKey):
        return plain(field.target_field, value)
    if isinstance(field, models.FileField):
        return str(value)
    if isinstance(field, models.JSONField):
        return value
    return _simple(field, field.to_python(value))


def _simple(field: models.Field, value: Any) -> Any:
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, decimal.Decimal):
        return _number(field, value)
    if isinstance(value, dt.datetime):
        return (value if value.tzinfo is None else value.astimezone(dt.UTC)).isoformat()
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, str | bool | int | float):
        return value
    return str(value)


def _number(field: models.Field, value: decimal.Decimal) -> str:
    places = getattr(field, "decimal_places", None)
    if places is None or not value.is_finite():
        return str(value)
    with decimal.localcontext(prec=60, rounding=decimal.ROUND_HALF_UP):
        rounded = value.quantize(decimal.Decimal(1).scaleb(-places)).normalize()
        # "120", not "1.2E+2".
        return f"{rounded:f}" if rounded else "0"


def is_empty(value: Any) -> bool:
    """Whether a new or deleted row says nothing by this value."""
    return value is None or value == "" or value == [] or value == {}
