"""Entries in words: what pages and the CSV file say about them."""

import dataclasses
import datetime as dt
import re
from collections.abc import Collection, Mapping
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone

from audit import registry
from audit.models import Entry
from sop_portal.conf.registry import REGISTRY
from sop_portal.lib import periods

SOURCES = {
    "web": "Portal",
    "api": "API",
    "excel": "Workbook",
    "admin": "Admin",
    "job": "Job",
    "command": "Command",
    "system": "System",
    "unattributed": "Not attributed",
}
# Actions beside created, updated and deleted, by the type of object they are about.
NAMED = {
    "user": (
        "login",
        "logout",
        "login_failed",
        "locked",
        "unlocked",
        "password_changed",
        "role_changed",
        "deactivated",
        "activated",
        "token_reused",
    ),
    "cycle": ("opened", "extended", "closed", "reopened", "archived", "prices_left", "reminded"),
    "forecast": ("submitted", "recalled", "approved", "rejected", "returned", "adjusted"),
}
OTHERS = (
    "excel_imported",
    "import_undone",
    "report_downloaded",
    "access_denied",
    "system_scheduled_job_run",
    "system_startup",
    "system_shutdown",
    "mail_retried",
    "mail_tested",
    "audit_verified",
    "audit_month_dropped",
)
TYPES = {
    "forecast": "Line",
    "matrix": "Matrix entry",
    "product_group": "Product group",
    "excel": "Workbook",
    "audit_month": "Month of the trail",
    "audit_seal": "Seal of the trail",
    "job_run": "Run of a job",
    "mail": "Mail",
    "system": "System",
    "address": "Address",
}

_CELL = re.compile(r"(\w+) (\d{4}-\d{2})\Z")
_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}")
# Longer lists of changes are folded on the page of all entries.
SHOWN = 4


@dataclasses.dataclass(frozen=True)
class Told:
    """An entry ready to print: every part is plain text."""

    entry: Entry
    action: str
    type: str
    source: str
    actor: str
    severity: str
    changes: list[tuple[str, str, str]]

    @property
    def first(self) -> list[tuple[str, str, str]]:
        """The changes that a list shows at once."""
        return self.changes[:SHOWN]

    @property
    def more(self) -> int:
        """How many changes stand behind a fold."""
        return max(0, len(self.changes) - SHOWN)

    @property
    def has_history(self) -> bool:
        """Whether the entry is about an object that can be named in an address."""
        return bool(self.entry.entity_id)


def tell(entry: Entry, hidden: Collection[str] = ()) -> Told:
    """`entry` in words, without the fields `hidden` (names as recorded, cells by the part before the month)."""
    return Told(
        entry=entry,
        action=action_words(entry.action),
        type=type_words(entry.entity_type),
        source=SOURCES.get(entry.source, entry.source),
        actor=entry.actor_label or ("Nobody signed in" if entry.source != "unattributed" else "Unknown"),
        severity=entry.get_severity_display(),
        changes=[
            (field_words(entry.entity_type, name), *_pair_words(entry, name, pair))
            for name, pair in sorted(shown(entry, hidden).items())
        ],
    )


def shown(entry: Entry, hidden: Collection[str]) -> dict[str, Any]:
    """What `entry` says of changes, without the fields `hidden`."""
    return {name: pair for name, pair in entry.changes.items() if name.partition(" ")[0] not in hidden}


def action_words(action: str) -> str:
    """ "Cycle opened", "Line approved"."""
    for entity in sorted(TYPES, key=len, reverse=True):
        if action.startswith(f"{entity}_"):
            return f"{TYPES[entity]} {action[len(entity) + 1 :].replace('_', ' ')}"
    return action.replace("_", " ").capitalize()


def type_words(entity_type: str) -> str:
    """ "Line", "Matrix entry", "Customer"."""
    return TYPES.get(entity_type, entity_type.replace("_", " ").capitalize())


def field_words(entity_type: str, name: str) -> str:
    """What people call a recorded field: its verbose name; "Quantity, Jan 2027" for a cell."""
    cell = _CELL.match(name)
    if cell:
        return f"{field_words(entity_type, cell[1])}, {periods.label(periods.parse(cell[2]))}"
    field = _field(entity_type, name)
    words = str(field.verbose_name) if field is not None else name.replace("_", " ")
    return words[:1].upper() + words[1:]


def actions() -> list[tuple[str, list[tuple[str, str]]]]:
    """Every action an entry may have, in words and by type, for the filter."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for declared in sorted(registry.tracked.values(), key=lambda one: type_words(one.entity)):
        verbs = ("created", "updated", "deleted", *NAMED.get(declared.entity, ()))
        names = [f"{declared.entity}_{verb}" for verb in verbs]
        groups[type_words(declared.entity)] = [(name, action_words(name)) for name in names]
    groups["Other"] = [(name, action_words(name)) for name in OTHERS]
    return list(groups.items())


def entity_types() -> list[tuple[str, str]]:
    """Every type of object an entry may be about, in words, for the filter."""
    names = TYPES.keys() | {one.entity for one in registry.tracked.values()}
    return sorted(((name, type_words(name)) for name in names), key=lambda pair: pair[1])


def _field(entity_type: str, name: str) -> models.Field | None:
    declared = registry.by_entity(entity_type)
    if declared is None:
        return None
    if name in declared.fields:
        return declared.fields[name]
    return declared.model._meta.get_field(name) if name in declared.many else None  # type: ignore[return-value]


def _pair_words(entry: Entry, name: str, pair: Any) -> tuple[str, str]:
    if not (isinstance(pair, list) and len(pair) == 2):
        return "", str(pair)
    if entry.entity_type == "setting" and entry.entity_id in REGISTRY:
        spec = REGISTRY[entry.entity_id]
        old, new = (f"{spec.words(spec.default)} (default)" if part is None else spec.words(part) for part in pair)
        return old, new
    old, new = (_value_words(entry.entity_type, name, part) for part in pair)
    return old, new


def _value_words(entity_type: str, name: str, value: Any) -> str:
    """A recorded value as people read it; "" for nothing."""
    if value is None or value == "":
        return ""
    declared, bare = registry.by_entity(entity_type), name.partition(" ")[0]
    if declared is not None and bare in declared.words:
        return declared.words[bare].get(value, str(value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        blank = "-" if isinstance(_field(entity_type, name), ArrayField) else ""
        return ", ".join(_value_words(entity_type, name, part) or blank for part in value)
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_value_words(entity_type, '', part) or '-'}" for key, part in value.items())
    field = _field(entity_type, name)
    choices = dict(field.flatchoices) if field is not None else {}
    if value in choices:
        return str(choices[value])
    return _time_words(field, str(value))


def _time_words(field: models.Field | None, text: str) -> str:
    try:
        if isinstance(field, models.DateTimeField) or _INSTANT.match(text):
            instant = dt.datetime.fromisoformat(text)
            return f"{timezone.localtime(instant):%d %b %Y, %H:%M}" if instant.tzinfo else text
        if isinstance(field, models.DateField):
            return f"{dt.date.fromisoformat(text):%d %b %Y}"
    except ValueError:
        pass
    return text
