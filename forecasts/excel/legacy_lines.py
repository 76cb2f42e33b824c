"""From sheets to lines of a plan: sixteen months by position, sheets of one customer added up, books compared."""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from cycles.models import HORIZON
from forecasts.excel.legacy_model import CustomerSheet, Item, LegacyBook, Warning
from forecasts.models import MAX_QUANTITY
from forecasts.services.legacy import PlanRow
from masterdata.models import Customer, Product
from sop_portal.lib import periods

PRICE_PLACES = Decimal("0.0001")
QUANTITY_PLACES = Decimal("0.000001")


@dataclass
class Planned:
    """The lines that one book brings to the plan that begins with `first`."""

    book: LegacyBook
    first: dt.date
    rows: list[PlanRow]


def book_rows(
    plans: Sequence[tuple[CustomerSheet, Customer, Any]],
    products: dict[str, Product],
    first: dt.date,
    *,
    name_outside: bool,
) -> tuple[list[PlanRow], list[Warning]]:
    """The lines of a book by position from `first`, and what was left out; plans are (sheet, customer, owner).

    An item that several sheets of one customer hold is added up. name_outside: whether volumes outside the sixteen
    months are named; months that have passed are not.
    """
    warnings: list[Warning] = []
    rows: dict[tuple[int, int], PlanRow] = {}
    for sheet, customer, owner in plans:
        for item in sheet.live_items:
            quantity, price = _cells(sheet, item, first, warnings, name_outside)
            key = customer.pk, products[item.code].pk
            other = rows.get(key)
            if other is not None:
                warnings.append(
                    Warning(
                        "same_line", sheet.name, item.address(0),
                        f"{item.code} of {customer} stands on two sheets; their volumes were added up.",
                    )
                )  # fmt: skip
                quantity = [_sum(a, b) for a, b in zip(other.quantity, quantity, strict=True)]
                for month, volume in enumerate(quantity):
                    if volume is not None and volume > MAX_QUANTITY:
                        warnings.append(_too_large(sheet, item, min(month, sheet.months - 1), volume))
                        quantity[month] = other.quantity[month]
                price = [a if a is not None else b for a, b in zip(other.unit_price, price, strict=True)]
            risk = item.risk if other is None or other.risk_class is None else other.risk_class
            if any(quantity):
                whose = owner if other is None else other.owner
                rows[key] = PlanRow(customer, products[item.code], quantity, price, risk, whose)
    return list(rows.values()), warnings


def join_books(planned: Sequence[Planned]) -> Iterator[tuple[LegacyBook, Warning]]:
    """Leave each line to the first book that holds it; what a later book says otherwise is named, not written."""
    taken: dict[tuple[dt.date, int, int], tuple[Planned, PlanRow]] = {}
    for plan in planned:
        kept, same = [], 0
        for row in plan.rows:
            first, earlier = taken.setdefault((plan.first, row.customer.pk, row.product.pk), (plan, row))
            if first is plan:
                kept.append(row)
            elif list(earlier.quantity) == list(row.quantity):
                same += 1
            else:
                yield plan.book, Warning(
                    "line_in_two_files", f"{row.customer.label} · {row.product}", "",
                    f"{_total(row)} cases here and {_total(earlier)} in {first.book.file}, which counts; these were "
                    "left out. Leave one of the two out if the other should count.",
                )  # fmt: skip
        plan.rows = kept
        if same:
            yield plan.book, Warning(
                "same_in_files", "", "",
                f"{same:,} of its lines stand with the same volumes in another file and were taken once.",
            )  # fmt: skip


def _total(row: PlanRow) -> str:
    return f"{sum((value or Decimal(0) for value in row.quantity), Decimal(0)).normalize():,f}"


def _too_large(sheet: CustomerSheet, item: Item, month: int, volume: Decimal) -> Warning:
    """A volume that rows or sheets add up to and that no line may hold."""
    return Warning(
        "too_large", sheet.name, item.address(month),
        f"{item.code} adds up to {volume:,f} cases in a month, more than {MAX_QUANTITY:,}; it was left out.",
    )  # fmt: skip


def _sum(a: Decimal | None, b: Decimal | None) -> Decimal | None:
    if a is None or b is None:
        return a if b is None else b
    return a + b


def _cells(
    sheet: CustomerSheet, item: Item, first: dt.date, warnings: list[Warning], name_outside: bool
) -> tuple[list[Decimal | None], list[Decimal | None]]:
    """The sixteen quantities and prices of an item by position in the book's cycle."""
    quantity: list[Decimal | None] = [None] * HORIZON
    price: list[Decimal | None] = [None] * HORIZON
    moved = periods.between(first, sheet.first_period)
    for month in range(sheet.months):
        position = month + moved
        volume = item.volumes[month]
        if not 0 <= position < HORIZON:
            if volume and name_outside:
                warnings.append(
                    Warning(
                        "outside_horizon", sheet.name, item.address(month),
                        f"{volume.normalize():f} cases of {item.code} lie outside the 16 months from "
                        f"{periods.label(first)} that this book plans, and were left out.",
                    )
                )  # fmt: skip
            continue
        if volume is not None and volume > MAX_QUANTITY:
            warnings.append(_too_large(sheet, item, month, volume))
        elif volume is not None:
            quantity[position] = volume.quantize(QUANTITY_PLACES)
        amount = item.prices[month] if month < len(item.prices) else None
        price[position] = amount.quantize(PRICE_PLACES) if amount else None
    return quantity, price
