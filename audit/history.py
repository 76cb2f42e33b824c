"""Who may read the history of an object. Those who may read the trail may read every history; an app to the right
opens those of its objects to more people."""

from collections.abc import Callable, Collection
from typing import Any

from django.db import models

# entity type -> (user, entity id) -> whether the user may read it, or the names of fields that they may not see.
history_scope: dict[str, Callable[[Any, str], bool | Collection[str]]] = {}

# entity type -> business code -> the id of the object, None when none has this code.
by_code: dict[str, Callable[[str], str | None]] = {}


def named_by(entity_type: str, model: type[models.Model], field: str) -> None:
    """Let the history of a `model` be asked for by its business code, which stands in `field`."""

    def id_of(code: str) -> str | None:
        pk = model._default_manager.filter(**{field: code}).values_list("pk", flat=True).first()
        return None if pk is None else str(pk)

    by_code[entity_type] = id_of


def open_to_readers(entity_type: str, model: type[models.Model]) -> None:
    """Let whoever may see a row of `model` (by its `visible_to`) read all of its history."""

    def may_read(user: Any, entity_id: str) -> bool:
        if not (entity_id.isascii() and entity_id.isdigit()):
            return False
        rows: Any = model._default_manager
        return bool(rows.visible_to(user).filter(pk=entity_id).exists())

    history_scope[entity_type] = may_read


def hidden_fields(user: Any, entity_type: str, entity_id: str) -> Collection[str] | None:
    """The fields that `user` may not see in this history; None when they may not read it at all."""
    if user.has_perm("audit.view_entry"):
        return ()
    scope = history_scope.get(entity_type)
    answer = scope(user, entity_id) if scope is not None else False
    if isinstance(answer, bool):
        return () if answer else None
    return answer
