"""Filters that lists of several apps take: they read values as bodies do, and refuse what is none of theirs."""

from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from django_filters import Filter
from drf_spectacular.utils import extend_schema_field
from rest_framework import exceptions, serializers

from sop_portal.lib.api.fields import InstantField, KeyField, PeriodField


class _Read(forms.Field):
    """Reads a value as `form`, the field of a body, does."""

    def __init__(self, *args: Any, form: type[serializers.Field], **kwargs: Any) -> None:
        self.form = form
        super().__init__(*args, **kwargs)

    def to_python(self, value: Any) -> Any:
        if value in self.empty_values:
            return None
        try:
            return self.form().run_validation(value)
        except exceptions.ValidationError as refusal:
            raise ValidationError([str(sentence) for sentence in refusal.detail]) from refusal


@extend_schema_field({"type": "boolean"})
class FlagField(serializers.Field):
    """true or false, and nothing that looks like it."""

    default_error_messages = {"invalid": "Write true or false."}

    def to_internal_value(self, data: Any) -> bool:
        if data not in ("true", "false"):
            self.fail("invalid")
        return bool(data == "true")

    def to_representation(self, value: bool) -> str:
        return "true" if value else "false"


class _Filter(Filter):
    form: ClassVar[type[serializers.Field]]
    field_class = _Read

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, form=self.form, **kwargs)
        # Described as the field of a body is.
        extend_schema_field(self.form(help_text=kwargs.get("help_text")))(self)


class FlagFilter(_Filter):
    """true or false."""

    form = FlagField


class KeyFilter(_Filter):
    """The number of a row."""

    form = KeyField


class MonthFilter(_Filter):
    """A month, as YYYY-MM or its first day."""

    form = PeriodField


class InstantFilter(_Filter):
    """An instant with its distance from UTC."""

    form = InstantField
