"""Deleting what nothing stands on, and deactivating what has a history."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db import IntegrityError, connection, models, transaction
from django.db.models import Exists, OuterRef

from masterdata.models import Customer, MatrixEntry
from masterdata.services.access import require
from masterdata.services.activation import Switchable, set_active
from sop_portal.lib.errors import Conflict


@dataclass(frozen=True)
class Removed:
    """What became of rows. deleted: their names; kept: rows with a history, and of what kind; entries: how many matrix
    entries went with them."""

    deleted: list[str] = field(default_factory=list)
    kept: dict[Any, list[str]] = field(default_factory=dict)
    entries: int = 0


@transaction.atomic
def remove(model: Switchable, ids: Iterable[int], *, by: Any, dry_run: bool = False) -> Removed:
    """Delete rows that nothing stands on, with the matrix entries of theirs; the others are deactivated instead.

    History is whatever points at a row and must not lose it: lines, actuals, budgets, those it replaced. Of a matrix
    entry it is what its customer and product have in common. dry_run: only say what would become of each.
    Raises NotAllowed, and Conflict when something came to stand on a row at the same moment.
    """
    require(by, f"delete_{model._meta.model_name}", "Only an S&OP admin deletes master data.")
    objects: Any = model._default_manager
    held = objects.filter(pk__in=set(ids)).order_by("pk")
    # The key too: what begins to point at a row waits until it is clear whether it stays.
    rows = {row.pk: row for row in held.select_for_update(of=("self",)).select_related(*_NAMED.get(model, ()))}
    kept = histories(model, rows)
    going = [pk for pk in rows if pk not in kept]
    entries = MatrixEntry.objects.none() if model is MatrixEntry else _entries_of(model, going)
    removed = Removed([str(rows[pk]) for pk in going], {rows[pk]: kinds for pk, kinds in kept.items()}, entries.count())
    if dry_run:
        return removed
    try:
        with transaction.atomic():
            entries.delete()
            objects.filter(pk__in=going).delete()
            connection.check_constraints()
    except IntegrityError as race:
        raise Conflict("Something began to use one of these at the same moment; look at the list again.") from race
    set_active(model, list(kept), False, by=by)
    return removed


# What the name of a row is made of.
_NAMED: dict[Any, tuple[str, ...]] = {MatrixEntry: ("customer", "product")}


def histories(model: Switchable, ids: Iterable[int]) -> dict[int, list[str]]:
    """Row -> the kinds of history it has, in words; rows without one are missing. One query for each kind."""
    wanted, objects = list(ids), model._default_manager
    found: dict[int, list[str]] = {}
    for words, condition in _kinds(model):
        for pk in objects.filter(condition, pk__in=wanted).values_list("pk", flat=True):
            found.setdefault(pk, []).append(words)
    return found


def _kinds(model: Any) -> Iterator[tuple[str, Exists]]:
    """Every kind of history that rows of `model` may have, with its condition."""
    for other, key in _pointing_at(Customer if model is MatrixEntry else model):
        words = "what it replaced" if other is model else str(other._meta.verbose_name_plural)
        if model is not MatrixEntry:
            yield words, Exists(other._base_manager.filter(**{key: OuterRef("pk")}))
        elif pair := _pair(other):
            outer = {name: OuterRef(f"{name}_id") for name in pair}
            yield words, Exists(other._base_manager.filter(**outer))


def _pointing_at(model: Any) -> Iterator[tuple[Any, str]]:
    """Models that protect the rows of `model` they point at, and by which field; matrix entries aside."""
    for relation in model._meta.related_objects:
        if getattr(relation, "on_delete", None) is models.PROTECT and relation.related_model is not MatrixEntry:
            yield relation.related_model, relation.field.name


def _pair(model: Any) -> Mapping[str, Any] | None:
    """The two keys of a model that tells something of a customer and a product."""
    names = {field.name: field for field in model._meta.fields}
    keys = {name: names.get(name) for name in ("customer", "product")}
    return keys if all(keys.values()) else None


def _entries_of(model: Any, ids: list[int]) -> Any:
    key = "customer" if model is Customer else "product"
    return MatrixEntry.objects.filter(**{f"{key}__in": ids})
