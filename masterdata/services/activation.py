"""Switching customers, products and matrix entries on and off."""

from collections.abc import Iterable
from typing import Any

from django.db import transaction

from masterdata.models import Customer, MatrixEntry, Product
from masterdata.services.access import require

Switchable = type[Customer] | type[Product] | type[MatrixEntry]


@transaction.atomic
def set_active(model: Switchable, ids: Iterable[int], active: bool, *, by: Any) -> int:
    """Activate or deactivate rows; those that already are so are left alone. Returns how many were changed.

    Lines of an open cycle stay: what is inactive gets none in the next one. Raises NotAllowed.
    """
    require(by, f"change_{model._meta.model_name}", "Only an S&OP admin activates and deactivates master data.")
    rows: Any = model._default_manager
    held = rows.filter(pk__in=set(ids)).exclude(is_active=active).order_by("pk").select_for_update(no_key=True)
    changed = list(held.values_list("pk", flat=True))
    rows.filter(pk__in=changed).update(is_active=active)
    return len(changed)
