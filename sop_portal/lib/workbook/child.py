"""The process that opens a workbook from outside. It runs alone: started by its path, it imports nothing of ours.

Reads its orders (JSON) from the command line, writes JSON lines to standard output: first the workbook, then one
line per sheet; or one line {"refused": code, ...}. Limits are taken before the file is opened. When the orders ask
for a table, `table` takes over once the book is open.
"""

import ctypes
import datetime as dt
import math
import os
import re
import resource
import signal
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import orjson
import python_calamine as calamine

sys.path.insert(0, str(Path(__file__).parent))

import container
import older
import table
from copytext import NO_RESULT
from sheet_xml import SheetScan

PR_SET_PDEATHSIG = 1
SMALL_FILE = 10 * 1024 * 1024
CHUNK = 1 << 18
# Parts that are never read as XML; a picture may well carry a document type.
NOT_XML = (".bin", ".png", ".jpg", ".jpeg", ".gif", ".bmp", ".tif", ".tiff", ".emf", ".wmf", ".svg", ".rdf", ".ttf")
DTD_MARKS = [
    mark.encode(encoding) for mark in ("<!DOCTYPE", "<!ENTITY") for encoding in ("ascii", "utf-16-le", "utf-16-be")
]
LONGEST_MARK = max(map(len, DTD_MARKS))
# The root element of a sheet, in UTF-8 or UTF-16.
SHEET_ROOT = re.compile(rb"[<:]\0?w\0?o\0?r\0?k\0?s\0?h\0?e\0?e\0?t[\0\s>]")


class Refusal(Exception):
    """The file is not taken; `code` names the sentence the parent says."""

    def __init__(self, code: str, **facts: Any) -> None:
        super().__init__(code)
        self.answer = {"refused": code, **facts}


def bind(orders: dict[str, Any]) -> None:
    """Die with the parent and take the limits of memory, time and output."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != orders["parent"]:
        os._exit(1)
    for limit, amount in (
        (resource.RLIMIT_AS, orders["memory"]),
        (resource.RLIMIT_CPU, orders["seconds"]),
        (resource.RLIMIT_FSIZE, orders["output"]),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 32),
    ):
        resource.setrlimit(limit, (amount, amount))


def check_archive(archive: zipfile.ZipFile, packed: int, orders: dict[str, Any]) -> None:
    """Refuse archives of too many parts, protected ones, and those that say themselves that they unpack too far."""
    entries = archive.infolist()
    if len(entries) > orders["entries"]:
        raise Refusal("too_many_parts", parts=len(entries))
    if any(entry.flag_bits & 1 for entry in entries):
        raise Refusal("encrypted")
    check_sizes(sum(entry.file_size for entry in entries), packed, orders)


def check_parts(
    archive: zipfile.ZipFile, packed: int, orders: dict[str, Any], *, scan: bool
) -> dict[str, container.Facts]:
    """Unpack every part once: refuse a document type and true sizes beyond the limits.

    scan: look for what `SheetScan` finds on the way; gives the facts of each part that is a sheet.
    """
    unpacked = 0
    facts = {}
    for entry in archive.infolist():
        seek_marks = not entry.filename.lower().endswith(NOT_XML)
        tail = b""
        sheet: SheetScan | None = None
        with archive.open(entry) as part:
            while chunk := part.read(CHUNK):
                unpacked += len(chunk)
                check_sizes(unpacked, packed, orders)
                if seek_marks:
                    window = tail + chunk
                    if any(mark in window for mark in DTD_MARKS):
                        raise Refusal("document_type", part=entry.filename[:100])
                    if scan and not tail and ("worksheets/" in entry.filename or SHEET_ROOT.search(chunk[:4096])):
                        sheet = SheetScan(orders["rows"], orders["columns"])
                    tail = chunk[-LONGEST_MARK:]
                if sheet:
                    sheet.feed(chunk)
        if sheet:
            facts[entry.filename] = sheet.close()
    return facts


def check_sizes(unpacked: int, packed: int, orders: dict[str, Any]) -> None:
    """A small file may be as repetitive as it likes: only what grows beyond `SMALL_FILE` is measured by its ratio."""
    if unpacked > orders["unpacked"] or (unpacked > SMALL_FILE and unpacked > packed * orders["ratio"]):
        raise Refusal("unpacks_too_far")


def plain(value: Any) -> tuple[Any, list[str] | None]:
    """A cell as JSON holds it, and for what JSON has no word for its kind and text."""
    if value is None or value == "":
        return None, None
    if isinstance(value, float) and not math.isfinite(value):
        return None, ["e", "#NUM!"]
    if isinstance(value, bool | str | float | int):
        return value, None
    if isinstance(value, dt.datetime):
        return None, ["t", value.isoformat()]
    if isinstance(value, dt.date):
        return None, ["d", value.isoformat()]
    if isinstance(value, dt.time):
        return (value.hour * 3600 + value.minute * 60 + value.second + value.microsecond / 1e6) / 86400, None
    return value.total_seconds() / 86400, None


def sheet_lines(book: Any, facts: dict[str, container.Facts], orders: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """One answer per sheet, in the order of the workbook; sheets beyond the limits come without rows."""
    left = orders["cells"]
    for meta in book.sheets_metadata:
        known = facts.get(meta.name, container.Facts())
        line: dict[str, Any] = {"name": meta.name, "visible": meta.visible == calamine.SheetVisibleEnum.Visible}
        if meta.typ != calamine.SheetTypeEnum.WorkSheet:
            yield line | {"unread": "kind"}
            continue
        if known.last_row >= orders["rows"] or known.last_column >= orders["columns"]:
            yield line | {"unread": "size", "corner": [known.last_row, known.last_column]}
            continue
        source = book.get_sheet_by_name(meta.name)
        if source.total_height > orders["rows"] or source.total_width > orders["columns"]:
            yield line | {"unread": "size", "corner": [source.total_height - 1, source.total_width - 1]}
            continue
        rows: list[list[Any]] = []
        marks = list(known.marks())
        special: list[list[Any]] = [[row, column, "e", code] for row, column, code in marks if code != NO_RESULT]
        for number, cells in enumerate(source.to_python(skip_empty_area=False)):
            row: list[Any] = []
            for column, value in enumerate(cells):
                simple, kind = plain(value)
                row.append(simple)
                if kind:
                    special.append([number, column, *kind])
            while row and row[-1] is None:
                row.pop()
            left -= len(row)
            rows.append(row)
        if left < 0:
            raise Refusal("too_many_cells")
        yield line | {
            "rows": rows,
            "special": special,
            "formulas": [[row, column] for row, column, code in marks if code == NO_RESULT],
        }


def open_book(orders: dict[str, Any]) -> tuple[str, dict[str, container.Facts], bool]:
    """The format, the facts of each sheet and whether dates count from 1904, everything checked that can be refused."""
    path = orders["path"]
    if orders["kind"] == "zip":
        with zipfile.ZipFile(path) as archive:
            packed = os.path.getsize(path)
            check_archive(archive, packed, orders)
            book_format = container.zip_format(archive)
            if book_format not in ("xlsx", "xlsb", "ods"):
                check_parts(archive, packed, orders, scan=False)
                raise Refusal("other_archive", what=book_format)
            by_part = check_parts(archive, packed, orders, scan=book_format == "xlsx")
            if book_format == "xlsx":
                parts, date1904 = container.xlsx_sheets(archive)
                found = {name: by_part[part] for name, part in parts.items() if part in by_part}
                return book_format, found, date1904
            if book_format == "xlsb":
                return book_format, *container.xlsb_facts(archive)
            return book_format, older.ods_facts(archive), False
    with open(path, "rb") as source:
        data = source.read()
    if "EncryptedPackage".encode("utf-16-le") in data:
        raise Refusal("encrypted")
    if not any(name.encode("utf-16-le") in data for name in ("Workbook", "WORKBOOK", "Book", "BOOK")):
        raise Refusal("other_ole")
    try:
        return "xls", *older.xls_facts(data)
    except older.Protected:
        raise Refusal("encrypted") from None


def refuse_beyond(book_format: str, facts: dict[str, container.Facts], orders: dict[str, Any]) -> None:
    """Refuse what the cell reader does not open because a sheet reaches too far: of an ods it unrolls every sheet."""
    for name, known in facts.items() if book_format == "ods" else ():
        if known.last_row >= orders["rows"] or known.last_column >= orders["columns"]:
            raise Refusal("reaches_too_far", sheet=name[:100], corner=[known.last_row, known.last_column])


def answer(orders: dict[str, Any], out: BinaryIO) -> None:
    """Write what the orders ask for. Raises Refusal, or whatever a damaged file makes the libraries raise."""
    book_format, facts, date1904 = open_book(orders)
    try:
        with open(orders["path"], "rb") as source:
            try:
                book = calamine.CalamineWorkbook.from_filelike(source)
            except calamine.CalamineError:
                refuse_beyond(book_format, facts, orders)
                raise
            out.write(orjson.dumps({"format": book_format, "date1904": date1904}) + b"\n")
            if orders["table"]:
                table.serve(book, facts, orders, sys.stdin.buffer, out)
                return
            for line in sheet_lines(book, facts, orders):
                out.write(orjson.dumps(line) + b"\n")
    except calamine.PasswordError:
        raise Refusal("encrypted") from None


def main() -> None:
    """Answer on standard output; a damaged file ends with status 3 and the cause on standard error."""
    orders = orjson.loads(sys.argv[1])
    bind(orders)
    out = sys.stdout.buffer
    try:
        answer(orders, out)
    except Refusal as refusal:
        out.write(orjson.dumps(refusal.answer) + b"\n")
    except MemoryError:
        out.write(b'{"refused":"too_big_in_memory"}\n')
    out.write(b'{"done":true}\n')
    out.flush()


if __name__ == "__main__":
    main()
