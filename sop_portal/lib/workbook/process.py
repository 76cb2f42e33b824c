"""The limited process that opens a workbook: how it is started, and the sentence that its end stands for."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import orjson
import structlog

from sop_portal.lib.errors import DomainError, Refused, TooLarge
from sop_portal.lib.workbook.model import MB, Limits, cell_name

log = structlog.get_logger(__name__)

CHILD = Path(__file__).with_name("child.py")
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
    "Delete unused sheets, rows and columns, shorten very long texts, save it as .xlsx and upload it again.",
    "reaches_too_far": "The sheet '{sheet}' reaches to {corner}; at most {limits.rows:,} rows and {limits.columns} "
    "columns are read. Delete the rows and columns behind the table and upload the file again.",
    "damaged": "The file is damaged or was cut off on its way: it is not a readable workbook. " + SAVE_AS,
}
TOO_LARGE = {"unpacks_too_far", "too_many_parts", "too_many_cells", "too_big_in_memory"}


class Reading:
    """A reading process that runs; `process` is its Popen."""

    def __init__(self, process: subprocess.Popen[bytes], complaints: IO[bytes], limits: Limits) -> None:
        self.process = process
        self._complaints = complaints
        self._limits = limits

    def failure(self) -> DomainError:
        """Why the process that ended without a full answer did so."""
        status = self.process.wait(self._limits.seconds)
        complaints = self._complaints
        complaints.seek(max(0, complaints.seek(0, os.SEEK_END) - 2000))
        cause = complaints.read().decode("utf-8", "replace")
        log.info("workbook_unreadable", status=status, cause=cause)
        big = status < 0 or "memory allocation" in cause or "MemoryError" in cause
        return refusal("too_big_in_memory" if big else "damaged", self._limits)


def processor_seconds(limits: Limits, size: int) -> int:
    """Seconds of a processor for reading a file of so many bytes: a small one has no honest reason to take as long as
    the largest.

    >>> [processor_seconds(Limits(), size) for size in (100_000, 5 * MB, 100 * MB)]
    [15, 30, 60]
    """
    return min(limits.seconds, 15 + 3 * (size // MB))


@contextmanager
def reading(path: str, kind: str, limits: Limits, *, table: bool, out: IO[bytes] | int) -> Iterator[Reading]:
    """The reading process at work on the file at `path`; it is gone after the block.

    table: it serves one sheet as a table and listens to its standard input. out: where its answer goes.
    """
    limits = replace(limits, seconds=processor_seconds(limits, os.path.getsize(path)))
    orders = orjson.dumps({
        "path": os.path.abspath(path), "kind": kind, "parent": os.getpid(), "memory": limits.memory,
        "seconds": limits.seconds, "output": limits.memory, "entries": limits.entries, "unpacked": limits.unpacked,
        "ratio": limits.ratio, "rows": limits.rows, "columns": limits.columns, "cells": limits.cells, "table": table,
    })  # fmt: skip
    # Isolated (-I) and with an environment of its own: neither secrets nor open connections reach the child.
    with (
        tempfile.TemporaryFile() as complaints,
        subprocess.Popen(
            [sys.executable, "-I", str(CHILD), orders.decode()],
            stdin=subprocess.PIPE if table else subprocess.DEVNULL,
            stdout=out,
            stderr=complaints,
            env={"LANG": "C.UTF-8"},
            close_fds=True,
        ) as process,
    ):
        try:
            yield Reading(process, complaints, limits)
        finally:
            process.kill()


def refusal(code: str, limits: Limits, **facts: Any) -> DomainError:
    """The refusal that a code of the reading process stands for."""
    if "corner" in facts:
        facts["corner"] = cell_name(*facts["corner"])
    sentence = SENTENCES[code].format(
        limits=limits, unpacked_mb=limits.unpacked // MB, memory_mb=limits.memory // MB, **facts
    )
    return TooLarge(sentence) if code in TOO_LARGE else Refused(sentence)
