"""What the admin pages of master data have in common: tools beside the title, the trail's history, refusals as messages."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.text import capfirst

from masterdata import services
from masterdata.exports import Wanted, hidden_from
from masterdata.notices import notices
from masterdata.services.removal import Removed
from masterdata.views import exports
from sop_portal.accounts.admin_trail import TrailHistory
from sop_portal.lib.downloads import TYPES
from sop_portal.lib.errors import DomainError

# How many rows a page that asks names before it only counts.
NAMED = 100


@dataclass(frozen=True)
class Tool:
    """A link beside the title of a page."""

    label: str
    url: str


class MasterdataAdmin(TrailHistory, admin.ModelAdmin):
    """A list and a form of master data."""

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Several searched rows: each is taken away by itself; a button for all of them would break their list."""
        found: Any = super().formfield_for_manytomany(db_field, request, **kwargs)
        if found is not None:
            getattr(found.widget, "widget", found.widget).is_required = True
        return found

    # The kind of import and export that the rows are; "" for what comes and goes in no file.
    data_kind = ""

    def get_urls(self) -> list[Any]:
        urls = super().get_urls()
        if not self.data_kind:
            return urls
        view = self.admin_site.admin_view(self.export_view)
        return [path("export.<slug:form>", view, name=f"masterdata_{self.opts.model_name}_export"), *urls]

    def list_tools(self, request: HttpRequest) -> list[Tool]:
        """Links beside the title of the list: files in and out, those out exactly as the list is filtered."""
        if not self.data_kind or not request.user.has_perm("masterdata.import_data"):
            return []
        query = f"?{request.GET.urlencode()}" if request.GET else ""
        exported = [
            Tool(f"Export {form}", reverse(f"admin:masterdata_{self.opts.model_name}_export", args=[form]) + query)
            for form in ("xlsx", "csv")
        ]
        return [Tool("Import", reverse("masterdata:import_start", args=[self.data_kind])), *exported]

    def export_view(self, request: HttpRequest, form: Any) -> Any:
        """The rows of the list as its filters leave them, as a file that the import takes back."""
        if not self.has_view_permission(request) or form not in TYPES:
            raise Http404("There is no such file.")
        rows = exports.rows_listed(self, request)
        found = Wanted(
            self.model._default_manager.filter(pk__in=rows.order_by().values("pk")), (), hidden_from(request.user)
        )
        return exports.file_of(request, self.data_kind, form, found, filters=request.GET.urlencode())

    def object_tools(self, request: HttpRequest, row: Any) -> list[Tool]:
        """Links beside the title of one row."""
        return []

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        shown = {"title": capfirst(self.opts.verbose_name_plural), "portal_tools": self.list_tools(request)}
        return super().changelist_view(request, {**shown, **(extra_context or {})})

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        row = kwargs.get("obj")
        if row is not None and self.has_change_permission(request, row):
            context["portal_tools"] = self.object_tools(request, row)
        return super().render_change_form(request, context, *args, **kwargs)

    @contextmanager
    def refusals_told(self, request: HttpRequest) -> Iterator[None]:
        """Turn what a service refuses inside into a message."""
        try:
            yield
        except DomainError as refusal:
            self.message_user(request, refusal.detail, messages.ERROR)

    def chosen(self, request: HttpRequest, queryset: QuerySet[Any], most: int) -> list[int]:
        """The keys of the chosen rows for an address; [] and a message when these are more than it holds."""
        ids = _ids(queryset)
        if len(ids) <= most:
            return ids
        told = f"Choose at most {most} {self.opts.verbose_name_plural} at a time for this; {len(ids):,} are chosen."
        self.message_user(request, told, messages.ERROR)
        return []

    def tell_notices(self, request: HttpRequest) -> None:
        """Say what waits for a decision now that prices changed."""
        for notice in notices(request.user):
            link = format_html('{} <a href="{}">{}</a>', notice.text, notice.url, notice.action)
            self.message_user(request, link, messages.WARNING)

    def page(
        self, request: HttpRequest, template: str, title: str, *, status: int = 200, **context: Any
    ) -> HttpResponse:
        """A page of our own in the frame of the admin."""
        shown = {
            **self.admin_site.each_context(request),
            "title": title,
            "opts": self.opts,
            "media": self.media,
            **context,
        }
        return TemplateResponse(request, template, shown, status=status)


class Switchable(MasterdataAdmin):
    """Rows with an `is_active`: switched on and off, deleted only when nothing stands on them."""

    actions: Any = ("activate", "deactivate", "remove")

    def get_actions(self, request: HttpRequest) -> Any:
        """Django's own deletion knows nothing of history."""
        actions = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions

    @admin.action(description="Activate", permissions=["change"])
    def activate(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Switch the chosen rows on."""
        self._switch(request, queryset, True)

    @admin.action(description="Deactivate", permissions=["change"])
    def deactivate(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Switch the chosen rows off."""
        self._switch(request, queryset, False)

    def _switch(self, request: HttpRequest, queryset: QuerySet[Any], active: bool) -> None:
        with self.refusals_told(request):
            changed = services.set_active(self.model, _ids(queryset), active, by=request.user)
            self.message_user(request, f"{self.number(changed)} {'activated' if active else 'deactivated'}.")

    @admin.action(description="Delete, or deactivate what has a history", permissions=["delete"])
    def remove(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Say what would become of each row, then do it."""
        return self._remove(request, _ids(queryset), "confirmed" in request.POST)

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """The same for one row, from its own page."""
        row = self.get_object(request, object_id)
        if row is None or not self.has_delete_permission(request, row):
            return super().delete_view(request, object_id, extra_context)
        asked = self._remove(request, [row.pk], request.method == "POST")
        return asked or self.response_delete(request, str(row), row.pk)

    def response_delete(self, request: HttpRequest, obj_display: str, obj_id: Any) -> HttpResponse:
        """Back to the list; what was done is told already."""
        return redirect(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist")

    def _remove(self, request: HttpRequest, ids: list[int], confirmed: bool) -> HttpResponse | None:
        if confirmed:
            with self.refusals_told(request):
                self._tell_removed(request, services.remove(self.model, ids, by=request.user))
            return None
        foreseen = services.remove(self.model, ids, by=request.user, dry_run=True)
        words = self.opts.verbose_name if len(ids) == 1 else self.opts.verbose_name_plural
        return self.page(
            request, "masterdata/admin/remove.html", f"Delete {len(ids):,} {words}?" if len(ids) > 1 else f"Delete this {words}?",
            foreseen=foreseen, ids=ids, named=foreseen.deleted[:NAMED], more=len(foreseen.deleted) - NAMED,
            kept=list(foreseen.kept.items())[:NAMED], more_kept=len(foreseen.kept) - NAMED,
        )  # fmt: skip

    def _tell_removed(self, request: HttpRequest, removed: Removed) -> None:
        if removed.deleted:
            name = removed.deleted[0] if len(removed.deleted) == 1 else self.number(len(removed.deleted))
            self.message_user(request, f"{name} deleted.", messages.SUCCESS)
        for row, kinds in list(removed.kept.items())[:3]:
            self.message_user(
                request, f"{row} has a history ({', '.join(kinds)}), so it is deactivated instead.", messages.WARNING
            )
        if len(removed.kept) > 3:
            more = self.number(len(removed.kept) - 3)
            self.message_user(request, f"{more} more deactivated for the same reason.", messages.WARNING)

    def number(self, count: int) -> str:
        """ "3 customers"."""
        return f"{count:,} {self.opts.verbose_name if count == 1 else self.opts.verbose_name_plural}"


def _ids(queryset: QuerySet[Any]) -> list[int]:
    return list(queryset.order_by("pk").values_list("pk", flat=True))
