"""Customers."""

from collections.abc import Collection
from typing import Any

from django.db.models import Count, Q
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from masterdata.api.bulk import BulkView, described
from masterdata.api.fields import fields_of
from masterdata.api.filters import CustomerFilters
from masterdata.api.named import look_up
from masterdata.api.resources import Resource
from masterdata.api.rows import Growing, RowDetail, described_list, described_row
from masterdata.imports.kinds import CUSTOMERS
from masterdata.models import Customer
from sop_portal.lib.api.shapes import Shape
from sop_portal.lib.api.views import ApiView
from sop_portal.lib.risk import RISK_CLASSES

TAG = "Customers"


class CustomerShape(Shape):
    """A customer."""

    id = serializers.IntegerField(read_only=True, help_text="What never changes, unlike the customer ID.")
    replaced_by = serializers.CharField(
        read_only=True, allow_null=True,
        help_text="The ID of the customer that took this one's place. Null also for those who do not see every customer.",
    )  # fmt: skip
    sales_rep_name = serializers.CharField(read_only=True, allow_null=True, help_text="Who serves the customer.")

    def get_fields(self) -> dict[str, serializers.Field]:
        """Those above, and those of the columns of files."""
        return {**super().get_fields(), **fields_of(CUSTOMERS, Customer, leave_out=("replaced_by",))}


def hidden(user: Any) -> Collection[str]:
    """The successor may be somebody else's customer."""
    return () if user.has_perm("masterdata.view_all_customers") else ("replaced_by",)


RESOURCE = Resource(
    model=Customer,
    shape=CustomerShape,
    key="customer_id",
    paths={
        "id": "id",
        **{column.name: column.name for column in CUSTOMERS.columns},
        "sales_rep": "sales_rep__email",
        "sales_rep_name": "sales_rep__full_name",
        "replaced_by": "replaced_by__customer_id",
    },
    hidden=hidden,
    takes=lambda values, user: look_up(values, user, "sales_rep"),
)


@described_list(
    CustomerShape, TAG, "customers",
    get="The customers one may see: all, those of one's team, or those one serves.",
    post="Add a customer. Whoever serves them must be an active sales rep.",
    example=("A new customer", {
        "customer_id": "C0042", "name": "Elm Supply, Inc.", "sales_rep": "rep1@example.com", "region": "Southeast",
    }),
)  # fmt: skip
class CustomerList(Growing):
    """Customers."""

    resource = RESOURCE
    model = Customer
    filterset_class = CustomerFilters
    orders = {
        "customer_id": ("customer_id",), "name": ("name",), "region": ("region", "name"),
        "territory": ("territory", "name"), "corporate_group": ("corporate_group", "name"), "id": (),
    }  # fmt: skip
    searched = ("customer_id__icontains", "name__icontains", "short_name__icontains", "corporate_group__icontains")


@described_row(
    CustomerShape, TAG, "customers",
    get="One customer by ID. Codes with slashes or spaces are percent-encoded.",
    put="Give a customer these values; fields that are missing become empty.",
    more=" Lines of an open cycle go along to another rep.",
    delete="Deactivate a customer: nothing is deleted, and the next cycle has no lines of them. Doing it again changes "
           "nothing.",
    away=("deactivate", {204: None}),
)  # fmt: skip
class CustomerDetail(RowDetail):
    """One customer."""

    resource = RESOURCE


@described(
    CUSTOMERS, TAG, "customers", "Whoever gets another rep takes their open lines along.",
    {"customer_id": "C0042", "name": "Elm Supply, Inc.", "sales_rep": "rep1@example.com"},
)  # fmt: skip
class CustomerBulk(BulkView):
    """Many customers at once."""

    kind = CUSTOMERS


class RiskCount(serializers.Serializer):
    """How many active customers are of one risk class."""

    risk_class = serializers.IntegerField(allow_null=True)
    label: Any = serializers.CharField(allow_null=True)
    customers = serializers.IntegerField()


class RegionCount(serializers.Serializer):
    """How many active customers are in one region."""

    region = serializers.CharField(allow_blank=True)
    customers = serializers.IntegerField()


class CustomerStatistics(serializers.Serializer):
    """Customers, counted. All but the first three counts are of active ones."""

    total = serializers.IntegerField()
    active = serializers.IntegerField()
    inactive = serializers.IntegerField()
    prospects = serializers.IntegerField(help_text="Whose real ID is not known yet.")
    without_sales_rep = serializers.IntegerField(help_text="Whom nobody serves.")
    without_products = serializers.IntegerField(help_text="Without an active entry in the pricing matrix.")
    by_region = RegionCount(many=True)
    by_risk_class: Any = RiskCount(many=True)


class CustomerFigures(ApiView):
    """Customers, counted."""

    @extend_schema(operation_id="customers_statistics", tags=[TAG], responses={200: CustomerStatistics})
    def get(self, request: Request) -> Response:
        """How many customers one may see, and what is missing of them."""
        rows: Any = Customer.objects.visible_to(request.user).order_by()
        active = Q(is_active=True)
        counts = rows.aggregate(
            total=Count("pk"),
            active=Count("pk", filter=active),
            inactive=Count("pk", filter=~active),
            prospects=Count("pk", filter=active & Q(is_prospect=True)),
            without_sales_rep=Count("pk", filter=active & Q(sales_rep__isnull=True)),
        )
        served = rows.filter(active, matrix__is_active=True).values("pk").distinct().count()
        regions = rows.filter(active).values("region").annotate(customers=Count("pk")).order_by("region")
        risks = rows.filter(active).values_list("default_risk_class").annotate(Count("pk"))
        labels = dict(RISK_CLASSES)
        return Response(
            {
                **counts,
                "without_products": counts["active"] - served,
                "by_region": list(regions),
                "by_risk_class": [
                    {"risk_class": risk, "label": labels.get(risk), "customers": count}
                    for risk, count in risks.order_by("default_risk_class")
                ],
            }
        )
