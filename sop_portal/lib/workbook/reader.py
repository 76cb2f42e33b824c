"""The bounded reader: looks at the bytes, has a limited child process open the file, and says in a sentence why not.

The name of a file is never trusted, macros never run, links to other files are never followed. What the child sends
back is JSON; nothing it sends is executed or unpickled.
"""

import datetime as dt
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import orjson

from sop_portal.lib.errors import Refused
from sop_portal.lib.workbook.kind import file_kind
from sop_portal.lib.workbook.model import Cell, ErrorCell, Limits, Sheet, Workbook, cell_name
from sop_portal.lib.workbook.process import SAVE_AS, reading, refusal


def read_workbook(path: str | os.PathLike[str], *, limits: Limits | None = None) -> Workbook:
    """The workbook at `path`, its kind decided by its bytes.

    Raises TooLarge (413) when a limit of size is passed, Refused (422) when it is no readable workbook; both say how
    to save it right.
    """
    limits = limits or Limits()
    kind = file_kind(Path(path), limits)
    if kind not in ("zip", "ole"):
        raise Refused(f"The file is {kind}, not a workbook. {SAVE_AS}")
    with tempfile.TemporaryFile() as out:
        with reading(os.fspath(path), kind, limits, table=False, out=out) as child:
            try:
                status = child.process.wait(limits.seconds)
            except subprocess.TimeoutExpired:
                raise refusal("too_big_in_memory", limits) from None
            if status != 0:
                raise child.failure()
        out.seek(0)
        return _collect(out, limits)


def _collect(out: IO[bytes], limits: Limits) -> Workbook:
    lines: Iterator[dict[str, Any]] = map(orjson.loads, out)
    book: Workbook | None = None
    for line in lines:
        if "refused" in line:
            raise refusal(line.pop("refused"), limits, **line)
        if "format" in line:
            book = Workbook(line["format"], [], line["date1904"])
        elif "name" in line and book is not None:
            book.sheets.append(_sheet(line, limits))
        elif line.get("done") and book is not None:
            return book
    raise refusal("damaged", limits)


def _sheet(line: dict[str, Any], limits: Limits) -> Sheet:
    sheet = Sheet(line["name"], line["visible"])
    sheet.unread = unread(line, limits)
    if sheet.unread:
        return sheet
    sheet.rows = line["rows"]
    for row, column, kind, text in line["special"]:
        _put(sheet.rows, row, column, _special(kind, text))
    sheet.formulas_without_value = frozenset((row, column) for row, column in line["formulas"])
    return sheet


def unread(line: dict[str, Any], limits: Limits) -> str:
    """Why the reading process left a sheet unread; "" when it did not."""
    if line.get("unread") == "kind":
        return "It is a chart or macro sheet without cells."
    if line.get("unread") == "number":
        return "The workbook has too many sheets; only the first ones are read. Put this sheet first."
    if line.get("unread") == "size":
        return (
            f"It reaches to {cell_name(*line['corner'])}; at most {limits.rows:,} rows and {limits.columns} columns "
            "are read. Delete the rows and columns behind the table and upload the file again."
        )
    return ""


def _special(kind: str, text: str) -> Cell:
    if kind == "e":
        return ErrorCell(text)
    return dt.datetime.fromisoformat(text) if kind == "t" else dt.date.fromisoformat(text)


def _put(rows: list[list[Cell]], row: int, column: int, value: Cell) -> None:
    """Set one cell; the cell reader leaves error cells out, so they may lie beyond the filled area."""
    while len(rows) <= row:
        rows.append([])
    rows[row].extend([None] * (column + 1 - len(rows[row])))
    rows[row][column] = value
