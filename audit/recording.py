"""Turning written rows into entries; used by the signals and by `TrackedQuerySet`."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from django.db import DEFAULT_DB_ALIAS, models, transaction

from audit.registry import Changes, Row, Tracked, find
from audit.services import Event, record_many
from audit.values import is_empty, plain

_muted: ContextVar[tuple[type[models.Model], ...]] = ContextVar("audit_muted", default=())
_batch: ContextVar["_Batch | None"] = ContextVar("audit_batch", default=None)


class _Batch:
    """Events that are written together, and rows read ahead for them."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.rows: dict[tuple[type[models.Model], Any], Row] = {}


@contextmanager
def muted(model: type[models.Model]) -> Iterator[None]:
    """Deletes of `model` inside are recorded by the caller."""
    token = _muted.set((*_muted.get(), model))
    try:
        yield
    finally:
        _muted.reset(token)


def is_muted(model: type[models.Model]) -> bool:
    """Whether the caller records the deletes of `model`."""
    return model in _muted.get()


@contextmanager
def together(*, using: str = DEFAULT_DB_ALIAS) -> Iterator[None]:
    """Write the entries of what happens inside in one statement at the end, in one transaction with it."""
    if _batch.get() is not None:
        yield
        return
    batch = _Batch()
    token = _batch.set(batch)
    try:
        with transaction.atomic(using=using, savepoint=False):
            yield
            record_many(batch.events)
    finally:
        _batch.reset(token)


def remember(tracked: Tracked, ids: Sequence[Any], *, using: str) -> None:
    """Read rows that are about to be deleted in one go, for the batch in force."""
    batch = _batch.get()
    if batch is not None:
        stored = tracked.stored(ids, list(tracked.fields), using=using)
        batch.rows.update({(tracked.model, pk): row for pk, row in stored.items()})


def remembered(tracked: Tracked, pk: Any, *, using: str) -> Row:
    """The stored row that is about to be deleted, read ahead or now."""
    batch = _batch.get()
    row = batch.rows.pop((tracked.model, pk), None) if batch else None
    return row if row is not None else tracked.stored([pk], list(tracked.fields), using=using).get(pk, {})


def record_created(tracked: Tracked, ids: Sequence[Any], *, using: str) -> None:
    """Entries for rows that a set-based write inserted."""
    _record_rows(tracked, {pk: dict.fromkeys(tracked.fields) for pk in ids}, list(tracked.fields), "created", using)


def record_updates(tracked: Tracked, before: Mapping[Any, Row], names: Sequence[str], *, using: str) -> None:
    """Entries for rows whose tracked fields `names` differ from what they were `before` a set-based write."""
    _record_rows(tracked, before, names, "updated", using)


def _record_rows(tracked: Tracked, before: Mapping[Any, Row], names: Sequence[str], verb: str, using: str) -> None:
    after = tracked.stored(list(before), names, using=using)
    changed: dict[Any, Changes] = {}
    for pk, now in after.items():
        changes = tracked.differences({name: before[pk][name] for name in names}, now)
        if verb == "created":
            changes = {name: pair for name, pair in changes.items() if not is_empty(pair[1])}
        if changes or verb == "created":
            changed[pk] = changes
    if not changed:
        return
    rows = tracked.instances(changed, using=using)
    changed = readable(tracked, changed, using)
    write([tracked.event(pk, tracked.label(rows[pk]), changes, verb) for pk, changes in changed.items()])


def write(events: list[Event]) -> None:
    """Record events now, or with the batch in force."""
    batch = _batch.get()
    if batch is None:
        record_many(events)
    else:
        batch.events.extend(events)


def readable(tracked: Tracked, changed: dict[Any, Changes], using: str) -> dict[Any, Changes]:
    """The same changes with foreign keys as "what it is called (#id)", read with one query a field."""
    for name, field in tracked.fields.items():
        if not isinstance(field, models.ForeignKey) or name in tracked.secret:
            continue
        ids = {part for changes in changed.values() for part in changes.get(name, ()) if part is not None}
        if not ids:
            continue
        target = field.remote_field.model
        column = field.target_field.attname
        named = find(target)
        found = target._base_manager.using(using).filter(**{f"{column}__in": ids})
        if named is not None and named.related:
            # What it is called reads further rows.
            found = found.select_related(*named.related)
        words = {plain(field.target_field, getattr(row, column)): f"{row} (#{getattr(row, column)})" for row in found}
        for changes in changed.values():
            if name in changes:
                old, new = (None if part is None else words.get(part, f"#{part}") for part in changes[name])
                changes[name] = (old, new)
    return changed


def record_one(tracked: Tracked, instance: Any, changes: Changes, verb: str, using: str) -> None:
    """The entry for one row that is at hand."""
    changed = readable(tracked, {instance.pk: changes}, using)
    write([tracked.event(instance.pk, tracked.label(instance), changed[instance.pk], verb)])
