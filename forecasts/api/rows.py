"""How a line is sent: made by the database as it goes out, since a list holds thirty-two numbers a line."""

from typing import Any

from django.db.models import F, Func, TextField
from orjson import Fragment

from forecasts.models import Line
from forecasts.services.values import number_text


def _json_numbers(name: str) -> Func:
    """An array of numbers as JSON: texts of their digits without zeros at the end, null for blanks.

    The column keeps every number with all its decimals, so the zeros are taken away by comparing letters, which costs far
    less than an expression: whole numbers are marked as such, then others lose one to five zeros.
    """
    field: Any = Line._meta.get_field(name)
    zeros = "0" * field.base_field.decimal_places
    text = "'\"' || %(function)s(%(expressions)s, '\",\"', '~') || '\"'"
    for old, new in ((f'.{zeros}"', '|"'), ('000"', '"'), ('00"', '"'), ('0"', '"'), ('|"', '"'), ('"~"', "null")):
        text = f"replace({text}, '{old}', '{new}')"
    return Func(F(name), function="array_to_string", template=f"'[' || {text} || ']'", output_field=TextField())


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


_NAMES = (*PLAIN, *NUMBERS)
_COLUMNS = (*PLAIN.values(), *(_json_numbers(name) for name in NUMBERS))


def rows_of(lines: Any) -> list[dict[str, Any]]:
    """Lines as they are sent, by one query."""
    found = [dict(zip(_NAMES, row, strict=True)) for row in lines.values_list(*_COLUMNS)]
    for row in found:
        for name in NUMBERS:
            row[name] = Fragment(row[name])
    return found


def stored(line: Line) -> dict[str, Any]:
    """What a line holds, as refusals show it."""
    return {
        "id": line.pk,
        "revision": line.revision,
        "status": line.status,
        "quantity": [number_text(value) for value in line.quantity],
        "unit_price": [number_text(value) for value in line.unit_price],
    }
