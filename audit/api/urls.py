"""Addresses of the operations about the trail."""

from audit.api import entries, figures
from sop_portal.lib.api.routes import route

urlpatterns = [
    *route("audit-logs", entries.EntryList, "audit-logs"),
    *route("audit-logs/my-activity", entries.MyActivity, "audit-my-activity"),
    *route("audit-logs/critical-events", entries.CriticalEvents, "audit-critical-events"),
    *route("audit-logs/statistics", figures.Figures, "audit-statistics"),
    *route("audit-logs/entity/<slug:entity_type>/<code:entity_id>", entries.ObjectHistory, "audit-entity"),
]
