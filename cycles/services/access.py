"""Who may run cycles."""

from typing import Any

from sop_portal.lib.errors import NotAllowed


def require_mover(by: Any) -> None:
    """Refuse people who do not run cycles."""
    if not by.has_perm("cycles.move_cycle"):
        raise NotAllowed("Only an S&OP admin can do this with a cycle.")
