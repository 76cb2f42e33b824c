"""Changing settings: validated, permitted, effective at once; the table keeps only what differs from the default.

The audit trail sees the saved and deleted rows (audit declares the tracking of `Setting`).
"""

from typing import Any

from django.db import connection, transaction

from sop_portal.conf import own
from sop_portal.conf.models import Setting
from sop_portal.conf.registry import REGISTRY, Spec
from sop_portal.lib.errors import NotAllowed, Refused


def set_value(key: str, raw: Any, by: Any) -> Any:
    """Give setting `key` the value `raw` (typed or as text) and return it typed.

    by: the user who asks; None stands for the portal itself (commands, seeding). Setting the default removes the row.
    Raises Refused({key: sentence}) for an unknown key or a value that does not fit, NotAllowed without permission.
    """
    spec = _editable(key, by)
    try:
        value = spec.clean(raw)
    except ValueError as problem:
        raise Refused({key: str(problem)}) from problem
    with transaction.atomic():
        take_turns(key)
        stored = Setting.objects.filter(pk=key).first()
        if spec.own and stored is None:
            raise Refused({key: f"There is no setting '{key}' any more."})
        if value == spec.default and not spec.own:
            if stored is not None:
                stored.delete()
        elif stored is None:
            Setting(key=key, value=value).save(force_insert=True)
        elif stored.value != value:
            stored.value = value
            stored.save(update_fields=["value", "updated_at"])
    return value


def reset(key: str, by: Any) -> Any:
    """Give setting `key` its default again and return that; raises what `set_value` raises."""
    return set_value(key, _editable(key, by).default, by)


def add(*, key: Any, category: Any, kind: Any, label: Any, value: Any, by: Any, help: Any = "") -> Spec:
    """Add a setting of one's own with its first value, which is its default from then on.

    kind: a key of `own.KINDS`. Raises Refused with a sentence per part, NotAllowed without permission.
    """
    _require_permission(by)
    declared = own.declare(key=key, category=category, kind=kind, label=label, help=help, value=value)
    with transaction.atomic():
        take_turns(declared.key)
        if Setting.objects.filter(pk=declared.key).exists():
            raise Refused({"key": f"There is a setting '{key}' already; choose another key."})
        Setting(key=key, value=declared.default, declaration=own.stored(declared)).save(force_insert=True)
    return declared


def remove(key: str, by: Any) -> None:
    """Remove a setting that an admin added. Raises Refused for one of the portal's, NotAllowed without permission."""
    if not _editable(key, by).own:
        raise Refused({key: f"'{key}' is a setting of the portal; it can be reset, not removed."})
    with transaction.atomic():
        take_turns(key)
        stored = Setting.objects.filter(pk=key).first()
        if stored is not None:
            stored.delete()


def take_turns(key: str) -> None:
    """Keep others from the setting `key` until the transaction ends; a row that does not exist yet cannot be locked."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('conf.setting'), hashtext(%s))", [key])


def _require_permission(by: Any) -> None:
    if by is not None and not by.has_perm("conf.change_setting"):
        raise NotAllowed("Only admins may change settings.")


def _editable(key: str, by: Any) -> Spec:
    _require_permission(by)
    spec = find(key)
    if spec is None:
        raise Refused({key: f"There is no setting '{key}'."})
    if not spec.editable:
        raise Refused({key: f"{spec.label} cannot be changed while the portal runs."})
    return spec


def find(key: str) -> Spec | None:
    """What is declared about a setting, by the registry or by an admin; None for a key that nobody declared.

    The table is asked, since another process may have added it within the last second.
    """
    if key in REGISTRY:
        return REGISTRY[key]
    stored = Setting.objects.filter(pk=key).first()
    return stored.spec if stored is not None else None
