"""Where things stand on a customer's sheet: the header row, its columns, and the blocks of months.

Headings say which block a column belongs to; inside a block the position alone says which month it is.
"""

import datetime as dt
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from forecasts.excel.legacy_values import ERROR_TEXT, MonthHead, clean, is_total, month_head
from sop_portal.lib import periods
from sop_portal.lib.workbook import Cell, ErrorCell, Sheet

HEADER_ROWS = 15
MOST_MONTHS = 24
CODE = re.compile(
    r"(item|product|prod|material|sku|article|part)s?[ .]*(codes?|no|nr|num|number|#)[.s]?|codes?|item|sku|"
    r"c[oó]digo( (de|del))?( item| producto| art[ií]culo)?",
)
_TITLES = (
    ("volume", re.compile(r"\b(qty|quantity|cases) forecast\b|\bforecast \(?cases\b|\bvolumen?\b")),
    ("price", re.compile(r"\b(price|precio)s?\b")),
    ("sales", re.compile(r"\b(sales|revenue|amount|ventas)\b")),
)
_OTHER_PRICE = re.compile(r"\b(avg|average|last|old|prev|previous|cost|total)\b")


@dataclass(frozen=True, slots=True)
class Run:
    """Neighbouring columns headed by months; a heading that cannot be read has the period None."""

    columns: tuple[int, ...]
    heads: tuple[dt.date | None, ...]
    raw: tuple[Cell, ...]

    def cut(self, start: int, end: int | None = None) -> "Run":
        """The part of the run between two positions."""
        return Run(self.columns[start:end], self.heads[start:end], self.raw[start:end])


@dataclass(frozen=True, slots=True)
class Header:
    """A header row: zero-based columns (None when missing) and the blocks of months below it.

    `price` has one column for all months or one per month. `guess` says in a sentence what was decided by position.
    """

    row: int
    code: int
    description: int | None
    group: int | None
    risk: int | None
    volume: Run
    price: tuple[int, ...] = ()
    price_first: dt.date | None = None
    guess: str = ""


def find_header(sheet: Sheet, date1904: bool) -> Header | None:
    """The header within the first 15 rows: an item-code heading with months beside it; None when there is none."""
    for row in range(min(HEADER_ROWS, len(sheet.rows))):
        header = header_at(sheet, row, date1904, titled=True)
        if header:
            return header
    return None


def header_at(sheet: Sheet, row: int, date1904: bool, *, titled: bool = False) -> Header | None:
    """`row` read as a header, None when it is not one. With `titled` the rows above may name the blocks."""
    words = [clean(cell).casefold() for cell in sheet.rows[row]]
    code = next((column for column, word in enumerate(words) if word and CODE.fullmatch(word)), None)
    if code is None:
        return None
    nearby = sorted(range(max(0, row - 2), min(len(sheet.rows), row + 3)), key=lambda other: abs(other - row))
    for month_row in nearby if titled else [row]:
        runs = _runs(sheet, month_row, code, date1904)
        if runs:
            break
    else:
        return None
    titles = _titles(sheet, min(row, month_row)) if titled else []
    header = Header(
        row=max(row, month_row),
        code=code,
        description=_column(words, lambda word: "descri" in word or word in ("product", "product name")),
        group=_column(words, lambda word: "group" in word or "category" in word),
        risk=_column(words, lambda word: word.startswith("probab") or "risk" in word),
        volume=runs[0],
    )
    return _with_blocks(header, runs, titles, words)


def first_period(run: Run, price_first: dt.date | None) -> dt.date | None:
    """The month of a block's first column: its own heading, else that of the prices, else by the later headings."""
    if run.heads[0] is not None:
        return run.heads[0]
    votes = [periods.shift(head, -position) for position, head in enumerate(run.heads) if head is not None]
    if votes:
        return max(votes, key=votes.count)
    return price_first


def is_header_row(sheet: Sheet, row: int) -> bool:
    """Whether a row further down is a header again, with or without months."""
    words = [clean(cell).casefold() for cell in sheet.rows[row] if isinstance(cell, str)]
    return any(CODE.fullmatch(word) for word in words) and any("descri" in word or word == "#" for word in words)


def _column(words: Sequence[str], fits: Callable[[str], bool]) -> int | None:
    return next((column for column, word in enumerate(words) if word and fits(word)), None)


def _titles(sheet: Sheet, header_row: int) -> list[tuple[int, str]]:
    """Column and kind of the block titles above the header, from the row that names most blocks."""
    best: list[tuple[int, str]] = []
    for row in range(header_row - 1, -1, -1):
        found: list[tuple[int, str]] = []
        for column, cell in enumerate(sheet.rows[row]):
            text = clean(cell).casefold() if isinstance(cell, str) else ""
            kind = next((kind for kind, pattern in _TITLES if text and len(text) <= 60 and pattern.search(text)), "")
            if kind and kind not in [known for _, known in found]:
                found.append((column, kind))
        if len(found) > len(best):
            best = found
    return best


def _runs(sheet: Sheet, row: int, code: int, date1904: bool) -> list[Run]:
    """The runs of months in a row, from the column after the item code on, in their order."""
    cells = [sheet.at(row, column) for column in range(len(sheet.rows[row]))]
    heads = [month_head(cell, date1904) for cell in cells]
    runs: list[Run] = []
    column = code + 1
    while column < len(cells):
        if heads[column] is None:
            column += 1
            continue
        columns = _run_from(sheet, row, column, cells, heads)
        known = [heads[at] for at in columns]
        runs.append(Run(
            tuple(columns),
            tuple(head.period if head else None for head in known),
            tuple(cells[at] for at in columns),
        ))  # fmt: skip
        column = columns[-1] + 1
    return [run for run in runs if any(run.heads)] or runs


def _run_from(
    sheet: Sheet, row: int, start: int, cells: Sequence[Cell], heads: Sequence[MonthHead | None]
) -> list[int]:
    """The columns of the run that starts at `start`: unreadable headings inside count, a new block ends it."""
    columns = [start]
    opening = heads[start]
    first = opening.period if opening else None
    column = start + 1
    while column < len(cells) and len(columns) < MOST_MONTHS:
        head = heads[column]
        if head is not None:
            if _restarts(columns, heads, cells, column):
                break
            columns.append(column)
        elif _unreadable(sheet, row, column, cells[column]):
            columns.append(column)
        elif cells[column] is None or is_total(clean(cells[column])):
            # One column between months: a month without a heading, or a spacer (the total of the first 12) to skip.
            after = heads[column + 1] if column + 1 < len(cells) else None
            if after is None or after.period is None or first is None:
                break
            ahead = periods.between(first, after.period)
            if ahead == len(columns) + 1 and cells[column] is None:
                columns.append(column)
            elif ahead != len(columns):
                break
        else:
            break
        column += 1
    return columns


def _unreadable(sheet: Sheet, row: int, column: int, cell: Cell) -> bool:
    """Whether a heading was meant to be a month: an error, or a formula saved without its result."""
    if isinstance(cell, ErrorCell) or (isinstance(cell, str) and ERROR_TEXT.fullmatch(clean(cell))):
        return True
    return (row, column) in sheet.formulas_without_value


def _restarts(columns: Sequence[int], heads: Sequence[MonthHead | None], cells: Sequence[Cell], column: int) -> bool:
    """Whether a block without a gap before it begins at `column`: its months jump back to the start."""
    before, here = heads[columns[-1]], heads[column]
    if before is None or here is None or before.period is None or here.period is None:
        return False
    back = periods.between(here.period, before.period)
    return back >= 6 or (back >= 2 and len(columns) >= 3 and cells[column] == cells[columns[0]])


def _with_blocks(header: Header, runs: list[Run], titles: list[tuple[int, str]], words: Sequence[str]) -> Header:
    """`header` with its blocks told apart: by the titles above, else by headings, else by their order."""
    if "volume" not in [kind for _, kind in titles]:
        # "Sales forecast 2026" over the whole sheet is its name; a block's title stands right of the first months.
        titles = [(at, kind) for at, kind in titles if at > runs[0].columns[0]]
    owned = _owned(runs, titles)
    guess = ""
    volume = owned.get("volume")
    if volume is None:
        taken = {column for run in owned.values() for column in run.columns}
        volume = next((run for run in runs if run.columns[0] not in taken), runs[0])
        volume = volume.cut(0, next((at for at, column in enumerate(volume.columns) if at and column in taken), None))
    singles = [
        column for column, word in enumerate(words)
        if column not in volume.columns and re.search(r"\b(price|precio)\b", word) and not _OTHER_PRICE.search(word)
        and not any(column in run.columns for run in runs)
    ]  # fmt: skip
    price_run = owned.get("price")
    price_at = next((column for column, kind in titles if kind == "price"), None)
    if price_run is None and not singles and price_at is not None and _free(price_at, runs):
        singles = [price_at]
    if price_run is None and not singles:
        titled = {run.columns[0] for run in owned.values()}
        later = [run for run in runs if run.columns[0] > volume.columns[-1] and run.columns[0] not in titled]
        if later:
            price_run = later[0]
            guess = "No title names the prices: the months right of the volumes were read as prices by their position."
    if price_run is not None:
        price_columns, price_first = price_run.columns, price_run.heads[0]
    elif len(singles) == len(volume.columns):
        price_columns, price_first = tuple(singles), None
    else:
        price_columns, price_first = tuple(singles[:1]), None
    return replace(header, volume=volume, price=price_columns, price_first=price_first, guess=guess)


def _free(column: int, runs: list[Run]) -> bool:
    return not any(column in run.columns for run in runs)


def _owned(runs: list[Run], titles: list[tuple[int, str]]) -> dict[str, Run]:
    """The run under each title: the one the title stands over, else the next to its right before another title."""
    owned: dict[str, Run] = {}
    ordered = sorted(titles)
    for number, (at, kind) in enumerate(ordered):
        end = ordered[number + 1][0] if number + 1 < len(ordered) else None
        over = next((run for run in runs if run.columns[0] <= at <= run.columns[-1]), None)
        if over is None:
            over = next((run for run in runs if run.columns[0] > at and (end is None or run.columns[0] < end)), None)
            if over is None:
                continue
            start = 0
        else:
            start = next(place for place, column in enumerate(over.columns) if column >= at)
            if any(known.columns[0] == over.columns[0] for known in owned.values()):
                # The earlier title's block ends where this title stands.
                earlier = next(name for name, known in owned.items() if known.columns[0] == over.columns[0])
                owned[earlier] = over.cut(0, start)
            elif start and _belongs(over, start, runs):
                start = 0
        owned[kind] = over.cut(start)
        if end is not None and end in over.columns[start + 1 :]:
            owned[kind] = over.cut(start, over.columns.index(end))
    return owned


def _belongs(run: Run, start: int, runs: list[Run]) -> bool:
    """Whether the months left of a title belong to its block: another block starts with the very same heading."""
    others = [other.raw[0] for other in runs if other is not run]
    return run.raw[0] in others and run.raw[start] not in others
