"""Lines and their snapshots in the admin: to look at. They are typed and moved on the portal's own pages."""

from django.contrib import admin

from forecasts.models import Line, Snapshot
from masterdata.admin.readonly import ReadOnly
from masterdata.admin.search import PAIR_SEARCH

READER = "forecasts.view_all_lines"


class SnapshotInline(ReadOnly, admin.TabularInline):
    reader = READER
    model = Snapshot
    fields = ("event", "at", "actor", "owner", "status", "comment", "quantity", "unit_price")
    ordering = ("-pk",)


@admin.register(Line)
class LineAdmin(ReadOnly, admin.ModelAdmin):
    """Every line with the versions that were kept."""

    reader = READER
    list_display = ("cycle", "customer", "product", "owner", "status", "live", "risk_class", "revision", "edited_at")
    list_display_links = ("customer", "product")
    list_filter = ("status", "live", "risk_class", ("cycle", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("cycle", "customer", "product", "owner")
    search_fields = PAIR_SEARCH
    ordering = ("-cycle", "customer", "product")
    show_full_result_count = False
    inlines = (SnapshotInline,)
