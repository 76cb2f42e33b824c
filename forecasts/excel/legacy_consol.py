"""A consolidated plan: one row per customer and item of all reps, and the sheets of single reps that repeat it."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from forecasts.excel import legacy_notes
from forecasts.excel.legacy_headings import Header, first_period, is_header_row
from forecasts.excel.legacy_model import CustomerSheet, Item, Warning
from forecasts.excel.legacy_notes import Notes
from forecasts.excel.legacy_rows import ZERO, CellReader, fit, merged
from forecasts.excel.legacy_values import Amount, clean, group, is_sum_of, is_total, item_code
from sop_portal.lib import periods
from sop_portal.lib.numbers import DecimalMark
from sop_portal.lib.workbook import Sheet, cell_name

REP = re.compile(r"(sales ?)?(rep|person|manager)(resentative)?( name)?|account (manager|executive)|broker|vendedor")
CUSTOMER = re.compile(r"(customer|client|account|cliente)\b.*")
NUMBER = re.compile(r"\b(id|no|num|nr|number|code)\b|#")
LONGEST_GROUP = 30


@dataclass(frozen=True, slots=True)
class Who:
    """The columns that say whose a row is; a sheet of one rep has no column for the rep."""

    customer: int
    rep: int | None


def who_columns(sheet: Sheet, header: Header) -> Who | None:
    """The columns of customer and rep in a header row; None on a sheet of one customer."""
    words = dict(enumerate(clean(cell).casefold() for cell in sheet.rows[header.row][: header.volume.columns[0]]))
    customer = customer_column(words)
    if customer is None:
        return None
    return Who(customer, next((column for column, word in words.items() if REP.fullmatch(word)), None))


def customer_column(words: Mapping[int, str]) -> int | None:
    """The column headed by the customer among headings in lower case; a name is better than a number."""
    fits = [column for column, word in words.items() if CUSTOMER.fullmatch(word) and not REP.fullmatch(word)]
    return min(fits, key=lambda column: (bool(NUMBER.search(words[column])), column), default=None)


@dataclass(slots=True)
class Consolidated:
    """A consolidated plan: one `CustomerSheet` per rep and customer, in the order of the rows."""

    sheets: list[CustomerSheet]
    warnings: list[Warning]
    rows: int

    @property
    def reps(self) -> list[str]:
        """The reps that the rows name, in their order."""
        return list(dict.fromkeys(sheet.rep_name for sheet in self.sheets if sheet.rep_name))

    def rep(self, name: str) -> str | None:
        """The rep of this name, as the rows write it."""
        return next((rep for rep in self.reps if rep.casefold() == name.casefold()), None)


def parse_consolidated(
    sheet: Sheet, header: Header, who: Who, *, rep: str | None, decimal_mark: DecimalMark
) -> Consolidated | None:
    """The plans of all customers on a sheet; None when no heading names a year.

    rep: whose rows these are when no column names the rep.
    """
    period = first_period(header.volume, header.price_first)
    if period is None:
        return None
    notes = Notes(sheet.name)
    legacy_notes.note_months(notes, header, period)
    cells = CellReader(sheet, notes, decimal_mark)
    rows = list(_rows(cells, header, who, rep))
    by_customer: dict[tuple[str, str], list[tuple[str, str | None, Item]]] = {}
    for name, owner, item in rows:
        by_customer.setdefault(((owner or "").casefold(), name.casefold()), []).append((name, owner, item))
    sheets = []
    for found in by_customer.values():
        items = merged([item for _, _, item in found], notes)
        for item in items:
            fit(item, len(header.volume.columns))
        name, owner, _ = found[0]
        sheets.append(
            CustomerSheet(
                name=sheet.name,
                customer_name=name,
                first_period=period,
                months=len(header.volume.columns),
                items=items,
                warnings=[],
                header_row=header.row,
                rep_name=owner,
            )
        )
    legacy_notes.note_items(
        notes, [item for customer in sheets for item in customer.items], one_price=len(header.price) == 1
    )
    legacy_notes.note_other_errors(notes, sheet, header.row, cells.used)
    if not sheet.visible:
        notes.add("hidden_sheet", "", "The sheet is hidden; its plan was taken like the others.")
    return Consolidated(sheets, notes.warnings(), len(rows))


def _rows(cells: CellReader, header: Header, who: Who, rep: str | None) -> Iterator[tuple[str, str | None, Item]]:
    """Customer, rep and item of each row that has a code; rows that cannot be placed are named."""
    sheet, columns = cells.sheet, header.volume.columns
    sums, seen = _Sums(len(columns)), set[str]()
    for row in range(header.row + 1, len(sheet.rows)):
        if not any(cell is not None for cell in sheet.rows[row]) or is_header_row(sheet, row):
            continue
        customer, owner = clean(sheet.at(row, who.customer)), clean(cells.at(row, who.rep)) or rep
        code = item_code(sheet.at(row, header.code))
        found = cells.volumes(row, columns)
        if not code:
            cells.without_code(row, columns, found, sums=lambda found=found: sums.repeated(found), what="item code")  # type: ignore[misc]
        elif not customer or is_sum_of(customer, seen):
            cells.without_code(row, columns, found, sums=lambda: False, what="customer")
        else:
            known = group(cells.at(row, header.group)) or _plain_group(clean(cells.at(row, header.group)))
            item = cells.item(row, code, found, header, columns, header.price, known)
            sums.add(found)
            seen.add(customer.casefold())
            yield customer, owner, item


class _Sums:
    """The sums of all rows so far, by month."""

    def __init__(self, months: int) -> None:
        self.months = [ZERO] * months

    def add(self, found: Iterable[Amount]) -> None:
        self.months = [total + (volume.value or ZERO) for total, volume in zip(self.months, found, strict=True)]

    def repeated(self, found: Iterable[Amount]) -> bool:
        """Whether a row repeats them month by month."""
        return any(self.months) and all(
            abs(total - (volume.value or ZERO)) <= Decimal("0.01")
            for total, volume in zip(self.months, found, strict=True)
        )


def _plain_group(text: str) -> tuple[str, str] | None:
    """A group of the admin's own making ("Group 5-1"): code and name are the text."""
    return (text, text) if text and len(text) <= LONGEST_GROUP and not is_total(text) else None


def repeats(plan: Consolidated, taken: Iterable[CustomerSheet]) -> bool:
    """Whether most lines of a plan stand in sheets that were taken already: it is a copy, and would count twice."""
    known = {(sheet.customer_name.casefold(), item.code.casefold()) for sheet in taken for item in sheet.live_items}
    mine = {
        (sheet.customer_name.casefold(), item.code.casefold()) for sheet in plan.sheets for item in sheet.live_items
    }
    return bool(mine) and len(mine & known) * 2 > len(mine)


def count_copy(sheet: Sheet) -> int:
    """How many rows there are, when most hold a customer, an item code, a description and a year of numbers; else 0."""
    filled = [row for row in sheet.rows if any(cell is not None for cell in row)]
    matching = 0
    for row in filled:
        numbers = sum(1 for cell in row if isinstance(cell, int | float) and not isinstance(cell, bool))
        matching += numbers >= 12 and any(
            item_code(row[column])
            and isinstance(row[column + 1], str)
            and any(isinstance(cell, str) and cell.strip() for cell in row[:column])
            for column in range(1, min(8, len(row) - 1))
        )
    return len(filled) if matching and matching * 10 >= len(filled) * 7 else 0


Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class _CopyColumns:
    """Where a sheet without a header row has its customers, item codes and first volume."""

    customer: int
    code: int
    volume: int

    def pair(self, sheet: Sheet, row: int) -> Pair:
        """Customer and item code of a row, as they are compared; rows without a code are each their own."""
        code = item_code(sheet.at(row, self.code)).casefold()
        return clean(sheet.at(row, self.customer)).casefold(), code or f"row {row}"

    def words(self, sheet: Sheet, row: int) -> str:
        """Whose row it is, for a sentence."""
        code, description = item_code(sheet.at(row, self.code)), clean(sheet.at(row, self.code + 1))
        item = f"item {code}" if code else f"'{description[:60]}' without an item code"
        return f"{clean(sheet.at(row, self.customer))}, {item}"


def compare_copy(sheet: Sheet, plan: Consolidated, decimal_mark: DecimalMark) -> list[Warning]:
    """Where the volumes of a rep's sheet differ from the consolidated plan, which counts.

    The rep is the one of the sheet's name; a sheet of nobody is compared with the whole plan.
    """
    rep = plan.rep(clean(sheet.name))
    mine = [customer for customer in plan.sheets if rep is None or customer.rep_name == rep]
    planned = {
        (customer.customer_name.casefold(), item.code.casefold()): item for customer in mine for item in customer.items
    }
    columns = _copy_columns(sheet, planned)
    first, months, name = plan.sheets[0].first_period, plan.sheets[0].months, plan.sheets[0].name
    volumes = range(columns.volume, columns.volume + months)
    notes = Notes(sheet.name)
    reader = CellReader(sheet, notes, decimal_mark)
    rows: dict[Pair, int] = {}
    sums: dict[Pair, list[Decimal]] = {}
    for row, cells in enumerate(sheet.rows):
        if any(cell is not None for cell in cells):
            pair = columns.pair(sheet, row)
            rows.setdefault(pair, row)
            values = [found.value or ZERO for found in reader.volumes(row, volumes)]
            sums[pair] = [a + b for a, b in zip(sums.get(pair, [ZERO] * months), values, strict=True)]
    for pair, values in sums.items():
        row, item = rows[pair], planned.get(pair)
        if item is None:
            if any(values):
                notes.add(
                    "copy_differs", f"{cell_name(row, volumes[0])}:{cell_name(row, volumes[-1])}",
                    f"{columns.words(sheet, row)}: {sum(values, ZERO).normalize():,f} cases stand here but not in '{name}', "
                    "so they were not taken.",
                )  # fmt: skip
            continue
        for month, (here, there) in enumerate(zip(values, item.volumes, strict=True)):
            if here != (there or ZERO):
                notes.add(
                    "copy_differs", cell_name(row, volumes[month]),
                    f"{columns.words(sheet, row)}, {periods.label(periods.shift(first, month))}: {here.normalize():,f} "
                    f"here, {(there or ZERO).normalize():,f} in {name}!{item.address(month)}, which counts.",
                )  # fmt: skip
    for customer in mine if rep is not None else []:
        for item in customer.live_items:
            if (customer.customer_name.casefold(), item.code.casefold()) not in sums:
                notes.add(
                    "copy_differs", "",
                    f"{customer.customer_name}, item {item.code}: {item.volume.normalize():,f} cases in "
                    f"{name}!{item.address(0)} do not stand on this sheet; they were taken from there.",
                )  # fmt: skip
    return notes.warnings()


def _copy_columns(sheet: Sheet, planned: dict[Pair, Item]) -> _CopyColumns:
    """The columns at which most rows, and then most volumes, agree with the plan."""
    by_columns: Counter[tuple[int, int]] = Counter()
    for cells in sheet.rows:
        for code in range(1, min(9, len(cells))):
            if item_code(cells[code]):
                for customer in range(code):
                    pair = clean(cells[customer]).casefold(), item_code(cells[code]).casefold()
                    by_columns[customer, code] += pair in planned
    customer, code = max(by_columns, key=lambda at: (by_columns[at], -at[0], -at[1]), default=(0, 1))
    found = _CopyColumns(customer, code, code + 3)
    agreed: Counter[int] = Counter()
    for row in range(len(sheet.rows)):
        item = planned.get(found.pair(sheet, row))
        for start in range(code + 1, code + 7) if item is not None and item.live else ():
            for month, volume in enumerate(item.volumes):  # type: ignore[union-attr]
                cell = sheet.at(row, start + month)
                agreed[start] += isinstance(cell, int | float) and volume is not None and _close(volume, cell)
    return replace(found, volume=max(range(code + 1, code + 7), key=lambda start: (agreed[start], start == code + 3)))


def _close(volume: Decimal, cell: float) -> bool:
    return abs(float(volume) - cell) < 1e-5
