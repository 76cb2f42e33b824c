"""What a person wants to see of a list: filters that live in the address, each of them optional.

Choices are those of the person's scope, so that an address names nobody they may not see.
"""

import datetime as dt
from typing import Any

from django import forms
from django.contrib.postgres.aggregates import ArrayAgg
from django.core.exceptions import ValidationError
from django.db.models import Q

from masterdata.models import (
    Actual,
    Budget,
    Customer,
    CustomerSuccession,
    MatrixEntry,
    Product,
    ProductGroup,
    ProductSuccession,
)
from masterdata.models.succession import Succession
from sop_portal.accounts.models import User
from sop_portal.lib import periods
from sop_portal.lib.keys import one_of

# The longest range of months that is added up.
MOST_MONTHS = 120
ACTIVE, INACTIVE, PROSPECT, EVERY = "active", "inactive", "prospect", "all"
NOBODY = "none"
_SEARCH = forms.TextInput(attrs={"type": "search"})


class MonthField(forms.Field):
    """A month written as YYYY-MM, as browsers send it."""

    widget = forms.TextInput(attrs={"type": "month"})

    def to_python(self, value: Any) -> dt.date | None:
        if value in self.empty_values:
            return None
        try:
            period = periods.parse(str(value).strip())
        except ValueError as problem:
            raise ValidationError("Write the month as year and month, such as 2026-11.") from problem
        if not periods.EARLIEST <= period <= periods.LATEST:
            raise ValidationError(f"Write a month from {periods.EARLIEST.year} to {periods.LATEST.year}.")
        return period


def of_rep(rep: Any, by: str, prefix: str = "") -> Q:
    """The customers of the rep whose field `by` is `rep`; those whom nobody serves for NOBODY."""
    return Q(**{f"{prefix}sales_rep__isnull": True}) if rep == NOBODY else Q(**{f"{prefix}sales_rep__{by}": rep})


def of_group(group: Any, by: str, prefix: str = "") -> Q:
    """The products of the group whose field `by` is `group`, and of the groups below it."""
    return Q(**{f"{prefix}group__{by}": group}) | Q(**{f"{prefix}group__parent__{by}": group})


def about_products(which: Q) -> Q:
    """Rows about the products that `which` chooses. These are looked up first, so that the planner knows how many they are:
    joined, a group of thousands is read product by product."""
    return one_of("product", Product.objects.filter(which).order_by().values_list("pk", flat=True))


class ListFilter(forms.Form):
    """What all filters share: names in the address, and the choices of a scope."""

    def __init__(self, data: Any, user: Any) -> None:
        super().__init__(data, auto_id="filter_%s")
        self.user = user
        self.customers = Customer.objects.visible_to(user)

    def offer(self, name: str, choices: list[tuple[str, str]], every: str) -> None:
        """Fill the choices of a field; one that leaves no choice is not asked for."""
        field: Any = self.fields[name]
        if len(choices) < 2 and not self.data.get(name):
            del self.fields[name]
        else:
            field.choices = [("", every), *choices]

    def offer_places(self, *names: str) -> None:
        """The regions, territories and corporate groups of the customers in scope, in one query."""
        found = self.customers.order_by().aggregate(
            **{f"all_{name}": ArrayAgg(name, distinct=True, filter=~Q(**{name: ""}), default=[]) for name in names}
        )
        for name in names:
            self.offer(name, [(value, value) for value in sorted(found[f"all_{name}"])], "All")

    def offer_reps(self) -> None:
        """The reps of the customers in scope; nobody's customers are a choice of those who see all."""
        if not (
            self.user.has_perm("masterdata.view_all_customers") or self.user.has_perm("masterdata.view_team_customers")
        ):
            del self.fields["rep"]
            return
        reps = User.objects.filter(customers__in=self.customers).distinct().order_by("full_name", "pk")
        choices = [(str(rep.pk), str(rep)) for rep in reps]
        if self.user.has_perm("masterdata.view_all_customers"):
            choices.append((NOBODY, "Nobody"))
        self.offer("rep", choices, "All")

    def offer_groups(self) -> None:
        groups = ProductGroup.objects.order_by("code")
        self.offer("group", [(str(group.pk), str(group)) for group in groups], "All")

    def wanted(self, name: str) -> str:
        """The value of a choice or a text; "" when it was not asked for."""
        return str(self.cleaned_data.get(name) or "")

    @property
    def is_narrowed(self) -> bool:
        """Whether the address filters at all."""
        return any(self.data.get(name) for name in self.fields)

    def of_rep(self, prefix: str = "") -> Q:
        """The customers of the rep asked for."""
        rep = self.wanted("rep")
        if not rep:
            return Q()
        return of_rep(rep if rep == NOBODY else int(rep), "pk", prefix)

    def of_group(self, prefix: str = "") -> Q:
        """The products of the group asked for and of the groups below it."""
        group = self.wanted("group")
        if not group:
            return Q()
        return of_group(int(group), "pk", prefix)


class CustomerFilter(ListFilter):
    """Filters of the list of customers."""

    q = forms.CharField(label="Name or ID", required=False, max_length=100, widget=_SEARCH)
    rep = forms.ChoiceField(label="Rep", required=False)
    region = forms.ChoiceField(label="Region", required=False)
    territory = forms.ChoiceField(label="Territory", required=False)
    corporate_group = forms.ChoiceField(label="Corporate group", required=False)
    state = forms.ChoiceField(
        label="State",
        required=False,
        choices=[("", "Active"), (PROSPECT, "Prospects"), (INACTIVE, "Inactive"), (EVERY, "All")],
    )

    def __init__(self, data: Any, user: Any) -> None:
        super().__init__(data, user)
        self.offer_places("region", "territory", "corporate_group")
        self.offer_reps()

    def apply(self) -> Any:
        """The customers in scope that every filter lets through; none while one of them makes no sense."""
        if not self.is_valid():
            return self.customers.none()
        found = self.customers.filter(self.of_rep())
        state = self.wanted("state") or ACTIVE
        if state == PROSPECT:
            found = found.filter(is_prospect=True, is_active=True)
        elif state != EVERY:
            found = found.filter(is_active=state == ACTIVE)
        for name in ("region", "territory", "corporate_group"):
            if self.wanted(name):
                found = found.filter(**{name: self.wanted(name)})
        return found.matching(self.wanted("q")) if self.wanted("q") else found


class ProductFilter(ListFilter):
    """Filters of the list of products."""

    q = forms.CharField(label="Description or code", required=False, max_length=100, widget=_SEARCH)
    group = forms.ChoiceField(label="Group", required=False)
    location = forms.ChoiceField(label="Location", required=False)
    line = forms.ChoiceField(label="Production line", required=False)
    state = forms.ChoiceField(
        label="State", required=False, choices=[("", "Active"), (INACTIVE, "Inactive"), (EVERY, "All")]
    )
    sold = forms.BooleanField(label="With customers only", required=False)

    def __init__(self, data: Any, user: Any) -> None:
        super().__init__(data, user)
        self.products = Product.objects.visible_to(user)
        self.offer_groups()
        found = self.products.order_by().aggregate(
            locations=ArrayAgg("manufacturing_location", distinct=True, default=[]),
            lines=ArrayAgg("production_line", distinct=True, default=[]),
        )
        for name, values in (("location", found["locations"]), ("line", found["lines"])):
            self.offer(name, [(value, value) for value in sorted(filter(None, values))], "All")

    def apply(self) -> Any:
        """The products in scope that every filter lets through; none while one of them makes no sense."""
        if not self.is_valid():
            return self.products.none()
        found = self.products.filter(self.of_group())
        state = self.wanted("state") or ACTIVE
        if state != EVERY:
            found = found.filter(is_active=state == ACTIVE)
        if self.wanted("location"):
            found = found.filter(manufacturing_location=self.wanted("location"))
        if self.wanted("line"):
            found = found.filter(production_line=self.wanted("line"))
        if self.cleaned_data.get("sold"):
            known = MatrixEntry.objects.visible_to(self.user).filter(is_active=True)
            found = found.filter(pk__in=known.values("product"))
        return found.matching(self.wanted("q")) if self.wanted("q") else found


class SalesFilter(ListFilter):
    """Filters of the sales history. first, last: the range when the address names none."""

    customer = forms.CharField(label="Customer", required=False, max_length=100, widget=_SEARCH)
    product = forms.CharField(label="Product", required=False, max_length=100, widget=_SEARCH)
    group = forms.ChoiceField(label="Group", required=False)
    rep = forms.ChoiceField(label="Rep", required=False)
    region = forms.ChoiceField(label="Region", required=False)
    since = MonthField(label="From", required=False)
    until = MonthField(label="To", required=False)

    def __init__(self, data: Any, user: Any, first: dt.date, last: dt.date) -> None:
        # The months in force stand in their fields, so that one sees them and moves them.
        shown = data.copy()
        for name, month in (("since", first), ("until", last)):
            if not shown.get(name):
                shown[name] = periods.key(month)
        super().__init__(shown, user)
        self.first, self.last = first, last
        self._whole, self._begins = (first, last), bool(data.get("since"))
        self.offer_groups()
        self.offer_reps()
        self.offer_places("region")

    def clean(self) -> dict[str, Any]:
        """The range must be in order, and not so long that it can only be a slip."""
        data: dict[str, Any] = super().clean() or self.cleaned_data
        if "since" not in data or "until" not in data:
            return data
        first, last = data["since"], data["until"]
        if not self._begins:
            first = min(first, last)
        if first > last:
            raise ValidationError({"until": "The last month must not be before the first one."})
        if periods.between(first, last) >= MOST_MONTHS:
            raise ValidationError({"since": f"At most {MOST_MONTHS} months are added up; choose a later first month."})
        self.first, self.last = first, last
        return data

    @property
    def is_narrowed(self) -> bool:
        """Whether the address filters at all, the usual months not counted."""
        others = any(self.data.get(name) for name in self.fields if name not in ("since", "until"))
        return others or (self.first, self.last) != self._whole or not self.is_valid()

    def apply(self) -> Any:
        """The actuals in scope that every filter but the months lets through; none while one makes no sense.

        What was sold to a customer that was replaced is found by its own name and by its successor's. Regions, reps
        and groups, which divide a whole, have it once: where the successor is.
        """
        found = Actual.objects.in_scope_of(self.user)
        if not self.is_valid():
            return found.none()
        if self.wanted("customer"):
            named = self.customers.matching(self.wanted("customer"))
            found = found.filter(one_of("customer", origins_of(CustomerSuccession, named)))
        if self.wanted("region") or self.wanted("rep"):
            places = Q(region=self.wanted("region")) if self.wanted("region") else Q()
            last = self.customers.filter(places, self.of_rep())
            found = found.filter(one_of("customer", origins_of(CustomerSuccession, last, once=True)))
        if self.wanted("product"):
            meant = Product.objects.matching(self.wanted("product"))
            found = found.filter(one_of("product", origins_of(ProductSuccession, meant)))
        if self.wanted("group"):
            family = Product.objects.filter(self.of_group())
            found = found.filter(one_of("product", origins_of(ProductSuccession, family, once=True)))
        return found

    def in_months(self, rows: Any) -> Any:
        """Of `rows` those of the months asked for."""
        return rows.filter(period__gte=self.first, period__lte=self.last)


class BudgetFilter(ListFilter):
    """Filters of the list of budgets."""

    version = forms.ChoiceField(label="Version", required=False)
    customer = forms.CharField(label="Customer", required=False, max_length=100, widget=_SEARCH)
    product = forms.CharField(label="Product", required=False, max_length=100, widget=_SEARCH)
    group = forms.ChoiceField(label="Group", required=False)
    rep = forms.ChoiceField(label="Rep", required=False)
    region = forms.ChoiceField(label="Region", required=False)
    since = MonthField(label="From", required=False)
    until = MonthField(label="To", required=False)

    def __init__(self, data: Any, user: Any) -> None:
        super().__init__(data, user)
        self.budgets = Budget.objects.visible_to(user)
        versions = self.budgets.order_by("-version").values_list("version", flat=True).distinct()
        self.offer("version", [(version, version) for version in versions], "All")
        self.offer_groups()
        self.offer_reps()
        self.offer_places("region")

    def clean(self) -> dict[str, Any]:
        """The range must be in order."""
        data: dict[str, Any] = super().clean() or self.cleaned_data
        if data.get("since") and data.get("until") and data["since"] > data["until"]:
            raise ValidationError({"until": "The last month must not be before the first one."})
        return data

    def apply(self) -> Any:
        """The budgets in scope that every filter lets through; none while one of them makes no sense."""
        if not self.is_valid():
            return self.budgets.none()
        found = self.budgets.filter(self.of_rep("customer__"), self.of_group("product__"))
        for name, lookup in (("version", "version"), ("region", "customer__region"),
                             ("since", "period__gte"), ("until", "period__lte")):  # fmt: skip
            if self.cleaned_data.get(name):
                found = found.filter(**{lookup: self.cleaned_data[name]})
        if self.wanted("customer"):
            found = found.filter(customer__in=self.customers.matching(self.wanted("customer")))
        if self.wanted("product"):
            found = found.filter(product__in=Product.objects.matching(self.wanted("product")))
        return found


class PairFilter(ListFilter):
    """Which pairs of customer and product; for files of the matrix."""

    customer = forms.CharField(label="Customer", required=False, max_length=100)
    product = forms.CharField(label="Product", required=False, max_length=100)

    def apply(self) -> Any:
        """The entries in scope of the customers and products asked for; none while the filter makes no sense."""
        rows = MatrixEntry.objects.visible_to(self.user)
        if not self.is_valid():
            return rows.none()
        if self.wanted("customer"):
            rows = rows.filter(customer__in=self.customers.matching(self.wanted("customer")))
        if self.wanted("product"):
            rows = rows.filter(product__in=Product.objects.matching(self.wanted("product")))
        return rows


def origins_of(succession: type[Succession], heirs: Any, *, once: bool = False) -> set[int]:
    """The keys of those whose history counts for `heirs`."""
    keys = heirs.order_by().values_list("pk", flat=True)
    return set().union(*succession.origins(keys, once=once).values())
