"""The admin site behind the portal's own doors: one sign-in page, one password page, one set of limits."""

from typing import Any

from django.contrib.admin import AdminSite
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.http import urlencode


class PortalAdminSite(AdminSite):
    """Stock admin; who may enter is asked by the permission accounts.access_admin."""

    site_header = "Administration"
    site_title = "Administration"
    index_title = "Master data, users and settings"
    empty_value_display = "–"

    @method_decorator(login_not_required)
    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Send strangers to the sign-in page, and tell people without the permission so."""
        if request.user.is_authenticated and not self.has_permission(request):
            raise PermissionDenied("The admin pages need the role admin.")
        target = request.GET.get(REDIRECT_FIELD_NAME) or reverse("admin:index", current_app=self.name)
        if request.user.is_authenticated:
            return HttpResponseRedirect(reverse("admin:index", current_app=self.name))
        return redirect(f"{reverse('account_login')}?{urlencode({REDIRECT_FIELD_NAME: target})}")

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[dict[str, Any]]:
        """Stock, but for schedules: their tables belong to a library, and they stand with the runs of jobs."""
        if app_label == "django_celery_beat":
            return super().get_app_list(request, app_label)
        apps: list[dict[str, Any]] = super().get_app_list(request)
        beats = next((app for app in apps if app["app_label"] == "django_celery_beat"), None)
        jobs = next((app for app in apps if app["app_label"] == "jobs"), None)
        if beats is not None and jobs is not None:
            jobs["models"] = [{**model, "name": "Jobs"} for model in beats["models"]] + jobs["models"]
            apps.remove(beats)
        return [app for app in apps if app_label in (None, app["app_label"])]

    def logout(  # type: ignore[override]
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Signing out is done in one place."""
        return redirect("account_logout")

    def password_change(  # type: ignore[override]
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """So is choosing a new password."""
        return redirect("account_change_password")
