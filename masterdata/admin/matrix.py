"""The pricing matrix in the admin: who buys what, and at which price from when."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from masterdata.admin.search import PAIR_SEARCH
from masterdata.models import MatrixEntry, Price


class PriceInline(admin.TabularInline):
    model = Price
    fields = ("valid_from", "unit_price")
    ordering = ("-valid_from",)
    extra = 0


class ProposedFilter(admin.SimpleListFilter):
    """Entries that reps proposed and nobody looked at."""

    title = "origin"
    parameter_name = "proposed"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Proposed by a rep"), ("no", "Entered or imported")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[MatrixEntry]) -> QuerySet[MatrixEntry]:
        if self.value() in ("yes", "no"):
            return queryset.filter(proposed_by__isnull=self.value() == "no")
        return queryset


@admin.register(MatrixEntry)
class MatrixEntryAdmin(admin.ModelAdmin):
    list_display = (
        "customer", "product", "minimum_order_quantity", "maximum_order_quantity", "lead_time_days", "proposed_by",
        "is_active",
    )  # fmt: skip
    list_filter = ("is_active", ProposedFilter)
    list_select_related = ("customer", "product", "proposed_by")
    search_fields = PAIR_SEARCH
    autocomplete_fields = ("customer", "product", "proposed_by")
    ordering = ("customer__name", "product__item_code", "pk")
    inlines = (PriceInline,)
