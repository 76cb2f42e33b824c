"""Settings in the admin: all of them by category, one form each, and the way back to the default."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import URLPattern, path, reverse

from sop_portal import conf
from sop_portal.conf import services
from sop_portal.conf.forms import AddForm, SettingForm
from sop_portal.conf.models import Setting
from sop_portal.conf.registry import CATEGORY_LABELS, REGISTRY, Spec
from sop_portal.lib.errors import Refused


@admin.register(Setting)
class SettingAdmin(admin.ModelAdmin):
    """The registry as a page; rows of the table are never edited directly."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("", view(self.setting_list), name="conf_setting_changelist"),
            path("add/", view(self.setting_add), name="conf_setting_add"),
            path("<slug:setting>/", view(self.setting_edit), name="conf_setting_edit"),
            path("<slug:setting>/change/", view(self.setting_moved), name="conf_setting_change"),
            path("<slug:setting>/reset/", view(self.setting_reset), name="conf_setting_reset"),
            path("<slug:setting>/remove/", view(self.setting_remove), name="conf_setting_remove"),
        ]

    def setting_list(self, request: HttpRequest) -> HttpResponse:
        """Every setting by category, with its value, help and whether it differs from the default."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        specs = [*REGISTRY.values(), *conf.added()]
        categories = [
            (words, [self._row(spec) for spec in specs if spec.category == category])
            for category, words in CATEGORY_LABELS.items()
        ]
        context = {
            **self.admin_site.each_context(request),
            "title": "Settings",
            "categories": [(words, rows) for words, rows in categories if rows],
            "may_change": self.has_change_permission(request),
        }
        return render(request, "conf/setting_list.html", context)

    def setting_edit(self, request: HttpRequest, setting: str) -> HttpResponse:
        """The form of one setting."""
        spec = self._spec(request, setting)
        form = SettingForm(spec, conf.get(setting), request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid():
            try:
                value = services.set_value(setting, form.raw(), by=request.user)
            except Refused as refusal:
                form.refuse(refusal)
            else:
                messages.success(request, f"{spec.label} is now {spec.words(value)}.")
                return redirect("admin:conf_setting_changelist")
        context = {
            **self.admin_site.each_context(request),
            "title": spec.label,
            "form": form,
            "row": self._row(spec),
        }
        return render(request, "conf/setting_edit.html", context, status=422 if form.errors else 200)

    def setting_reset(self, request: HttpRequest, setting: str) -> HttpResponse:
        """Give the setting its default again."""
        spec = self._spec(request, setting)
        if request.method == "POST":
            value = services.reset(setting, by=request.user)
            messages.success(request, f"{spec.label} has its default again: {spec.words(value)}.")
            return redirect("admin:conf_setting_changelist")
        return redirect("admin:conf_setting_edit", setting)

    def setting_add(self, request: HttpRequest) -> HttpResponse:
        """The form of a setting of one's own."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        form = AddForm(request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid():
            try:
                spec = services.add(**form.cleaned_data, by=request.user)
            except Refused as refusal:
                form.refuse(refusal)
            else:
                messages.success(request, f"{spec.label} was added; programs read it as {spec.key}.")
                return redirect("admin:conf_setting_changelist")
        context = {**self.admin_site.each_context(request), "title": "Add a setting", "form": form}
        return render(request, "conf/setting_add.html", context, status=422 if form.errors else 200)

    def setting_remove(self, request: HttpRequest, setting: str) -> HttpResponse:
        """Remove a setting of one's own."""
        spec = self._spec(request, setting)
        if request.method == "POST":
            services.remove(setting, by=request.user)
            messages.success(request, f"{spec.label} was removed.")
            return redirect("admin:conf_setting_changelist")
        return redirect("admin:conf_setting_edit", setting)

    def setting_moved(self, request: HttpRequest, setting: str) -> HttpResponseRedirect:
        """The address that the admin itself would use for a row of the table."""
        return HttpResponseRedirect(reverse("admin:conf_setting_edit", args=[setting]))

    def _spec(self, request: HttpRequest, setting: str) -> Spec:
        if not self.has_change_permission(request):
            raise PermissionDenied
        spec = services.find(setting)
        if spec is None or not spec.editable:
            raise Http404("There is no such setting to change.")
        return spec

    @staticmethod
    def _row(spec: Spec) -> dict[str, Any]:
        value = conf.get(spec.key)
        return {
            "spec": spec,
            "value": spec.words(value),
            "default": spec.words(spec.default),
            "changed": value != spec.default,
        }
