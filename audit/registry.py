"""The models that stand in the trail: what is declared about each, and how its rows are read for it."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from django.db import connections, models

from audit.context import named_action
from audit.services import CREATED_OR_DELETED, DERIVED, NAMED, UPDATED, Event
from audit.values import plain

Row = dict[str, Any]
Changes = dict[str, tuple[Any, Any]]
ActionHook = Callable[[Changes, bool], str | None]


class Tracked:
    """The declaration of one tracked model."""

    def __init__(
        self,
        model: type[models.Model],
        fields: Sequence[str],
        entity: str,
        label: Callable[[Any], str],
        secret: Iterable[str],
        many: Mapping[str, str],
        actions: ActionHook | None,
        related: Sequence[str],
        words: Mapping[str, Mapping[Any, str]],
    ) -> None:
        self.model, self.entity, self.label, self.actions, self.related = model, entity, label, actions, tuple(related)
        self.fields: dict[str, models.Field] = {name: model._meta.get_field(name) for name in fields}  # type: ignore[misc]
        self.secret = frozenset(secret)
        self.many = dict(many)
        self.words = dict(words)

    def among(self, names: Iterable[str]) -> list[str]:
        """The tracked fields that a write of `names` (field names or columns) touches."""
        given = set(names)
        return [name for name, field in self.fields.items() if name in given or field.attname in given]

    def values(self, instance: Any, names: Iterable[str]) -> Row:
        """Plain values of the tracked fields `names` as the instance holds them."""
        return {name: plain(self.fields[name], getattr(instance, self.fields[name].attname)) for name in names}

    def stored(self, ids: Sequence[Any], names: Sequence[str], *, using: str, lock: bool = False) -> dict[Any, Row]:
        """Plain values per id of the rows as the database holds them; `lock` keeps others from changing them."""
        if not ids:
            return {}
        rows = self.model._base_manager.using(using).filter(pk__in=ids).order_by("pk")
        if lock:
            rows = rows.select_for_update(no_key=True, of=("self",))
        columns = [self.fields[name].attname for name in names]
        return {
            pk: {name: plain(self.fields[name], value) for name, value in zip(names, values, strict=True)}
            for pk, *values in rows.values_list("pk", *columns)
        }

    def instances(self, ids: Iterable[Any], *, using: str) -> dict[Any, Any]:
        """The rows as objects, with what their labels need."""
        rows = self.model._base_manager.using(using)
        return (rows.select_related(*self.related) if self.related else rows).in_bulk(list(ids))

    def choose_ids(self, rows: Sequence[Any], *, using: str) -> list[Any]:
        """Give rows without an id the next ones of the sequence; returns the ids that rows brought themselves."""
        own = [row.pk for row in rows if row.pk is not None]
        empty = [row for row in rows if row.pk is None]
        key = self.model._meta.pk
        if empty and isinstance(key, models.AutoField):
            with connections[using].cursor() as cursor:
                cursor.execute(
                    "SELECT nextval(pg_get_serial_sequence(%s, %s)) FROM generate_series(1, %s)",
                    [connections[using].ops.quote_name(self.model._meta.db_table), key.column, len(empty)],
                )
                for row, (number,) in zip(empty, cursor.fetchall(), strict=True):
                    row.pk = number
        return own

    def matching(self, rows: Sequence[Any], unique_fields: Iterable[str] | None, *, using: str) -> list[Any]:
        """Ids of the stored rows that an upsert of `rows` by `unique_fields` will change."""
        meta = self.model._meta
        columns = [meta.pk.attname if n == "pk" else meta.get_field(n).attname for n in unique_fields or ()]  # type: ignore[union-attr]
        wanted = {tuple(self._key(row, columns)) for row in rows}
        near = self.model._base_manager.using(using).filter(
            **{f"{column}__in": {getattr(row, column) for row in rows} for column in columns}
        )
        return [row.pk for row in near.only("pk", *columns) if tuple(self._key(row, columns)) in wanted]

    def _key(self, row: Any, columns: Iterable[str]) -> Iterator[Any]:
        for column in columns:
            field: Any = self.model._meta.get_field(column)
            yield field.to_python(getattr(row, column))

    def differences(self, before: Row, after: Row) -> Changes:
        """The fields whose plain values differ."""
        return {name: (before[name], after[name]) for name in before if before[name] != after[name]}

    def event(self, pk: Any, label: str, changes: Changes, verb: str) -> Event:
        """The entry for one row; `verb` is created, updated or deleted, unless a hook or the context names the act."""
        changes = {name: self._seen(name, pair) for name, pair in changes.items()}
        action, weight = f"{self.entity}_{verb}", UPDATED if verb == "updated" else CREATED_OR_DELETED
        derived = self.actions(changes, verb == "created") if self.actions and verb != "deleted" else None
        if derived:
            action, weight = derived, DERIVED if verb == "updated" else CREATED_OR_DELETED
        named = named_action(self.entity)
        if named:
            action, weight = named, NAMED
        return Event(
            action=action,
            entity_type=self.entity,
            entity_id=str(pk),
            label=label,
            changes=changes,
            specificity=weight,
        )

    def _seen(self, name: str, pair: tuple[Any, Any]) -> tuple[Any, Any]:
        return (None, "changed") if name in self.secret else pair


tracked: dict[type[models.Model], Tracked] = {}
exempt: dict[type[models.Model], str] = {}


def find(model: type[models.Model]) -> Tracked | None:
    """The declaration of `model`, if it is tracked."""
    return tracked.get(model)


def by_entity(entity: str) -> Tracked | None:
    """The declaration whose entries have this entity type."""
    return next((declared for declared in tracked.values() if declared.entity == entity), None)


def undeclared(every: Iterable[type[models.Model]]) -> list[str]:
    """Labels of those models that are neither tracked nor exempt."""
    return sorted(model._meta.label for model in every if model not in tracked and model not in exempt)
