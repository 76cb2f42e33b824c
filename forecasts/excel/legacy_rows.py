"""Reading the cells of one row of a plan, with every oddity by its address; shared by all kinds of plans."""

from collections.abc import Callable, Sequence
from decimal import Decimal

from forecasts.excel.legacy_headings import Header
from forecasts.excel.legacy_model import Item
from forecasts.excel.legacy_notes import Notes
from forecasts.excel.legacy_risk import risk_class
from forecasts.excel.legacy_values import PRICE_STEP, VOLUME_STEP, Amount, amount, clean, is_provisional, is_total
from sop_portal.lib.numbers import DecimalMark
from sop_portal.lib.workbook import Cell, Sheet, cell_name

ZERO = Decimal(0)
# What a row may lack, with its article.
MISSING = {"item code": "an item code", "customer": "a customer"}


class CellReader:
    """Reads volumes, prices and risk classes of a sheet; `used` are the cells whose errors were named."""

    def __init__(self, sheet: Sheet, notes: Notes, decimal_mark: DecimalMark) -> None:
        self.sheet = sheet
        self.notes = notes
        self.decimal_mark = decimal_mark
        self.unknown_risks: list[str] = []
        self.used: set[tuple[int, int]] = set()

    def at(self, row: int, column: int | None) -> Cell:
        """A cell; nothing where the sheet has no such column."""
        return None if column is None else self.sheet.at(row, column)

    def volumes(self, row: int, columns: Sequence[int]) -> list[Amount]:
        """The quantities of a row as they stand there, nothing said yet."""
        return [amount(self.sheet.at(row, column), VOLUME_STEP, self.decimal_mark) for column in columns]

    def item(
        self,
        row: int,
        code: str,
        found: Sequence[Amount],
        header: Header,
        columns: tuple[int, ...],
        prices: Sequence[int],
        group: tuple[str, str] | None,
    ) -> Item:
        """The item of a row whose volumes were found; what is odd about its cells is said."""
        for column, volume in zip(columns, found, strict=True):
            self.problem(row, column, volume, "volume")
        values = [volume.value for volume in found]
        if is_provisional(code):
            self.notes.add(
                "provisional_code", cell_name(row, header.code),
                f"'{code}' is no item code yet; it was taken as one, and the product can be given its code later.",
            )  # fmt: skip
        return Item(
            row=row,
            code=code,
            description=clean(self.at(row, header.description)),
            group_code=group[0] if group else None,
            group_name=group[1] if group else None,
            risk=self.risk(row, header.risk),
            volumes=values,
            prices=self.prices(row, prices, months=len(columns), live=any(values)),
            volume_columns=columns,
            rows=[row],
        )

    def prices(self, row: int, columns: Sequence[int], *, months: int, live: bool) -> list[Decimal | None]:
        """One price per month; 0 stands for "no price" in these books."""
        found = [amount(self.sheet.at(row, column), PRICE_STEP, self.decimal_mark) for column in columns]
        for column, price in zip(columns, found, strict=True):
            # Beside rows without volume, error cells are formulas waiting for input: counted, not named one by one.
            if live or price.problem not in ("", "error"):
                self.problem(row, column, price, "price")
        values = [price.value or None for price in found]
        return values * months if len(values) == 1 else (values + [None] * months)[:months]

    def without_code(
        self, row: int, columns: Sequence[int], found: Sequence[Amount], *, sums: Callable[[], bool], what: str
    ) -> None:
        """A row with numbers but no code or customer: sums are expected, anything else is left out by its address.

        sums: whether the numbers repeat those of the rows above. what: what is missing.
        """
        filled = [volume.value for volume in found if volume.value]
        texts = [clean(cell) for cell in self.sheet.rows[row][: columns[0]] if isinstance(cell, str)]
        broken = any(volume.problem in ("error", "refused") for volume in found)
        if not (filled or (broken and any(texts))):
            return
        cells = f"{cell_name(row, columns[0])}:{cell_name(row, columns[-1])}"
        if any(is_total(text) for text in texts) or (not any(texts) and sums()):
            self.notes.add("total_row", cells, "The row holds sums of the rows above and was not taken.")
            return
        name = next((text for text in reversed(texts) if text), "")
        named = f" ({name[:60]})" if name else ""
        self.used.update((row, column) for column in columns)
        self.notes.add(
            f"no_{what.replace(' ', '_')}", cells,
            f"{sum(filled, ZERO).normalize():,f} cases stand in a row without {MISSING[what]}{named} and were left out. "
            f"Give the row its {what} and import the file again.",
        )  # fmt: skip

    def problem(self, row: int, column: int, found: Amount, what: str) -> None:
        """Say what is wrong with one number, or how it was read."""
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

    def risk(self, row: int, column: int | None) -> int | None:
        """The risk class of a row, None when its text says nothing known."""
        text = clean(self.at(row, column))
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


def merged(items: Sequence[Item], notes: Notes) -> list[Item]:
    """One item per code: volumes of further rows are added, the first price, risk class and description win."""
    by_code: dict[str, Item] = {}
    for item in items:
        first = by_code.get(item.code.casefold())
        if first is None:
            by_code[item.code.casefold()] = item
            continue
        if (item.live or item.priced) and (first.live or first.priced):
            notes.add(
                "duplicate_code", f"{item.row + 1}:{item.row + 1}",
                f"Item {item.code} stands in row {first.row + 1} and again in row {item.row + 1}; "
                "their volumes were added, the first price counts.",
            )  # fmt: skip
        length = max(len(first.volumes), len(item.volumes))
        longer = max(first, item, key=lambda one: len(one.volume_columns))
        fit(first, length)
        fit(item, length)
        first.volume_columns = longer.volume_columns
        first.volumes = [_added(one, other) for one, other in zip(first.volumes, item.volumes, strict=True)]
        first.prices = [one or other for one, other in zip(first.prices, item.prices, strict=True)]
        first.risk = item.risk if first.risk is None else first.risk
        first.description = first.description or item.description
        if first.group_code is None:
            first.group_code, first.group_name = item.group_code, item.group_name
        first.rows += item.rows
        first.below_second_header |= item.below_second_header
    return list(by_code.values())


def fit(item: Item, months: int) -> None:
    """Cut or fill an item to a number of months."""
    missing = [None] * (months - len(item.volumes))
    item.volumes = [*item.volumes, *missing][:months]
    item.prices = [*item.prices, *missing][:months]
    item.volume_columns = item.volume_columns[:months]


def _added(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    return other if one is None else one if other is None else one + other
