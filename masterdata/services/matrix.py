"""What one customer buys: entries, order quantities and prices, written together."""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from masterdata.models import Customer, MatrixEntry, Price, Product
from masterdata.services.access import require
from masterdata.services.pricing import require_day
from sop_portal.lib.errors import Refused, StaleRevision

_FIELDS = ("minimum_order_quantity", "maximum_order_quantity", "is_active")


@dataclass(frozen=True)
class Terms:
    """How one product stands in a customer's matrix. unit_price: the customer's own, None for the list price."""

    is_active: bool = False
    minimum_order_quantity: Decimal | None = None
    maximum_order_quantity: Decimal | None = None
    unit_price: Decimal | None = None


@dataclass(frozen=True)
class Wanted:
    """What somebody wants of one product, beside what they saw of it."""

    product_id: int
    seen: Terms
    terms: Terms


@dataclass(frozen=True)
class Saved:
    """How many entries were made, changed, and got another price."""

    created: int
    changed: int
    prices: int


def terms_of(customer: Customer, products: Iterable[int], day: dt.date) -> dict[int, Terms]:
    """The matrix of a customer by product, with the prices of `day`; products without an entry are missing."""
    entries: Any = MatrixEntry.objects.filter(customer=customer, product__in=list(products)).with_price(day)
    return {
        entry.product_id: Terms(
            entry.is_active, entry.minimum_order_quantity, entry.maximum_order_quantity, entry.own_price
        )
        for entry in entries
    }


@transaction.atomic
def set_matrix(
    customer_id: int, wanted: Sequence[Wanted], *, valid_from: dt.date, seen_on: dt.date | None = None, by: Any
) -> Saved:
    """Write what one customer buys, all of it or none, with prices that start on `valid_from`.

    A product that is ticked gets an entry, one that is not any more keeps its entry as an inactive one. What does not
    differ from what was seen is left as it is. seen_on: the day whose prices were seen, when it is another one.
    Raises Refused with product id -> sentence for values that make no sense, StaleRevision when somebody else changed a
    product that is to be changed. Repeated, it changes nothing more.
    """
    require(by, "change_matrixentry", "Only an S&OP admin changes who buys what.")
    require_day(valid_from)
    customer = Customer.objects.filter(pk=customer_id).select_for_update(no_key=True).first()
    if customer is None:
        raise Refused({"customer": "This customer does not exist any more."})
    edits = {row.product_id: row for row in wanted if row.terms != row.seen}
    products = Product.objects.in_bulk(list(edits))
    entries = {
        entry.product_id: entry
        for entry in MatrixEntry.objects.filter(customer=customer, product__in=list(edits)).select_for_update(
            no_key=True
        )
    }
    now = terms_of(customer, edits, valid_from)
    before = now if seen_on in (None, valid_from) else terms_of(customer, edits, seen_on)
    sheet = _Sheet()
    for product_id, row in edits.items():
        product = products.get(product_id)
        if product is None:
            sheet.refused[product_id] = "This product does not exist any more; reload the page."
            continue
        is_price = row.terms.unit_price != row.seen.unit_price
        stored = now.get(product_id, Terms())
        if _same(stored, row.terms) and (not is_price or stored.unit_price == row.terms.unit_price):
            continue
        if before.get(product_id, Terms()) != row.seen:
            sheet.stale.append(product)
            continue
        entry = entries.get(product_id) or MatrixEntry(customer=customer, product=product)
        if sentence := _problem(row, entry):
            sheet.refused[product_id] = f"{product}: {sentence}"
            continue
        if entry.pk is None:
            sheet.fresh.append(entry)
        elif not _same(stored, row.terms):
            sheet.changed.append(entry)
        if is_price and row.terms.unit_price is not None and stored.unit_price != row.terms.unit_price:
            sheet.priced.append((entry, row.terms.unit_price))
    return sheet.write(valid_from)


@dataclass
class _Sheet:
    """What is to be written, and what keeps it from being written."""

    fresh: list[MatrixEntry] = field(default_factory=list)
    changed: list[MatrixEntry] = field(default_factory=list)
    priced: list[tuple[MatrixEntry, Decimal]] = field(default_factory=list)
    stale: list[Product] = field(default_factory=list)
    refused: dict[int, str] = field(default_factory=dict)

    def write(self, valid_from: dt.date) -> Saved:
        """Write it in one statement for each table; raises what stands in the way first."""
        if self.stale:
            names = ", ".join(map(str, self.stale[:3]))
            more = f" and {len(self.stale) - 3} more" if len(self.stale) > 3 else ""
            raise StaleRevision(
                f"Somebody else changed {names}{more} since you loaded the page; reload it and enter your changes again."
            )
        if self.refused:
            raise Refused(self.refused)
        try:
            with transaction.atomic():
                MatrixEntry.objects.bulk_create(self.fresh)
        except IntegrityError as race:
            raise StaleRevision(
                "Somebody else just gave this customer one of these products; reload the page."
            ) from race
        if self.changed:
            MatrixEntry.objects.bulk_update(self.changed, _FIELDS)
        Price.objects.bulk_create(
            [Price(entry=entry, valid_from=valid_from, unit_price=amount) for entry, amount in self.priced],
            update_conflicts=True,
            unique_fields=["entry", "valid_from"],
            update_fields=["unit_price"],
        )
        return Saved(len(self.fresh), len(self.changed), len(self.priced))


def _same(one: Terms, other: Terms) -> bool:
    """Whether two terms differ in nothing but the price."""
    return all(getattr(one, name) == getattr(other, name) for name in _FIELDS)


def _problem(row: Wanted, entry: MatrixEntry) -> str:
    """Put the wanted terms on `entry`; why they make no sense, or ""."""
    for name in _FIELDS:
        setattr(entry, name, getattr(row.terms, name))
    if entry.pk is None and not row.terms.is_active:
        return "tick it first, then enter its price and quantities."
    if row.seen.unit_price is not None and row.terms.unit_price is None:
        return "a price is not taken away here; enter another one, or delete it on the page of the entry."
    try:
        entry.clean_fields(exclude=["customer", "product", "notes", "proposed_by"])
        entry.clean()
        if row.terms.unit_price is not None:
            Price(unit_price=row.terms.unit_price).clean_fields(exclude=["entry", "valid_from"])
    except ValidationError as problem:
        return " ".join(problem.messages)
    return ""
