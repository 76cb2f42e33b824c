"""Changing prices of many matrix entries at once, from a day on."""

import datetime as dt
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Count, Q

from masterdata.models import MatrixEntry, Price, ProductGroup
from masterdata.services.access import require
from sop_portal.lib.errors import Conflict, Refused

PLACES = Decimal("0.0001")
HIGHEST = Decimal("9999999999.9999")
MOST_PERCENT = 10_000
_DAY = dt.timedelta(days=1)


@dataclass(frozen=True)
class Change:
    """How prices move: by `percent` (5 is plus 5 %) or by `amount` a unit, one of the two, from `valid_from` on.

    group: an id of a product group, with the groups below it; customers: ids; at least one of them is given. replaces:
    also where a price already starts on that very day.
    """

    valid_from: dt.date
    percent: Decimal | None = None
    amount: Decimal | None = None
    group: int | None = None
    customers: Sequence[int] = ()
    replaces: bool = False

    def of(self, price: Decimal) -> Decimal:
        """What `price` becomes, to four decimals."""
        moved = price * (1 + self.percent / 100) if self.percent is not None else price + (self.amount or 0)
        return moved.quantize(PLACES, ROUND_HALF_UP)


@dataclass(frozen=True)
class Row:
    """One entry. before: the price of the day before, its own or the list price; after: what it becomes.

    at_day: the price that starts on that very day already. later: how many prices start after it and stay.
    """

    entry: MatrixEntry
    before: Decimal | None
    after: Decimal | None
    at_day: Price | None
    later: int
    replaces: bool

    @property
    def state(self) -> str:
        """new, changed, same (it has this price already), kept (it has another one from that day on) or none (there
        is no price to change)."""
        if self.after is None:
            return "none"
        if self.at_day is None:
            return "same" if self.after == self.before else "new"
        if self.at_day.unit_price == self.after:
            return "same"
        return "changed" if self.replaces else "kept"

    @property
    def is_written(self) -> bool:
        return self.state in ("new", "changed")


@dataclass(frozen=True)
class Repriced:
    """What a change makes of every entry concerned."""

    change: Change
    rows: list[Row] = field(default_factory=list)

    def count(self, state: str) -> int:
        return sum(row.state == state for row in self.rows)

    @property
    def written(self) -> list[Row]:
        return [row for row in self.rows if row.is_written]

    @property
    def fingerprint(self) -> str:
        """Names what would be written: the same for the same prices of the same entries."""
        told = ";".join(f"{row.entry.pk}:{row.before}:{row.after}" for row in self.written)
        return hashlib.sha256(told.encode()).hexdigest()[:32]


def preview(change: Change, *, by: Any) -> Repriced:
    """What `change_prices` would do, by customer and product. Raises like it."""
    require(by, "change_price", "Only an S&OP admin changes prices.")
    _check(change)
    return _rows(change, _entries(change))


@transaction.atomic
def change_prices(change: Change, *, by: Any, seen: str = "") -> Repriced:
    """Give every entry concerned its new price from the day on: all of them or none.

    The new price is worked out from that of the day before, so the same request repeated is one effect. seen: the
    fingerprint of the preview; when prices moved in between, Conflict is raised and nothing written.
    Raises NotAllowed, and Refused for a change that makes no sense or leads below 0.
    """
    require(by, "change_price", "Only an S&OP admin changes prices.")
    _check(change)
    # Whoever changes prices of the same entries comes after us.
    held = MatrixEntry.objects.filter(pk__in=_entries(change).values("pk")).order_by("pk")
    list(held.select_for_update(no_key=True).values_list("pk", flat=True))
    repriced = _rows(change, _entries(change))
    if seen and repriced.written and repriced.fingerprint != seen:
        raise Conflict("Prices were changed since you looked at them; look at the new preview, then apply it.")
    Price.objects.bulk_create(
        [
            Price(entry=row.entry, valid_from=change.valid_from, unit_price=row.after)
            for row in repriced.written
            if row.after is not None
        ],
        update_conflicts=True,
        unique_fields=["entry", "valid_from"],
        update_fields=["unit_price"],
    )
    return repriced


def require_day(valid_from: dt.date) -> None:
    """Raise Refused for a day on which no price can start."""
    try:
        Price(valid_from=valid_from).clean()
    except ValidationError as refusal:
        raise Refused({"valid_from": " ".join(refusal.messages)}) from refusal


def _check(change: Change) -> None:
    if (change.percent is None) == (change.amount is None):
        raise Refused({"percent": "Enter either a percentage or an amount, one of the two."})
    if change.group is None and not change.customers:
        raise Refused({"group": "Choose a product group, customers, or both; all prices at once are not changed."})
    require_day(change.valid_from)
    if change.percent is not None and not (change.percent.is_finite() and -100 <= change.percent <= MOST_PERCENT):
        raise Refused({"percent": f"Enter a percentage from -100 to {MOST_PERCENT:,}."})
    if change.amount is not None and not (change.amount.is_finite() and abs(change.amount) <= HIGHEST):
        raise Refused({"amount": f"Enter an amount of at most {HIGHEST:,}."})


def _entries(change: Change) -> Any:
    """The entries concerned: those in use of the group and the customers."""
    entries = MatrixEntry.objects.in_use()
    if change.group is not None:
        groups = ProductGroup.objects.filter(Q(pk=change.group) | Q(parent=change.group))
        entries = entries.filter(product__group__in=groups)
    if change.customers:
        entries = entries.filter(customer__in=list(change.customers))
    return entries


def _rows(change: Change, entries: Any) -> Repriced:
    """What becomes of `entries`; three queries whatever their number."""
    named = (
        entries.select_related("customer", "product")
        .with_price(change.valid_from - _DAY)
        .order_by("customer__name", "customer", "product__item_code")
    )
    at_day = {price.entry_id: price for price in Price.objects.filter(entry__in=entries, valid_from=change.valid_from)}
    later = dict(
        Price.objects.filter(entry__in=entries, valid_from__gt=change.valid_from)
        .order_by()
        .values_list("entry")
        .annotate(Count("pk"))
    )
    rows, wrong = [], []
    for entry in named:
        after = None if entry.price is None else change.of(entry.price)
        row = Row(entry, entry.price, after, at_day.get(entry.pk), later.get(entry.pk, 0), change.replaces)
        rows.append(row)
        if after is not None and row.is_written and not 0 <= after <= HIGHEST:
            wrong.append(row)
    if wrong:
        raise Refused({"amount": _out_of_bounds(wrong)})
    return Repriced(change, rows)


def _out_of_bounds(rows: Iterable[Row]) -> str:
    listed = list(rows)
    named = "; ".join(f"{row.entry} from {row.before} to {row.after}" for row in listed[:3])
    more = f" and {len(listed) - 3:,} more" if len(listed) > 3 else ""
    return f"A price must be from 0 to {HIGHEST:,}, and this would lead elsewhere: {named}{more}. Nothing was changed."
