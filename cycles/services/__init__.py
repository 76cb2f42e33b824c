"""All writes of cycles: one function per move. Locks: the cycle's advisory lock first, then rows."""

from cycles.services.access import require_mover
from cycles.services.deadlines import business_zone, deadline_text, localize
from cycles.services.drafts import create_cycle, delete_cycle, legacy_cycle, propose, update_cycle
from cycles.services.extending import ask_for_time, decline_request, extend_cycle, grant_request
from cycles.services.moves import COPIED_SETTINGS, close_cycle, open_cycle, publish_cycle, refresh_cycle
from cycles.services.reopening import reopen_cycle

__all__ = [
    "COPIED_SETTINGS",
    "ask_for_time",
    "business_zone",
    "close_cycle",
    "create_cycle",
    "deadline_text",
    "decline_request",
    "delete_cycle",
    "extend_cycle",
    "grant_request",
    "legacy_cycle",
    "localize",
    "open_cycle",
    "propose",
    "publish_cycle",
    "refresh_cycle",
    "reopen_cycle",
    "require_mover",
    "update_cycle",
]
