"""What lines and their writes look like, for the description of the API; bodies are read in `bodies.py`."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from forecasts.models import Line, Snapshot
from forecasts.reasons import LONGEST, Why
from sop_portal.lib.api.fields import NUMBER, PeriodField
from sop_portal.lib.api.shapes import Shape
from sop_portal.lib.risk import RISK_CLASSES

_DIGITS = r"^-?[0-9]+(\.[0-9]+)?$"
_NUMBER_OUT = {"type": ["string", "null"], "pattern": _DIGITS}


@extend_schema_field({"type": "array", "items": _NUMBER_OUT, "minItems": 16, "maxItems": 16})
class Numbers(serializers.Field):
    """Sixteen numbers in the order of the periods; null is not answered."""


@extend_schema_field({"type": ["string", "number", "null"], "pattern": NUMBER, "examples": ["1200.5"]})
class NumberIn(serializers.Field):
    """An exact number; null clears the cell."""


class LineRow(serializers.Serializer):
    """A line. Position n of its arrays and sources is the n-th month from `first_period` on."""

    id = serializers.IntegerField()
    cycle_id = serializers.IntegerField()
    customer_id = serializers.CharField()
    customer_name = serializers.CharField()
    item_code = serializers.CharField()
    description = serializers.CharField()
    unit_of_measure = serializers.CharField()
    owner_id = serializers.IntegerField(allow_null=True)
    status = serializers.ChoiceField(Line.Status.choices)
    live = serializers.BooleanField(help_text="Dormant lines (false) count as 0 until somebody enters a quantity.")
    risk_class = serializers.ChoiceField(RISK_CLASSES)
    revision = serializers.IntegerField(help_text="What a write has to name.")
    notes = serializers.CharField()
    change_reason = serializers.CharField()
    decision_comment = serializers.CharField()
    first_period = serializers.DateField()
    quantity = Numbers()
    unit_price = Numbers()
    quantity_source = serializers.CharField(
        help_text="A letter a month: - not answered, c carried, b baseline, e entered, u uploaded, a API, l old workbook."
    )
    price_source = serializers.CharField(
        help_text="A letter a month: - none, m the customer's, p list price, c carried, e, u, a, l as for quantities."
    )
    edited_at = serializers.DateTimeField(allow_null=True)
    submitted_at = serializers.DateTimeField(allow_null=True)
    submitted_by_id = serializers.IntegerField(allow_null=True)
    decided_at = serializers.DateTimeField(allow_null=True)
    decided_by_id = serializers.IntegerField(allow_null=True)


class CellIn(Shape):
    """One month of a line; what is not named stays."""

    period = PeriodField()
    quantity = NumberIn(required=False)
    unit_price = NumberIn(required=False)


class EditIn(Shape):
    """A change of one line."""

    revision = serializers.IntegerField(required=False, help_text="Unless If-Match names it.")
    cells = CellIn(many=True, required=False)
    risk_class = serializers.ChoiceField(RISK_CLASSES, required=False)
    notes = serializers.CharField(required=False, allow_blank=True)


class LineIn(Shape):
    """A line that is to be added."""

    cycle_id = serializers.IntegerField(required=False, help_text="The open cycle unless it is given.")
    customer_id = serializers.CharField()
    item_code = serializers.CharField()


class ReasonIn(Shape):
    """Why the plan changed much."""

    why = serializers.ChoiceField(Why.choices, required=False)
    words = serializers.CharField(max_length=LONGEST, required=False)


class Seen(Shape):
    """Which revision of the line its author saw."""

    revision = serializers.IntegerField(required=False, help_text="Unless If-Match names it.")


class Submitting(Seen):
    """Handing in one line."""

    change_reason = ReasonIn(required=False)


class Deciding(Seen):
    """Deciding one line."""

    comment = serializers.CharField(required=False, help_text="Needed to reject and to return.")


class Adjusting(Seen):
    """New cells of a line of a closed cycle."""

    cells = CellIn(many=True)
    reason = serializers.CharField()


class BulkItem(EditIn):
    """A change of one line, named by its id or by customer and product."""

    id = serializers.IntegerField(required=False)
    customer_id = serializers.CharField(required=False)
    item_code = serializers.CharField(required=False)


class BulkIn(Shape):
    """Changes of many lines of one cycle, all of them or none."""

    cycle_id = serializers.IntegerField(required=False, help_text="The open cycle unless it is given.")
    items = BulkItem(many=True)


class RefIn(Shape):
    """A line as its reader saw it."""

    id = serializers.IntegerField()
    revision = serializers.IntegerField()


class BulkSubmit(Shape):
    """Lines of one cycle to hand in."""

    cycle_id = serializers.IntegerField(required=False, help_text="The open cycle unless it is given.")
    items = RefIn(many=True)


class BulkDecide(BulkSubmit):
    """Lines of one cycle to decide."""

    action = serializers.ChoiceField(["approve", "reject", "return"])
    comment = serializers.CharField(required=False, help_text="Needed to reject and to return.")


class Moved(serializers.Serializer):
    """A line after a write of many."""

    id = serializers.IntegerField()
    revision = serializers.IntegerField()
    status = serializers.ChoiceField(Line.Status.choices)


class BulkDone(serializers.Serializer):
    """What a write of many did; items in the order they were sent."""

    count = serializers.IntegerField(help_text="Lines written; those that were as wanted already are not counted.")
    items = Moved(many=True)


class VersionRow(serializers.Serializer):
    """One kept copy of a line."""

    event = serializers.ChoiceField(Snapshot.Event.choices)
    at = serializers.DateTimeField()
    actor_id = serializers.IntegerField(allow_null=True)
    owner_id = serializers.IntegerField(allow_null=True)
    status = serializers.ChoiceField(Line.Status.choices)
    live = serializers.BooleanField()
    risk_class = serializers.ChoiceField(RISK_CLASSES)
    comment = serializers.CharField()
    quantity = Numbers()
    unit_price = Numbers()


class ChangeRow(serializers.Serializer):
    """One change that the audit trail keeps."""

    at = serializers.DateTimeField()
    action = serializers.CharField()
    actor = serializers.CharField()
    on_behalf_of = serializers.CharField()
    source: Any = serializers.CharField()
    changes: Any = serializers.DictField(child=serializers.ListField(), help_text="Field -> [before, after].")


class History(serializers.Serializer):
    """The story of a line."""

    versions = VersionRow(many=True, help_text="Kept for ever, the oldest first.")
    changes: Any = ChangeRow(many=True, help_text="Kept as long as the audit trail, the newest first; at most 200.")
