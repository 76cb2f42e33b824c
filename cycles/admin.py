"""Cycles in the admin: to look at. They are made and moved on the portal's own pages."""

from django.contrib import admin

from cycles.models import Cycle, Participant
from masterdata.admin.readonly import ReadOnly


class ParticipantInline(ReadOnly, admin.TabularInline):
    reader = "cycles.move_cycle"
    model = Participant
    fields = (
        "rep",
        "lines_expected",
        "deadline_extension",
        "extension_reason",
        "first_seen_at",
        "last_seen_at",
        "counts_at_close",
    )


@admin.register(Cycle)
class CycleAdmin(ReadOnly, admin.ModelAdmin):
    """Every cycle with who takes part."""

    reader = "cycles.move_cycle"
    list_display = ("name", "kind", "first_period", "status", "closes_at", "opened_at", "closed_at", "archived_at")
    list_filter = ("kind", "status")
    search_fields = ("name",)
    ordering = ("-first_period", "-pk")
    inlines = (ParticipantInline,)
