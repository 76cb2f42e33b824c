"""Changing settings: validated, permitted, effective at once; the table keeps only what differs from the default.

The audit trail sees the saved and deleted rows (audit declares the tracking of `Setting`).
"""

from typing import Any

from django.db import connection, transaction

from sop_portal.conf.models import Setting
from sop_portal.conf.registry import Spec, find
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
        with connection.cursor() as cursor:
            # A row that does not exist yet cannot be locked; two people who set the same key take turns here.
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext('conf.setting'), hashtext(%s))", [key])
        stored = Setting.objects.filter(pk=key).first()
        if value == spec.default:
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


def _editable(key: str, by: Any) -> Spec:
    if by is not None and not by.has_perm("conf.change_setting"):
        raise NotAllowed("Only admins may change settings.")
    try:
        spec = find(key)
    except KeyError as unknown:
        raise Refused({key: f"There is no setting '{key}'."}) from unknown
    if not spec.editable:
        raise Refused({key: f"{spec.label} cannot be changed while the portal runs."})
    return spec
