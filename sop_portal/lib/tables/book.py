"""Tables of a workbook: the limited process parses the file once and sends the rows as blocks of lines for COPY."""

import os
import select
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE

import orjson

from sop_portal.lib.errors import DomainError, Refused
from sop_portal.lib.tables.model import Format, Layout, Preview
from sop_portal.lib.workbook import Limits
from sop_portal.lib.workbook.frames import BLOCK, FRAME, REFUSED
from sop_portal.lib.workbook.process import Reading, reading, refusal
from sop_portal.lib.workbook.reader import unread

SEND_CSV = "Longer tables are read when they are saved as CSV, with any number of rows."


class _Answer:
    """What the process writes; one that says nothing for as long as it may work is given up."""

    def __init__(self, child: Reading, limits: Limits) -> None:
        assert child.process.stdout is not None
        self._child = child
        self._limits = limits
        self._source = child.process.stdout.fileno()
        self._ready = select.poll()
        self._ready.register(self._source, select.POLLIN)
        self._rest = b""

    def _more(self) -> bytes:
        if not self._ready.poll(self._limits.seconds * 1000):
            raise refusal("too_big_in_memory", self._limits)
        piece = os.read(self._source, 1 << 18)
        if not piece:
            raise self._child.failure()
        return piece

    def line(self) -> bytes:
        """The next line. Raises the refusal that the end of the process stands for."""
        pieces = [self._rest]
        while b"\n" not in pieces[-1]:
            pieces.append(self._more())
        line, _, self._rest = b"".join(pieces).partition(b"\n")
        return line

    def exactly(self, size: int) -> bytes:
        """The next `size` bytes. Raises as `line` does."""
        pieces, left = [self._rest], size - len(self._rest)
        while left > 0:
            pieces.append(self._more())
            left -= len(pieces[-1])
        found = b"".join(pieces)
        self._rest = found[size:]
        return found[:size]

    def frame(self) -> tuple[bytes, bytes]:
        """The next frame as its letter and its bytes."""
        letter, size = FRAME.unpack(self.exactly(FRAME.size))
        return letter, self.exactly(size)


class Book:
    """A workbook that the process holds open; see `OpenTables`."""

    def __init__(self, child: Reading, limits: Limits) -> None:
        self._child = child
        self._limits = limits
        self._answer = _Answer(child, limits)
        self._sending = False
        head = self._told(self._answer.line())
        self.format: Format = head["format"]
        self.description = (
            f"Excel workbook (.{self.format})" if self.format != "ods" else "OpenDocument workbook (.ods)"
        )
        self.previews: list[Preview] = []
        while "ready" not in (line := self._told(self._answer.line())):
            why = unread(line, limits)
            if line.get("unread") == "size":
                why = f"{why} {SEND_CSV}"
            self.previews.append(Preview(line["name"], line["visible"], line.get("rows", []), line.get("height"), why))

    def _told(self, text: bytes) -> dict:
        line: dict = orjson.loads(text)
        if "refused" in line:
            raise self._refusal(line)
        return line

    def _refusal(self, line: dict) -> DomainError:
        return refusal(line.pop("refused"), self._limits, **line)

    def copy_rows(self, layout: Layout) -> Iterator[bytes]:
        """See `OpenTables`."""
        preview = self.previews[layout.sheet]
        if preview.unread:
            raise Refused(f"The sheet {preview.name} was not read. {preview.unread}")
        while self._sending:
            self._next()
        asked = self._child.process.stdin
        assert asked is not None
        try:
            asked.write(orjson.dumps(layout) + b"\n")
            asked.flush()
        except BrokenPipeError:
            raise self._child.failure() from None
        self._sending = True
        while (block := self._next()) is not None:
            if block:
                yield block

    def _next(self) -> bytes | None:
        letter, content = self._answer.frame()
        if letter == BLOCK:
            return content
        self._sending = False
        if letter == REFUSED:
            raise self._refusal(orjson.loads(content))
        return None


@contextmanager
def open_book(path: Path, kind: str, limits: Limits) -> Iterator[Book]:
    """The workbook at `path`, open in the limited process for the time of the block."""
    with reading(os.fspath(path), kind, limits, table=True, out=PIPE) as child:
        yield Book(child, limits)
