"""Products and the groups they belong to."""

from typing import Any

from django.db.models import Count, Q
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from masterdata.api.bulk import BulkView, described
from masterdata.api.fields import Number, fields_of
from masterdata.api.filters import ProductFilters
from masterdata.api.named import look_up
from masterdata.api.resources import Resource
from masterdata.api.rows import Growing, RowDetail, RowList, described_list, described_row
from masterdata.exports import hidden_from
from masterdata.imports.kinds import PRODUCTS
from masterdata.models import Product, ProductGroup
from sop_portal.lib.api.shapes import Shape
from sop_portal.lib.api.views import ApiView

TAG = "Products"
OF_GROUPS = ("group_name", "parent_group_code", "parent_group_name")


class ProductShape(Shape):
    """A product."""

    id = serializers.IntegerField(read_only=True, help_text="What never changes, unlike the item code.")
    replaced_by = serializers.CharField(
        read_only=True, allow_null=True, help_text="The item code of the product that took this one's place."
    )
    group_name = serializers.CharField(read_only=True, help_text="The name of the group.")

    def get_fields(self) -> dict[str, serializers.Field]:
        """Those above, and those of the columns of files that say something about the product itself."""
        own = fields_of(PRODUCTS, Product, leave_out=("replaced_by", *OF_GROUPS))
        cost = Number(
            required=False, allow_null=True, default=None,
            help_text="Of one unit. Null also for those who may not see costs.",
        )  # fmt: skip
        return {**super().get_fields(), **own, "cost_price": cost}


RESOURCE = Resource(
    model=Product,
    shape=ProductShape,
    key="item_code",
    paths={
        "id": "id",
        **{column.name: column.name for column in PRODUCTS.columns if column.name not in OF_GROUPS},
        "group_code": "group__code",
        "group_name": "group__name",
        "replaced_by": "replaced_by__item_code",
    },
    hidden=hidden_from,
    scope_first=True,
    takes=lambda values, user: look_up(values, user, "group_code"),
    told={"group": "group_code"},
)


@described_list(
    ProductShape, TAG, "products",
    get="The products one may see: all, or the active ones and those one's customers buy.",
    post="Add a product to a group that is there already.",
    example=("A new product", {
        "item_code": "110001", "description": "Peeled garlic 4x5", "group_code": "G01", "uom": "CS", "weight": "9.07",
        "list_price": "52.50",
    }),
)  # fmt: skip
class ProductList(Growing):
    """Products."""

    resource = RESOURCE
    model = Product
    filterset_class = ProductFilters
    orders = {
        "item_code": ("item_code",), "description": ("description",), "group_code": ("group__code", "item_code"),
        "manufacturing_location": ("manufacturing_location", "item_code"),
        "production_line": ("production_line", "item_code"), "id": (),
    }  # fmt: skip
    searched = ("item_code__icontains", "description__icontains")


@described_row(
    ProductShape, TAG, "products",
    get="One product by item code. Codes with slashes or spaces are percent-encoded.",
    put="Give a product these values; fields that are missing become empty.",
    delete="Deactivate a product: nothing is deleted, and the next cycle has no lines of it. Doing it again changes "
           "nothing.",
    away=("deactivate", {204: None}),
)  # fmt: skip
class ProductDetail(RowDetail):
    """One product."""

    resource = RESOURCE


@described(
    PRODUCTS, TAG, "products", "Groups that they name are made, renamed and put below one another.",
    {"item_code": "110001", "description": "Peeled garlic 4x5", "group_code": "G01", "group_name": "Garlic",
     "uom": "CS"},
)  # fmt: skip
class ProductBulk(BulkView):
    """Many products at once."""

    kind = PRODUCTS


class GroupShape(serializers.Serializer):
    """A product group."""

    id = serializers.IntegerField()
    code = serializers.CharField()
    name = serializers.CharField()
    parent_code = serializers.CharField(allow_null=True, help_text="The group above it; groups have two levels.")


GROUPS = Resource(
    model=ProductGroup,
    shape=GroupShape,
    paths={"id": "id", "code": "code", "name": "name", "parent_code": "parent__code"},
)


@extend_schema_view(
    get=extend_schema(operation_id="product_groups_list", tags=[TAG], responses={200: GroupShape(many=True)},
                      description="The product groups; products/bulk makes those that it names."),
)  # fmt: skip
class GroupList(RowList):
    """Product groups."""

    resource = GROUPS
    model = ProductGroup
    orders = {"code": ("code",), "name": ("name",), "id": ()}
    searched = ("code__icontains", "name__icontains")


class GroupCount(serializers.Serializer):
    """How many active products are in one group."""

    group_code = serializers.CharField()
    group_name = serializers.CharField()
    products = serializers.IntegerField()


class ProductStatistics(serializers.Serializer):
    """Products, counted. All but the first three counts are of active ones."""

    total = serializers.IntegerField()
    active = serializers.IntegerField()
    inactive = serializers.IntegerField()
    without_list_price = serializers.IntegerField()
    without_weight = serializers.IntegerField(help_text="Missing in sums by weight.")
    by_group: Any = GroupCount(many=True)


class ProductFigures(ApiView):
    """Products, counted."""

    @extend_schema(operation_id="products_statistics", tags=[TAG], responses={200: ProductStatistics})
    def get(self, request: Request) -> Response:
        """How many products one may see, and what is missing of them."""
        rows: Any = Product.objects.in_scope_of(request.user).order_by()
        active = Q(is_active=True)
        counts = rows.aggregate(
            total=Count("pk"),
            active=Count("pk", filter=active),
            inactive=Count("pk", filter=~active),
            without_list_price=Count("pk", filter=active & Q(list_price__isnull=True)),
            without_weight=Count("pk", filter=active & Q(weight__isnull=True)),
        )
        groups = rows.filter(active).values_list("group__code", "group__name").annotate(Count("pk"))
        return Response(
            {
                **counts,
                "by_group": [
                    {"group_code": code, "group_name": name, "products": count}
                    for code, name, count in groups.order_by("group__code")
                ],
            }
        )
