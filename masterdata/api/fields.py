"""Fields of bodies and rows, made of the columns that files have too (`masterdata.imports.kinds`): one name, one meaning."""

import re
from collections.abc import Collection
from typing import Any

from django.db import models
from drf_spectacular.extensions import OpenApiSerializerFieldExtension
from rest_framework import serializers

from masterdata.imports.kinds import Column, Kind
from sop_portal.lib.api.bodies import Written
from sop_portal.lib.api.fields import NUMBER, PeriodField

# What is said of a column where its words for files do not fit: a body has no cells, and no way to write a thing twice.
HELP = {
    "is_active": "Whether it is in use.",
    "is_prospect": "Whether the real ID is not known yet.",
    "period": "The month, as 2027-01 or as its first day.",
    "postal_code": "Any text.",
}


class Number(serializers.DecimalField):
    """A decimal number, exact: taken as a number or as a text of digits, sent as a text. Its range is said by the model."""

    def __init__(self, **more: Any) -> None:
        super().__init__(max_digits=None, decimal_places=None, **more)

    def validate_empty_values(self, data: Any) -> tuple[bool, Any]:
        """None is no number; an empty text is refused, which the framework would take for none."""
        return serializers.Field.validate_empty_values(self, data)

    def to_internal_value(self, data: Any) -> Any:
        """The number. The framework would take " 1_000 " and true as well."""
        is_text = isinstance(data, str) and not isinstance(data, Written)
        if isinstance(data, bool) or (is_text and not re.fullmatch(NUMBER, data)):
            self.fail("invalid")
        return super().to_internal_value(data)


class _NumberSchema(OpenApiSerializerFieldExtension):
    target_class = Number

    def map_serializer_field(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        if direction == "response":
            return {"type": "string", "format": "decimal"}
        return {"type": ["string", "number"], "pattern": NUMBER, "examples": ["1250.5"]}


def help_of(column: Column) -> str:
    """What is said of a column to those who write bodies."""
    return HELP.get(column.name, column.help)


def field_of(column: Column, model: type[models.Model] | None, **more: Any) -> serializers.Field:
    """The field that a column has in a body; what it may hold beyond its type is said by the model.

    model: whose default and emptiness the field takes where it has a field of this name; None: that of an import.
    """
    own = model._meta.concrete_fields if model is not None else ()
    meta: Any = next((each for each in own if each.name == column.name), None)
    said: dict[str, Any] = {"help_text": help_of(column), **more}
    is_nullable = column.blank or bool(meta is not None and meta.null)
    if is_nullable:
        said["allow_null"] = True
    if not more.get("read_only") and not column.must_be_filled:
        said |= {"required": False, "default": meta.get_default() if meta is not None else None}
    if column.type in ("quantity", "money", "price"):
        return Number(**said)
    if column.type == "whole":
        return serializers.IntegerField(**said)
    if column.type == "period":
        return PeriodField(**said)
    if column.type == "date":
        return serializers.DateField(**said)
    if column.type == "yes_no":
        return serializers.BooleanField(**said)
    if column.type == "choice":
        return serializers.ChoiceField([(int(value), words) for value, words in column.choices], **said)
    if not more.get("read_only"):
        said |= {"max_length": column.max_length, "allow_blank": meta is not None and meta.blank and not is_nullable}
    return serializers.CharField(**said)


def fields_of(
    kind: Kind, model: type[models.Model], *, leave_out: Collection[str] = ()
) -> dict[str, serializers.Field]:
    """The fields of a body for the columns of `kind`, in their order."""
    return {column.name: field_of(column, model) for column in kind.columns if column.name not in leave_out}
