"""Cycles in the admin: to look at. They are made and moved on the portal's own pages."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from cycles.models import Cycle, Participant


class ReadOnly:
    """Nothing is added, changed or deleted here."""

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("cycles.move_cycle")


class ParticipantInline(ReadOnly, admin.TabularInline):
    model = Participant
    fields = ("rep", "lines_expected", "deadline_extension", "first_seen_at", "counts_at_close")
    can_delete = False
    extra = 0


@admin.register(Cycle)
class CycleAdmin(ReadOnly, admin.ModelAdmin):
    """Every cycle with who takes part."""

    list_display = ("name", "kind", "first_period", "status", "closes_at", "opened_at", "closed_at", "archived_at")
    list_filter = ("kind", "status")
    list_select_related = ("created_by",)
    search_fields = ("name",)
    ordering = ("-first_period", "-pk")
    inlines = (ParticipantInline,)
