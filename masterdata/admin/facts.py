"""What was sold and what was budgeted, in the admin."""

import datetime as dt
from typing import Any

from django.contrib import admin
from django.db.models import Max, QuerySet
from django.http import HttpRequest

from masterdata.admin.base import MasterdataAdmin
from masterdata.admin.search import PAIR_SEARCH
from masterdata.models import Actual, Budget
from sop_portal.lib import periods

OFFERED_PERIODS = 36


class PeriodFilter(admin.SimpleListFilter):
    """One of the last 36 months; the list of all months that occur would read the whole table."""

    title = "period"
    parameter_name = "period"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        last: dt.date | None = model_admin.model.objects.aggregate(last=Max("period"))["last"]
        if last is None:
            return []
        months = [periods.shift(last, -back) for back in range(OFFERED_PERIODS)]
        return [(periods.key(month), periods.label(month)) for month in months]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        try:
            return queryset.filter(period=periods.parse(self.value() or ""))
        except ValueError:
            return queryset


@admin.register(Actual)
class ActualAdmin(MasterdataAdmin):
    data_kind = "actuals"
    list_display = ("period", "customer", "product", "quantity", "amount", "cost")
    list_display_links = ("period", "customer")
    list_filter = (PeriodFilter,)
    list_select_related = ("customer", "product")
    search_fields = PAIR_SEARCH
    autocomplete_fields = ("customer", "product")
    ordering = ("-period", "customer", "product")
    # Counting all rows of the largest table for every page would cost more than the page.
    show_full_result_count = False


@admin.register(Budget)
class BudgetAdmin(MasterdataAdmin):
    data_kind = "budget"
    list_display = ("version", "period", "customer", "product", "quantity", "amount")
    list_display_links = ("version", "period")
    list_filter = ("version", PeriodFilter)
    list_select_related = ("customer", "product")
    search_fields = ("version", *PAIR_SEARCH)
    autocomplete_fields = ("customer", "product")
    ordering = ("version", "-period", "customer", "product")
    show_full_result_count = False
