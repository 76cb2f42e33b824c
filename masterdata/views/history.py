"""The latest changes of one object of master data, as far as a person may read them."""

from typing import Any

from audit.history import hidden_fields
from audit.models import Entry
from audit.words import Told, tell

CHANGES = 50


def told_about(user: Any, entity_type: str, pk: int) -> list[Told] | None:
    """The latest changes in words, the newest first; None when `user` may not read them."""
    hidden = hidden_fields(user, entity_type, str(pk))
    if hidden is None:
        return None
    told = [tell(entry, hidden) for entry in Entry.objects.about(entity_type, str(pk))[:CHANGES]]
    # What is left of an entry whose only changes are hidden would say that something happened.
    return [one for one in told if one.changes or not one.entry.changes]
