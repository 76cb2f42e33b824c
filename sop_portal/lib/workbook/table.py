"""One sheet as a table: previews of all sheets, then the rows that the parent asks for, as lines for COPY.

Runs in the reading process only. It parses each sheet once and keeps the large one, so that the parent may look at
the previews before it says where the headings stand. After the previews (JSON lines up to {"ready": true}) the parent
writes layouts to standard input, a JSON line each, and gets `frames`.
"""

from collections.abc import Iterator
from itertools import chain, islice, repeat
from typing import Any, BinaryIO

import orjson
import python_calamine as calamine
from container import Facts
from copytext import MARK, book_fields, cell_text, copy_lines
from frames import BLOCK, END, FRAME, REFUSED

PREVIEW_ROWS, PREVIEW_TEXT, PREVIEW_SHEETS = 25, 200, 50
ROWS_PER_BLOCK = 2_000
# Sheets are kept up to so many cells together, but always the largest one: reading it again costs as much as before.
KEPT_CELLS = 1_000_000


def serve(book: Any, facts: dict[str, Facts], orders: dict[str, Any], asked: BinaryIO, out: BinaryIO) -> None:
    """Write the previews, then answer layouts until the parent closes its end."""
    kept: dict[int, Any] = {}
    for number, meta in enumerate(book.sheets_metadata):
        known = facts.get(meta.name, Facts())
        line: dict[str, Any] = {"name": meta.name, "visible": meta.visible == calamine.SheetVisibleEnum.Visible}
        if number >= PREVIEW_SHEETS:
            line["unread"] = "number"
        elif meta.typ != calamine.SheetTypeEnum.WorkSheet:
            line["unread"] = "kind"
        elif known.last_row >= orders["rows"] or known.last_column >= orders["columns"]:
            line |= {"unread": "size", "corner": [known.last_row, known.last_column]}
        else:
            sheet = book.get_sheet_by_index(number)
            corner = sheet.end or (-1, -1)
            if corner[0] >= orders["rows"] or corner[1] >= orders["columns"]:
                line |= {"unread": "size", "corner": corner}
            else:
                line |= {"height": _height(sheet, known, orders["rows"]), "rows": _preview(sheet, known)}
                _keep(kept, number, sheet)
        out.write(orjson.dumps(line) + b"\n")
    out.write(b'{"ready":true}\n')
    out.flush()
    names = book.sheet_names
    for text in asked:
        layout = orjson.loads(text)
        number = layout["sheet"]
        try:
            sheet = kept[number] if number in kept else book.get_sheet_by_index(number)
            for block in _blocks(sheet, facts.get(names[number], Facts()), layout, orders["rows"]):
                out.write(FRAME.pack(BLOCK, len(block)) + block)
        except MemoryError:
            answer = b'{"refused":"too_big_in_memory"}'
            out.write(FRAME.pack(REFUSED, len(answer)) + answer)
        else:
            out.write(FRAME.pack(END, 0))
        out.flush()


def _keep(kept: dict[int, Any], number: int, sheet: Any) -> None:
    kept[number] = sheet
    while len(kept) > 1 and sum(each.height * each.width for each in kept.values()) > KEPT_CELLS:
        del kept[min(kept, key=lambda each: kept[each].height * kept[each].width)]


def _height(sheet: Any, known: Facts, most: int) -> int:
    """Rows down to the last one that holds something; a formula without value may stand below all values."""
    last = sheet.end[0] if sheet.end else -1
    return min(max(last, max(known.rows, default=-1)) + 1, most)


def _preview(sheet: Any, known: Facts) -> list[list[str | None]]:
    start = sheet.start[1] if sheet.start else 0
    rows: list[list[str | None]] = []
    for values in islice(sheet.iter_rows(), PREVIEW_ROWS):
        rows.append([*repeat(None, start), *(cell_text(value)[:PREVIEW_TEXT] or None for value in values)])
    for row, column, code in known.marks(0, PREVIEW_ROWS):
        while len(rows) <= row:
            rows.append([])
        rows[row].extend([None] * (column + 1 - len(rows[row])))
        rows[row][column] = MARK + code
    for cells in rows:
        while cells and cells[-1] is None:
            cells.pop()
    return rows


def _blocks(sheet: Any, known: Facts, layout: dict[str, Any], most: int) -> Iterator[bytes]:
    """The rows below the headings as lines for COPY, some thousand at a time."""
    start, width = (sheet.start[1] if sheet.start else 0), sheet.width
    positions = [column - start for column in layout["columns"]]
    places = {column: place for place, column in enumerate(layout["columns"])}
    height, first = _height(sheet, known, most), layout["header_row"] + 1
    rows = islice(chain(sheet.iter_rows(), repeat([""] * width)), first, height)
    while block := list(islice(rows, ROWS_PER_BLOCK)):
        columns: list[list[Any]] = [
            [row[position] for row in block] if 0 <= position < width else [""] * len(block) for position in positions
        ]
        end = first + len(block)
        for row, column, code in known.marks(first, end):
            if column in places:
                columns[places[column]][row - first] = MARK + code
        yield copy_lines(range(first + 1, end + 1), [book_fields(column) for column in columns])
        first = end
