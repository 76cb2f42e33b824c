"""The pricing matrix in the admin: who buys what, and at which price from when."""

import datetime as dt
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils import timezone

from masterdata.admin import pricing
from masterdata.admin.base import Switchable, Tool
from masterdata.admin.search import PAIR_SEARCH
from masterdata.models import MatrixEntry, Price
from masterdata.readiness import unpriced_pairs
from sop_portal.accounts import formats
from sop_portal.lib import periods


class PriceInline(admin.TabularInline):
    """Prices of an entry, the newest first."""

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


class PriceFilter(admin.SimpleListFilter):
    """Entries by the price that holds today; a month in the address, as in the link of pre-flight, leaves those that
    somebody plans and that have none in it."""

    title = "price today"
    parameter_name = "price"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        offered = [("own", "The customer's own"), ("list", "The list price"), ("none", "Missing")]
        month = self._month()
        return [*offered, (periods.key(month), f"Missing in {periods.long_label(month)}")] if month else offered

    def _month(self) -> dt.date | None:
        try:
            return periods.parse(self.value() or "")
        except ValueError:
            return None

    def queryset(self, request: HttpRequest, queryset: QuerySet[MatrixEntry]) -> QuerySet[MatrixEntry]:
        if month := self._month():
            return queryset.filter(pk__in=unpriced_pairs(month).order_by().values("pk"))
        chosen: dict[str, dict[str, bool]] = {
            "own": {"own_price__isnull": False},
            "list": {"own_price__isnull": True, "price__isnull": False},
            "none": {"price__isnull": True},
        }
        return queryset.filter(**chosen.get(self.value() or "", {}))


@admin.register(MatrixEntry)
class MatrixEntryAdmin(Switchable):
    """Entries with the price of today; all prices stand on the entry's page."""

    list_display = (
        "customer", "product", "price_today", "minimum", "maximum", "lead_days", "proposed_by", "is_active",
    )  # fmt: skip
    list_display_links = ("customer", "product")
    list_filter = ("is_active", PriceFilter, ProposedFilter, "product__group")
    list_select_related = ("customer", "product", "proposed_by")
    search_fields = PAIR_SEARCH
    autocomplete_fields = ("customer", "product", "proposed_by")
    ordering = ("customer__name", "product__item_code", "pk")
    inlines = (PriceInline,)
    data_kind = "matrix"

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.prices_view)
        return [path("change-prices/", view, name="masterdata_prices"), *super().get_urls()]

    def get_queryset(self, request: HttpRequest) -> QuerySet[MatrixEntry]:
        entries: Any = super().get_queryset(request)
        return entries.with_price(timezone.localdate())  # type: ignore[no-any-return]

    @admin.display(description="Price today")
    def price_today(self, entry: MatrixEntry) -> str:
        """The price that holds today, and whether it is the list price."""
        if entry.price is None:  # type: ignore[attr-defined]
            return "missing"
        shown = formats.price(entry.price)  # type: ignore[attr-defined]
        return shown if entry.own_price is not None else f"{shown} (list)"  # type: ignore[attr-defined]

    @admin.display(description="Minimum", ordering="minimum_order_quantity")
    def minimum(self, entry: MatrixEntry) -> str:
        """The minimum order quantity, as people write it."""
        return formats.qty(entry.minimum_order_quantity)

    @admin.display(description="Maximum", ordering="maximum_order_quantity")
    def maximum(self, entry: MatrixEntry) -> str:
        """The maximum order quantity, as people write it."""
        return formats.qty(entry.maximum_order_quantity)

    @admin.display(description="Lead days", ordering="lead_time_days")
    def lead_days(self, entry: MatrixEntry) -> int | None:
        """The lead time in days."""
        return entry.lead_time_days

    def list_tools(self, request: HttpRequest) -> list[Tool]:
        return [Tool("Change prices…", pricing.prices_url()), *super().list_tools(request)]

    def prices_view(self, request: HttpRequest) -> HttpResponse:
        """Change prices of many entries."""
        return pricing.view(self, request)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Save the prices; changed ones may concern lines of an open cycle."""
        super().save_related(request, form, formsets, change)
        if change and any(formset.has_changed() for formset in formsets):
            self.tell_notices(request)
