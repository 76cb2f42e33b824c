"""Budgets and consolidated plans as old workbooks hold them, with their faults, beside what must come out of them."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from sop_portal.lib import periods
from tests.workbooks import EPOCH, Grid

BudgetShape = Literal["pivot", "compact", "table", "items", "two_rows"]


@dataclass
class BudgetRow:
    """One customer's figures; `quantities` and `amounts` have one cell per month, as they stand there."""

    customer: Any
    quantities: Sequence[Any]
    amounts: Sequence[Any] = ()
    code: Any = None
    rep: str = "Rep One"


@dataclass
class BudgetSheet:
    """A budget sheet of any shape.

    pivot: rep and customer in columns of their own, one block of quantities and one of sales with labels of its own.
    compact: reps and their customers in one column. table: one row of labels, both blocks behind each other, titles
    above. items: customers with their items. two_rows: months over "Qty" and "Sales".
    """

    rows: list[BudgetRow] = field(default_factory=list)
    first: dt.date = dt.date(2025, 11, 1)
    months: int = 2
    shape: BudgetShape = "pivot"
    heads: Literal["bare", "date", "drift", "text", "twins"] = "bare"
    header_row: int = 2
    first_column: int = 0
    total: bool = True
    titles: bool = True
    title: str = ""

    def grid(self) -> Grid:
        """The cells of the sheet."""
        cells: Grid = {}
        if self.title:
            cells[0, self.first_column] = self.title
        getattr(self, f"_{self.shape}")(cells)
        return {at: value for at, value in cells.items() if value is not None}

    def _months(self, what: str) -> list[Any]:
        months = periods.span(self.first, self.months)
        if self.heads == "bare":
            return [f"Sum of {what}-{month.month}" for month in months]
        if self.heads == "text":
            return [f"{month:%b-%y}" for month in months]
        if self.heads == "twins":
            return [f"Sum of {month:%b-%y}{'3' if what == 'Sales' else ''}" for month in months]
        if self.heads == "drift":
            day = self.first + dt.timedelta(days=23)
            return [day + dt.timedelta(days=30 * month) for month in range(self.months)]
        return list(months)

    def _blocks(self) -> list[tuple[str, str]]:
        return (
            [("Q", "quantities"), ("Sales", "amounts")]
            if any(row.amounts for row in self.rows)
            else [("Q", "quantities")]
        )

    def _put(self, cells: Grid, row: int, column: int, values: Sequence[Any]) -> None:
        for place, value in enumerate(values):
            cells[row, column + place] = value

    def _pivot(self, cells: Grid) -> None:
        left = self.first_column
        for what, name in self._blocks():
            self._put(cells, self.header_row, left, ["Row Labels", "Customer S&OP", *self._months(what)])
            rep = None
            for number, row in enumerate(self.rows, self.header_row + 1):
                self._put(cells, number, left, [row.rep if row.rep != rep else None, row.customer, *getattr(row, name)])
                rep = row.rep
            if self.total:
                self._put(
                    cells,
                    self.header_row + 1 + len(self.rows),
                    left,
                    ["Grand Total", None, *self._sums(name, self.rows)],
                )
            left += 2 + self.months + 3

    def _compact(self, cells: Grid) -> None:
        left = self.first_column
        for what, name in self._blocks():
            self._put(cells, self.header_row, left, ["Row Labels", *self._months(what)])
            row = self.header_row + 1
            for rep in dict.fromkeys(line.rep for line in self.rows):
                mine = [line for line in self.rows if line.rep == rep]
                self._put(cells, row, left, [rep, *self._sums(name, mine)])
                row += 1
                for line in mine:
                    self._put(cells, row, left, [line.customer, *getattr(line, name)])
                    row += 1
            self._put(cells, row, left, ["Grand Total", *self._sums(name, self.rows)])
            left += 1 + self.months + 2

    def _table(self, cells: Grid) -> None:
        left, width = self.first_column, 2
        self._put(cells, self.header_row, left, ["Sales Rep", "Customer"])
        for number, row in enumerate(self.rows, self.header_row + 1):
            self._put(cells, number, left, [row.rep, row.customer])
        for what, name in self._blocks():
            start = left + width
            if self.titles and self.header_row:
                cells[self.header_row - 1, start] = "VOLUME BUDGET (CASES)" if what == "Q" else "SALES BUDGET ($)"
            self._put(cells, self.header_row, start, [*self._months(what), "TOTAL"])
            for number, row in enumerate(self.rows, self.header_row + 1):
                self._put(cells, number, start, getattr(row, name))
            if self.total:
                self._put(cells, self.header_row + 1 + len(self.rows), start, self._sums(name, self.rows))
                cells[self.header_row + 1 + len(self.rows), left + 1] = "Total"
            width += self.months + 2

    def _items(self, cells: Grid) -> None:
        left = self.first_column
        for what, name in self._blocks():
            self._put(cells, self.header_row, left, ["Customer", "ITEM\n CODE", "DESCRIPTION", *self._months(what)])
            customer, at = None, self.header_row + 1
            for row in self.rows:
                # Only the first row of a customer names them, as in a pivot.
                self._put(
                    cells,
                    at,
                    left,
                    [row.customer if row.customer != customer else None, row.code, "Peeled", *getattr(row, name)],
                )
                customer = row.customer
                at += 1
            if self.total:
                self._put(cells, at, left, ["Grand Total", None, None, *self._sums(name, self.rows)])
            left += 3 + self.months + 2

    def _two_rows(self, cells: Grid) -> None:
        left = self.first_column
        self._put(cells, self.header_row + 1, left, ["Row Labels", "Customer"])
        for month, head in enumerate(self._months("")):
            column = left + 2 + month * 2
            cells[self.header_row, column] = head
            self._put(cells, self.header_row + 1, column, ["Sum of Qty", "Sum of Sales"])
            for number, row in enumerate(self.rows, self.header_row + 2):
                self._put(cells, number, left, [row.rep, row.customer])
                cells[number, column] = row.quantities[month]
                cells[number, column + 1] = row.amounts[month] if row.amounts else None

    def _sums(self, name: str, rows: Sequence[BudgetRow]) -> list[float]:
        return [
            sum(value for row in rows if isinstance(value := getattr(row, name)[month], int | float))
            for month in range(self.months)
        ]


@dataclass
class ConsolRow:
    """One row of a consolidated plan."""

    rep: Any
    customer: Any
    code: Any
    volumes: Sequence[Any]
    prices: Sequence[Any] = ()
    description: Any = "Peeled"
    group: Any = "Group 5-1"


@dataclass
class Consol:
    """The sheet `Consol`: volumes, their total, prices and sales side by side without titles."""

    rows: list[ConsolRow] = field(default_factory=list)
    first: dt.date = dt.date(2025, 10, 23)
    months: int = 12
    header_row: int = 0
    first_column: int = 0
    heads: Literal["drift", "date", "text", "serial"] = "drift"
    total_row: bool = False

    def _heads(self) -> list[Any]:
        months = periods.span(periods.first_of_month(self.first), self.months)
        if self.heads == "drift":
            return [self.first + dt.timedelta(days=30 * month) for month in range(self.months)]
        if self.heads == "text":
            return [f"{month:%b-%y}" for month in months]
        return [(month - EPOCH).days for month in months] if self.heads == "serial" else list(months)

    def grid(self) -> Grid:
        """The cells of the sheet."""
        cells: Grid = {}
        months, left = self._heads(), self.first_column

        def put(row: int, column: int, values: Sequence[Any]) -> None:
            for place, value in enumerate(values):
                if value is not None:
                    cells[row, left + column + place] = value

        put(self.header_row, 0, ["Sales Rep", "Customer S&OP", "ITEM CODE", "DESCRIPTION", "Group", *months, "TOTAL"])
        put(self.header_row, 6 + self.months, [*months, *months])
        for at, row in enumerate(self.rows, self.header_row + 1):
            put(at, 0, [row.rep, row.customer, row.code, row.description, row.group, *row.volumes])
            put(at, 5 + self.months, [sum(value for value in row.volumes if isinstance(value, int | float))])
            put(at, 6 + self.months, row.prices)
        if self.total_row:
            sums = [
                sum(value for row in self.rows if isinstance(value := row.volumes[month], int | float))
                for month in range(self.months)
            ]
            put(self.header_row + 1 + len(self.rows), 0, ["Grand Total", None, None, None, None, *sums])
        return cells

    def volume_cell(self, row: int, month: int) -> tuple[int, int]:
        """Where a volume stands: `row` counts the plan's rows from 0."""
        return self.header_row + 1 + row, self.first_column + 5 + month


def copy_of(rows: Sequence[ConsolRow], months: int = 12) -> Grid:
    """A rep's sheet in a consolidated book: its rows without a header, as the rep's own sheets have them."""
    cells: Grid = {}
    for at, row in enumerate(rows):
        lead = [row.customer, at + 1, "G01 - Garlic Production   ", row.code, row.description, None]
        for column, value in enumerate([*lead, *row.volumes]):
            cells[at, column] = value
        cells[at, 6 + 16] = sum(value for value in row.volumes if isinstance(value, int | float))
        for month in range(months):
            cells[at, 6 + 19 + month] = row.prices[month] if row.prices else None
    return {at: value for at, value in cells.items() if value is not None}
