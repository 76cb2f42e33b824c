"""The pricing matrix: who buys what, and at which price from when."""

from typing import Any

from django.db import transaction
from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from masterdata import services
from masterdata.api.bulk import BulkView, described
from masterdata.api.fields import Number, fields_of
from masterdata.api.filters import MatrixFilters
from masterdata.api.named import look_up
from masterdata.api.resources import Resource
from masterdata.api.rows import Growing, RowDetail, RowList, described_list, described_row
from masterdata.imports.kinds import MATRIX
from masterdata.models import Customer, MatrixEntry, Price
from sop_portal.lib.api.lists import ListView
from sop_portal.lib.api.repeating import repeatable
from sop_portal.lib.api.shapes import Shape, read

TAG = "Pricing matrix"
OF_PRICES = ("unit_price", "valid_from")


class MatrixShape(Shape):
    """One customer buys one product."""

    id = serializers.IntegerField(read_only=True)
    customer_name = serializers.CharField(read_only=True)
    description = serializers.CharField(read_only=True, help_text="Of the product.")
    unit_price = Number(
        read_only=True,
        allow_null=True,
        help_text="The price that holds today: the customer's own, else the list price.",
    )
    own_price = Number(
        read_only=True, allow_null=True, help_text="The customer's own price of today; null where the list price holds."
    )

    def get_fields(self) -> dict[str, serializers.Field]:
        """Those above, and those of the columns of files that say something about the entry itself."""
        return {**super().get_fields(), **fields_of(MATRIX, MatrixEntry, leave_out=OF_PRICES)}


RESOURCE = Resource(
    model=MatrixEntry,
    shape=MatrixShape,
    paths={
        "id": "id",
        "customer_id": "customer__customer_id",
        "customer_name": "customer__name",
        "item_code": "product__item_code",
        "description": "product__description",
        **{
            column.name: column.name
            for column in MATRIX.columns
            if column.name not in ("customer_id", "item_code", *OF_PRICES)
        },
        "proposed_by": "proposed_by__email",
        "unit_price": "price",
        "own_price": "own_price",
    },
    prepared=lambda rows: rows.with_price(timezone.localdate()),
    scope_first=True,
    takes=lambda values, user: look_up(values, user, "customer_id", "item_code", "proposed_by"),
    told={"customer": "customer_id", "product": "item_code"},
)

ORDERS: dict[str, tuple[str, ...]] = {"id": (), "pair": ("customer_id", "product_id")}
SEARCHED = ("customer__customer_id__icontains", "customer__name__icontains", "product__item_code__icontains",
            "product__description__icontains")  # fmt: skip


@described_list(
    MatrixShape, TAG, "matrix",
    get="What the customers buy whom one may see, with the prices of today.",
    post="Let a customer buy a product. Its prices are added at /matrix/{id}/prices.",
    example=("A new entry", {"customer_id": "C0042", "item_code": "110001", "minimum_order_quantity": 10}),
)  # fmt: skip
class MatrixList(Growing):
    """The pricing matrix."""

    resource = RESOURCE
    model = MatrixEntry
    filterset_class = MatrixFilters
    orders = ORDERS
    searched = SEARCHED


@extend_schema_view(
    get=extend_schema(operation_id="customers_products", tags=["Customers"], responses={200: MatrixShape(many=True)},
                      description="What one customer buys, with the prices of today."),
)  # fmt: skip
class CustomerProducts(RowList):
    """The pricing matrix of one customer."""

    resource = RESOURCE
    model = MatrixEntry
    filterset_class = MatrixFilters
    orders = ORDERS
    searched = SEARCHED

    def get_queryset(self) -> Any:
        user: Any = self.request.user
        customer = Customer.objects.visible_to(user).get(customer_id=self.kwargs["customer_id"])
        return self.resource.visible(user).filter(customer=customer)


class TakenAway(serializers.Serializer):
    """What became of an entry."""

    deleted = serializers.BooleanField(help_text="False: it has a history, so it was deactivated.")
    history = serializers.ListField(
        child=serializers.CharField(), help_text="What there is of the customer and product."
    )


@described_row(
    MatrixShape, TAG, "matrix",
    get="One entry of the pricing matrix.",
    put="Give an entry these values; fields that are missing become empty.",
    delete="Delete an entry that nothing stands on; one with a history is deactivated.",
    away=("delete", {200: TakenAway}),
)  # fmt: skip
class MatrixDetail(RowDetail):
    """One entry."""

    resource = RESOURCE
    taken_away_by = "delete"

    def take_away(self, request: Request, row: Any) -> Response:
        """Delete the entry, or deactivate it when it has a history."""
        removed = services.remove(MatrixEntry, [row.pk], by=request.user)
        history = [kind for kinds in removed.kept.values() for kind in kinds]
        return Response({"deleted": not history, "history": history})


@described(
    MATRIX, TAG, "matrix", "Several items may hold several prices of one pair.",
    {"customer_id": "C0042", "item_code": "110001", "unit_price": "52.50", "valid_from": "2027-01-01"},
)  # fmt: skip
class MatrixBulk(BulkView):
    """Many entries with their prices at once."""

    kind = MATRIX


class PriceShape(Shape):
    """A price of an entry."""

    id = serializers.IntegerField(read_only=True)
    valid_from = serializers.DateField(help_text="The day from which the price holds, until a later one.")
    unit_price = Number(help_text="The price of one unit.")


class PriceList(ListView):
    """Prices of one entry."""

    model = Price
    orders = {"valid_from": ("valid_from",)}

    def get_queryset(self) -> Any:
        return _entries(self.request).get(pk=self.kwargs["pk"]).prices.all()

    def page(self, rows: Any) -> list[dict[str, Any]]:
        return list(rows.values("id", "valid_from", "unit_price"))

    @extend_schema(operation_id="matrix_prices_list", tags=[TAG], responses={200: PriceShape(many=True)})
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The prices of one entry, past and coming ones too."""
        return super().get(request, *args, **kwargs)

    @extend_schema(
        operation_id="matrix_prices_set", tags=[TAG], request=PriceShape, responses={200: PriceShape, 201: PriceShape},
        examples=[OpenApiExample("From January on", request_only=True,
                                 value={"valid_from": "2027-01-01", "unit_price": "52.50"})],
    )  # fmt: skip
    @repeatable
    def post(self, request: Request, pk: int) -> Response:
        """Say which price holds from a day on: 201 when none started on that day, 200 when another one did.

        The prices of lines of an open cycle stay until it is refreshed.
        """
        body = request.data
        with transaction.atomic():
            entry = _entries(request).select_for_update(no_key=True, of=("self",)).get(pk=pk)
            services.require_to("change", Price, request.user)
            price, is_new = services.set_price(entry, **read(PriceShape, body), by=request.user)
            shown = entry.prices.values("id", "valid_from", "unit_price").get(pk=price.pk)
        return Response(shown, status=201 if is_new else 200)


def _entries(request: Request) -> Any:
    user: Any = request.user
    return MatrixEntry.objects.visible_to(user)
