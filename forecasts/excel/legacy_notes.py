"""The oddities of one sheet, collected while it is read and said in whole sentences."""

import datetime as dt
from collections.abc import Sequence

from forecasts.excel.legacy_headings import Header
from forecasts.excel.legacy_model import Item, Warning
from forecasts.excel.legacy_values import ERROR_TEXT, clean
from sop_portal.lib import periods
from sop_portal.lib.workbook import ErrorCell, Sheet, cell_name

# More of one kind on one sheet are said in one sentence that still lists their addresses.
MOST_OF_A_KIND = 40


class Notes:
    """Warnings of one sheet, in the order found; of one kind at most `MOST_OF_A_KIND` one by one."""

    def __init__(self, sheet: str) -> None:
        self.sheet = sheet
        self._by_code: dict[str, list[Warning]] = {}

    def add(self, code: str, cell: str, sentence: str) -> None:
        """Remember one oddity."""
        self._by_code.setdefault(code, []).append(Warning(code, self.sheet, cell, sentence))

    def warnings(self) -> list[Warning]:
        """What was found; the rest of a long list as one warning with all addresses."""
        found: list[Warning] = []
        for code, notes in self._by_code.items():
            found += notes[:MOST_OF_A_KIND]
            rest = notes[MOST_OF_A_KIND:]
            if rest:
                cells = ", ".join(note.cell for note in rest)
                found.append(Warning(code, self.sheet, rest[0].cell, f"The same holds for {len(rest)} more: {cells}."))
        return found


def note_months(notes: Notes, header: Header, first: dt.date) -> None:
    """Say where headings and positions disagree: drifted, repeated or unreadable months, a doubtful first one."""
    run = header.volume
    here = cell_name(header.row, run.columns[0])
    if header.guess:
        notes.add("block_guessed", here, header.guess)
    off: list[str] = []
    unread: list[str] = []
    seen: dict[dt.date, str] = {}
    repeated: list[str] = []
    for position, (column, head) in enumerate(zip(run.columns, run.heads, strict=True)):
        cell, month = cell_name(header.row, column), periods.shift(first, position)
        if head is None:
            unread.append(f"{cell} as {periods.label(month)}")
            continue
        if head != month:
            off.append(f"{cell} says {periods.label(head)} and was read as {periods.label(month)}")
        if head in seen:
            repeated.append(f"{seen[head]} and {cell} both say {periods.label(head)}")
        seen.setdefault(head, cell)
    last = cell_name(header.row, run.columns[-1])
    if off:
        notes.add(
            "drifting_months", f"{here}:{last}",
            f"The month headings drift: they count from {periods.label(first)} by position. {_first(off)}.",
        )  # fmt: skip
    if repeated:
        notes.add("repeated_month", f"{here}:{last}", f"Months are named twice: {'; '.join(repeated)}.")
    if unread:
        notes.add(
            "unread_month",
            f"{here}:{last}",
            f"Headings without a readable date were read by position: {', '.join(unread)}.",
        )
    if header.price_first is not None and len(header.price) > 1 and header.price_first != first:
        notes.add(
            "price_months_differ", cell_name(header.row, header.price[0]),
            f"The prices begin with {periods.label(header.price_first)}, the volumes with {periods.label(first)}; "
            "the first price was taken for the first volume, and so on.",
        )  # fmt: skip


def note_items(notes: Notes, items: Sequence[Item], *, one_price: bool) -> None:
    """Say what holds for whole rows: missing prices, prices without volume, zeros not taken, items added below."""
    idle = [item for item in items if not item.live]
    for item in items:
        without = [month for month, volume in enumerate(item.volumes) if volume and not item.prices[month]]
        if without:
            notes.add(
                "price_missing", item.address(without[0]),
                f"Item {item.code} has a volume without a price in {len(without)} of {item.cells} months; they are taken "
                "and count no sales. Write the prices and upload the workbook again, or set one in the pricing matrix.",
            )  # fmt: skip
    if one_price:
        notes.add("one_price", "", "One price per item was taken for all months.")
    priced = [item for item in idle if item.priced]
    if priced:
        notes.add(
            "price_without_volume", cell_name(priced[0].row, priced[0].volume_columns[0]),
            f"{len(priced)} {_rows(priced)} a price but no volume: the price was taken, no plan.",
        )  # fmt: skip
    zeros = [item for item in idle if any(volume is not None for volume in item.volumes)]
    if zeros:
        cells = sum(1 for item in zeros for volume in item.volumes if volume is not None)
        notes.add(
            "dropped_zeros", cell_name(zeros[0].row, zeros[0].volume_columns[0]),
            f"{len(zeros)} {_rows(zeros)} only zeros ({cells:,} cells): they were not taken as answers.",
        )  # fmt: skip
    below = [item for item in items if item.below_second_header and item.live]
    if below:
        notes.add(
            "below_second_header", cell_name(below[0].row, below[0].volume_columns[0]),
            f"{len(below)} {_rows(below)} a volume below the second header, taken like all others: "
            f"items {', '.join(item.code for item in below)}.",
        )  # fmt: skip
    fractions = [
        item.address(month)
        for item in items
        for month, volume in enumerate(item.volumes)
        if volume and volume != volume.to_integral_value()
    ]
    if fractions:
        cells_named = ", ".join(fractions[:10]) + (" and more" if len(fractions) > 10 else "")
        notes.add(
            "fraction", fractions[0],
            f"{len(fractions)} volumes are fractions of a case and were kept: {cells_named}.",
        )  # fmt: skip


def note_other_errors(notes: Notes, sheet: Sheet, header_row: int, used: set[tuple[int, int]]) -> None:
    """Say how many error cells stand where nothing is read from."""
    others = [
        (row, column)
        for row in range(header_row, len(sheet.rows))
        for column, cell in enumerate(sheet.rows[row])
        if (row, column) not in used
        and (isinstance(cell, ErrorCell) or (isinstance(cell, str) and ERROR_TEXT.fullmatch(clean(cell))))
    ]
    if others:
        notes.add(
            "other_error_cells", cell_name(*others[0]),
            f"{len(others):,} error {'cell stands' if len(others) == 1 else 'cells stand'} beside the plan, "
            f"the first in {cell_name(*others[0])}; nothing was read from there.",
        )  # fmt: skip


def _first(said: Sequence[str], most: int = 3) -> str:
    """The first few of many, and how many more."""
    more = f"; and {len(said) - most} more" if len(said) > most else ""
    return "; ".join(said[:most]) + more


def _rows(items: Sequence[Item]) -> str:
    return "row has" if len(items) == 1 else "rows have"
