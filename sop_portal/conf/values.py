"""Reading settings: one query a second and process, and never an error because the database is away."""

import copy
import logging
import time
from typing import Any

from django.db import Error, transaction

from sop_portal.conf import own
from sop_portal.conf.registry import REGISTRY, Spec

# Seconds for which a process may answer from memory: the time in which a change reaches every process.
LIFETIME = 1.0

logger = logging.getLogger(__name__)


class _Memory:
    """What the table held when it was last read, and until when (monotonic seconds) that may be used."""

    def __init__(self) -> None:
        self.stored: dict[str, Any] = {}
        self.own: dict[str, Spec] = {}
        self.until = 0.0


_memory = _Memory()


def get(key: str) -> Any:
    """The typed value of setting `key`: what the table holds, else its default.

    With the database away the last known value, or the default, is used and asked for again a second later.
    Raises KeyError for a key that neither the registry nor an admin declares.
    """
    if time.monotonic() >= _memory.until:
        _refresh()
    if key not in REGISTRY and key not in _memory.own:
        # Another process may have added it since this one looked.
        _refresh()
    spec = REGISTRY[key] if key in REGISTRY else _memory.own[key]
    if key not in _memory.stored or not spec.editable:
        return copy.copy(spec.default)
    try:
        return spec.clean(_memory.stored[key])
    except ValueError:
        # A narrower range in a later version must not stop the portal.
        logger.warning("The stored value of setting %s is no longer valid; its default is used.", key)
        return copy.copy(spec.default)


def added() -> list[Spec]:
    """The settings that admins added, by their labels."""
    if time.monotonic() >= _memory.until:
        _refresh()
    return sorted(_memory.own.values(), key=lambda spec: spec.label.casefold())


def clear_cache() -> None:
    """Make the next `get` of this process ask the database."""
    _memory.until = 0.0


def changed(**_: Any) -> None:
    """Receiver of a saved or deleted setting: this process knows at once, and again once it is committed."""
    clear_cache()
    transaction.on_commit(clear_cache)


def _refresh() -> None:
    from sop_portal.conf.models import Setting

    try:
        rows = list(Setting.objects.values_list("key", "value", "declaration"))
        _memory.stored = {key: value for key, value, _ in rows}
        _memory.own = {key: own.spec(key, said) for key, _, said in rows if said and key not in REGISTRY}
    except Error as problem:
        logger.warning("Settings could not be read, the last known ones are used: %s", problem)
    _memory.until = time.monotonic() + LIFETIME
