"""Applying parsed planning workbooks: customers, products, matrix, prices, budget and the plans, in one transaction."""

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from django.db import transaction

from audit.context import as_source
from cycles.services import legacy_cycle
from forecasts.excel.legacy_budget_place import budget_names, budget_products, place_budgets
from forecasts.excel.legacy_choices import Choices
from forecasts.excel.legacy_lines import Planned, book_rows, join_books
from forecasts.excel.legacy_model import CustomerSheet, Item, LegacyBook, Warning
from forecasts.excel.legacy_names import Customers, Name, Reps, assign, find_customers, sheet_name
from forecasts.excel.legacy_open import fill_open_cycle, open_cycle
from forecasts.excel.legacy_outcome import FileOutcome, Outcome, limited
from forecasts.services.legacy import ChangedLine, write_plan
from masterdata import upserts
from masterdata.models import Customer, alias_key
from masterdata.services import sales_reps
from masterdata.upserts import ProductRow, Tally
from sop_portal.accounts.models import User
from sop_portal.lib import periods
from sop_portal.lib.clock import portal_now

PRICE_PLACES = Decimal("0.0001")


def apply_book(
    book: LegacyBook, *, rep: User | None, by: User | None, dry_run: bool, into_open: bool = False
) -> Outcome:
    """`apply_books` of one book."""
    return apply_books([book], rep=rep, by=by, dry_run=dry_run, into_open=into_open)


def apply_books(
    books: Sequence[LegacyBook],
    *,
    rep: User | None,
    by: User | None,
    dry_run: bool,
    into_open: bool = False,
    choices: Choices | None = None,
    turn: Callable[[], None] = upserts.lock_imports,
) -> Outcome:
    """Write what `books` hold, all of it or nothing, or try it and roll it back.

    rep: whose plans these are; without one, the rep whose name stands in a book, else nobody. In a consolidated plan
    each row says whose it is.
    by: the admin who applies it; None on the command line. The same books again change nothing.
    into_open: the plans go into the open cycle on behalf of the lines' owners, for the months that both plan, instead
    of closed cycles of their own; needs `by`. Raises Conflict when no cycle is open.
    choices: what was decided by hand about names. Raises Refused when it no longer holds.
    turn: waits until no other import writes, and keeps others out until the transaction ends.
    """
    with transaction.atomic(), as_source("excel"):
        turn()
        outcome = _Application(books, rep, by, into_open, choices or Choices()).run()
        if dry_run:
            transaction.set_rollback(True)
    return outcome


def rep_named(name: str | None) -> User | None:
    """The active rep that a name in a workbook stands for, if it is known."""
    if not name:
        return None
    key = alias_key(name)
    found: User | None = upserts.reps_by_key([key], sales_reps()).get(key)
    return found


class _Application:
    """One run over all books; every step costs a fixed number of statements, whatever the number of books."""

    def __init__(
        self, books: Sequence[LegacyBook], rep: User | None, by: User | None, into_open: bool, choices: Choices
    ) -> None:
        # What a rep wrote counts before what an admin put together.
        self.books = sorted(books, key=lambda book: book.kind == "consolidated")
        self.rep, self.by, self.into_open, self.choices = rep, by, into_open, choices
        self.outcome = Outcome(files=[FileOutcome.of(book) for book in books])
        self.several = len(books) > 1

    def run(self) -> Outcome:
        """All steps in the order in which one needs the other."""
        outcome = self.outcome
        for book in self.books:
            self._warn(book, *book.all_warnings)
        self.reps = Reps(self.books, self.rep, self.choices)
        outcome.unknown_reps = self.reps.unknown
        outcome.mapped_reps = [name for name, _ in self.reps.mapped.values()]
        owners = dict.fromkeys(str(rep) for rep in map(self.reps.of_book, self.books) if rep is not None)
        outcome.owner = ", ".join(owners)
        plans = self._plans()
        if plans or any(book.budgets for book in self.books):
            self._master_data(plans)
        outcome.warnings = limited(outcome.warnings)
        return outcome

    def _warn(self, book: LegacyBook, *warnings: Warning) -> None:
        file = book.file if self.several else ""
        self.outcome.warnings.extend(replace(warning, file=file) if file else warning for warning in warnings)

    def _plans(self) -> list[tuple[LegacyBook, CustomerSheet, Customer]]:
        """Each plan with its customer; names that fit several, or that nobody wants, are left out with a sentence."""
        named = [(book, sheet, sheet_name(book, sheet, self.reps)) for book in self.books for sheet in book.sheets]
        names = [name for _, _, name in named]
        self.budget_names = budget_names(self.books, [name.key for name in names])
        self.customers = find_customers(names, self.budget_names.unknown, self.choices)
        for name, customer in assign(self.customers, names):
            self.outcome.warnings.append(Warning(
                "other_rep", customer.name, "",
                f"{customer} is served by {customer.sales_rep}; it stays with them, the plan is kept as {name.rep}'s.",
                name.file if self.several else "",
            ))  # fmt: skip
        self._tell_names(names, self.customers)
        if self.reps.mapped:
            tally = self.outcome.tallies["names"]
            tally.created += upserts.remember_reps(self.reps.mapped)
        plans = []
        for book, sheet, name in named:
            if name.key in self.customers.by_key:
                plans.append((book, sheet, self.customers.by_key[name.key]))
            elif name.key in self.customers.ambiguous:
                codes = ", ".join(customer.customer_id for customer in self.customers.ambiguous[name.key])
                self._warn(book, Warning(
                    "ambiguous_customer", sheet.name, "",
                    f"'{sheet.customer_name}' fits several customers ({codes}), so its plan was left out; "
                    "say which one it is and apply it then.",
                ))  # fmt: skip
            else:
                self._warn(book, Warning(
                    "left_out", sheet.name, "", f"The plan of '{sheet.customer_name}' was left out, as you chose."
                ))  # fmt: skip
        return plans

    def _tell_names(self, names: Sequence[Name], customers: Customers) -> None:
        outcome = self.outcome
        outcome.unknown.extend(
            f"{'Prospect' if customer.is_prospect else 'Customer'} {customer.customer_id} {customer}"
            for customer in customers.made
        )
        outcome.tallies.update(customers.tallies)
        self._open_names(names, customers)

    def _open_names(self, names: Sequence[Name], customers: Customers) -> None:
        """Names that somebody may decide about: those that are new, fit several, or were decided about before."""
        made = {customer.pk for customer in customers.made}
        volumes: dict[str, Decimal] = {}
        files: dict[str, dict[str, None]] = {}
        for name in names:
            volumes[name.key] = volumes.get(name.key, Decimal(0)) + name.volume
            files.setdefault(name.key, {})[name.file] = None
        told: dict[str, dict[str, Any]] = {}
        for name in names:
            customer = customers.by_key.get(name.key)
            fits = [one.customer_id for one in customers.ambiguous.get(name.key, [])]
            if fits or name.key in self.choices.customers or (customer is not None and customer.pk in made):
                told.setdefault(name.key, {
                    "key": name.key, "text": name.text, "role": name.role,
                    "file": ", ".join(files[name.key]) if self.several else "",
                    "sheet": name.sheet, "fits": fits, "volume": str(volumes[name.key]),
                })  # fmt: skip
        for key, text in self.budget_names.unknown.items():
            if key in customers.unknown or (key in self.choices.customers and key not in told):
                told.setdefault(key, {
                    "key": key, "text": text, "role": "budget", "file": "", "sheet": "Budget", "fits": [], "volume": "0",
                })  # fmt: skip
        self.outcome.open_names = list(told.values())

    def _master_data(self, plans: Sequence[tuple[LegacyBook, CustomerSheet, Customer]]) -> None:
        outcome = self.outcome
        budgets, left_out = place_budgets(self.books, self.budget_names, self.customers)
        for book, warning in left_out:
            self._warn(book, warning)
        rows = [
            ProductRow(item.code, item.description, item.group_code, item.group_name)
            for _, sheet, _ in plans for item in sheet.items
        ]  # fmt: skip
        found = upserts.ensure_products([*rows, *budget_products(budgets)])
        self.products = found.by_code
        outcome.tallies.update(products=found.products, groups=found.groups)
        outcome.unknown.extend(f"Product {self.products[code]}" for code in found.new_codes)
        if plans:
            self._prices(plans)
            self._lines(plans)
        outcome.take_budget(budgets, self.products)

    def _prices(self, plans: Sequence[tuple[LegacyBook, CustomerSheet, Customer]]) -> None:
        """Matrix entries of all pairs, and their prices from where they change; of two books the first counts."""
        outcome, products = self.outcome, self.products
        entries, outcome.tallies["matrix"] = upserts.ensure_entries(
            (customer.pk, products[item.code].pk)
            for _, sheet, customer in plans for item in sheet.items if item.live or item.priced
        )  # fmt: skip
        wanted: dict[tuple[int, dt.date], Decimal] = {}
        said_by: dict[tuple[int, dt.date], LegacyBook] = {}
        for book, sheet, customer in plans:
            for item in sheet.items:
                for day, price in price_steps(sheet, item) if item.priced else ():
                    key = entries[customer.pk, products[item.code].pk].pk, day
                    first = said_by.setdefault(key, book)
                    if wanted.setdefault(key, price) != price and first is not book:
                        self._warn(book, Warning(
                            "price_in_two_files", sheet.name, f"{item.row + 1}:{item.row + 1}",
                            f"The price of {item.code} for {customer} from {periods.label(day)} is {price.normalize():f} "
                            f"here and {wanted[key].normalize():f} in {first.file}, which counts.",
                        ))  # fmt: skip
        outcome.prices = len(wanted)
        outcome.tallies["prices"] = upserts.upsert_prices(wanted)

    def _lines(self, plans: Sequence[tuple[LegacyBook, CustomerSheet, Customer]]) -> None:
        outcome = self.outcome
        cycle = open_cycle() if self.into_open else None
        planned: list[Planned] = []
        for book in self.books:
            mine = [
                (sheet, customer, self.reps.of_sheet(book, sheet)) for owner, sheet, customer in plans if owner is book
            ]
            if not mine:
                continue
            outcome.file(book).count_plans([(sheet, customer) for sheet, customer, _ in mine])
            first = cycle.first_period if cycle else book.first_period or mine[0][0].first_period
            rows, warnings = book_rows(mine, self.products, first, name_outside=cycle is None)
            self._warn(book, *warnings)
            planned.append(Planned(book, first, rows))
        outcome.sheets = sum(file.sheets for file in outcome.files)
        outcome.customers = len({customer.pk for _, _, customer in plans})
        for book, warning in join_books(planned):
            self._warn(book, warning)
        if cycle is not None:
            rows = [row for plan in planned for row in plan.rows]
            outcome.tallies["lines"], taken, left_out = fill_open_cycle(cycle, rows, by=self.by)
            outcome.warnings.extend(left_out)
            kept = {id(row) for row in taken}
            for plan in planned:
                plan.rows = [row for row in plan.rows if id(row) in kept]
                outcome.take_rows(plan, cycle)
            return
        outcome.tallies["lines"] = Tally()
        for first in dict.fromkeys(plan.first for plan in planned if plan.rows):
            of_month = [plan for plan in planned if plan.first == first]
            cycle = legacy_cycle(first, by=self.by)
            written = write_plan(cycle, [row for plan in of_month for row in plan.rows], by=self.by, now=portal_now())
            outcome.tallies["lines"] += written.tally
            outcome.warnings.extend(_changed(written.changed))
            for plan in of_month:
                outcome.take_rows(plan, cycle)


def _changed(changed: Sequence[ChangedLine]) -> Iterator[Warning]:
    """What happens to lines that an earlier import wrote otherwise: label, cells, cases before and after, new owner."""
    for label, cells, before, after, owner in changed:
        figures = f"{before.normalize():,f} cases become {after.normalize():,f}" if before != after else "same total"
        otherwise = (
            f"An earlier import wrote this line otherwise: {cells} {'value changes' if cells == 1 else 'values change'}, "
            f"{figures}."
        )
        adopted = f"It belonged to nobody and belongs to {owner} from now on."
        if cells or not owner:
            yield Warning("line_changed", label, "", f"{otherwise} {adopted}" if owner else otherwise)
        else:
            yield Warning("line_changed", label, "", adopted)


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
