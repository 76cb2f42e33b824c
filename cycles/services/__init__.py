"""All writes of cycles: one function per move. Locks: the cycle's advisory lock first, then rows."""

from cycles.services.access import require_mover
from cycles.services.auto import auto_close, auto_open
from cycles.services.deadlines import business_zone, day_off, deadline_text, localize, next_deadline
from cycles.services.drafts import create_cycle, delete_cycle, legacy_cycle, propose, update_cycle
from cycles.services.extending import ask_for_time, decline_request, extend_cycle, grant_request
from cycles.services.moves import COPIED_SETTINGS, Refreshed, close_cycle, open_cycle, publish_cycle, refresh_cycle
from cycles.services.preflight import preflight
from cycles.services.reopening import reopen_cycle

__all__ = [
    "COPIED_SETTINGS",
    "Refreshed",
    "ask_for_time",
    "auto_close",
    "auto_open",
    "business_zone",
    "close_cycle",
    "create_cycle",
    "day_off",
    "deadline_text",
    "decline_request",
    "delete_cycle",
    "extend_cycle",
    "grant_request",
    "legacy_cycle",
    "localize",
    "next_deadline",
    "open_cycle",
    "preflight",
    "propose",
    "publish_cycle",
    "refresh_cycle",
    "reopen_cycle",
    "require_mover",
    "update_cycle",
]
