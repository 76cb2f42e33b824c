"""What cycles answer when the audit trail asks who may read their history."""

from typing import Any

from audit.history import history_scope
from cycles.models import Cycle


def may_read_history(user: Any, entity_id: str) -> bool:
    """Whoever may see the cycle may read what happened to it."""
    return entity_id.isascii() and entity_id.isdigit() and Cycle.objects.visible_to(user).filter(pk=entity_id).exists()


history_scope["cycle"] = may_read_history
