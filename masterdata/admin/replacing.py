"""The page that puts a product or customer in the place of others, and the action that takes it back."""

import datetime as dt
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.widgets import AutocompleteSelect
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.urls import path, reverse
from django.utils import timezone
from django.utils.http import urlencode

from masterdata import services
from masterdata.admin.asking import MOST_IDS, DayInput, ask, ids_in
from masterdata.admin.base import Switchable, Tool
from masterdata.services.replacing import Replaced
from sop_portal.lib import periods


class ReplacedFilter(admin.SimpleListFilter):
    """Rows that something took the place of."""

    title = "replaced"
    parameter_name = "replaced"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Yes"), ("no", "No")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() in ("yes", "no"):
            return queryset.filter(replaced_by__isnull=self.value() == "no")
        return queryset


class Replaceable(Switchable):
    """Rows that something else may take the place of."""

    actions: Any = ("activate", "deactivate", "replace", "take_back", "remove")

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.replace_view)
        return [path("replace/", view, name=self._name("replace")), *super().get_urls()]

    def _name(self, page: str) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_{page}"

    def _replace_url(self, ids: list[int]) -> str:
        return f"{reverse('admin:' + self._name('replace'))}?{urlencode({'ids': ','.join(map(str, ids))})}"

    def object_tools(self, request: HttpRequest, row: Any) -> list[Tool]:
        tools = super().object_tools(request, row)
        return tools if row.replaced_by_id else [*tools, Tool("Replace by another…", self._replace_url([row.pk]))]

    @admin.action(description="Replace by another one", permissions=["change"])
    def replace(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponseRedirect | None:
        """Ask what takes their place."""
        ids = self.chosen(request, queryset, MOST_IDS)
        return redirect(self._replace_url(ids)) if ids else None

    @admin.action(description="Take the replacement back", permissions=["change"])
    def take_back(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Give the chosen rows their history back."""
        with self.refusals_told(request):
            changed = services.take_back(self.model, queryset.values_list("pk", flat=True), by=request.user)
            if len(changed) == 1:
                told = f"{changed[0]} stands for itself again and is active."
            else:
                told = f"{self.number(len(changed))} stand for themselves again and are active."
            self.message_user(request, told if changed else "None of them was replaced.", messages.SUCCESS)

    def replace_view(self, request: HttpRequest) -> HttpResponse:
        """Which one takes their place, what that would do, and doing it."""
        if not self.has_change_permission(request):
            raise PermissionDenied("Replacing needs the permission to change.")
        ids = ids_in(request.GET.get("ids", ""))
        rows = list(self.model._default_manager.filter(pk__in=ids).order_by("pk"))
        form = ReplaceForm(request.POST or None, owner=self)
        name = str(rows[0]) if len(rows) == 1 else self.number(len(rows))

        def run(values: dict[str, Any], dry_run: bool) -> Replaced:
            return services.replace(
                self.model, [row.pk for row in rows], values["successor"].pk,
                prices_from=values["prices_from"], by=request.user, dry_run=dry_run,
            )  # fmt: skip

        def done(values: dict[str, Any]) -> str:
            replaced = run(values, False)
            entries = len(replaced.matrix.created)
            told = f"{replaced.successor} has taken the place of {name}"
            return f"{told} and got {entries:,} matrix entr{'y' if entries == 1 else 'ies'}." if entries else f"{told}."

        return ask(
            self, request, form, template="masterdata/admin/replace.html", title=f"Replace {name}",
            foresee=lambda values: run(values, True), do=done, verb="Replace",
            then=reverse("admin:" + self._name("changelist")), rows=rows, what=self.opts.verbose_name,
        )  # fmt: skip


class ReplaceForm(forms.Form):
    """What takes the place, and which prices come along."""

    successor: Any = forms.ModelChoiceField(None, label="Replaced by")
    prices_from = forms.DateField(
        label="Prices from",
        required=False,
        widget=DayInput,
        help_text="From this day on its new matrix entries have the prices of the old ones, with every change known "
        "after it. Empty: they start without a price of their own.",
    )

    def __init__(self, *args: Any, owner: Replaceable, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field: Any = self.fields["successor"]
        field.queryset = owner.model._default_manager.all()
        field.widget = AutocompleteSelect(owner.model._meta.get_field("replaced_by"), owner.admin_site)
        field.widget.choices = field.choices
        self.initial.setdefault("prices_from", first_of_next_month())


def first_of_next_month() -> dt.date:
    """From when prices usually change."""
    return periods.shift(periods.first_of_month(timezone.localdate()), 1)
