"""Customers, who serves them, and who stands in for whom, in the admin."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin import helpers
from django.contrib.admin.widgets import AutocompleteSelect
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import path, reverse

from masterdata import services
from masterdata.admin import matrix_grid
from masterdata.admin.asking import MOST_IDS, DayInput, ask
from masterdata.admin.base import MasterdataAdmin, Tool
from masterdata.admin.panels import entry_count, panel_of
from masterdata.admin.pricing import prices_url
from masterdata.admin.replacing import Replaceable, ReplacedFilter, first_of_next_month
from masterdata.models import Customer, CustomerAlias, Delegation, MatrixEntry
from masterdata.models.aliases import alias_key
from sop_portal.accounts.models import User


class RepFilter(admin.SimpleListFilter):
    """Customers by their sales rep; also those who have none."""

    title = "sales rep"
    parameter_name = "rep"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        reps = User.objects.filter(customers__isnull=False).distinct().order_by("full_name", "pk")
        return [
            ("none", "Nobody"),
            ("inactive", "Somebody who is not active"),
            *((str(rep.pk), str(rep)) for rep in reps),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Customer]) -> QuerySet[Customer]:
        chosen = self.value() or ""
        if chosen == "none":
            return queryset.filter(sales_rep=None)
        if chosen == "inactive":
            return queryset.filter(sales_rep__is_active=False)
        return queryset.filter(sales_rep=int(chosen)) if chosen.isdecimal() else queryset


class CustomerForm(forms.ModelForm):
    """A customer; whoever becomes their rep must be one."""

    def clean_sales_rep(self) -> User | None:
        rep: User | None = self.cleaned_data["sales_rep"]
        if "sales_rep" in self.changed_data and (sentence := services.not_a_rep(rep)):
            raise ValidationError(sentence)
        return rep


class AssignForm(forms.Form):
    """To whom chosen customers go; nobody is a choice that has to be made."""

    NOBODY = "none"
    rep = forms.ChoiceField(label="Sales rep")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.reps = {str(rep.pk): rep for rep in services.sales_reps()}
        field: Any = self.fields["rep"]
        field.choices = [("", "Choose…"), *((key, str(rep)) for key, rep in self.reps.items()), (self.NOBODY, "Nobody")]

    def clean_rep(self) -> User | None:
        return self.reps.get(self.cleaned_data["rep"])


class AliasForm(forms.ModelForm):
    """A name from old workbooks; each stands for one customer only."""

    class Meta:
        model = CustomerAlias
        fields = ("name",)

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        taken = CustomerAlias.objects.filter(key=alias_key(name)).exclude(pk=self.instance.pk).first()
        if taken is not None:
            raise ValidationError(f"Workbooks already use this name for {taken.customer}; remove it there first.")
        return name


class AliasInline(admin.TabularInline):
    """What old workbooks call the customer; whoever may change the customer may correct it."""

    model = CustomerAlias
    form = AliasForm
    verbose_name = "name in old workbooks"
    verbose_name_plural = "names in old workbooks"
    extra = 0

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.has_perm("masterdata.change_customer"))

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_view_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_view_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_view_permission(request)


@admin.register(Customer)
class CustomerAdmin(Replaceable):
    """Customers, with what each of them buys."""

    form = CustomerForm
    change_form_template = "masterdata/admin/customer_form.html"
    list_display = (
        "customer_id", "name", "sales_rep", "region", "default_risk_class", "products", "is_active",
    )  # fmt: skip
    list_display_links = ("customer_id", "name")
    list_filter = ("is_active", RepFilter, ReplacedFilter, "is_prospect", "default_risk_class", "region", "territory")
    list_select_related = ("sales_rep",)
    search_fields = ("customer_id", "name", "short_name", "corporate_group")
    autocomplete_fields = ("sales_rep",)
    readonly_fields = ("replaced_by",)
    ordering = ("name", "pk")
    actions = ("assign", "change_prices", "activate", "deactivate", "replace", "take_back", "remove")
    inlines = (AliasInline,)
    data_kind = "customers"
    fieldsets = (
        (None, {"fields": ("customer_id", "name", "short_name", "sales_rep", "default_risk_class", "is_active")}),
        ("Where it belongs", {"fields": ("region", "territory", "corporate_group", "is_prospect", "replaced_by")}),
        ("Contact", {"fields": ("contact_person", "contact_email", "contact_phone")}),
        ("Terms", {"fields": ("payment_terms", "credit_limit")}),
        ("Address", {"fields": ("address", "city", "state", "postal_code", "country")}),
        ("Notes", {"fields": ("notes",)}),
    )

    def get_urls(self) -> list[Any]:
        site = self.admin_site
        own = [
            path("<int:pk>/matrix/", site.admin_view(self.matrix_view), name="masterdata_customer_matrix"),
            path("<int:pk>/copy-matrix/", site.admin_view(self.copy_view), name="masterdata_customer_copy"),
        ]
        return [*own, *super().get_urls()]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Customer]:
        return super().get_queryset(request).annotate(product_count=entry_count("customer"))

    @admin.display(description="Products", ordering="product_count")
    def products(self, customer: Customer) -> int:
        """How many products they buy."""
        return customer.product_count  # type: ignore[attr-defined,no-any-return]

    def object_tools(self, request: HttpRequest, row: Any) -> list[Tool]:
        return [
            Tool("Edit the matrix", reverse("admin:masterdata_customer_matrix", args=[row.pk])),
            Tool("Copy the matrix to another…", reverse("admin:masterdata_customer_copy", args=[row.pk])),
            Tool("Change prices…", prices_url(customers=[row.pk])),
            *super().object_tools(request, row),
        ]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """The form, and under it what the customer buys."""
        panel = panel_of(customer=object_id) if object_id.isascii() and object_id.isdigit() else None
        return super().change_view(request, object_id, form_url, {"panel": panel, **(extra_context or {})})

    def save_model(self, request: HttpRequest, obj: Customer, form: Any, change: bool) -> None:
        """Save; another rep is announced like on every other way."""
        rep = obj.sales_rep
        if change and "sales_rep" in form.changed_data:
            obj.sales_rep_id = form.initial["sales_rep"]
            super().save_model(request, obj, form, change)
            services.assign_customers([obj.pk], rep, by=request.user)
            obj.sales_rep = rep
        else:
            super().save_model(request, obj, form, change)

    @admin.action(description="Assign to a sales rep", permissions=["change"])
    def assign(self, request: HttpRequest, queryset: QuerySet[Customer]) -> HttpResponse | None:
        """Ask for the rep, then give them the chosen customers."""
        sent = "assign" in request.POST
        form = AssignForm(request.POST if sent else None)
        if sent and form.is_valid():
            rep = form.cleaned_data["rep"]
            with self.refusals_told(request):
                moved = services.assign_customers(queryset.values_list("pk", flat=True), rep, by=request.user)
                whom = f"to {rep}" if rep else "to nobody"
                self.message_user(request, f"{self.number(len(moved))} assigned {whom}.", messages.SUCCESS)
            return None
        return self.page(
            request,
            "masterdata/assign_customers.html",
            "Assign customers to a sales rep",
            customers=queryset.select_related("sales_rep"),
            form=form,
            follows=services.what_follows(queryset.values_list("pk", flat=True)),
            selected=helpers.ACTION_CHECKBOX_NAME,
        )

    @admin.action(description="Change their prices", permissions=["change"])
    def change_prices(self, request: HttpRequest, queryset: QuerySet[Customer]) -> HttpResponse | None:
        """To the page that changes prices, for these customers."""
        ids = self.chosen(request, queryset, MOST_IDS)
        return redirect(prices_url(customers=ids)) if ids else None

    def matrix_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Which of all products the customer buys, in one form."""
        return matrix_grid.view(self, request, self._row(request, pk))

    def copy_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Give another customer what this one buys."""
        source = self._row(request, pk)
        form = CopyForm(request.POST or None, site=self.admin_site)

        def run(values: dict[str, Any], dry_run: bool) -> services.Copied:
            return services.copy_matrix(
                source.pk, values["customer"].pk, prices_from=values["prices_from"], by=request.user, dry_run=dry_run
            )

        def done(values: dict[str, Any]) -> str:
            made = len(run(values, False).created)
            return f"{values['customer']} got {made:,} matrix entr{'y' if made == 1 else 'ies'} of {source}."

        return ask(
            self, request, form, template="masterdata/admin/copy_matrix.html", title=f"Copy the matrix of {source}",
            foresee=lambda values: run(values, True), do=done, verb="Copy", source=source,
            then=reverse("admin:masterdata_customer_change", args=[source.pk]),
        )  # fmt: skip

    def _row(self, request: HttpRequest, pk: int) -> Customer:
        """The customer, for somebody who may change what they buy."""
        if not request.user.has_perm("masterdata.change_matrixentry"):
            raise PermissionDenied("Only an S&OP admin changes who buys what.")
        return get_object_or_404(Customer.objects.visible_to(request.user), pk=pk)


class CopyForm(forms.Form):
    """Who gets the products, and which prices come along."""

    customer = forms.ModelChoiceField(Customer.objects.all(), label="To customer")
    prices_from = forms.DateField(
        label="Prices from", required=False, widget=DayInput,
        help_text="From this day on the new entries have the same prices, with every change known after it. Empty: they "
        "start without a price of their own.",
    )  # fmt: skip

    def __init__(self, *args: Any, site: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field: Any = self.fields["customer"]
        field.widget = AutocompleteSelect(MatrixEntry._meta.get_field("customer"), site)
        field.widget.choices = field.choices
        self.initial.setdefault("prices_from", first_of_next_month())


@admin.register(Delegation)
class DelegationAdmin(MasterdataAdmin):
    list_display = ("from_user", "to_user", "all_customers", "valid_from", "valid_to", "created_by")
    list_filter = ("all_customers",)
    list_select_related = ("from_user", "to_user", "created_by")
    search_fields = ("from_user__full_name", "from_user__email", "to_user__full_name", "to_user__email")
    autocomplete_fields = ("from_user", "to_user", "customers")
    ordering = ("-valid_from", "pk")
    fields = ("from_user", "to_user", "all_customers", "customers", "valid_from", "valid_to")

    def save_model(self, request: HttpRequest, obj: Delegation, form: Any, change: bool) -> None:
        if not change:
            obj.created_by = request.user  # type: ignore[assignment]
        super().save_model(request, obj, form, change)
