"""What an old planning workbook holds, as plain values: sheets, customers, items, budgets, and what was odd about them."""

import datetime as dt
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from sop_portal.lib.workbook import cell_name

SheetKind = Literal[
    "customer", "prospect", "summary", "helper", "legend", "budget", "consolidated", "rep_rows", "pivot", "portal",
    "empty", "unread", "unknown",
]  # fmt: skip
BookKind = Literal["rep_workbook", "consolidated", "portal", "unknown"]
# How the customer of a plan is known: by name, as a prospect with a name, or as a prospect that nothing names.
CustomerRole = Literal["customer", "prospect", "nameless"]

# Warnings that only say how something was read: nobody need look at them.
INFORMATIVE = frozenset({
    "dropped_zeros", "price_without_volume", "below_second_header", "one_price", "text_number", "fraction",
    "total_row", "block_guessed", "hidden_sheet", "risk_guessed", "other_error_cells", "provisional_code",
    "budget_months", "budget_kind", "budget_added", "budget_name", "line_changed", "same_in_files", "many_cycles",
})  # fmt: skip

# Warnings that ask for a look at what was taken nevertheless.
TAKEN = frozenset({
    "drifting_months", "repeated_month", "unread_month", "price_months_differ", "first_month_differs", "price_missing",
    "ambiguous_number", "unknown_risk", "same_line", "same_customer", "other_rep",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Warning:
    """One thing a person should know: `cell` is an address or a range on `sheet`, empty when it is about all of it.

    `file` is its workbook's name where several are imported together.
    """

    code: str
    sheet: str
    cell: str
    sentence: str
    file: str = ""

    @property
    def informative(self) -> bool:
        """Whether it only says how something was read."""
        return self.code in INFORMATIVE

    @property
    def left_out(self) -> bool:
        """Whether something of the file was not taken."""
        return not self.informative and self.code not in TAKEN

    @property
    def address(self) -> str:
        """`Sheet!Cell`, the form used in every report, behind the file where there are several."""
        place = f"{self.sheet}!{self.cell}" if self.cell else self.sheet
        return ": ".join(part for part in (self.file, place) if part)


@dataclass(slots=True)
class Item:
    """One product of a customer's sheet; `volumes` and `prices` have one element per month, None is blank.

    `row` is zero-based, `rows` all rows that were added up for the code; `volume_columns` are those of `row`.
    """

    row: int
    code: str
    description: str
    group_code: str | None
    group_name: str | None
    risk: int | None
    volumes: list[Decimal | None]
    prices: list[Decimal | None]
    volume_columns: tuple[int, ...]
    rows: list[int] = field(default_factory=list)
    below_second_header: bool = False

    @property
    def live(self) -> bool:
        """Whether any month has a volume other than 0."""
        return any(self.volumes)

    @property
    def priced(self) -> bool:
        """Whether any month has a price."""
        return any(self.prices)

    @property
    def volume(self) -> Decimal:
        """The sum of the months, in the sheet's own unit (cases)."""
        return sum((volume for volume in self.volumes if volume), Decimal(0))

    @property
    def cells(self) -> int:
        """How many months have a volume other than 0."""
        return sum(1 for volume in self.volumes if volume)

    def address(self, month: int) -> str:
        """The address of the volume of a zero-based month."""
        return cell_name(self.row, self.volume_columns[month])


@dataclass(slots=True)
class CustomerSheet:
    """One customer's plan; `months` volumes from `first_period` on, `items` in the order of the sheet.

    `rep_name` is the rep that a consolidated plan names for the customer's rows.
    """

    name: str
    customer_name: str
    first_period: dt.date
    months: int
    items: list[Item]
    warnings: list[Warning]
    header_row: int
    dropped_zeros: int = 0
    unknown_risks: list[str] = field(default_factory=list)
    role: CustomerRole = "customer"
    rep_name: str | None = None

    @property
    def idle(self) -> bool:
        """Whether no item has a volume or a price."""
        return not any(item.live or item.priced for item in self.items)

    @property
    def live_items(self) -> list[Item]:
        """The items with a volume."""
        return [item for item in self.items if item.live]

    @property
    def volume(self) -> Decimal:
        """The sum of all volumes taken."""
        return sum((item.volume for item in self.items), Decimal(0))

    @property
    def cells(self) -> int:
        """How many volume cells other than 0 were taken."""
        return sum(item.cells for item in self.items)


@dataclass(frozen=True, slots=True)
class BudgetCell:
    """What a sheet budgets for a customer, and a product where it has one (`code` else ""), in one month.

    `quantity` or `amount` is None where the sheet has no such figure; `cell` is the address of one of them.
    """

    version: str
    customer_name: str
    code: str
    description: str
    period: dt.date
    quantity: Decimal | None
    amount: Decimal | None
    cell: str


@dataclass(slots=True)
class BudgetSheet:
    """A budget as its sheet says it."""

    name: str
    cells: list[BudgetCell]
    warnings: list[Warning]


@dataclass(frozen=True, slots=True)
class SheetReport:
    """What a sheet is and what was done with it; `taken` where something was taken from it."""

    name: str
    kind: SheetKind
    title: str
    sentence: str
    taken: bool = False


@dataclass(slots=True)
class LegacyBook:
    """A parsed workbook. `rep_name` and `first_period` are None when the book does not say them.

    `first_period` is the first month of most of its customers' sheets.
    """

    kind: BookKind
    sentence: str
    reports: list[SheetReport]
    sheets: list[CustomerSheet]
    rep_name: str | None
    first_period: dt.date | None
    warnings: list[Warning]
    budgets: list[BudgetSheet] = field(default_factory=list)
    file: str = ""

    @property
    def volume(self) -> Decimal:
        """The sum of all volumes taken."""
        return sum((sheet.volume for sheet in self.sheets), Decimal(0))

    @property
    def cells(self) -> int:
        """How many volume cells other than 0 were taken."""
        return sum(sheet.cells for sheet in self.sheets)

    def compact(self) -> None:
        """Forget the cells of items without volume and price, and keep equal texts once: a run over many books holds all
        of them at the same time."""
        blank: list[Decimal | None] = []
        for sheet in self.sheets:
            for item in sheet.items:
                item.code, item.description = sys.intern(item.code), sys.intern(item.description)
                if item.group_code is not None and item.group_name is not None:
                    item.group_code, item.group_name = sys.intern(item.group_code), sys.intern(item.group_name)
                if not (item.live or item.priced):
                    item.volumes = item.prices = blank

    @property
    def all_warnings(self) -> Iterable[Warning]:
        """The book's own warnings, then those of each sheet."""
        yield from self.warnings
        for sheet in self.sheets:
            yield from sheet.warnings
        for budget in self.budgets:
            yield from budget.warnings
