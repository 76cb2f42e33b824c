"""Filters of lists. What is none of their values is refused, never passed over."""

from typing import Any

import django_filters
from django.db.models import Q
from django_filters.rest_framework import FilterSet

from masterdata.filters import about_products, of_group, of_rep, origins_of
from masterdata.models import Actual, Budget, Customer, CustomerSuccession, MatrixEntry, Product, ProductSuccession
from sop_portal.lib.api.filters import FlagFilter, MonthFilter
from sop_portal.lib.keys import one_of
from sop_portal.lib.risk import RISK_CLASSES

REP = "The e-mail address of who serves the customer; none for customers whom nobody serves."
GROUP = "The code of a product group; the groups below it come along."


class CustomerFilters(FilterSet):
    """Which customers."""

    customer_id = django_filters.CharFilter(help_text="Exactly this ID.")
    sales_rep = django_filters.CharFilter(method="by_rep", help_text=REP)
    region = django_filters.CharFilter(help_text="Exactly this region.")
    territory = django_filters.CharFilter(help_text="Exactly this territory.")
    corporate_group = django_filters.CharFilter(help_text="Exactly this corporate group.")
    default_risk_class = django_filters.ChoiceFilter(
        choices=RISK_CLASSES, help_text="How sure their lines are at first."
    )
    is_active = FlagFilter(help_text="Whether they are active.")
    is_prospect = FlagFilter(help_text="Whether their real ID is not known yet.")

    class Meta:
        model = Customer
        fields: tuple[str, ...] = ()

    def by_rep(self, rows: Any, name: str, text: str) -> Any:
        """The customers of one rep."""
        return rows.filter(of_rep(text, "email__iexact"))


class ProductFilters(FilterSet):
    """Which products."""

    item_code = django_filters.CharFilter(help_text="Exactly this code.")
    group_code = django_filters.CharFilter(method="by_group", help_text=GROUP)
    manufacturing_location = django_filters.CharFilter(help_text="Exactly this location.")
    production_line = django_filters.CharFilter(help_text="Exactly this line.")
    uom = django_filters.CharFilter(help_text="Exactly this unit of measure.")
    has_list_price = FlagFilter(
        field_name="list_price", lookup_expr="isnull", exclude=True, help_text="Whether there is a list price."
    )
    is_active = FlagFilter(help_text="Whether they are active.")

    class Meta:
        model = Product
        fields: tuple[str, ...] = ()

    def by_group(self, rows: Any, name: str, code: str) -> Any:
        """The products of one group."""
        return rows.filter(of_group(code, "code"))


class MatrixFilters(FilterSet):
    """Which entries of the pricing matrix."""

    customer_id = django_filters.CharFilter(field_name="customer__customer_id", help_text="Exactly this customer.")
    item_code = django_filters.CharFilter(field_name="product__item_code", help_text="Exactly this product.")
    group_code = django_filters.CharFilter(method="by_group", help_text=GROUP)
    sales_rep = django_filters.CharFilter(method="by_rep", help_text=REP)
    is_active = FlagFilter(help_text="Whether they are active.")
    is_proposed = FlagFilter(
        field_name="proposed_by", lookup_expr="isnull", exclude=True,
        help_text="Whether a rep proposed them and no admin accepted them yet.",
    )  # fmt: skip

    class Meta:
        model = MatrixEntry
        fields: tuple[str, ...] = ()

    def by_group(self, rows: Any, name: str, code: str) -> Any:
        """Entries about one group of products."""
        return rows.filter(about_products(of_group(code, "code")))

    def by_rep(self, rows: Any, name: str, text: str) -> Any:
        """Entries about the customers of one rep."""
        return rows.filter(of_rep(text, "email__iexact", "customer__"))


class SalesFilters(FilterSet):
    """Which sales. What was sold of a replaced product or to a replaced customer is found by its own code and by its
    successor's; reps, regions and groups, which divide a whole, have it once: where the successor is."""

    customer_id = django_filters.CharFilter(
        method="by_customer", help_text="Exactly this customer, with those whose place they took."
    )
    item_code = django_filters.CharFilter(
        method="by_product", help_text="Exactly this product, with those whose place it took."
    )
    group_code = django_filters.CharFilter(method="by_group", help_text=GROUP)
    sales_rep = django_filters.CharFilter(method="by_rep", help_text=REP)
    region = django_filters.CharFilter(method="by_region", help_text="Exactly this region.")

    class Meta:
        model = Actual
        fields: tuple[str, ...] = ()

    def by_customer(self, rows: Any, name: str, code: str) -> Any:
        """The history of one customer."""
        return self._of_customers(rows, Q(customer_id=code))

    def by_product(self, rows: Any, name: str, code: str) -> Any:
        """The history of one product."""
        return self._of_products(rows, Q(item_code=code))

    def by_group(self, rows: Any, name: str, code: str) -> Any:
        """The products of one group."""
        return self._of_products(rows, of_group(code, "code"), once=True)

    def by_rep(self, rows: Any, name: str, text: str) -> Any:
        """The customers of one rep."""
        return self._of_customers(rows, of_rep(text, "email__iexact"), once=True)

    def by_region(self, rows: Any, name: str, text: str) -> Any:
        """The customers of one region."""
        return self._of_customers(rows, Q(region=text), once=True)

    def _of_customers(self, rows: Any, which: Q, *, once: bool = False) -> Any:
        heirs = Customer.objects.visible_to(self.request.user).filter(which)
        return rows.filter(one_of("customer", origins_of(CustomerSuccession, heirs, once=once)))

    def _of_products(self, rows: Any, which: Q, *, once: bool = False) -> Any:
        heirs = Product.objects.visible_to(self.request.user).filter(which)
        return rows.filter(one_of("product", origins_of(ProductSuccession, heirs, once=once)))


class MonthFilters(FilterSet):
    """Which months."""

    period = MonthFilter(help_text="Exactly this month, as YYYY-MM.")
    since = MonthFilter(field_name="period", lookup_expr="gte", help_text="This month and later ones, as YYYY-MM.")
    until = MonthFilter(field_name="period", lookup_expr="lte", help_text="This month and earlier ones, as YYYY-MM.")


class ActualFilters(SalesFilters, MonthFilters):
    """Which actuals."""


class BudgetFilters(MonthFilters):
    """Which budgets."""

    version = django_filters.CharFilter(help_text="Exactly this version.")
    customer_id = django_filters.CharFilter(field_name="customer__customer_id", help_text="Exactly this customer.")
    item_code = django_filters.CharFilter(field_name="product__item_code", help_text="Exactly this product.")

    class Meta:
        model = Budget
        fields: tuple[str, ...] = ()
