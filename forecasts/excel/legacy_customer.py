"""One customer's sheet: rows to items, and every oddity by its address."""

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from forecasts.excel import legacy_notes
from forecasts.excel.legacy_headings import Header, first_period, header_at, is_header_row
from forecasts.excel.legacy_model import CustomerSheet, Item
from forecasts.excel.legacy_notes import Notes
from forecasts.excel.legacy_rows import ZERO, CellReader, fit, merged
from forecasts.excel.legacy_values import Amount, clean, group, item_code
from sop_portal.lib.numbers import DecimalMark
from sop_portal.lib.workbook import Sheet

NEW_ITEMS = ("new item code", "add new item", "add new code", "new items code")


@dataclass(slots=True)
class _Layout:
    """The columns that hold for the rows being read; a second header may move or extend them."""

    header: Header
    columns: tuple[int, ...]
    prices: tuple[int, ...]
    below: bool = False


def parse_customer(sheet: Sheet, header: Header, *, date1904: bool, decimal_mark: DecimalMark) -> CustomerSheet | None:
    """The plan on a sheet whose header was found; None when no heading names a year, so that no month is known."""
    period = first_period(header.volume, header.price_first)
    if period is None:
        return None
    notes = Notes(sheet.name)
    legacy_notes.note_months(notes, header, period)
    cells = CellReader(sheet, notes, decimal_mark)
    reader = _Reader(cells, header, date1904)
    reader.read()
    items = merged(reader.items, notes)
    months = max([len(header.volume.columns), *(_answered(item) for item in items if item.below_second_header)])
    for item in items:
        fit(item, months)
    legacy_notes.note_items(notes, items, one_price=len(header.price) == 1)
    legacy_notes.note_other_errors(notes, sheet, header.row, cells.used)
    if not sheet.visible:
        notes.add("hidden_sheet", "", "The sheet is hidden; its plan was taken like the others.")
    dropped = sum(1 for item in items if not item.live for volume in item.volumes if volume is not None)
    return CustomerSheet(
        name=sheet.name,
        customer_name=clean(sheet.name),
        first_period=period,
        months=months,
        items=items,
        warnings=notes.warnings(),
        header_row=header.row,
        dropped_zeros=dropped,
        unknown_risks=cells.unknown_risks,
    )


class _Reader:
    """Walks the rows below the header once."""

    def __init__(self, cells: CellReader, header: Header, date1904: bool) -> None:
        self.cells = cells
        self.sheet = cells.sheet
        self.date1904 = date1904
        self.items: list[Item] = []
        self.main = header
        self.layout = _Layout(header, header.volume.columns, header.price)
        # Rows between "If you need to add new Item Codes:" and the second header hold sums and helpers.
        self.between = False

    def read(self) -> None:
        """Read every row below the header."""
        for row in range(self.main.row + 1, len(self.sheet.rows)):
            if not any(cell is not None for cell in self.sheet.rows[row]):
                continue
            if is_header_row(self.sheet, row):
                self._second_header(row)
            elif self._is_marker(row):
                self.layout.below = self.between = True
            else:
                self._row(row)

    def _is_marker(self, row: int) -> bool:
        left = self.sheet.rows[row][: self.layout.columns[0]]
        return any(
            isinstance(cell, str) and any(words in clean(cell).casefold() for words in NEW_ITEMS) for cell in left
        )

    def _second_header(self, row: int) -> None:
        """Take over what a header further down says anew; what it leaves out stays as in the first one."""
        self.between = False
        main, columns, prices = self.main, self.main.volume.columns, self.main.price
        again = header_at(self.sheet, row, self.date1904)
        if again is None:
            self.layout = _Layout(main, columns, prices, below=True)
            return
        extra = again.volume
        if extra.columns[0] == columns[0]:
            columns += tuple(column for column in extra.columns if column > columns[-1])
        else:
            columns, prices = extra.columns, again.price or prices
        header = replace(
            main,
            code=again.code,
            description=main.description if again.description is None else again.description,
            group=main.group if again.group is None else again.group,
            risk=main.risk if again.risk is None else again.risk,
        )
        self.layout = _Layout(header, columns, prices, below=True)

    def _row(self, row: int) -> None:
        header, columns = self.layout.header, self.layout.columns
        code = item_code(self.sheet.at(row, header.code))
        volumes = self.cells.volumes(row, columns)
        if not code:
            self._no_code(row, volumes)
            return
        known = group(self.cells.at(row, header.group))
        item = self.cells.item(row, code, volumes, header, columns, self.layout.prices, known)
        item.below_second_header = self.layout.below
        self.items.append(item)

    def _no_code(self, row: int, volumes: Sequence[Amount]) -> None:
        if not self.between:
            self.cells.without_code(
                row, self.layout.columns, volumes, sums=lambda: self._sums_above(volumes), what="item code"
            )

    def _sums_above(self, volumes: Sequence[Amount]) -> bool:
        """Whether a row repeats, month by month, the sum of all items read so far."""
        if not self.items:
            return False
        for month, found in enumerate(volumes):
            above = sum((item.volumes[month] or ZERO for item in self.items if month < len(item.volumes)), ZERO)
            if abs(above - (found.value or ZERO)) > Decimal("0.01"):
                return False
        return True


def _answered(item: Item) -> int:
    """Months up to the last volume other than 0."""
    return max((month + 1 for month, volume in enumerate(item.volumes) if volume), default=0)


def common_first_period(sheets: Sequence[CustomerSheet]) -> dt.date | None:
    """The first month of most sheets, those with volumes counting first; the earliest of equals."""
    votes = Counter(sheet.first_period for sheet in sheets if sheet.cells) or Counter(
        sheet.first_period for sheet in sheets
    )
    return min(votes, key=lambda period: (-votes[period], period)) if votes else None
