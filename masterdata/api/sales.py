"""The sales history: actuals one by one and many at once."""

from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from masterdata import sales, services
from masterdata.api.bulk import BulkView, described
from masterdata.api.fields import Number, fields_of
from masterdata.api.filters import ActualFilters
from masterdata.api.named import look_up
from masterdata.api.resources import Resource
from masterdata.api.rows import Growing, RowDetail, RowList, described_list, described_row
from masterdata.exports import hidden_from
from masterdata.imports.kinds import ACTUALS
from masterdata.models import Actual, Customer
from sop_portal.lib import periods
from sop_portal.lib.api.shapes import Shape

TAG = "Sales history"


class ActualShape(Shape):
    """What one customer bought of one product in one month; below 0 for credits."""

    id = serializers.IntegerField(read_only=True)
    customer_name = serializers.CharField(read_only=True)
    description = serializers.CharField(read_only=True, help_text="Of the product.")
    uom = serializers.CharField(read_only=True, help_text="The unit of the quantity.")

    def get_fields(self) -> dict[str, serializers.Field]:
        """Those above, and those of the columns of files."""
        cost = Number(
            required=False, allow_null=True, default=None,
            help_text="What it cost. Null also for those who may not see costs.",
        )  # fmt: skip
        return {**super().get_fields(), **fields_of(ACTUALS, Actual), "cost": cost}


class ActualResource(Resource):
    """Actuals; whose they are is looked up first, so that the few of a rep are found by index."""

    def visible(self, user: Any) -> Any:
        """The actuals of the customers that `user` may see, and of those whose place these took."""
        return Actual.objects.in_scope_of(user)


RESOURCE = ActualResource(
    model=Actual,
    shape=ActualShape,
    paths={
        "id": "id",
        "customer_id": "customer__customer_id",
        "customer_name": "customer__name",
        "item_code": "product__item_code",
        "description": "product__description",
        "uom": "product__uom",
        "period": "period",
        "quantity": "quantity",
        "amount": "amount",
        "cost": "cost",
    },
    hidden=hidden_from,
    turned={"period": periods.key},
    takes=lambda values, user: look_up(values, user, "customer_id", "item_code"),
    told={"customer": "customer_id", "product": "item_code"},
)
ORDERS: dict[str, tuple[str, ...]] = {"id": (), "period": ("period", "customer_id", "product_id")}
EXAMPLE = {
    "customer_id": "C0042", "item_code": "110001", "period": "2026-11", "quantity": 1250, "amount": "65625.00",
    "cost": "39000.00",
}  # fmt: skip


@described_list(
    ActualShape, TAG, "sales_history",
    get="What the customers bought whom one may see, by month.",
    post="Add what a customer bought of a product in a month; each pair has one row a month.",
    example=("What was sold", EXAMPLE),
)  # fmt: skip
class ActualList(Growing):
    """Actuals."""

    resource = RESOURCE
    model = Actual
    filterset_class = ActualFilters
    orders = ORDERS


@extend_schema_view(
    get=extend_schema(operation_id="customers_sales", tags=["Customers"], responses={200: ActualShape(many=True)},
                      description="What counts as the history of one customer: also what those bought whose place they "
                                  "took."),
)  # fmt: skip
class CustomerSales(RowList):
    """Actuals of one customer."""

    resource = RESOURCE
    model = Actual
    filterset_class = ActualFilters
    orders = ORDERS

    def get_queryset(self) -> Any:
        user: Any = self.request.user
        customer = Customer.objects.visible_to(user).get(customer_id=self.kwargs["customer_id"])
        return sales.history(user, customer=customer)


@described_row(
    ActualShape, TAG, "sales_history",
    get="One actual.",
    put="Give an actual these values; a missing cost becomes empty.",
    delete="Delete an actual; its values are kept among the revisions.",
)  # fmt: skip
class ActualDetail(RowDetail):
    """One actual."""

    resource = RESOURCE
    taken_away_by = "delete"

    def take_away(self, request: Request, row: Any) -> Response:
        """Delete the actual."""
        services.delete(row, by=request.user)
        return Response(status=204)


@described(
    ACTUALS, TAG, "sales_history", "Items with the same key refuse each other unless they are to be added up.", EXAMPLE
)
class ActualBulk(BulkView):
    """Many actuals at once."""

    kind = ACTUALS
