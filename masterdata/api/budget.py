"""Budgets."""

from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers

from masterdata.api.bulk import BulkView, described
from masterdata.api.filters import BudgetFilters
from masterdata.api.resources import Resource
from masterdata.api.rows import RowList
from masterdata.imports.kinds import BUDGET
from masterdata.models import Budget
from sop_portal.lib import periods

TAG = "Budget"


class BudgetRow(serializers.Serializer):
    """What was budgeted for a customer, by product or for all of them together."""

    id = serializers.IntegerField()
    version = serializers.CharField()
    customer_id = serializers.CharField()
    customer_name = serializers.CharField()
    item_code = serializers.CharField(allow_null=True, help_text="Null: for the customer as a whole.")
    description = serializers.CharField(allow_null=True, help_text="Of the product.")
    period = serializers.CharField(help_text="The month, as YYYY-MM.")
    quantity = serializers.DecimalField(max_digits=18, decimal_places=6)
    amount = serializers.DecimalField(max_digits=18, decimal_places=4)


RESOURCE = Resource(
    model=Budget,
    shape=BudgetRow,
    paths={
        "id": "id",
        "version": "version",
        "customer_id": "customer__customer_id",
        "customer_name": "customer__name",
        "item_code": "product__item_code",
        "description": "product__description",
        "period": "period",
        "quantity": "quantity",
        "amount": "amount",
    },
    turned={"period": periods.key},
    scope_first=True,
)


@extend_schema_view(
    get=extend_schema(operation_id="budget_list", tags=[TAG], responses={200: BudgetRow(many=True)},
                      description="The budgets of the customers whom one may see."),
)  # fmt: skip
class BudgetList(RowList):
    """Budgets."""

    resource = RESOURCE
    model = Budget
    filterset_class = BudgetFilters
    orders = {"id": (), "version": ("version", "customer_id", "product_id", "period")}


@described(
    BUDGET, TAG, "budget", "An item without an item code is about the customer as a whole.",
    {"version": "2027", "customer_id": "C0042", "item_code": "110001", "period": "2027-01", "quantity": 1250,
     "amount": "65625.00"},
)  # fmt: skip
class BudgetBulk(BulkView):
    """Many budgets at once."""

    kind = BUDGET
