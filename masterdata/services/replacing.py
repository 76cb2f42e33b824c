"""Putting a product or customer in the place of others, whose history then counts for it."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.db import connection, transaction

from masterdata.models import Customer, MatrixEntry, Product
from masterdata.services.access import require
from masterdata.services.copying import Copied, Pair, copy_entries
from sop_portal.lib.errors import Conflict, Refused

# Advisory lock (class, kind): the triggers that refuse circles take it, too.
LOCK_CLASS = 5_021
_KINDS: dict[Any, int] = {Product: 1, Customer: 2}


@dataclass(frozen=True)
class Replaced:
    """rows: what was replaced now; those that were already are left out. matrix: the successor's entries."""

    successor: Any
    rows: list[Any]
    matrix: Copied


@transaction.atomic
def replace(
    model: type[Product] | type[Customer],
    ids: Iterable[int],
    successor_id: int,
    *,
    prices_from: dt.date | None = None,
    by: Any,
    dry_run: bool = False,
) -> Replaced:
    """Put a product (or customer) in the place of others of its kind, all of them or none.

    From then on their history counts for it, they are inactive, and it has a matrix entry wherever they had an active
    one. prices_from: the first day on which those entries have the prices of the old ones; None when they take none.
    dry_run: the real run, taken back. Repeated, it changes nothing more.
    Raises Refused with a sentence for a circle, another unit of measure, an inactive successor, rows that do not exist;
    Conflict for rows that something else replaced already.
    """
    require(by, f"change_{model._meta.model_name}", "Only an S&OP admin replaces master data.")
    _lock(model)
    wanted = set(ids)
    objects: Any = model._default_manager
    held = objects.filter(pk__in=wanted | {successor_id}).select_for_update(no_key=True).order_by("pk")
    rows = {row.pk: row for row in held}
    successor = rows.pop(successor_id, None)
    if successor is None or rows.keys() != wanted - {successor_id}:
        raise Refused({"successor": "Some of these do not exist any more; reload the list."})
    changed = [row for row in rows.values() if row.replaced_by_id is None or row.is_active]
    for row in rows.values():
        _check(row, successor)
    if successor_id in wanted:
        raise Refused({"successor": f"{successor} cannot take its own place; choose another one."})
    if not successor.is_active:
        raise Refused({"successor": f"{successor} is inactive; activate it first, then put it in the place of others."})
    objects.filter(pk__in=[row.pk for row in changed]).update(replaced_by=successor, is_active=False)
    matrix = copy_entries(_targets(model, list(rows), successor_id), prices_from)
    if dry_run:
        transaction.set_rollback(True)
    return Replaced(successor, changed, matrix)


@transaction.atomic
def take_back(model: type[Product] | type[Customer], ids: Iterable[int], *, by: Any) -> list[Any]:
    """Undo replacements: their history is their own again, and they are active. Returns the rows changed.

    The entries that the successor got stay: lines may stand on them already.
    """
    require(by, f"change_{model._meta.model_name}", "Only an S&OP admin replaces master data.")
    _lock(model)
    objects: Any = model._default_manager
    rows = list(
        objects.filter(pk__in=set(ids), replaced_by__isnull=False).select_for_update(no_key=True).order_by("pk")
    )
    objects.filter(pk__in=[row.pk for row in rows]).update(replaced_by=None, is_active=True)
    return rows


def _lock(model: Any) -> None:
    """One replacement at a time: two could each make one half of a circle."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [LOCK_CLASS, _KINDS[model]])


def _check(row: Any, successor: Any) -> None:
    if row.replaced_by_id not in (None, successor.pk):
        raise Conflict(f"{row} is replaced by {row.replaced_by} already; take that back first.")
    row.replaced_by = successor
    try:
        row.clean()
    except ValidationError as problem:
        raise Refused({"successor": " ".join(problem.messages)}) from problem


def _targets(model: Any, ids: list[int], successor_id: int) -> dict[Pair, MatrixEntry]:
    """The pairs that the successor needs an entry for, with the entry to take after; of several the oldest."""
    entries = MatrixEntry.objects.filter(is_active=True).order_by("-pk")
    if model is Product:
        rows = entries.filter(product__in=ids, customer__is_active=True)
        return {(entry.customer_id, successor_id): entry for entry in rows}
    rows = entries.filter(customer__in=ids, product__is_active=True)
    return {(successor_id, entry.product_id): entry for entry in rows}
