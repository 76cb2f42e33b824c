"""The bounded reader: looks at the bytes, has a limited child process open the file, and says in a sentence why not.

The name of a file is never trusted, macros never run, links to other files are never followed. What the child sends
back is JSON; nothing it sends is executed or unpickled.
"""

import datetime as dt
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import orjson
import structlog

from sop_portal.lib.errors import DomainError, Refused, TooLarge
from sop_portal.lib.workbook.model import Cell, ErrorCell, Sheet, Workbook, cell_name

log = structlog.get_logger(__name__)

MB = 1024 * 1024
CHILD = Path(__file__).with_name("child.py")
OLE_MAGIC = bytes.fromhex("d0cf11e0a1b11ae1")
SAVE_AS = "Open it in Excel, save it as an Excel workbook (.xlsx) and upload that file."

SENTENCES = {
    "too_many_parts": "The file is an archive of {parts:,} parts; a workbook has at most {limits.entries:,}. "
    "Copy its sheets into a new workbook and upload that.",
    "unpacks_too_far": "The file unpacks to more than {unpacked_mb} MB, or to more than {limits.ratio} times its size, "
    "and was not opened. Copy the cells you need into a new workbook and upload that.",
    "document_type": "The file holds a document type definition (in {part}), which no spreadsheet program writes. "
    "Open it in Excel, save it as .xlsx and upload that file.",
    "encrypted": "The workbook is protected by a password, so it cannot be read. Open it in Excel, take the password "
    "off (File, Info, Protect Workbook), save it and upload it again.",
    "other_archive": "The file is {what}, not a workbook. Upload a workbook saved as .xlsx, .xlsb, .xls or .ods.",
    "other_ole": "The file is an older Office document but not an Excel workbook. " + SAVE_AS,
    "too_many_cells": "The workbook has more than {limits.cells:,} filled cells. Split it into several files.",
    "too_big_in_memory": "The workbook needs more than {memory_mb} MB or {limits.seconds} seconds to be read. "
    "Delete unused sheets, rows and columns, save it as .xlsx and upload it again.",
    "damaged": "The file is damaged or was cut off on its way: it is not a readable workbook. " + SAVE_AS,
}
TOO_LARGE = {"unpacks_too_far", "too_many_parts", "too_many_cells", "too_big_in_memory"}


@dataclass(frozen=True, slots=True)
class Limits:
    """What is read of one file: bytes on disk, unpacked, parts, rows and columns per sheet, cells in all.

    A sheet beyond `rows` x `columns` is left unread and says so; everything else refuses the file.
    """

    size: int = 10 * MB
    unpacked: int = 100 * MB
    ratio: int = 100
    entries: int = 2_000
    rows: int = 20_000
    columns: int = 200
    cells: int = 4_000_000
    memory: int = 512 * MB
    seconds: int = 60


def read_workbook(path: str | os.PathLike[str], *, limits: Limits | None = None) -> Workbook:
    """The workbook at `path`, its kind decided by its bytes.

    Raises TooLarge (413) when a limit of size is passed, Refused (422) when it is no readable workbook; both say how
    to save it right.
    """
    limits = limits or Limits()
    kind = _container(Path(path), limits)
    with tempfile.TemporaryFile() as out:
        _run_child(os.fspath(path), kind, limits, out)
        out.seek(0)
        return _collect(out, limits)


def _container(path: Path, limits: Limits) -> str:
    """ "zip" or "ole" by the first bytes. Raises with the sentence for whatever else the file is."""
    size = path.stat().st_size
    if size == 0:
        raise Refused("The file is empty (0 bytes). Save the workbook again and upload it once saving has finished.")
    if size > limits.size:
        raise TooLarge(
            f"The file has {size / MB:,.1f} MB; at most {limits.size / MB:,.0f} MB are read. "
            "Delete unused sheets, rows and pictures, or save it as .xlsb, and upload it again."
        )
    with path.open("rb") as source:
        head = source.read(4096)
    if head.startswith(b"PK\x03\x04"):
        return "zip"
    if head.startswith(OLE_MAGIC):
        return "ole"
    raise Refused(f"The file is {_what_it_is(head)}, not a workbook. {SAVE_AS}")


def _what_it_is(head: bytes) -> str:
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith(b"%pdf"):
        return "a PDF document"
    if start.startswith((b"<!doctype html", b"<html", b"<table")):
        return "a web page (HTML)"
    if start.startswith(b"<?xml"):
        return "an XML document"
    if start.startswith((b"\x89png", b"\xff\xd8\xff", b"gif8")):
        return "a picture"
    if start.startswith((b"\x1f\x8b", b"rar!", b"7z\xbc\xaf", b"pk")):
        return "a packed archive"
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) or not any(byte < 9 or 13 < byte < 32 for byte in head):
        return "plain text (such as CSV)"
    return "of an unknown kind"


def _run_child(path: str, kind: str, limits: Limits, out: IO[bytes]) -> None:
    """Run the reading process with its output in `out`. Raises the refusal when it dies, hangs or fails."""
    orders = orjson.dumps({
        "path": os.path.abspath(path), "kind": kind, "parent": os.getpid(), "memory": limits.memory,
        "seconds": limits.seconds, "output": limits.memory, "entries": limits.entries, "unpacked": limits.unpacked,
        "ratio": limits.ratio, "rows": limits.rows, "columns": limits.columns, "cells": limits.cells,
    })  # fmt: skip
    with tempfile.TemporaryFile() as complaints:
        # Isolated (-I) and with an environment of its own: neither secrets nor open connections reach the child.
        child = subprocess.Popen(
            [sys.executable, "-I", str(CHILD), orders.decode()],
            stdin=subprocess.DEVNULL, stdout=out, stderr=complaints, env={"LANG": "C.UTF-8"}, close_fds=True,
        )  # fmt: skip
        try:
            status = child.wait(limits.seconds)
        except subprocess.TimeoutExpired:
            raise _refusal("too_big_in_memory", limits) from None
        finally:
            if child.poll() is None:
                child.kill()
                child.wait()
        if status == 0:
            return
        complaints.seek(max(0, complaints.seek(0, os.SEEK_END) - 2000))
        cause = complaints.read().decode("utf-8", "replace")
    log.info("workbook_unreadable", status=status, cause=cause)
    raise _refusal("too_big_in_memory" if status < 0 or "memory allocation" in cause else "damaged", limits)


def _refusal(code: str, limits: Limits, **facts: Any) -> DomainError:
    sentence = SENTENCES[code].format(
        limits=limits, unpacked_mb=limits.unpacked // MB, memory_mb=limits.memory // MB, **facts
    )
    return TooLarge(sentence) if code in TOO_LARGE else Refused(sentence)


def _collect(out: IO[bytes], limits: Limits) -> Workbook:
    lines: Iterator[dict[str, Any]] = map(orjson.loads, out)
    book: Workbook | None = None
    for line in lines:
        if "refused" in line:
            raise _refusal(line.pop("refused"), limits, **line)
        if "format" in line:
            book = Workbook(line["format"], [], line["date1904"])
        elif "name" in line and book is not None:
            book.sheets.append(_sheet(line, limits))
        elif line.get("done") and book is not None:
            return book
    raise _refusal("damaged", limits)


def _sheet(line: dict[str, Any], limits: Limits) -> Sheet:
    sheet = Sheet(line["name"], line["visible"])
    if line.get("unread") == "kind":
        sheet.unread = "It is a chart or macro sheet without cells."
        return sheet
    if line.get("unread") == "size":
        sheet.unread = (
            f"It reaches to {cell_name(*line['corner'])}; at most {limits.rows:,} rows and {limits.columns} columns "
            "are read. Delete the rows and columns behind the table and upload the file again."
        )
        return sheet
    sheet.rows = line["rows"]
    for row, column, kind, text in line["special"]:
        _put(sheet.rows, row, column, _special(kind, text))
    sheet.formulas_without_value = frozenset((row, column) for row, column in line["formulas"])
    return sheet


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
