"""Applying a parsed planning workbook: customers, products, matrix, prices and the plan, in one transaction."""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from django.db import transaction

from audit.context import as_source
from cycles.models import HORIZON, Cycle
from cycles.services import legacy_cycle
from forecasts.excel.legacy_model import CustomerSheet, Item, LegacyBook, Warning
from forecasts.excel.legacy_open import fill_open_cycle, open_cycle
from forecasts.models import MAX_QUANTITY
from forecasts.services.legacy import PlanRow, write_plan
from masterdata import upserts
from masterdata.models import Customer, Product, alias_key
from masterdata.services import sales_reps
from masterdata.upserts import ProductRow, Tally
from sop_portal.accounts.models import User
from sop_portal.lib import periods
from sop_portal.lib.clock import portal_now

PRICE_PLACES = Decimal("0.0001")
QUANTITY_PLACES = Decimal("0.000001")


@dataclass
class Outcome:
    """What applying a workbook did, or in a dry run would do."""

    sheets: int = 0
    customers: int = 0
    lines: int = 0
    cells: int = 0
    volume: Decimal = Decimal(0)
    prices: int = 0
    unknown: list[str] = field(default_factory=list)
    warnings: list[Warning] = field(default_factory=list)
    tallies: dict[str, Tally] = field(default_factory=dict)
    by_period: dict[str, Decimal] = field(default_factory=dict)
    cycle_id: int | None = None
    cycle_name: str = ""
    owner: str = ""

    @property
    def changed(self) -> int:
        """How many rows were created or changed."""
        return sum(tally.changed for tally in self.tallies.values())

    def count(self, verb: str) -> int:
        """How many rows of all kinds were `created`, `updated` or left `unchanged`."""
        return sum(getattr(tally, verb) for tally in self.tallies.values())


def apply_book(
    book: LegacyBook, *, rep: User | None, by: User | None, dry_run: bool, into_open: bool = False
) -> Outcome:
    """Write what `book` holds, or try it and roll it back.

    rep: whose plan it is; without one, the rep whose name stands in the book, else nobody.
    by: the admin who applies it; None on the command line. The same book again changes nothing.
    into_open: the plan goes into the open cycle on behalf of the lines' owners, for the months that both plan, instead
    of a closed cycle of its own; needs `by`. Raises Conflict when no cycle is open.
    """
    with transaction.atomic(), as_source("excel"):
        outcome = _apply(book, rep or rep_named(book.rep_name), by, into_open)
        if dry_run:
            transaction.set_rollback(True)
    return outcome


def rep_named(name: str | None) -> User | None:
    """The one active rep of that full name, if there is exactly one."""
    if not name:
        return None
    found = list(sales_reps().filter(full_name__iexact=name.strip())[:2])
    return found[0] if len(found) == 1 else None


def _apply(book: LegacyBook, rep: User | None, by: User | None, into_open: bool) -> Outcome:
    upserts.lock_imports()
    outcome = Outcome(warnings=list(book.all_warnings), owner=str(rep) if rep else "")
    sheets = list(_sheets_with_customers(book, rep, outcome))
    if not sheets:
        return outcome

    items = [item for _, sheet in sheets for item in sheet.items]
    found = upserts.ensure_products(
        [ProductRow(item.code, item.description, item.group_code, item.group_name) for item in items]
    )
    products = found.by_code
    outcome.tallies.update(products=found.products, groups=found.groups)
    outcome.unknown.extend(f"Product {products[code]}" for code in found.new_codes)
    entries, outcome.tallies["matrix"] = upserts.ensure_entries(
        (customer.pk, products[item.code].pk)
        for customer, sheet in sheets
        for item in sheet.items
        if item.live or item.priced
    )
    wanted: dict[tuple[int, dt.date], Decimal] = {}
    for customer, sheet in sheets:
        for item in sheet.items:
            if item.priced:
                entry = entries[customer.pk, products[item.code].pk]
                for day, price in price_steps(sheet, item):
                    wanted.setdefault((entry.pk, day), price)
    outcome.prices = len(wanted)
    outcome.tallies["prices"] = upserts.upsert_prices(wanted)

    outcome.sheets, outcome.customers = len(sheets), len({customer.pk for customer, _ in sheets})
    if into_open:
        cycle = open_cycle()
        rows = list(_plan_rows(sheets, products, cycle.first_period, outcome, name_outside=False))
        outcome.tallies["lines"], rows, left_out = fill_open_cycle(cycle, rows, by=by)
        outcome.warnings.extend(left_out)
    else:
        first = book.first_period or sheets[0][1].first_period
        rows = list(_plan_rows(sheets, products, first, outcome))
        if not rows:
            return outcome
        cycle = legacy_cycle(first, by=by)
        outcome.tallies["lines"] = write_plan(cycle, rows, owner=rep, by=by, now=portal_now())
    _count(outcome, cycle, rows)
    return outcome


def _count(outcome: Outcome, cycle: Cycle, rows: Sequence[PlanRow]) -> None:
    """The control totals of what went into `cycle`."""
    outcome.cycle_id, outcome.cycle_name, outcome.lines = cycle.pk, str(cycle), len(rows)
    for row in rows:
        for period, value in zip(cycle.periods, row.quantity, strict=True):
            if value:
                outcome.cells += 1
                outcome.volume += value
                key = periods.key(period)
                outcome.by_period[key] = outcome.by_period.get(key, Decimal(0)) + value


def _sheets_with_customers(
    book: LegacyBook, rep: User | None, outcome: Outcome
) -> Iterator[tuple[Customer, CustomerSheet]]:
    """Each sheet with its customer; unknown ones are created, names that fit several are left out with a sentence."""
    # Names that differ in blanks or case alone are one customer.
    names = {alias_key(sheet.customer_name): sheet.customer_name for sheet in reversed(book.sheets)}
    found = upserts.customers_by_key(names)
    created = upserts.create_customers({key: name for key, name in names.items() if key not in found}, rep=rep)
    outcome.unknown.extend(f"Customer {customer}" for customer in created.values())
    known = {key: customers[0] for key, customers in found.items() if len(customers) == 1} | created
    upserts.remember_names({key: (names[key], customer) for key, customer in known.items()})
    outcome.tallies["customers"] = Tally(created=len(created), unchanged=len(known) - len(created))
    for customer in known.values():
        if rep is not None and customer.sales_rep_id is None:
            customer.sales_rep = rep
            customer.save(update_fields=["sales_rep"])
            outcome.tallies["customers"].updated += 1
            outcome.tallies["customers"].unchanged -= 1
        elif rep is not None and customer.sales_rep_id != rep.pk:
            outcome.warnings.append(
                Warning(
                    "other_rep", customer.name, "",
                    f"{customer} is served by {customer.sales_rep}; it stays with them, the plan is kept as {rep}'s.",
                )
            )  # fmt: skip
    for sheet in book.sheets:
        key = alias_key(sheet.customer_name)
        if key in known:
            yield known[key], sheet
            continue
        codes = ", ".join(customer.customer_id for customer in found[key])
        outcome.warnings.append(
            Warning(
                "ambiguous_customer", sheet.name, "",
                f"'{sheet.customer_name}' fits several customers ({codes}), so this sheet was left out; "
                "rename one of them and import the file again.",
            )
        )  # fmt: skip


def price_steps(sheet: CustomerSheet, item: Item) -> list[tuple[dt.date, Decimal]]:
    """The prices of an item where they change: (valid from, price). 0 and blank mean that the price goes on.

    Months from November 2025 priced 45, 45, 0, 46 give 45 from November 2025 and 46 from February 2026.
    """
    steps: list[tuple[dt.date, Decimal]] = []
    for month, price in enumerate(item.prices):
        rounded = price.quantize(PRICE_PLACES) if price else None
        if rounded and (not steps or steps[-1][1] != rounded):
            steps.append((periods.shift(sheet.first_period, month), rounded))
    return steps


def _plan_rows(
    sheets: Sequence[tuple[Customer, CustomerSheet]],
    products: dict[str, Product],
    first: dt.date,
    outcome: Outcome,
    *,
    name_outside: bool = True,
) -> Iterator[PlanRow]:
    """The lines of the plan by position from `first`; an item that several sheets of one customer hold is added up.

    name_outside: whether volumes outside the sixteen months are named; months that have passed are not.
    """
    rows: dict[tuple[int, str], PlanRow] = {}
    for customer, sheet in sheets:
        for item in sheet.live_items:
            quantity, price = _cells(sheet, item, first, outcome, name_outside)
            other = rows.get((customer.pk, item.code))
            if other is not None:
                outcome.warnings.append(
                    Warning(
                        "same_line", sheet.name, item.address(0),
                        f"{item.code} of {customer} stands on two sheets; their volumes were added up.",
                    )
                )  # fmt: skip
                quantity = [_sum(a, b) for a, b in zip(other.quantity, quantity, strict=True)]
                for month, volume in enumerate(quantity):
                    if volume is not None and volume > MAX_QUANTITY:
                        _leave_out(outcome, sheet, item, min(month, sheet.months - 1), volume)
                        quantity[month] = other.quantity[month]
                price = [a if a is not None else b for a, b in zip(other.unit_price, price, strict=True)]
            risk = item.risk if other is None or other.risk_class is None else other.risk_class
            if any(quantity):
                rows[customer.pk, item.code] = PlanRow(customer, products[item.code], quantity, price, risk)
    yield from rows.values()


def _leave_out(outcome: Outcome, sheet: CustomerSheet, item: Item, month: int, volume: Decimal) -> None:
    """Name a volume that rows or sheets add up to and that no line may hold."""
    outcome.warnings.append(
        Warning(
            "too_large", sheet.name, item.address(month),
            f"{item.code} adds up to {volume:,f} cases in a month, more than {MAX_QUANTITY:,}; it was left out.",
        )
    )  # fmt: skip


def _sum(a: Decimal | None, b: Decimal | None) -> Decimal | None:
    if a is None or b is None:
        return a if b is None else b
    return a + b


def _cells(
    sheet: CustomerSheet, item: Item, first: dt.date, outcome: Outcome, name_outside: bool
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
                outcome.warnings.append(
                    Warning(
                        "outside_horizon", sheet.name, item.address(month),
                        f"{volume.normalize():f} cases of {item.code} lie outside the 16 months from "
                        f"{periods.label(first)} that this book plans, and were left out.",
                    )
                )  # fmt: skip
            continue
        if volume is not None and volume > MAX_QUANTITY:
            _leave_out(outcome, sheet, item, month, volume)
        elif volume is not None:
            quantity[position] = volume.quantize(QUANTITY_PLACES)
        amount = item.prices[month] if month < len(item.prices) else None
        price[position] = amount.quantize(PRICE_PLACES) if amount else None
    return quantity, price
