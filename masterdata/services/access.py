"""Who may write master data; every service asks here first."""

from typing import Any

from sop_portal.lib.errors import NotAllowed


def require(by: Any, permission: str, sentence: str) -> None:
    """Raise NotAllowed with `sentence` unless `by` holds `permission` of master data ("change_customer")."""
    if not by.has_perm(f"masterdata.{permission}"):
        raise NotAllowed(sentence)
