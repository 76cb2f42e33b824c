"""Products and their groups in the admin."""

from typing import Any

from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from masterdata.admin.base import MasterdataAdmin, Tool
from masterdata.admin.panels import entry_count, panel_of
from masterdata.admin.pricing import prices_url
from masterdata.admin.replacing import Replaceable, ReplacedFilter
from masterdata.models import Product, ProductGroup


@admin.register(ProductGroup)
class ProductGroupAdmin(MasterdataAdmin):
    """Groups of products, in two levels."""

    list_display = ("code", "name", "parent", "products")
    list_display_links = ("code", "name")
    list_select_related = ("parent",)
    list_filter = (("parent", admin.RelatedOnlyFieldListFilter),)
    search_fields = ("code", "name")
    autocomplete_fields = ("parent",)
    ordering = ("code",)
    actions = ("change_prices",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[ProductGroup]:
        active = Count("products", filter=Q(products__is_active=True))
        return super().get_queryset(request).annotate(product_count=active)

    @admin.display(description="Active products", ordering="product_count")
    def products(self, group: ProductGroup) -> int:
        """How many active products belong to it."""
        return group.product_count  # type: ignore[attr-defined,no-any-return]

    def object_tools(self, request: HttpRequest, row: Any) -> list[Tool]:
        return [Tool("Change prices…", prices_url(group=row.pk))]

    @admin.action(description="Change the prices of one group", permissions=["change"])
    def change_prices(self, request: HttpRequest, queryset: QuerySet[ProductGroup]) -> HttpResponse | None:
        """To the page that changes prices, for the chosen group."""
        if queryset.count() != 1:
            self.message_user(request, "Choose one group; the groups below it come along.", "error")
            return None
        return redirect(prices_url(group=queryset.get().pk))


class PricedFilter(admin.SimpleListFilter):
    """Products without a list price: a customer without a price of their own has none then."""

    title = "list price"
    parameter_name = "priced"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Has one"), ("no", "Missing")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Product]) -> QuerySet[Product]:
        if self.value() in ("yes", "no"):
            return queryset.filter(list_price__isnull=self.value() == "no")
        return queryset


@admin.register(Product)
class ProductAdmin(Replaceable):
    """Products, with who buys each of them."""

    change_form_template = "masterdata/admin/product_form.html"
    list_display = ("item_code", "description", "group", "uom", "list_price", "customers", "replaced_by", "is_active")
    list_display_links = ("item_code", "description")
    list_filter = (
        "is_active", ReplacedFilter, PricedFilter, "group", "uom", "manufacturing_location", "production_line",
    )  # fmt: skip
    list_select_related = ("group", "replaced_by")
    search_fields = ("item_code", "description")
    autocomplete_fields = ("group",)
    readonly_fields = ("replaced_by",)
    ordering = ("item_code",)
    data_kind = "products"
    fieldsets = (
        (None, {"fields": ("item_code", "description", "group", "is_active", "replaced_by")}),
        ("Unit", {"fields": ("uom", "pack_size", "weight")}),
        ("Money", {"fields": ("list_price", "cost_price")}),
        ("Making", {"fields": ("manufacturing_location", "production_line")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Product]:
        return super().get_queryset(request).annotate(customer_count=entry_count("product"))

    @admin.display(description="Customers", ordering="customer_count")
    def customers(self, product: Product) -> int:
        """How many customers buy it."""
        return product.customer_count  # type: ignore[attr-defined,no-any-return]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """The form, and under it who buys the product."""
        panel = panel_of(product=object_id) if object_id.isascii() and object_id.isdigit() else None
        return super().change_view(request, object_id, form_url, {"panel": panel, **(extra_context or {})})

    def save_model(self, request: HttpRequest, obj: Product, form: Any, change: bool) -> None:
        """Save; a changed list price may concern lines of an open cycle."""
        super().save_model(request, obj, form, change)
        if change and "list_price" in form.changed_data:
            self.tell_notices(request)
