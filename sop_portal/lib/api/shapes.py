"""Serializers that take exactly what they declare. They check the shape only; what makes sense is said by services."""

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from sop_portal.lib.api.problems import Fault, Invalid, pointer_of


class Shape(serializers.Serializer):
    """The fields of one body or row; names that it does not have, or that cannot be written, are refused."""

    def to_internal_value(self, data: Any) -> Any:
        """The values. Raises Invalid naming each field that has no business here."""
        if isinstance(data, Mapping):
            faults = [self._fault(str(name)) for name in data if not self._takes(str(name))]
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
