"""What a person may not see in the history of a cycle."""

from collections.abc import Collection
from typing import Any

from cycles.models import Cycle

# The first words of fields that tell of the shares of single reps, or of what administrators looked at: whose deadline
# was moved and why, who was reminded, what was overridden, which filters a file was taken with.
OF_OTHERS = frozenset({"deadline", "reason", "reminded", "overridden", "filters"})


def cycle_history(user: Any, entity_id: str) -> bool | Collection[str]:
    """The history of a cycle that `user` may see; for those who do not see every share, without what it tells of them."""
    if not (entity_id.isascii() and entity_id.isdigit()):
        return False
    if not Cycle.objects.visible_to(user).filter(pk=entity_id).exists():
        return False
    return () if user.has_perm("masterdata.view_all_customers") else OF_OTHERS
