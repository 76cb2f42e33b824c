"""The history of an object in the admin is that of the audit trail: what happened to it by whatever way."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from audit import registry


def history_url(row: Any) -> str:
    """Where the trail tells what happened to `row`; "" for what it does not keep."""
    tracked = registry.find(type(row))
    return reverse("audit:history", args=[tracked.entity, row.pk]) if tracked and row.pk else ""


class TrailHistory:
    """A ModelAdmin whose history page is the trail's. Goes before ModelAdmin."""

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """To the trail, when the object exists and may be seen."""
        row = self.get_object(request, object_id)  # type: ignore[attr-defined]
        if row is None or not self.has_view_or_change_permission(request, row):  # type: ignore[attr-defined]
            return super().history_view(request, object_id, extra_context)  # type: ignore[misc,no-any-return]
        return redirect(history_url(row))
