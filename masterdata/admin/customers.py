"""Customers, who serves them, and who stands in for whom, in the admin."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin import helpers
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from masterdata import services
from masterdata.models import Customer, CustomerAlias, Delegation
from masterdata.models.aliases import alias_key
from sop_portal.accounts.models import User
from sop_portal.lib.errors import DomainError


class RepFilter(admin.SimpleListFilter):
    """Customers by their sales rep; also those who have none."""

    title = "sales rep"
    parameter_name = "rep"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        reps = User.objects.filter(customers__isnull=False).distinct().order_by("full_name", "pk")
        return [("none", "Nobody"), *((str(rep.pk), str(rep)) for rep in reps)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Customer]) -> QuerySet[Customer]:
        chosen = self.value() or ""
        if chosen == "none":
            return queryset.filter(sales_rep=None)
        return queryset.filter(sales_rep=int(chosen)) if chosen.isdecimal() else queryset


class CustomerForm(forms.ModelForm):
    """A customer; whoever becomes their rep must be one."""

    def clean_sales_rep(self) -> User | None:
        rep: User | None = self.cleaned_data["sales_rep"]
        if "sales_rep" in self.changed_data and (sentence := services.not_a_rep(rep)):
            raise ValidationError(sentence)
        return rep


class AssignForm(forms.Form):
    """To whom chosen customers go."""

    rep = forms.ModelChoiceField(User.objects.none(), required=False, empty_label="Nobody", label="Sales rep")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field: Any = self.fields["rep"]
        field.queryset = services.sales_reps()


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
class CustomerAdmin(admin.ModelAdmin):
    form = CustomerForm
    list_display = (
        "customer_id", "name", "short_name", "sales_rep", "region", "default_risk_class", "is_prospect", "is_active",
    )  # fmt: skip
    list_display_links = ("customer_id", "name")
    list_filter = ("is_active", RepFilter, "is_prospect", "region", "territory")
    list_select_related = ("sales_rep",)
    search_fields = ("customer_id", "name", "short_name", "corporate_group")
    autocomplete_fields = ("sales_rep", "replaced_by")
    ordering = ("name", "pk")
    actions = ("assign",)
    inlines = (AliasInline,)
    fieldsets = (
        (None, {"fields": ("customer_id", "name", "short_name", "sales_rep", "default_risk_class", "is_active")}),
        ("Where it belongs", {"fields": ("region", "territory", "corporate_group", "is_prospect", "replaced_by")}),
        ("Contact", {"fields": ("contact_person", "contact_email", "contact_phone")}),
        ("Terms", {"fields": ("payment_terms", "credit_limit")}),
        ("Address", {"fields": ("address", "city", "state", "postal_code", "country")}),
        ("Notes", {"fields": ("notes",)}),
    )

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
            try:
                moved = services.assign_customers(queryset.values_list("pk", flat=True), rep, by=request.user)
            except DomainError as refusal:
                self.message_user(request, refusal.detail, messages.ERROR)
            else:
                whom = f"to {rep}" if rep else "to nobody"
                count = f"{len(moved)} customer{'' if len(moved) == 1 else 's'}"
                self.message_user(request, f"{count} assigned {whom}.", messages.SUCCESS)
            return None
        return TemplateResponse(
            request,
            "masterdata/assign_customers.html",
            {
                **self.admin_site.each_context(request),
                "title": "Assign customers to a sales rep",
                "opts": self.model._meta,
                "customers": queryset.select_related("sales_rep"),
                "form": form,
                "follows": services.what_follows(queryset.values_list("pk", flat=True)),
                "selected": helpers.ACTION_CHECKBOX_NAME,
                "media": self.media,
            },
        )


@admin.register(Delegation)
class DelegationAdmin(admin.ModelAdmin):
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
