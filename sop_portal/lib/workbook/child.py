"""The process that opens a workbook from outside. It runs alone: started by its path, it imports nothing of ours.

Reads its orders (JSON) from the command line, writes JSON lines to standard output: first the workbook, then one
line per sheet; or one line {"refused": code, ...}. Limits are taken before the file is opened.
"""

import ctypes
import datetime as dt
import math
import os
import resource
import signal
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import python_calamine as calamine

sys.path.insert(0, str(Path(__file__).parent))

import container
import older

PR_SET_PDEATHSIG = 1
SMALL_FILE = 10 * 1024 * 1024
CHUNK = 1 << 18
# Parts that are never read as XML; a picture may well carry a document type.
NOT_XML = (".bin", ".png", ".jpg", ".jpeg", ".gif", ".bmp", ".tif", ".tiff", ".emf", ".wmf", ".svg", ".rdf", ".ttf")
DTD_MARKS = [
    mark.encode(encoding) for mark in ("<!DOCTYPE", "<!ENTITY") for encoding in ("ascii", "utf-16-le", "utf-16-be")
]
LONGEST_MARK = max(map(len, DTD_MARKS))


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
    """Refuse archives that unpack too far and parts with a document type; declared and true sizes are both bounded."""
    entries = archive.infolist()
    if len(entries) > orders["entries"]:
        raise Refusal("too_many_parts", parts=len(entries))
    if any(entry.flag_bits & 1 for entry in entries):
        raise Refusal("encrypted")
    check_sizes(sum(entry.file_size for entry in entries), packed, orders)
    unpacked = 0
    for entry in entries:
        seek_marks = not entry.filename.lower().endswith(NOT_XML)
        tail = b""
        with archive.open(entry) as part:
            while chunk := part.read(CHUNK):
                unpacked += len(chunk)
                check_sizes(unpacked, packed, orders)
                if seek_marks:
                    window = tail + chunk
                    if any(mark in window for mark in DTD_MARKS):
                        raise Refusal("document_type", part=entry.filename[:100])
                    tail = chunk[-LONGEST_MARK:]


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
        special: list[list[Any]] = [[row, column, "e", code] for (row, column), code in known.errors.items()]
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
        yield line | {"rows": rows, "special": special, "formulas": list(known.formulas)}


def read(orders: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The answer, line by line. Raises Refusal, or whatever a damaged file makes the libraries raise."""
    path = orders["path"]
    facts: dict[str, container.Facts] = {}
    date1904 = False
    if orders["kind"] == "zip":
        with zipfile.ZipFile(path) as archive:
            check_archive(archive, os.path.getsize(path), orders)
            book_format = container.zip_format(archive)
            if book_format not in ("xlsx", "xlsb", "ods"):
                raise Refusal("other_archive", what=book_format)
            if book_format == "xlsx":
                facts, date1904 = container.xlsx_facts(archive)
            elif book_format == "xlsb":
                facts, date1904 = container.xlsb_facts(archive)
            else:
                facts = older.ods_facts(archive)
    else:
        book_format = "xls"
        with open(path, "rb") as source:
            data = source.read()
        if "EncryptedPackage".encode("utf-16-le") in data:
            raise Refusal("encrypted")
        if not any(name.encode("utf-16-le") in data for name in ("Workbook", "WORKBOOK", "Book", "BOOK")):
            raise Refusal("other_ole")
        try:
            facts, date1904 = older.xls_facts(data)
        except older.Protected:
            raise Refusal("encrypted") from None
    try:
        with open(path, "rb") as source:
            book = calamine.CalamineWorkbook.from_filelike(source)
            yield {"format": book_format, "date1904": date1904}
            yield from sheet_lines(book, facts, orders)
    except calamine.PasswordError:
        raise Refusal("encrypted") from None


def main() -> None:
    """Answer on standard output; a damaged file ends with status 3 and the cause on standard error."""
    orders = orjson.loads(sys.argv[1])
    bind(orders)
    out = sys.stdout.buffer
    try:
        for line in read(orders):
            out.write(orjson.dumps(line) + b"\n")
    except Refusal as refusal:
        out.write(orjson.dumps(refusal.answer) + b"\n")
    except MemoryError:
        out.write(b'{"refused":"too_big_in_memory"}\n')
    out.write(b'{"done":true}\n')
    out.flush()


if __name__ == "__main__":
    main()
