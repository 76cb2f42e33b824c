"""Settings: what everybody may read, and what administrators keep."""

from typing import Any

from django.db import transaction
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from sop_portal import conf
from sop_portal.conf import own, services
from sop_portal.conf.registry import CATEGORY_LABELS, REGISTRY, Spec
from sop_portal.lib.api import problems
from sop_portal.lib.api.conditions import CHANGING, created, named, require_match
from sop_portal.lib.api.lists import all_at_once
from sop_portal.lib.api.problems import Fault, Invalid, NotAccepted, pointer_of
from sop_portal.lib.api.repeating import repeatable
from sop_portal.lib.api.schema import tells_address
from sop_portal.lib.api.shapes import AllAtOnce, Shape, read
from sop_portal.lib.api.views import ApiView
from sop_portal.lib.errors import NotAllowed, Refused

TAG = "Settings"


@extend_schema_field({"type": ["string", "number", "boolean", "array", "object"], "items": {}})
class AnyValue(serializers.JSONField):
    """A value of the kind that the setting declares."""


def _public() -> type[serializers.Serializer]:
    """The shape of the public settings: a field for each of them."""
    kinds = {"integer": serializers.IntegerField, "boolean": serializers.BooleanField}
    fields = {
        spec.key: kinds.get(spec.kind, serializers.CharField)(help_text=f"{spec.label}.")
        for spec in REGISTRY.values()
        if spec.public
    }
    return type("PublicSettingsRow", (serializers.Serializer,), {"__doc__": "What everybody may read.", **fields})


class SettingRow(serializers.Serializer):
    """A setting."""

    key = serializers.CharField()
    category = serializers.ChoiceField([(str(key), words) for key, words in CATEGORY_LABELS.items()])
    kind = serializers.CharField(help_text="What its value is: text, integer, boolean, choice and others.")
    label: Any = serializers.CharField()
    help = serializers.CharField()
    value = AnyValue()
    default: Any = AnyValue()
    is_changed = serializers.BooleanField(help_text="Whether it differs from its default.")
    minimum = serializers.IntegerField(allow_null=True)
    maximum = serializers.IntegerField(allow_null=True)
    choices = serializers.ListField(child=serializers.CharField())
    public = serializers.BooleanField(help_text="Whether it is read without signing in.")
    editable = serializers.BooleanField()
    own = serializers.BooleanField(help_text="Whether an administrator added it.")


class SettingPage(AllAtOnce):
    """All settings; there is one page of them."""

    results = SettingRow(many=True)


class NewSetting(Shape):
    """A setting of one's own."""

    key = serializers.CharField(max_length=100)
    category = serializers.ChoiceField([(str(key), words) for key, words in CATEGORY_LABELS.items()])
    kind = serializers.ChoiceField(list(own.KINDS.items()))
    label: Any = serializers.CharField(max_length=200)
    help = serializers.CharField(max_length=400, required=False, allow_blank=True)
    value = AnyValue(help_text="Its first value, which is its default from then on.")


class NewValue(Shape):
    """A value."""

    value = AnyValue(allow_null=True)


class NewValues(Shape):
    """Values of several settings."""

    values: Any = serializers.DictField(
        child=AnyValue(allow_null=True), allow_empty=False, error_messages={
            "empty": "Name at least one setting.", "not_a_dict": "This is not an object.",
        },
    )  # fmt: skip


def row(spec: Spec) -> dict[str, Any]:
    """A setting as it is sent."""
    value = conf.get(spec.key)
    plain = ("key", "kind", "label", "help", "default", "minimum", "maximum", "public", "editable", "own")
    return {
        **{name: getattr(spec, name) for name in plain},
        "category": str(spec.category),
        "value": value,
        "is_changed": value != spec.default,
        "choices": [choice for choice, _ in spec.choices],
    }


def _require_reader(request: Request) -> None:
    if not request.user.has_perm("conf.view_setting"):
        raise NotAllowed("Only admins see the settings; public ones are at /settings/public.")


def _find(request: Request, key: str) -> Spec:
    _require_reader(request)
    spec = services.find(key)
    if spec is None:
        raise NotFound(problems.NOT_FOUND)
    return spec


def _held(request: Request, key: str) -> Spec:
    """A setting, kept from others until the transaction ends, for somebody who saw it as it is."""
    _find(request, key)
    services.take_turns(key)
    # What this process remembers may be a second old.
    conf.clear_cache()
    spec = _find(request, key)
    require_match(request, row(spec))
    return spec


def _valued(refusal: Refused, prefix: str = "") -> NotAccepted:
    """A refusal whose places are keys, told by where the value stood."""
    faults = [
        Fault(f"{prefix}{pointer_of(key)}" if prefix else "/value", "invalid", sentence)
        for key, sentence in refusal.lines.items()
    ]
    return NotAccepted(faults)


class PublicSettings(ApiView):
    """What everybody may read."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    @extend_schema(
        operation_id="settings_public", tags=[TAG], auth=[],
        responses={200: _public()},
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """The public settings by their keys: names, version, currency, time zone, horizon."""
        return Response({spec.key: conf.get(spec.key) for spec in REGISTRY.values() if spec.public})


class SettingList(ApiView):
    """All settings."""

    @extend_schema(operation_id="settings_list", tags=[TAG], responses={200: SettingPage})
    def get(self, request: Request) -> Response:
        """Every setting with its value, default and range; for administrators."""
        _require_reader(request)
        rows = [row(spec) for spec in (*REGISTRY.values(), *conf.added())]
        return all_at_once(rows)

    @extend_schema(
        operation_id="settings_create", tags=[TAG], request=NewSetting, responses={201: SettingRow},
        examples=[OpenApiExample("A cost centre", request_only=True,
                                 value={"key": "cost_centre", "category": "GENERAL", "kind": "text",
                                        "label": "Cost centre", "value": "4711"})],
    )  # fmt: skip
    @repeatable
    @tells_address(201)
    def post(self, request: Request) -> Response:
        """Add a setting of one's own, for programs that keep something here."""
        _require_reader(request)
        spec = services.add(**{"help": "", **read(NewSetting, request.data)}, by=request.user)
        return created(request, row(spec), spec.key)

    @extend_schema(operation_id="settings_change", tags=[TAG], request=NewValues, responses={200: SettingPage})
    def patch(self, request: Request) -> Response:
        """Give several settings new values, all of them or none."""
        _require_reader(request)
        values = read(NewValues, request.data)["values"]
        faults: list[Fault] = []
        with transaction.atomic():
            # In one order, so that two who change the same settings wait for each other.
            for key, value in sorted(values.items()):
                try:
                    services.set_value(key, value, by=request.user)
                except Refused as refusal:
                    faults += _valued(refusal, "/values").faults
            if faults:
                transaction.set_rollback(True)
        if faults:
            # This process may have read what was rolled back.
            conf.clear_cache()
            raise NotAccepted(faults)
        rows = [row(spec) for spec in (services.find(key) for key in values) if spec is not None]
        return all_at_once(rows)


class SettingDetail(ApiView):
    """One setting."""

    takes_match = CHANGING

    @extend_schema(operation_id="settings_get", tags=[TAG], responses={200: SettingRow})
    def get(self, request: Request, key: str) -> Response:
        """One setting."""
        return Response(row(_find(request, key)))

    @extend_schema(operation_id="settings_replace", tags=[TAG], request=NewValue, responses={200: SettingRow})
    def put(self, request: Request, key: str) -> Response:
        """Give a setting a new value; it is in force in every process within a second."""
        with transaction.atomic():
            spec = _held(request, key)
            if not isinstance(request.data, dict) or "value" not in request.data:
                raise Invalid([Fault("/value", "required", "value is missing.")])
            try:
                services.set_value(key, read(NewValue, request.data)["value"], by=request.user)
            except Refused as refusal:
                raise _valued(refusal) from refusal
            return named(row(spec))

    @extend_schema(operation_id="settings_delete", tags=[TAG], responses={204: None})
    def delete(self, request: Request, key: str) -> Response:
        """Give a setting its default again; one that an administrator added is removed."""
        with transaction.atomic():
            if _held(request, key).own:
                services.remove(key, by=request.user)
            else:
                services.reset(key, by=request.user)
        return Response(status=204)
