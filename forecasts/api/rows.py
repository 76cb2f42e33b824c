"""How a line is sent: made by the database as it goes out, since a list holds thirty-two numbers a line."""

from typing import Any

import orjson
from django.db.models import F, Func, TextField

from forecasts.models import Line
from forecasts.services.values import number_text


class JsonNumbers(Func):
    """An array of numbers as JSON: texts of their digits without zeros at the end, null for blanks."""

    function = "to_json"
    output_field = TextField()
    # Zeros behind the last digit, then a point with nothing but zeros behind it.
    template = (
        r"""regexp_replace(regexp_replace(to_json(%(expressions)s::text[])::text,"""
        r""" '(\.[0-9]*[1-9])0+"', '\1"', 'g'), '\.0+"', '"', 'g')"""
    )


# Name in the answer -> where it comes from.
PLAIN = {
    "id": "pk",
    "cycle_id": "cycle_id",
    "customer_id": "customer__customer_id",
    "customer_name": "customer__name",
    "item_code": "product__item_code",
    "description": "product__description",
    "unit_of_measure": "product__uom",
    "owner_id": "owner_id",
    "status": "status",
    "live": "live",
    "risk_class": "risk_class",
    "revision": "revision",
    "notes": "notes",
    "change_reason": "change_reason",
    "decision_comment": "decision_comment",
    "first_period": "cycle__first_period",
    "quantity_source": "quantity_source",
    "price_source": "price_source",
    "edited_at": "edited_at",
    "submitted_at": "submitted_at",
    "submitted_by_id": "submitted_by_id",
    "decided_at": "decided_at",
    "decided_by_id": "decided_by_id",
}
NUMBERS = ("quantity", "unit_price")


def rows_of(lines: Any) -> list[dict[str, Any]]:
    """Lines as they are sent, by one query."""
    columns: dict[str, Any] = {f"sent_{name}": F(path) for name, path in PLAIN.items()}
    columns |= {f"sent_{name}": JsonNumbers(name) for name in NUMBERS}
    names = [*PLAIN, *NUMBERS]
    found = lines.annotate(**columns).values_list(*(f"sent_{name}" for name in names))
    width = len(PLAIN)
    return [
        {
            **dict(zip(names, row[:width], strict=False)),
            "quantity": orjson.Fragment(row[width]),
            "unit_price": orjson.Fragment(row[width + 1]),
        }
        for row in found
    ]


def stored(line: Line) -> dict[str, Any]:
    """What a line holds, as refusals show it."""
    return {
        "id": line.pk,
        "revision": line.revision,
        "status": line.status,
        "quantity": [number_text(value) for value in line.quantity],
        "unit_price": [number_text(value) for value in line.unit_price],
    }
