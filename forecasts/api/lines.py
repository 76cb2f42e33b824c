"""Lines: the list, one of them, adding and deleting one, its story."""

from functools import partial
from typing import Any, ClassVar

from django.db.models import Q
from django.shortcuts import get_object_or_404
from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from audit.models import Entry
from cycles.models import Cycle
from forecasts.api import bodies, rows, shapes
from forecasts.api.refusals import placed
from forecasts.models import Line, QuantitySource, Snapshot
from forecasts.services import set_cells
from forecasts.services.adding import add_line, delete_line
from forecasts.services.values import number_text
from masterdata.filters import about_products
from masterdata.models import Customer, Product
from sop_portal.lib.api.bodies import JSONRenderer
from sop_portal.lib.api.conditions import CHANGING, address_below, etag_of
from sop_portal.lib.api.filters import FlagFilter, InstantFilter, KeyFilter
from sop_portal.lib.api.lists import ListView
from sop_portal.lib.api.problems import Fault, NotAccepted
from sop_portal.lib.api.repeating import repeatable
from sop_portal.lib.api.schema import also_answers, tells_address
from sop_portal.lib.api.views import ApiView
from sop_portal.lib.errors import Conflict
from sop_portal.lib.risk import RISK_CLASSES

TAG = "Forecasts"
# Changes that the story of a line sends.
CHANGES = 200
IF_MATCH = OpenApiParameter(
    "If-Match", str, OpenApiParameter.HEADER, description="The ETag of the line, or its revision in quotes."
)


class LineFilters(filters.FilterSet):
    """Which lines."""

    cycle_id = KeyFilter(field_name="cycle", help_text="Lines of one cycle.")
    customer_id = filters.CharFilter(field_name="customer__customer_id", help_text="Exactly this customer.")
    item_code = filters.CharFilter(field_name="product__item_code", help_text="Exactly this product.")
    group = filters.CharFilter(method="by_group", help_text="Products of exactly this group.")
    owner_id = KeyFilter(field_name="owner", help_text="Lines that this user answers for.")
    status = filters.MultipleChoiceFilter(choices=Line.Status.choices, help_text="One or more statuses.")
    live = FlagFilter(help_text="Live lines, or dormant ones.")
    risk_class = filters.ChoiceFilter(choices=RISK_CLASSES, help_text="How sure they are, 0 to 3.")
    edited_since = InstantFilter(field_name="edited_at", lookup_expr="gte", help_text="Edited not before.")

    class Meta:
        model = Line
        fields: ClassVar[list[str]] = []

    def by_group(self, rows: Any, name: str, code: str) -> Any:
        """Lines of the products of one group."""
        return rows.filter(about_products(Q(group__code=code)))


class LineList(ListView):
    """Lines."""

    model = Line
    filterset_class = LineFilters
    orders = {
        "pair": ("customer_id", "product_id"), "id": (), "customer_id": ("customer__customer_id", "product__item_code"),
        "item_code": ("product__item_code", "customer__customer_id"), "edited_at": ("edited_at",),
    }  # fmt: skip
    searched = ("customer__name__icontains", "customer__customer_id__iexact", "product__description__icontains",
                "product__item_code__istartswith")  # fmt: skip

    def get_queryset(self) -> Any:
        return Line.objects.in_scope_of(self.request.user)

    @property
    def counts_all(self) -> bool:  # type: ignore[override]
        """Within one cycle the number of lines is exact."""
        return bool(self.request.query_params.get("cycle_id"))

    def page(self, found: Any) -> list[dict[str, Any]]:
        return rows.rows_of(found)

    @extend_schema(operation_id="forecasts_list", tags=[TAG], responses={200: shapes.LineRow(many=True)})
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Lines of own customers, of the team, or of everybody, as on the pages; most want `cycle_id`."""
        return super().get(request, *args, **kwargs)

    @extend_schema(
        operation_id="forecasts_create", tags=[TAG], request=shapes.LineIn, responses={201: shapes.LineRow},
        examples=[OpenApiExample("A product for an own customer", request_only=True,
                                 value={"customer_id": "C-1001", "item_code": "110009"})],
    )  # fmt: skip
    @repeatable
    @tells_address(201)
    def post(self, request: Request) -> Response:
        """Add a line of an active product for an own customer, while the cycle takes input.

        It starts blank, with the prices in force. A pair that is not in the matrix is put there, as proposed by the rep.
        """
        reader = bodies.opened(request, ("cycle_id", "customer_id", "item_code"))
        codes = [reader.text(name, 100, required=True) for name in ("customer_id", "item_code")]
        cycle_id = reader.whole("cycle_id", bodies.LARGEST_ID)
        bodies.closed(reader)
        cycle = chosen_cycle(request, cycle_id)
        customer = Customer.objects.visible_to(request.user).filter(customer_id=codes[0]).first()
        product = Product.objects.visible_to(request.user).filter(item_code=codes[1]).first()
        if customer is None or product is None:
            name, code = ("customer_id", codes[0]) if customer is None else ("item_code", codes[1])
            what = "customer" if customer is None else "product"
            raise NotAccepted([Fault(f"/{name}", "unknown", f"There is no {what} {code} among those you may use.")])
        with placed([]):
            line = add_line(cycle.pk, customer, product, by=request.user)
        return sent(request, line.pk, status=201, headers={"Location": address_below(request, line.pk)})


class LineDetail(ApiView):
    """One line."""

    takes_match = CHANGING

    @extend_schema(operation_id="forecasts_get", tags=[TAG], responses={200: shapes.LineRow})
    def get(self, request: Request, pk: int) -> Response:
        """One line; its ETag begins with its revision."""
        return sent(request, pk)

    @also_answers(412, 428)
    @extend_schema(
        operation_id="forecasts_replace", tags=[TAG], request=shapes.EditIn, parameters=[IF_MATCH],
        responses={200: shapes.LineRow},
    )  # fmt: skip
    def put(self, request: Request, pk: int) -> Response:
        """Write all sixteen cells of a line, quantity and price of each."""
        return self._write(request, pk, whole=True)

    @also_answers(412, 428)
    @extend_schema(
        operation_id="forecasts_change", tags=[TAG], request=shapes.EditIn, parameters=[IF_MATCH],
        responses={200: shapes.LineRow},
        examples=[OpenApiExample("Two months", request_only=True,
                                 value={"revision": 3, "cells": [{"period": "2027-01", "quantity": "1200"},
                                                                 {"period": "2027-02", "quantity": 950.5}]})],
    )  # fmt: skip
    def patch(self, request: Request, pk: int) -> Response:
        """Change the cells that are named, the risk class or the notes. A line edited so is live from then on."""
        return self._write(request, pk, whole=False)

    @also_answers(412)
    @extend_schema(operation_id="forecasts_delete", tags=[TAG], parameters=[IF_MATCH], responses={204: None})
    def delete(self, request: Request, pk: int) -> Response:
        """Delete a line that was added after the opening and never handed in; for S&OP admins."""
        line = visible(request, pk)
        with placed([pk], now=partial(stored, request, pk)):
            delete_line(pk, by=request.user, revision=bodies.revision_matched(request, line))
        return Response(status=204)

    @staticmethod
    def _write(request: Request, pk: int, *, whole: bool) -> Response:
        line = visible(request, pk)
        reader = bodies.opened(request, bodies.EDITABLE, bodies.READ_ONLY)
        edit, revision = reader.edit(), bodies.revision_of(request, reader, line)
        if whole and not reader.faults:
            reader.faults += bodies.missing_cells(line, edit)
        bodies.closed(reader)
        with placed([pk], cells=[edit.places], now=partial(stored, request, pk)):
            set_cells(line.cycle_id, [edit.of(pk, revision)], by=request.user, source=QuantitySource.API)
        return sent(request, pk)


class LineHistory(ApiView):
    """The story of a line."""

    @extend_schema(operation_id="forecasts_history", tags=[TAG], responses={200: shapes.History})
    def get(self, request: Request, pk: int) -> Response:
        """Every kept version of a line, and the changes that the audit trail still holds."""
        line = visible(request, pk)
        kept = Snapshot.objects.visible_to(request.user).filter(line=line).order_by("pk")
        entries = Entry.objects.about("forecast", str(pk))[:CHANGES]
        return Response({"versions": [_version(one) for one in kept], "changes": [_change(one) for one in entries]})


def _version(kept: Snapshot) -> dict[str, Any]:
    plain = ("event", "at", "actor_id", "owner_id", "status", "live", "risk_class", "comment")
    return {
        **{name: getattr(kept, name) for name in plain},
        "quantity": [number_text(value) for value in kept.quantity],
        "unit_price": [number_text(value) for value in kept.unit_price],
    }


def _change(entry: Entry) -> dict[str, Any]:
    return {
        "at": entry.at,
        "action": entry.action,
        "actor": entry.actor_label,
        "on_behalf_of": entry.on_behalf_label,
        "source": entry.source,
        "changes": entry.changes,
    }


def visible(request: Request, pk: int) -> Line:
    """The line, if the person may read it. Raises Http404."""
    return get_object_or_404(Line.objects.visible_to(request.user).select_related("cycle"), pk=pk)


def sent(request: Request, pk: int, **options: Any) -> Response:
    """One line as it is sent, with its ETag."""
    row = stored(request, pk)
    response = Response(row, **options)
    # The revision for If-Match, the digest of all of it for If-None-Match.
    response["ETag"] = f'"{row["revision"]}.{etag_of(JSONRenderer().render(row))[1:]}'
    return response


def stored(request: Request, pk: int) -> dict[str, Any]:
    """What is stored of one line, as it is sent. Raises DoesNotExist for a line that the caller may not see."""
    found = rows.rows_of(Line.objects.visible_to(request.user).filter(pk=pk))
    if not found:
        raise Line.DoesNotExist
    return found[0]


def chosen_cycle(request: Request, cycle_id: int | None) -> Cycle:
    """The cycle of a body, or the open one. Raises Http404, Conflict when none is open."""
    cycles = Cycle.objects.visible_to(request.user)
    if cycle_id is not None:
        return get_object_or_404(cycles, pk=cycle_id)
    cycle = cycles.open().first()
    if cycle is None:
        raise Conflict("No cycle is open; name one with cycle_id.")
    return cycle
