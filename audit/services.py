"""Writing the trail: one statement for any number of events, in the transaction of what they tell about.

Several events of one object in one transaction become one entry (`audit_merge` in the database).
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any

import orjson
from django.contrib.auth import get_user_model
from django.db import connection

from audit.context import Context, current, identify
from sop_portal import conf

SEVERITIES = ("INFO", "WARNING", "ERROR", "CRITICAL")
# Recorded even while audit logging is off.
SECURITY = ("user_", "role_", "setting_", "access_denied", "system_", "audit_")
_WARNINGS = {
    "user_login_failed", "user_locked", "user_role_changed", "user_deactivated", "user_deleted", "role_updated",
    "access_denied", "audit_month_dropped", "setting_updated", "setting_created", "setting_deleted", "import_undone",
}  # fmt: skip

# How much an action tells, for the choice among several of one object in one transaction.
UPDATED, DERIVED, CREATED_OR_DELETED, NAMED = 10, 15, 20, 30


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened to one object. changes: field -> (before, after), JSON-safe.

    severity: one of SEVERITIES, by default that of the action. on_behalf_of: id of a user, by default the context's.
    specificity: how much the action tells beside others of the same object; by default from its name.
    """

    action: str
    entity_type: str
    entity_id: str = ""
    label: str = ""
    changes: Mapping[str, Sequence[Any]] = dataclasses.field(default_factory=dict)
    severity: str | None = None
    on_behalf_of: int | None = None
    specificity: int | None = None

    @property
    def weight(self) -> int:
        """The specificity given, else that of the action's name."""
        return self.specificity if self.specificity is not None else specificity_of(self.action)


def specificity_of(action: str) -> int:
    """Changed < created or deleted < a move with a name of its own."""
    verb = action.rpartition("_")[2]
    if verb == "updated":
        return UPDATED
    return CREATED_OR_DELETED if verb in ("created", "deleted") else NAMED


def record(event: Event) -> None:
    """Write one event."""
    record_many([event])


def record_many(events: Iterable[Event]) -> int:
    """Write events in one statement of the caller's transaction, merged per object; returns how many objects."""
    kept: dict[tuple[str, str], Event] = {}
    every = conf.get("enable_audit_logging")
    for event in events:
        if every or event.action.startswith(SECURITY):
            key = (event.entity_type, event.entity_id)
            kept[key] = _merged(kept[key], event) if key in kept else event
    if not kept:
        return 0
    rows = list(kept.values())
    behalves = _labels({event.on_behalf_of for event in rows if event.on_behalf_of is not None})
    payload = [
        {
            "action": event.action,
            "entity_type": event.entity_type,
            "entity_id": event.entity_id[:200],
            "label": event.label[:300],
            "changes": event.changes,
            "severity": event.severity or default_severity(event.action),
            "specificity": event.weight,
            "on_behalf_of": event.on_behalf_of,
            "on_behalf_label": behalves.get(event.on_behalf_of, ""),
        }
        for event in rows
    ]
    # One JSON text costs a third of nine arrays: the driver has nothing to quote cell by cell.
    source = (
        "jsonb_to_recordset(%s::jsonb) AS event(action text, entity_type text, entity_id text, label text, "
        "changes jsonb, severity text, specificity smallint, on_behalf_of bigint, on_behalf_label text)"
    )
    _insert(source, [_json(payload)])
    return len(rows)


def record_query(
    action: str, entity_type: str, select: str, params: Sequence[Any] = (), *, severity: str | None = None
) -> int:
    """Write one event per row of the SQL `select` (entity id as text, label, changes as jsonb; each id once).

    For set-based writers whose rows never come to Python. Returns how many entries were written or merged.
    """
    return _record_selects(entity_type, {action: select}, params, severity, told_of(entity_type))


def record_queries(entity_type: str, selects: Mapping[str, str], *, merging: bool | None = None) -> int:
    """The same for several actions about objects of one type, no object in two of them; action -> SQL.

    Entries of objects that have none in this transaction cost a third less, so a writer tells all its rows at once. One
    that works in slices asks `told_of` before the first and says so with `merging`, when no object is in two slices.
    """
    return _record_selects(entity_type, selects, (), None, told_of(entity_type) if merging is None else merging)


def _record_selects(
    entity_type: str, selects: Mapping[str, str], params: Sequence[Any], severity: str | None, merging: bool
) -> int:
    kept = {
        action: select
        for action, select in selects.items()
        if conf.get("enable_audit_logging") or action.startswith(SECURITY)
    }
    if not kept:
        return 0
    # What is longest in bytes only is seldom too long in characters, and counting those costs. OFFSET 0 keeps a label
    # from being put together twice.
    short = "CASE WHEN octet_length(picked.label) > 300 THEN left(picked.label, 300) ELSE picked.label END"
    parts, given = [], []
    for action, select in kept.items():
        parts.append(
            f"SELECT %s::text, %s::text, picked.entity_id, {short}, picked.changes, %s::text, %s::smallint, NULL::bigint, "
            f"''::text FROM (SELECT * FROM ({select}) AS found OFFSET 0) AS picked(entity_id, label, changes)"
        )
        given += [action, entity_type, severity or default_severity(action), specificity_of(action), *params]
    source = (
        f"({' UNION ALL '.join(parts)}) AS event(action, entity_type, entity_id, label, changes, severity, "
        "specificity, on_behalf_of, on_behalf_label)"
    )
    return _insert(source, given, merging=merging)


def default_severity(action: str) -> str:
    """WARNING for what an admin should notice, else INFO."""
    return "WARNING" if action in _WARNINGS else "INFO"


_INSERT = """
INSERT INTO audit_entry (tx, actor_id, actor_label, on_behalf_of_id, on_behalf_label, action, entity_type, entity_id,
                         label, changes, ip, user_agent, source, request_id, severity, specificity)
SELECT tx.id, %s, %s, coalesce(event.on_behalf_of, behalf.id),
       CASE WHEN event.on_behalf_of IS NULL THEN behalf.label ELSE event.on_behalf_label END, event.action,
       event.entity_type, event.entity_id, event.label, event.changes, %s::inet, %s, %s, %s, event.severity,
       event.specificity
  FROM (SELECT audit_tx() AS id) AS tx, (SELECT %s::bigint AS id, %s::text AS label) AS behalf, {source}
"""
_MERGE = """
    ON CONFLICT (tx, entity_type, entity_id, at) DO UPDATE
   SET changes = audit_merge(audit_entry.changes, excluded.changes),
       action = CASE WHEN excluded.specificity >= audit_entry.specificity
                     THEN excluded.action ELSE audit_entry.action END,
       specificity = greatest(audit_entry.specificity, excluded.specificity),
       severity = audit_graver(audit_entry.severity, excluded.severity),
       label = coalesce(nullif(excluded.label, ''), audit_entry.label),
       actor_id = coalesce(audit_entry.actor_id, excluded.actor_id),
       actor_label = coalesce(nullif(audit_entry.actor_label, ''), excluded.actor_label),
       on_behalf_of_id = coalesce(audit_entry.on_behalf_of_id, excluded.on_behalf_of_id),
       on_behalf_label = coalesce(nullif(audit_entry.on_behalf_label, ''), excluded.on_behalf_label)
"""


# A transaction has a name once it has entries. `at` is when it began, so this reads its own entries only, by the key.
_NAME = "SELECT nullif(current_setting('audit.tx', true), '')"
_TOLD_OF = "SELECT EXISTS (SELECT FROM audit_entry WHERE at = now() AND tx = %s::uuid AND entity_type = %s)"


def told_of(entity_type: str) -> bool:
    """Whether this transaction has entries about objects of this type, with which new ones could have to be merged."""
    with connection.cursor() as cursor:
        # Asking all months of the trail costs more than asking for the name first.
        cursor.execute(_NAME)
        (name,) = cursor.fetchone()
        if name is None:
            return False
        cursor.execute(_TOLD_OF, [name, entity_type])
        return bool(cursor.fetchone()[0])


def _insert(source: str, params: list[Any], *, merging: bool = True) -> int:
    """Write what `source` gives. merging: False only where no object of it can have an entry of this transaction."""
    context: Context = current()
    actor, label = context.who()
    behalf, behalf_label = identify(context.on_behalf_of)
    head = [
        actor, _text(label, 200), context.ip, _text(context.user_agent, 300), context.source,
        _text(context.request_id, 64), behalf, _text(behalf_label, 200),
    ]  # fmt: skip
    with connection.cursor() as cursor:
        # The source is a query written by a service, never input; what it selects by are its parameters.
        cursor.execute(_INSERT.format(source=source) + (_MERGE if merging else ""), [*head, *params])
        return int(cursor.rowcount)


def _merged(first: Event, second: Event) -> Event:
    """Two events of one object as one: the same rule as in the database."""
    changes = {**first.changes}
    for field, (before, after) in second.changes.items():
        if field not in changes:
            changes[field] = (before, after)
        elif changes[field][0] == after and after != "changed":
            del changes[field]
        else:
            changes[field] = (changes[field][0], after)
    severities = [event.severity or default_severity(event.action) for event in (first, second)]
    return Event(
        action=second.action if second.weight >= first.weight else first.action,
        entity_type=first.entity_type,
        entity_id=first.entity_id,
        label=second.label or first.label,
        changes=changes,
        severity=max(severities, key=SEVERITIES.index),
        on_behalf_of=first.on_behalf_of if first.on_behalf_of is not None else second.on_behalf_of,
        specificity=max(first.weight, second.weight),
    )


def _labels(user_ids: set[int]) -> dict[int | None, str]:
    if not user_ids:
        return {}
    people = get_user_model()._base_manager.filter(pk__in=user_ids)
    return {person.pk: str(person) for person in people}


def _text(value: str, limit: int) -> str:
    """Text that PostgreSQL can hold: no NUL, no half of a surrogate pair, not longer than `limit`."""
    return value[:limit].replace("\x00", "").encode("utf-8", "replace").decode()


def _safe(value: Any) -> Any:
    if isinstance(value, str):
        return _text(value, len(value))
    if isinstance(value, Mapping):
        return {_safe(str(key)): _safe(part) for key, part in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_safe(part) for part in value]
    return value


def _json(payload: Any) -> str:
    """JSON that PostgreSQL can hold; strings are cleaned only where one of them needs it."""
    try:
        text = _dumps(payload)
    except orjson.JSONEncodeError:
        return _dumps(_safe(payload))
    return _dumps(_safe(payload)) if "\\u0000" in text else text


def _dumps(payload: Any) -> str:
    return orjson.dumps(payload, default=_words, option=orjson.OPT_NON_STR_KEYS).decode()


def _words(value: Any) -> Any:
    """Decimals and other values JSON has no word for; mappings and sets that are no dict or list."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Set):
        return sorted(map(str, value))
    return str(value)
