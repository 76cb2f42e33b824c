"""A budget sheet: who is budgeted what in which month, and what cannot be placed, by its address."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from forecasts.excel.legacy_budget_heads import BudgetHeader, Head, budget_year, find_budget
from forecasts.excel.legacy_budget_rows import BudgetRow, budget_rows
from forecasts.excel.legacy_model import BudgetCell, BudgetSheet
from forecasts.excel.legacy_notes import Notes
from forecasts.excel.legacy_values import VOLUME_STEP, Amount, amount
from sop_portal.lib import periods
from sop_portal.lib.numbers import MAX_QUANTITY, DecimalMark
from sop_portal.lib.workbook import Sheet, cell_name

AMOUNT_STEP = Decimal("0.0001")
LARGEST_AMOUNT = Decimal("99999999999.9999")
# Headings made by `=previous+30` drift, so that only their position says which month they are.
DRIFT = 30


def parse_budget(
    sheet: Sheet, *, first: dt.date | None, date1904: bool, decimal_mark: DecimalMark
) -> tuple[BudgetSheet, str]:
    """The budget on a sheet, without cells when nothing can be placed, and a sentence about it.

    first: the first month of the book's plan, which decides the year of months that name none.
    """
    notes = Notes(sheet.name)
    header = find_budget(sheet, date1904)
    if header is None or not header.blocks:
        notes.add(
            "budget_unplaced", "",
            "No row among its first 15 names customers and months, so nothing was taken from the budget. "
            "Give it such a heading row and import the file again.",
        )  # fmt: skip
        return BudgetSheet(sheet.name, [], notes.warnings()), "Nothing of the budget could be placed."
    if header.decided:
        notes.add("budget_kind", "", header.decided)
    cells = _Reader(sheet, header, notes, decimal_mark).read(first)
    if not sheet.visible:
        notes.add("hidden_sheet", "", "The sheet is hidden; its budget was taken like any other.")
    return BudgetSheet(sheet.name, cells, notes.warnings()), _sentence(cells)


def _sentence(cells: Sequence[BudgetCell]) -> str:
    if not cells:
        return "Nothing of the budget could be placed."
    customers = len({cell.customer_name.casefold() for cell in cells})
    quantity = sum((cell.quantity or Decimal(0) for cell in cells), Decimal(0))
    money = sum((cell.amount or Decimal(0) for cell in cells), Decimal(0))
    first, last = min(cell.period for cell in cells), max(cell.period for cell in cells)
    versions = ", ".join(sorted({cell.version for cell in cells}))
    return (
        f"Budget {versions} of {customers} {'customer' if customers == 1 else 'customers'}, {periods.label(first)} to "
        f"{periods.label(last)}: {quantity.normalize():,f} cases and {money.normalize():,f} of sales in "
        f"{len(cells):,} rows."
    )


@dataclass(slots=True)
class _Figures:
    """What was found for one customer, product and month; `broken` when one of its cells cannot be read."""

    row: BudgetRow
    cell: str
    quantity: Decimal | None = None
    amount: Decimal | None = None
    broken: bool = False


class _Reader:
    """Adds up what the blocks of a sheet say, by version, customer, product and month."""

    def __init__(self, sheet: Sheet, header: BudgetHeader, notes: Notes, decimal_mark: DecimalMark) -> None:
        self.sheet = sheet
        self.header = header
        self.notes = notes
        self.decimal_mark = decimal_mark
        self.named = budget_year(sheet, header.row)
        self.found: dict[tuple[str, str, str, dt.date], _Figures] = {}
        # Which heading gave a kind and month first: a second pivot beside the first one repeats it.
        self.given: dict[tuple[str, dt.date], str] = {}

    def read(self, first: dt.date | None) -> list[BudgetCell]:
        """The budget by customer, product and month, in the order of the sheet."""
        for block in self.header.blocks:
            heads = self._placed(dated(block.heads, self.named, first))
            if block.customer is None and block.label is None:
                if heads:
                    self._say_heads("budget_unplaced", heads, "No column beside these figures names a customer; {}.")
                continue
            self._note_years(block.heads, heads)
            for row in budget_rows(self.sheet, block, self.header.row, self.notes):
                for head in heads:
                    self._figure(row, head)
        return [
            BudgetCell(key[0], found.row.customer, found.row.code, found.row.description, key[3], found.quantity,
                       found.amount, found.cell)
            for key, found in self.found.items() if not found.broken
        ]  # fmt: skip

    def _placed(self, heads: Sequence[Head]) -> list[Head]:
        """The columns whose month and meaning are known, each once; the others are named."""
        untold = [head for head in heads if head.kind is None]
        undated = [head for head in heads if head.kind in ("quantity", "amount") and head.period is None]
        if untold:
            self._say_heads("budget_kind_unknown", untold, "Nothing says whether these figures are cases or money; {}.")
        if undated:
            self._say_heads(
                "budget_no_year", undated, "These months name no year, and no plan in the book says which it is; {}."
            )
        placed = []
        for head in heads:
            if head.period is None or head.kind not in ("quantity", "amount"):
                continue
            earlier = self.given.get((head.kind, head.period))
            if earlier is not None:
                self._say_heads(
                    "budget_repeated", [head], f"{periods.label(head.period)} stands in {earlier} already; {{}}."
                )
                continue
            self.given[head.kind, head.period] = cell_name(self.header.row, head.column)
            placed.append(head)
        return placed

    def _say_heads(self, code: str, heads: Sequence[Head], sentence: str) -> None:
        first, last = (cell_name(self.header.row, heads[at].column) for at in (0, -1))
        cells = first if first == last else f"{first}:{last}"
        self.notes.add(
            code, cells, sentence.format("their columns were left out" if first != last else "it was left out")
        )

    def _note_years(self, said: Sequence[Head], heads: Sequence[Head]) -> None:
        bare = {head.column for head in said if head.period is None}
        decided = [head for head in heads if head.column in bare and head.period]
        if decided:
            span = sorted(head.period for head in decided if head.period)
            whose = f"the budget's year {self.named[0]}" if self.named else "those nearest to the plan's first month"
            self.notes.add(
                "budget_months", cell_name(self.header.row, decided[0].column),
                f"Its months name no year; they were read as {periods.label(span[0])} to {periods.label(span[-1])}, "
                f"{whose}.",
            )  # fmt: skip

    def _figure(self, row: BudgetRow, head: Head) -> None:
        is_money = head.kind == "amount"
        value = amount(
            self.sheet.at(row.row, head.column), AMOUNT_STEP if is_money else VOLUME_STEP, self.decimal_mark,
            LARGEST_AMOUNT if is_money else MAX_QUANTITY, signed=True,
        )  # fmt: skip
        cell = cell_name(row.row, head.column)
        if value.value is None and not value.problem:
            if (row.row, head.column) not in self.sheet.formulas_without_value:
                return
            value = Amount(None, "error", "formula without a result")
        period = head.period
        assert period is not None  # `_placed` keeps no other
        version = self.named[0] if self.named else str(period.year)
        key = (version, row.customer.casefold(), row.code.casefold(), period)
        found = self.found.setdefault(key, _Figures(row, cell))
        if value.value is None:
            found.broken = True
            what = "the error" if value.problem == "error" else "no number that a budget may hold:"
            self.notes.add(
                "budget_unplaced", cell,
                f"The cell is {what} {value.shown}, so the budget of {row.customer} in {periods.label(period)} was "
                "left out. Correct it and import the file again.",
            )  # fmt: skip
            return
        if value.problem:
            self.notes.add(
                f"{value.problem}_number", cell, f"'{value.shown}' is not stored as a number; read as {value.value:f}."
            )
        name = "amount" if is_money else "quantity"
        before = getattr(found, name)
        if before is not None:
            self.notes.add(
                "budget_added", cell,
                f"{row.customer} stands in several rows; their figures of {periods.label(period)} were added up.",
            )  # fmt: skip
        setattr(found, name, (before or Decimal(0)) + value.value)


def dated(heads: Sequence[Head], named: tuple[str, int] | None, first: dt.date | None) -> list[Head]:
    """`heads` with a period wherever it can be known.

    Days that step by exactly 30 drift, so they count as the n-th month after the first. Months without a year are of
    the year that the sheet names, else those nearest to `first`; a run of them stays together across a new year.
    """
    found: list[Head] = []
    start: Head | None = None
    count = 0
    for head in heads:
        follows = start is not None and start.day is not None and head.day is not None and head.kind == start.kind
        if follows and start is not None and (head.day - start.day).days == DRIFT * (count + 1):  # type: ignore[operator]
            count += 1
            head = replace(head, period=periods.shift(start.period, count))  # type: ignore[arg-type]
        else:
            start, count = head, 0
        found.append(head)
    for kind in ("quantity", "amount"):
        bare = [head for head in found if head.kind == kind and head.month]
        months = [head.month or 1 for head in bare]
        falls = [at for at in range(1, len(months)) if months[at] < months[at - 1]]
        wraps = falls[0] if len(falls) == 1 else len(months)
        year = _first_year(months, wraps < len(months), named, first)
        if year is not None:
            for at, head in enumerate(bare):
                period = dt.date(year + (at >= wraps), months[at], 1)
                found[found.index(head)] = replace(head, period=period)
    return found


def _first_year(months: Sequence[int], wraps: bool, named: tuple[str, int] | None, first: dt.date | None) -> int | None:
    """The year of the first of some months; a fiscal year that wraps around begins in the year before its name."""
    if not months:
        return None
    if named is not None:
        version, year = named
        return year - 1 if wraps and version.startswith("FY") else year
    if first is None:
        return None
    return min(
        (first.year - 1, first.year, first.year + 1),
        key=lambda year: (abs(periods.between(first, dt.date(year, months[0], 1))), year),
    )
