"""Tables in text files: encoding and separator are found out, the rows are streamed."""

import csv
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO

from sop_portal.lib.errors import Refused, TooLarge
from sop_portal.lib.tables.encoding import detect
from sop_portal.lib.tables.model import FIELDS, PREVIEW_ROWS, PREVIEW_TEXT, Format, Layout, Preview
from sop_portal.lib.workbook import Limits
from sop_portal.lib.workbook.copytext import copy_lines, csv_fields, normal, unprefixed

SHEET_NAME = "CSV"
SEPARATORS = {",": ",", ";": ";", "\t": "tab"}
_ROWS_PER_BLOCK = 2_000
_NUMBER = re.compile(r"[-+]?[\d.,' ]+%?")
# Excel takes a first line like this for the separator and shows it to nobody.
_TOLD = re.compile(r'"?sep=([,;\t])"?', re.IGNORECASE)


class Text:
    """A CSV file that is open; see `OpenTables`."""

    format: Format = "csv"

    def __init__(self, source: IO[str], encoding: str, limits: Limits) -> None:
        self._source = source
        first = source.readline().strip("\ufeff\r\n ")
        self._told = _TOLD.fullmatch(first)
        self._separator = self._told[1] if self._told else _separator(source)
        self.description = f"CSV, {encoding}, separated by {SEPARATORS[self._separator]}"
        rows = _sample(source, self._separator)
        if isinstance(rows, _Broken):
            raise rows.refusal
        widest = max(map(len, rows), default=0)
        if widest > limits.columns:
            raise TooLarge(
                f"The table has {widest:,} columns separated by {SEPARATORS[self._separator]}; at most "
                f"{limits.columns} are read. Leave out the columns that are not needed."
            )
        if self._told:
            rows[0] = []
        self._widths = [len(row) for row in rows]
        self.previews = [Preview(SHEET_NAME, True, [_shown(row) for row in rows])]

    def copy_rows(self, layout: Layout) -> Iterator[bytes]:
        """See `OpenTables`."""
        width = self._widths[layout.header_row]
        needed = max(width, *(column + 1 for column in layout.columns))
        first = 0
        for block in _blocks(self._source, self._separator):
            start = max(0, layout.header_row + 1 - first)
            rows, number = block[start:], first + start
            first += len(block)
            if not rows:
                continue
            overfull: dict[int, int] = {}
            if set(map(len, rows)) != {needed}:
                overfull = _even_out(rows, width, needed)
            columns: list[list[str]] = [
                [row[column] for row in rows] if column >= 0 else [""] * len(rows) for column in layout.columns
            ]
            for row, fields in overfull.items():
                columns[0][row] = f"{FIELDS}{fields}"
            yield copy_lines(range(number + 1, first + 1), [csv_fields(column) for column in columns])


@contextmanager
def open_text(path: Path, limits: Limits) -> Iterator[Text]:
    """The CSV file at `path`, open for the time of the block. Raises Refused when it makes no sense as one."""
    encoding = detect(path)
    with path.open(encoding=encoding.codec, newline="") as source:
        yield Text(source, encoding.name, limits)


def _even_out(rows: list[list[str]], width: int, needed: int) -> dict[int, int]:
    """Make all rows `needed` long; gives the place and number of fields of those with content beyond `width`."""
    overfull = {}
    for place, row in enumerate(rows):
        if len(row) < needed:
            row.extend([""] * (needed - len(row)))
        elif len(row) > width:
            filled = next((n for n in range(len(row), width, -1) if row[n - 1].strip()), 0)
            if filled:
                overfull[place] = filled
    return overfull


def _shown(row: list[str]) -> list[str | None]:
    cells = [normal(unprefixed(text))[:PREVIEW_TEXT] or None for text in row]
    while cells and cells[-1] is None:
        cells.pop()
    return cells


@dataclass(frozen=True, slots=True)
class _Broken:
    """After so many good rows the file cannot be read."""

    rows: int
    refusal: Refused


def _broken(rows: int, error: csv.Error) -> Refused:
    message = str(error)
    where = f"Row {rows + 1:,}"
    if "end of data" in message:
        return Refused(
            f"{where} opens a quotation mark that is never closed, so the rest of the file would be one cell. "
            "Close it, or double the quotation marks within texts."
        )
    if "field limit" in message:
        return Refused(
            f"{where} holds a cell of more than {csv.field_size_limit():,} characters; a quotation mark is probably "
            "opened and never closed. Close it, or double the quotation marks within texts."
        )
    return Refused(
        f"{where} has text behind a closing quotation mark. Double the quotation marks within texts, or take them away."
    )


def _blocks(source: IO[str], separator: str) -> Iterator[list[list[str]]]:
    """All rows from the start of the file, some thousand at a time. Raises Refused naming the row that is broken."""
    source.seek(0)
    reader = csv.reader(source, delimiter=separator, strict=True)
    rows = 0
    while True:
        block: list[list[str]] = []
        try:
            # On an error the rows before it have been appended already.
            block.extend(islice(reader, _ROWS_PER_BLOCK))
        except csv.Error as error:
            raise _broken(rows + len(block), error) from None
        if not block:
            return
        yield block
        rows += len(block)


def _sample(source: IO[str], separator: str) -> list[list[str]] | _Broken:
    """The rows of the preview as `separator` divides them."""
    source.seek(0)
    rows: list[list[str]] = []
    try:
        rows.extend(islice(csv.reader(source, delimiter=separator, strict=True), PREVIEW_ROWS))
    except csv.Error as error:
        return _Broken(len(rows), _broken(len(rows), error))
    return rows


def _separator(source: IO[str]) -> str:
    """The separator that gives the most rows as many fields as there are headings.

    A decimal comma divides rows of numbers, too, but not the headings. Raises Refused when two separators do equally
    well, or when no reading makes sense.
    """
    found: list[tuple[bool, float, int, str]] = []
    broken: list[_Broken] = []
    for separator in SEPARATORS:
        rows = _sample(source, separator)
        if isinstance(rows, _Broken):
            broken.append(rows)
            continue
        filled = [row for row in rows if any(text.strip() for text in row)]
        widths = Counter(len(row) for row in filled if len(row) > 1)
        if widths:
            width = max(widths, key=lambda each: (widths[each], each))
            headings = next(row for row in filled if len(row) == width)
            named = not any(_NUMBER.fullmatch(text.strip()) for text in headings if text.strip())
            found.append((named, widths[width] / len(filled), width, separator))
    if not found:
        if len(broken) == len(SEPARATORS):
            raise max(broken, key=lambda each: each.rows).refusal
        return ","
    found.sort(reverse=True)
    if len(found) > 1 and found[0][:3] == found[1][:3]:
        one, other = SEPARATORS[found[0][3]], SEPARATORS[found[1][3]]
        raise Refused(
            f"The columns may be separated by {one} or by {other}: both divide the rows evenly. "
            "Save the file with one of them only, and texts that hold the other in quotation marks."
        )
    return found[0][3]
