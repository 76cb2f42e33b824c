"""What applying workbooks did, or in a dry run would do: counts, control totals, findings, and the same by file."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from cycles.models import Cycle
from forecasts.excel.legacy_budget_place import PlacedBudget
from forecasts.excel.legacy_lines import Planned
from forecasts.excel.legacy_model import BookKind, CustomerSheet, LegacyBook, Warning
from forecasts.excel.legacy_notes import MOST_OF_A_KIND
from masterdata import upserts
from masterdata.models import Customer, Product
from masterdata.upserts import Tally
from sop_portal.lib import periods

ZERO = Decimal(0)


@dataclass
class FileOutcome:
    """What one workbook brought."""

    file: str
    kind: BookKind
    sentence: str
    rep: str = ""
    sheets: int = 0
    customers: int = 0
    lines: int = 0
    cells: int = 0
    volume: Decimal = ZERO
    budget_rows: int = 0

    @classmethod
    def of(cls, book: LegacyBook) -> "FileOutcome":
        """The outcome of a book before anything was taken from it."""
        return cls(book.file, book.kind, book.sentence, book.rep_name or "")

    def count_plans(self, plans: Sequence[tuple[CustomerSheet, Customer]]) -> None:
        """Count sheets and customers whose plans are taken."""
        self.sheets = len({sheet.name for sheet, _ in plans})
        self.customers = len({customer.pk for _, customer in plans})


@dataclass
class Outcome:
    """What applying workbooks did as a whole."""

    files: list[FileOutcome] = field(default_factory=list)
    sheets: int = 0
    customers: int = 0
    lines: int = 0
    cells: int = 0
    volume: Decimal = ZERO
    prices: int = 0
    budget_rows: int = 0
    # Rows with a quantity or an amount other than 0, as `cells` counts volumes.
    budget_cells: int = 0
    budget_quantity: Decimal = ZERO
    budget_amount: Decimal = ZERO
    unknown: list[str] = field(default_factory=list)
    unknown_reps: list[str] = field(default_factory=list)
    mapped_reps: list[str] = field(default_factory=list)
    # Names that somebody may decide about, as the form for them takes them.
    open_names: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[Warning] = field(default_factory=list)
    tallies: dict[str, Tally] = field(default_factory=dict)
    by_period: dict[str, Decimal] = field(default_factory=dict)
    budget_by_period: dict[str, list[Decimal]] = field(default_factory=dict)
    cycles: dict[int, str] = field(default_factory=dict)
    owner: str = ""

    @property
    def cycle_name(self) -> str:
        """The cycles that the plans go to."""
        return ", ".join(self.cycles.values())

    @property
    def prospects(self) -> int:
        """How many prospects the plans are of."""
        tally = self.tallies.get("prospects", Tally())
        return tally.changed + tally.unchanged

    @property
    def changed(self) -> int:
        """How many rows were created or changed."""
        return sum(tally.changed for tally in self.tallies.values())

    def count(self, verb: str) -> int:
        """How many rows of all kinds were `created`, `updated` or left `unchanged`."""
        return sum(getattr(tally, verb) for tally in self.tallies.values())

    def file(self, book: LegacyBook) -> FileOutcome:
        """The outcome of one of the books."""
        return next(file for file in self.files if file.file == book.file)

    def take_rows(self, plan: Planned, cycle: Cycle) -> None:
        """The control totals of the lines that went from a book into `cycle`."""
        if not plan.rows:
            return
        self.cycles[cycle.pk] = str(cycle)
        file = self.file(plan.book)
        file.lines += len(plan.rows)
        self.lines += len(plan.rows)
        for row in plan.rows:
            for period, value in zip(cycle.periods, row.quantity, strict=True):
                if value is not None:
                    file.cells += bool(value)
                    file.volume += value
                    key = periods.key(period)
                    self.by_period[key] = self.by_period.get(key, ZERO) + value
        self.cells = sum(file.cells for file in self.files)
        self.volume = sum((file.volume for file in self.files), ZERO)

    def take_budget(self, placed: Sequence[PlacedBudget], products: Mapping[str, Product]) -> None:
        """Write the budgets and count them."""
        if not placed:
            return
        wanted = {}
        for budget in placed:
            cell = budget.cell
            product = products[cell.code].pk if cell.code else None
            wanted[cell.version, budget.customer.pk, product, cell.period] = cell.quantity, cell.amount
            self.file(budget.book).budget_rows += 1
            sums = self.budget_by_period.setdefault(periods.key(cell.period), [ZERO, ZERO])
            sums[0] += cell.quantity or ZERO
            sums[1] += cell.amount or ZERO
            self.budget_cells += bool(cell.quantity or cell.amount)
        self.budget_rows = len(placed)
        self.budget_quantity = sum((sums[0] for sums in self.budget_by_period.values()), ZERO)
        self.budget_amount = sum((sums[1] for sums in self.budget_by_period.values()), ZERO)
        self.tallies["budget"] = upserts.upsert_budget(wanted)


def limited(warnings: Iterable[Warning]) -> list[Warning]:
    """At most `MOST_OF_A_KIND` of one kind and file one by one, and how many more there are."""
    found: dict[tuple[str, str], list[Warning]] = {}
    for warning in warnings:
        found.setdefault((warning.file, warning.code), []).append(warning)
    told = []
    for same in found.values():
        # What is said sheet by sheet is bounded where the sheet is read.
        sheets = {warning.sheet for warning in same}
        most = MOST_OF_A_KIND * max(1, min(len(sheets), 200)) if same[0].cell else MOST_OF_A_KIND * 5
        told += same[:most]
        if len(same) > most:
            rest = same[most:]
            told.append(replace(rest[0], cell="", sentence=f"The same holds for {len(rest):,} more."))
    return told
