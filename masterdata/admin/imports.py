"""Imports in the admin: to look at."""

from django.contrib import admin

from masterdata.admin.readonly import ReadOnly
from masterdata.models import ImportRun


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
