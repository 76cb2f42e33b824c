"""Cycles: the list, one of them, and drafts."""

from typing import Any, ClassVar

from django.db import transaction
from django.shortcuts import get_object_or_404
from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from cycles import services
from cycles.api import shapes
from cycles.models import Cycle
from sop_portal.lib.api.conditions import CHANGING, created, named, require_match
from sop_portal.lib.api.filters import MonthFilter
from sop_portal.lib.api.lists import ListView
from sop_portal.lib.api.repeating import repeatable
from sop_portal.lib.api.schema import tells_address
from sop_portal.lib.api.shapes import read
from sop_portal.lib.api.views import ApiView

TAG = "Cycles"


class CycleFilters(filters.FilterSet):
    """Which cycles."""

    status = filters.ChoiceFilter(choices=Cycle.Status.choices, help_text="How far they are.")
    kind = filters.ChoiceFilter(choices=Cycle.Kind.choices, help_text="normal, or legacy for plans of old workbooks.")
    first_period = MonthFilter(help_text="Exactly this first month.")
    first_period_from = MonthFilter(field_name="first_period", lookup_expr="gte", help_text="Not before this.")
    first_period_to = MonthFilter(field_name="first_period", lookup_expr="lte", help_text="Not after this.")

    class Meta:
        model = Cycle
        fields: ClassVar[list[str]] = []


class CycleList(ListView):
    """Cycles."""

    model = Cycle
    filterset_class = CycleFilters
    orders = {"newest": ("-first_period",), "first_period": ("first_period",), "closes_at": ("closes_at",)}
    searched = ("name__icontains",)

    def get_queryset(self) -> Any:
        return Cycle.objects.visible_to(self.request.user)

    def page(self, rows: Any) -> list[dict[str, Any]]:
        return [shapes.row(cycle) for cycle in rows]

    @extend_schema(operation_id="cycles_list", tags=[TAG], responses={200: shapes.CycleRow(many=True)})
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Cycles, the newest first. Drafts are seen by those who run cycles."""
        return super().get(request, *args, **kwargs)

    @extend_schema(
        operation_id="cycles_create", tags=[TAG], request=shapes.CycleBody, responses={201: shapes.CycleWhole},
        examples=[OpenApiExample("January to April of the next year", request_only=True,
                                 value={"first_period": "2027-01", "closes_at": "2026-12-18T18:00:00-05:00"})],
    )  # fmt: skip
    @repeatable
    @tells_address(201)
    def post(self, request: Request) -> Response:
        """Create a draft. Nobody but those who run cycles sees it until it is opened."""
        services.require_mover(request.user)
        cycle = services.create_cycle(**read(shapes.CycleBody, request.data), by=request.user)
        return created(request, shapes.whole(cycle), cycle.pk)


class CycleActive(ApiView):
    """The open cycle."""

    @extend_schema(operation_id="cycles_active", tags=[TAG], responses={200: shapes.CycleWhole})
    def get(self, request: Request) -> Response:
        """The cycle that takes input now; 404 while none is open."""
        return Response(shapes.whole(get_object_or_404(Cycle.objects.visible_to(request.user).open())))


class CycleDetail(ApiView):
    """One cycle."""

    takes_match = CHANGING

    @extend_schema(operation_id="cycles_get", tags=[TAG], responses={200: shapes.CycleWhole})
    def get(self, request: Request, pk: int) -> Response:
        """One cycle with its months."""
        return Response(shapes.whole(visible(request, pk)))

    @extend_schema(
        operation_id="cycles_replace", tags=[TAG], request=shapes.CycleBody, responses={200: shapes.CycleWhole}
    )
    def put(self, request: Request, pk: int) -> Response:
        """Write a draft anew; what is left out gets its default. Once a cycle is open its months and deadline stay."""
        return self._write(request, pk, partial=False)

    @extend_schema(
        operation_id="cycles_change", tags=[TAG], request=shapes.CycleBody, responses={200: shapes.CycleWhole}
    )
    def patch(self, request: Request, pk: int) -> Response:
        """Change the fields of a draft that are given."""
        return self._write(request, pk, partial=True)

    @extend_schema(operation_id="cycles_delete", tags=[TAG], responses={204: None})
    def delete(self, request: Request, pk: int) -> Response:
        """Delete a draft; a cycle that was ever open is kept."""
        with transaction.atomic():
            held(request, pk)
            services.delete_cycle(pk, by=request.user)
        return Response(status=204)

    @staticmethod
    def _write(request: Request, pk: int, *, partial: bool) -> Response:
        with transaction.atomic():
            cycle = held(request, pk)
            values = read(shapes.CycleBody, request.data, partial=partial)
            now = {name: getattr(cycle, name) for name in ("first_period", "closes_at", "opens_at", "name")}
            kept = now if partial else {"opens_at": None, "name": ""}
            return named(shapes.whole(services.update_cycle(pk, **{**kept, **values}, by=request.user)))


def visible(request: Request, pk: int) -> Cycle:
    """The cycle, if the person may see it. Raises Http404."""
    return get_object_or_404(Cycle.objects.visible_to(request.user), pk=pk)


def held(request: Request, pk: int) -> Cycle:
    """The cycle, kept from others, for somebody who runs cycles and saw it as it is."""
    visible(request, pk)
    services.require_mover(request.user)
    cycle = Cycle.objects.visible_to(request.user).lock_exclusive(pk)
    require_match(request, shapes.whole(cycle))
    return cycle
