"""Imports in the admin: to look at."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from masterdata.admin.readonly import ReadOnly
from masterdata.models import ImportHeading, ImportRun, RepAlias


@admin.register(ImportRun)
class ImportRunAdmin(ReadOnly, admin.ModelAdmin):
    reader = "masterdata.import_data"
    list_display = (
        "file_name", "kind", "state", "uploaded_by", "created_at", "applied_at", "rows_read", "rows_created",
        "rows_updated", "rows_unchanged", "rows_refused",
    )  # fmt: skip
    list_filter = ("kind", "state")
    list_select_related = ("uploaded_by",)
    search_fields = ("file_name", "uploaded_by__full_name")
    ordering = ("-created_at", "-pk")


@admin.register(ImportHeading)
class ImportHeadingAdmin(ReadOnly, admin.ModelAdmin):
    """Headings are mapped where a file is imported; here a mapping is found and forgotten."""

    reader = "masterdata.import_data"
    list_display = ("heading", "kind", "column")
    list_filter = ("kind",)
    search_fields = ("heading", "column")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_view_permission(request, obj)


@admin.register(RepAlias)
class RepAliasAdmin(ReadOnly, admin.ModelAdmin):
    """Names of reps are mapped where a workbook is imported; here a mapping is found and forgotten."""

    reader = "masterdata.import_data"
    list_display = ("name", "rep")
    list_select_related = ("rep",)
    search_fields = ("name", "rep__full_name", "rep__email")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_view_permission(request, obj)
