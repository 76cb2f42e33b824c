"""Serializers that take exactly what they declare. They check the shape only; what makes sense is said by services."""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from django.http import QueryDict
from rest_framework import serializers

from sop_portal.lib.api.problems import Fault, Invalid, pointer_of

# Fields of one object that are named as unknown: of a body made of nothing else the answer would be seven times as long.
MOST_NAMED = 100


class Shape(serializers.Serializer):
    """The fields of one body or row; names that it does not have, or that cannot be written, are refused."""

    # The framework's speak of dictionaries.
    default_error_messages = {"invalid": "This is not an object."}

    def to_internal_value(self, data: Any) -> Any:
        """The values. Raises Invalid naming each field that has no business here."""
        if isinstance(data, Mapping):
            wrong = (self._fault(str(name)) for name in data if not self._takes(str(name)))
            faults = list(islice(wrong, MOST_NAMED))
            # Forms have nothing but texts.
            if not faults and not isinstance(data, QueryDict):
                faults = [fault for name in data for fault in _mistyped(self.fields[name], data[name], name)]
            if faults:
                raise Invalid(faults)
        return super().to_internal_value(data)

    def _takes(self, name: str) -> bool:
        return name in self.fields and not self.fields[name].read_only

    def _fault(self, name: str) -> Fault:
        shown = name[:100]
        if name in self.fields:
            return Fault(pointer_of(shown), "read_only", f"'{shown}' cannot be written.")
        return Fault(pointer_of(shown), "unknown", f"There is no field '{shown}'.")


# What JSON has for a field. The framework would take 5 for a text and "yes" for true, which the description denies.
_TYPES = (
    (serializers.CharField, str, "a text"),
    (serializers.IntegerField, int, "a whole number"),
    (serializers.BooleanField, bool, "true or false"),
)


def _mistyped(field: Any, value: Any, name: str, *place: int) -> Iterator[Fault]:
    """What in the value of a field is of another type than the field; null is left to the field."""
    if isinstance(field, serializers.ListField) and isinstance(value, list):
        for number, part in enumerate(value):
            yield from _mistyped(field.child, part, name, *place, number)
    for kind, wanted, words in _TYPES:
        if isinstance(field, kind) and value is not None and type(value) is not wanted:
            yield Fault(pointer_of((name, *place)), "invalid", f"{name}: This is not {words}.")


def read(shape: type[serializers.Serializer], data: Any, *, partial: bool = False) -> dict[str, Any]:
    """The values of a body in the form `shape`. Raises the framework's ValidationError, or Invalid."""
    checked = shape(data=data, partial=partial)
    checked.is_valid(raise_exception=True)
    return dict(checked.validated_data)


class AllAtOnce(serializers.Serializer):
    """The envelope of a list that has one page for ever; `results` is said by each."""

    count = serializers.IntegerField()
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)


class ProblemFault(serializers.Serializer):
    """What is wrong with one part of a request."""

    pointer = serializers.CharField(help_text="JSON pointer of the part, or ?name of a parameter.")
    code = serializers.CharField()
    detail = serializers.CharField()


class Problem(serializers.Serializer):
    """An RFC 9457 problem, as every refusal is sent."""

    type = serializers.CharField(help_text="about:blank, or a name of this kind of refusal.")
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField(help_text="What is wrong and what to do, in a sentence.")
    errors: Any = ProblemFault(many=True)
    current = serializers.DictField(required=False, help_text="With 412: what is stored now, as reading it answers.")
    stale = serializers.ListField(
        child=serializers.DictField(), required=False, help_text="With 412, of lines: those that were saved since."
    )
    run = serializers.IntegerField(
        required=False, help_text="The number of the import that was kept, or of the run of the job that is under way."
    )
    cycle = serializers.IntegerField(required=False, help_text="The number of the cycle that takes no input.")
    line = serializers.IntegerField(required=False, help_text="The number of the line that is there already.")
    red = serializers.ListField(
        child=serializers.DictField(), required=False, help_text="What keeps a cycle shut, as pre-flight finds it."
    )
