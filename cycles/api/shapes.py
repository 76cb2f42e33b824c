"""What a cycle looks like, and what its moves take."""

from typing import Any

from rest_framework import serializers

from cycles.models import Cycle
from sop_portal.lib.api.fields import InstantField, PeriodField, UsersField
from sop_portal.lib.api.shapes import Shape

REASON = "Shown to those concerned."


class CycleBody(Shape):
    """A draft of a cycle."""

    first_period = PeriodField(help_text="The first of the 16 months that it plans.")
    closes_at = InstantField(help_text="The deadline.")
    opens_at = InstantField(required=False, allow_null=True, help_text="When it is to be opened.")
    name = serializers.CharField(
        max_length=100, required=False, allow_blank=True, help_text="Named after its first month unless it is given."
    )


class Closing(Shape):
    """How a cycle is closed."""

    reason = serializers.CharField(max_length=300, required=False, allow_blank=True, help_text=REASON)


class Opening(Shape):
    """How a cycle is opened."""

    override = serializers.CharField(
        max_length=300, required=False, allow_blank=True,
        help_text="Why it is opened although pre-flight has red findings; kept with the cycle.",
    )  # fmt: skip


class MoreTime(Shape):
    """A later deadline, for everybody or for some."""

    until = InstantField(help_text="The new deadline.")
    reason = serializers.CharField(max_length=300, help_text=REASON)
    reps = UsersField(source="rep_ids", help_text="Users who get it; everybody unless it is given.")


class CycleRow(serializers.Serializer):
    """A cycle."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    kind = serializers.ChoiceField(Cycle.Kind.choices)
    status = serializers.ChoiceField(Cycle.Status.choices)
    first_period = serializers.DateField()
    last_period = serializers.DateField()
    horizon = serializers.IntegerField(help_text="How many months it plans.")
    mandatory = serializers.IntegerField(help_text="How many of them must be answered.")
    opens_at = serializers.DateTimeField(allow_null=True)
    closes_at = serializers.DateTimeField(allow_null=True, help_text="The deadline; null for plans of old workbooks.")
    opened_at = serializers.DateTimeField(allow_null=True)
    closed_at = serializers.DateTimeField(allow_null=True)
    archived_at = serializers.DateTimeField(allow_null=True)
    close_reason = serializers.CharField()
    times_opened = serializers.IntegerField()


class CycleWhole(CycleRow):
    """A cycle with its months and the settings it copied when it opened."""

    periods = serializers.ListField(child=serializers.DateField())
    settings = serializers.DictField()


_STORED = [name for name in map(str, CycleRow().fields) if name != "last_period"]


def row(cycle: Cycle) -> dict[str, Any]:
    """A cycle as a list sends it."""
    return {
        **{name: getattr(cycle, name) for name in _STORED},
        "name": str(cycle),
        "last_period": cycle.periods[-1],
    }


def whole(cycle: Cycle) -> dict[str, Any]:
    """A cycle as it is sent by itself."""
    return {**row(cycle), "periods": cycle.periods, "settings": cycle.settings}


class FindingThing(serializers.Serializer):
    """One thing that a finding names."""

    label = serializers.CharField()  # type: ignore[assignment]
    note = serializers.CharField()


class FindingRow(serializers.Serializer):
    """One finding of pre-flight."""

    key = serializers.CharField()
    level = serializers.ChoiceField([("red", "Red"), ("amber", "Amber")])
    title = serializers.CharField()
    text = serializers.CharField()
    count = serializers.IntegerField()
    final = serializers.BooleanField(help_text="Whether no reason overrides it.")
    rows = FindingThing(many=True, help_text="The first of them.")


class PreflightRow(serializers.Serializer):
    """What stands in the way of opening."""

    may_open = serializers.BooleanField(help_text="Whether there is no red finding.")
    findings = FindingRow(many=True)
