"""Declaring which models stand in the trail, and the signals that record their saves and deletes.

Every model is declared once, in `ready()` of its app: `track(Model, fields=[...])` or `exempt(Model, why="...")`.
"""

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from django.db import DEFAULT_DB_ALIAS, models, transaction
from django.db.models.signals import m2m_changed, post_delete, post_save, pre_delete, pre_save

from audit import recording, registry
from audit.querysets import TrackedQuerySet
from audit.registry import ActionHook, Changes, Row, Tracked
from audit.services import DERIVED, UPDATED, Event
from audit.values import is_empty


def track(
    model: type[models.Model],
    *,
    fields: Sequence[str],
    entity: str | None = None,
    label: Callable[[Any], str] | None = None,
    secret: Iterable[str] = (),
    many: Iterable[str] | Mapping[str, str] = (),
    actions: ActionHook | None = None,
    related: Sequence[str] = (),
    words: Mapping[str, Mapping[Any, str]] | None = None,
) -> None:
    """Record every create, update and delete of `model`.

    fields: names kept with before and after. entity: first part of the actions, by default the model's name.
    label: what the row is called, by default `str`; `related` are the keys it reads (for bulk writes).
    secret: fields whose values are never stored, only that they changed. many: many-to-many fields, or a mapping of
    them to the action of their change. actions: (changes, created) -> the action to record, or None for the plain one.
    words: for fields (and names that set-based writers record) whose values need translating on pages.
    """
    entity = entity or str(model._meta.model_name)
    plural = dict(many) if isinstance(many, Mapping) else {name: _MANY.get(name, "{}_updated") for name in many}
    tracked = Tracked(model, fields, entity, label or str, secret, plural, actions, related, words or {})
    registry.tracked[model] = tracked
    registry.exempt.pop(model, None)
    _write_in_one_transaction(model)
    _track_base_manager(model)
    for signal, receiver in (
        (pre_save, _before_save),
        (post_save, _after_save),
        (pre_delete, _before_delete),
        (post_delete, _after_delete),
    ):
        signal.connect(receiver, sender=model, dispatch_uid=f"audit.{model._meta.label}")
    for name in plural:
        through = model._meta.get_field(name).remote_field.through  # type: ignore[union-attr]
        m2m_changed.connect(
            functools.partial(_many_changed, tracked=tracked, name=name),
            sender=through,
            weak=False,
            dispatch_uid=f"audit.{model._meta.label}.{name}",
        )
        if through._meta.auto_created:
            exempt(through, why=f"kept as {name} of {model._meta.verbose_name}")


# Membership of a group is a role; other lists of keys are ordinary changes.
_MANY = {"groups": "{}_role_changed"}


def exempt(model: type[models.Model], *, why: str) -> None:
    """Declare that rows of `model` are not recorded, and why."""
    if model not in registry.tracked:
        registry.exempt[model] = why


def _before_save(sender: Any, instance: Any, using: str, update_fields: Iterable[str] | None = None, **_: Any) -> None:
    tracked = registry.tracked[sender]
    names = list(tracked.fields) if update_fields is None else tracked.among(update_fields)
    known: Row | None = None
    if names and instance.pk is not None:
        known = tracked.stored([instance.pk], names, using=using, lock=True).get(instance.pk)
    instance._audit_save = (names, known)


def _after_save(sender: Any, instance: Any, created: bool, using: str, **_: Any) -> None:
    tracked = registry.tracked[sender]
    names, known = instance.__dict__.pop("_audit_save")
    if not names and not created:
        return
    if any(hasattr(getattr(instance, tracked.fields[name].attname), "resolve_expression") for name in names):
        now = tracked.stored([instance.pk], names, using=using)[instance.pk]
    else:
        now = tracked.values(instance, names)
    if created:
        changes: Changes = {name: (None, value) for name, value in now.items() if not is_empty(value)}
        recording.record_one(tracked, instance, changes, "created", using)
        return
    changes = tracked.differences(known or dict.fromkeys(names), now)
    if changes:
        recording.record_one(tracked, instance, changes, "updated", using)


def _before_delete(sender: Any, instance: Any, using: str, **_: Any) -> None:
    if recording.is_muted(sender):
        return
    tracked = registry.tracked[sender]
    row = recording.remembered(tracked, instance.pk, using=using)
    changes: Changes = {name: (value, None) for name, value in row.items() if not is_empty(value)}
    # Labels and keys are read while what they point at is still there.
    instance._audit_delete = (
        tracked.label(instance),
        recording.readable(tracked, {instance.pk: changes}, using)[instance.pk],
    )


def _after_delete(sender: Any, instance: Any, **_: Any) -> None:
    known = instance.__dict__.pop("_audit_delete", None)
    if known is not None:
        label, changes = known
        recording.write([registry.tracked[sender].event(instance.pk, label, changes, "deleted")])


def _many_changed(
    *, tracked: Tracked, name: str, sender: Any, instance: Any, action: str, reverse: bool, pk_set: set[Any] | None,
    using: str, **_: Any,
) -> None:  # fmt: skip
    field = tracked.model._meta.get_field(name)
    owner, other = field.m2m_field_name(), field.m2m_reverse_field_name()  # type: ignore[union-attr]
    if not reverse:
        ids = [instance.pk]
    elif pk_set is not None:
        ids = list(pk_set)
    elif action == "pre_clear":
        links = sender._base_manager.using(using).filter(**{other: instance.pk})
        ids = list(links.values_list(f"{owner}_id", flat=True))
    else:
        ids = []

    def members() -> dict[Any, list[str]]:
        lists: dict[Any, list[str]] = {pk: [] for pk in ids}
        links = sender._base_manager.using(using).filter(**{f"{owner}__in": ids}).select_related(other)
        for link in links:
            lists[getattr(link, f"{owner}_id")].append(str(getattr(link, other)))
        return {pk: sorted(words) for pk, words in lists.items()}

    stash = f"_audit_{name}"
    if action.startswith("pre_"):
        instance.__dict__[stash] = members()
        return
    before: dict[Any, list[str]] = instance.__dict__.pop(stash)
    ids = list(before)
    changed = {pk: (before[pk], now) for pk, now in members().items() if before[pk] != now}
    rows = tracked.instances(changed, using=using)
    events = []
    for pk, pair in changed.items():
        event = tracked.event(pk, tracked.label(rows[pk]), {name: pair}, "updated")
        wanted = tracked.many[name].format(tracked.entity)
        if event.specificity == UPDATED and event.action != wanted:
            event = Event(
                action=wanted, entity_type=event.entity_type, entity_id=event.entity_id, label=event.label,
                changes=event.changes, specificity=DERIVED,
            )  # fmt: skip
        events.append(event)
    recording.write(events)


def _write_in_one_transaction(model: type[models.Model]) -> None:
    """Let `save` outside a transaction open one, so that row and entry are committed together or not at all."""
    if getattr(model.save_base, "_audit", False):
        return
    save_base = model.save_base

    @functools.wraps(save_base)
    def save_base_with_entry(self: Any, *args: Any, **kwargs: Any) -> None:
        with transaction.atomic(using=kwargs.get("using") or DEFAULT_DB_ALIAS, savepoint=False):
            save_base(self, *args, **kwargs)

    save_base_with_entry._audit = True  # type: ignore[attr-defined]
    model.save_base = save_base_with_entry  # type: ignore[method-assign]


def _track_base_manager(model: type[models.Model]) -> None:
    """Let the writes that Django sends through the base manager (lists of keys, SET_NULL) be recorded too."""
    manager = models.Manager.from_queryset(TrackedQuerySet)()
    manager.name, manager.model, manager.auto_created = "_base_manager", model, True  # type: ignore[misc, attr-defined]
    # Set where Django caches its own choice: naming it in `base_manager_name` would be a change for migrations.
    model._meta.__dict__["base_manager"] = manager
