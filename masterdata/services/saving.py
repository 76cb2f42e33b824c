"""Saving one row of master data, as a form does: its own rules speak, whoever may not write is told so."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, models, transaction

from masterdata.models import Customer, MatrixEntry, Price
from masterdata.services.access import require
from masterdata.services.assigning import assign_customers, not_a_rep
from masterdata.services.pricing import require_day
from sop_portal.lib.errors import Conflict


def require_to(verb: str, model: type[models.Model], by: Any) -> None:
    """Raise NotAllowed unless `by` may "add", "change" or "delete" rows of `model`."""
    words = {"add": "adds", "change": "changes", "delete": "deletes"}[verb]
    require(by, f"{verb}_{model._meta.model_name}", f"Only an S&OP admin {words} {model._meta.verbose_name_plural}.")


@transaction.atomic
def create(model: type[models.Model], values: Mapping[str, Any], *, by: Any) -> Any:
    """Make a row of `values`, which are fields of `model`.

    Raises NotAllowed, the model's ValidationError for values that make no sense, and Conflict when somebody made the
    same row at this moment.
    """
    require_to("add", model, by)
    row = model(**values)
    _check_rep(row, values)
    row.full_clean()
    _write(row)
    return row


@transaction.atomic
def change(row: Any, values: Mapping[str, Any], *, by: Any) -> bool:
    """Give a row, which the caller holds, other values; whether any of them differs from what it had.

    A customer's other rep takes their open lines along. Raises like `create`.
    """
    require_to("change", type(row), by)
    before = {name: _plain(row, name) for name in values}
    for name, value in values.items():
        setattr(row, name, value)
    _check_rep(row, values, before)
    row.full_clean()
    changed = [name for name in values if _plain(row, name) != before[name]]
    moves = isinstance(row, Customer) and "sales_rep" in changed
    written = [name for name in changed if not (moves and name == "sales_rep")]
    if written:
        _write(row, written)
    if moves:
        assign_customers([row.pk], row.sales_rep, by)
    return bool(changed)


@transaction.atomic
def delete(row: Any, *, by: Any) -> None:
    """Delete a row that nothing can stand on (an actual, a budget, a price). Raises NotAllowed."""
    require_to("delete", type(row), by)
    row.delete()


@transaction.atomic
def set_price(entry: MatrixEntry, valid_from: dt.date, unit_price: Any, *, by: Any) -> tuple[Price, bool]:
    """The price of an entry, which the caller holds, from a day on; and whether none started on that day before.

    Raises like `create`, and Refused for a day that lies outside all plans.
    """
    require_to("change", Price, by)
    require_day(valid_from)
    known = entry.prices.filter(valid_from=valid_from).first()
    if known is None:
        return create(Price, {"entry": entry, "valid_from": valid_from, "unit_price": unit_price}, by=by), True
    change(known, {"unit_price": unit_price}, by=by)
    return known, False


def _check_rep(row: Any, values: Mapping[str, Any], before: Mapping[str, Any] | None = None) -> None:
    """Whoever becomes a customer's rep must be one."""
    if not isinstance(row, Customer) or "sales_rep" not in values:
        return
    if (before is None or before["sales_rep"] != row.sales_rep_id) and (sentence := not_a_rep(values["sales_rep"])):
        raise ValidationError({"sales_rep": sentence})


def _plain(row: Any, name: str) -> Any:
    return getattr(row, row._meta.get_field(name).attname)


def _write(row: Any, names: list[str] | None = None) -> None:
    try:
        with transaction.atomic():
            row.save(update_fields=names)
            connection.check_constraints()
    except IntegrityError as race:
        raise Conflict("Somebody saved the same at this moment; read it again, then send your change.") from race
