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
from forecasts.excel.legacy_risk import risk_class
from forecasts.excel.legacy_values import (
    PRICE_STEP,
    VOLUME_STEP,
    Amount,
    amount,
    clean,
    group,
    is_total,
    item_code,
)
from sop_portal.lib.numbers import DecimalMark
from sop_portal.lib.workbook import Cell, Sheet, cell_name

NEW_ITEMS = ("new item code", "add new item", "add new code", "new items code")
ZERO = Decimal(0)


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
    reader = _Reader(sheet, header, notes, date1904, decimal_mark)
    reader.read()
    items = _merged(reader.items, notes)
    months = max([len(header.volume.columns), *(_answered(item) for item in items if item.below_second_header)])
    for item in items:
        _fit(item, months)
    legacy_notes.note_items(notes, items, one_price=len(header.price) == 1)
    legacy_notes.note_other_errors(notes, sheet, header.row, reader.used)
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
        unknown_risks=reader.unknown_risks,
    )


class _Reader:
    """Walks the rows below the header once."""

    def __init__(self, sheet: Sheet, header: Header, notes: Notes, date1904: bool, decimal_mark: DecimalMark) -> None:
        self.sheet = sheet
        self.notes = notes
        self.date1904 = date1904
        self.decimal_mark = decimal_mark
        self.items: list[Item] = []
        self.unknown_risks: list[str] = []
        self.used: set[tuple[int, int]] = set()
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
        volumes = [amount(self.sheet.at(row, column), VOLUME_STEP, self.decimal_mark) for column in columns]
        if not code:
            self._no_code(row, volumes)
            return
        for column, found in zip(columns, volumes, strict=True):
            self._problem(row, column, found, "volume")
        known = group(self._at(row, header.group))
        self.items.append(Item(
            row=row,
            code=code,
            description=clean(self._at(row, header.description)),
            group_code=known[0] if known else None,
            group_name=known[1] if known else None,
            risk=self._risk(row),
            volumes=[found.value for found in volumes],
            prices=self._prices(row, live=any(found.value for found in volumes)),
            volume_columns=columns,
            rows=[row],
            below_second_header=self.layout.below,
        ))  # fmt: skip

    def _at(self, row: int, column: int | None) -> Cell:
        return None if column is None else self.sheet.at(row, column)

    def _no_code(self, row: int, volumes: Sequence[Amount]) -> None:
        """A row with numbers but no code: sums are expected, anything else is left out by its address."""
        columns = self.layout.columns
        filled = [(column, found) for column, found in zip(columns, volumes, strict=True) if found.value]
        texts = [clean(cell) for cell in self.sheet.rows[row][: columns[0]] if isinstance(cell, str)]
        broken = [found for found in volumes if found.problem in ("error", "refused")]
        if self.between or not (filled or (broken and any(texts))):
            return
        cells = f"{cell_name(row, columns[0])}:{cell_name(row, columns[-1])}"
        total = sum((found.value for _, found in filled if found.value), ZERO)
        if any(is_total(text) for text in texts) or (not any(texts) and self._sums_above(volumes)):
            self.notes.add("total_row", cells, "The row holds sums of the rows above and was not taken.")
            return
        what = next((text for text in reversed(texts) if text), "")
        named = f" ({what[:60]})" if what else ""
        self.used.update((row, column) for column in columns)
        self.notes.add(
            "no_item_code", cells,
            f"{total.normalize():,f} cases stand in a row without an item code{named} and were left out. "
            "Give the row its item code and import the file again.",
        )  # fmt: skip

    def _sums_above(self, volumes: Sequence[Amount]) -> bool:
        """Whether a row repeats, month by month, the sum of all items read so far."""
        if not self.items:
            return False
        for month, found in enumerate(volumes):
            above = sum((item.volumes[month] or ZERO for item in self.items if month < len(item.volumes)), ZERO)
            if abs(above - (found.value or ZERO)) > Decimal("0.01"):
                return False
        return True

    def _prices(self, row: int, *, live: bool) -> list[Decimal | None]:
        """One price per volume column; 0 stands for "no price" in these books."""
        found = [amount(self.sheet.at(row, column), PRICE_STEP, self.decimal_mark) for column in self.layout.prices]
        for column, price in zip(self.layout.prices, found, strict=True):
            # Beside rows without volume, error cells are formulas waiting for input: counted, not named one by one.
            if live or price.problem not in ("", "error"):
                self._problem(row, column, price, "price")
        values = [price.value or None for price in found]
        months = len(self.layout.columns)
        return values * months if len(values) == 1 else (values + [None] * months)[:months]

    def _problem(self, row: int, column: int, found: Amount, what: str) -> None:
        cell = cell_name(row, column)
        if found.problem:
            self.used.add((row, column))
        if found.problem == "error":
            self.notes.add("error_cell", cell, f"The {what} is the error {found.shown} and was left blank.")
        elif found.problem == "refused":
            self.notes.add(
                "refused_number", cell,
                f"'{found.shown}' is not a {what} from 0 to 9,999,999.99; the cell was left blank.",
            )  # fmt: skip
        elif found.problem == "ambiguous":
            self.notes.add(
                "ambiguous_number", cell, f"'{found.shown}' is text and was read as {found.value:f}; please check it."
            )
        elif found.problem == "text":
            self.notes.add("text_number", cell, f"'{found.shown}' is not stored as a number; read as {found.value:f}.")
        elif found.value is None and (row, column) in self.sheet.formulas_without_value:
            self.notes.add(
                "formula_without_value", cell,
                f"The {what} is a formula saved without its result and was left blank. "
                "Open the file in Excel, save it and import it again.",
            )  # fmt: skip

    def _risk(self, row: int) -> int | None:
        column = self.layout.header.risk
        text = clean(self._at(row, column))
        if column is None or not text:
            return None
        risk = risk_class(text)
        cell = cell_name(row, column)
        if risk.value is None:
            if text not in self.unknown_risks:
                self.unknown_risks.append(text)
            self.notes.add("unknown_risk", cell, f"The probability '{text[:60]}' is not known and was left blank.")
        elif risk.guessed:
            self.notes.add("risk_guessed", cell, f"The probability '{text[:60]}' was read as class {risk.value}.")
        return risk.value


def _answered(item: Item) -> int:
    """Months up to the last volume other than 0."""
    return max((month + 1 for month, volume in enumerate(item.volumes) if volume), default=0)


def _fit(item: Item, months: int) -> None:
    missing = [None] * (months - len(item.volumes))
    item.volumes = [*item.volumes, *missing][:months]
    item.prices = [*item.prices, *missing][:months]
    item.volume_columns = item.volume_columns[:months]


def _merged(items: Sequence[Item], notes: Notes) -> list[Item]:
    """One item per code: volumes of further rows are added, the first price, risk class and description win."""
    merged: dict[str, Item] = {}
    for item in items:
        first = merged.get(item.code.casefold())
        if first is None:
            merged[item.code.casefold()] = item
            continue
        if (item.live or item.priced) and (first.live or first.priced):
            notes.add(
                "duplicate_code", f"{item.row + 1}:{item.row + 1}",
                f"Item {item.code} stands in row {first.row + 1} and again in row {item.row + 1}; "
                "their volumes were added, the first price counts.",
            )  # fmt: skip
        length = max(len(first.volumes), len(item.volumes))
        longer = max(first, item, key=lambda one: len(one.volume_columns))
        _fit(first, length)
        _fit(item, length)
        first.volume_columns = longer.volume_columns
        first.volumes = [_added(one, other) for one, other in zip(first.volumes, item.volumes, strict=True)]
        first.prices = [one or other for one, other in zip(first.prices, item.prices, strict=True)]
        first.risk = item.risk if first.risk is None else first.risk
        first.description = first.description or item.description
        if first.group_code is None:
            first.group_code, first.group_name = item.group_code, item.group_name
        first.rows += item.rows
        first.below_second_header |= item.below_second_header
    return list(merged.values())


def _added(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    return other if one is None else one if other is None else one + other


def common_first_period(sheets: Sequence[CustomerSheet]) -> dt.date | None:
    """The first month of most sheets, those with volumes counting first; the earliest of equals."""
    votes = Counter(sheet.first_period for sheet in sheets if sheet.cells) or Counter(
        sheet.first_period for sheet in sheets
    )
    return min(votes, key=lambda period: (-votes[period], period)) if votes else None
