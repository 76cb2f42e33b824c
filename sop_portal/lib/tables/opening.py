"""A file is opened as what its bytes say: a workbook by the limited process, everything that is text as CSV."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sop_portal.lib.errors import Refused
from sop_portal.lib.tables.book import open_book
from sop_portal.lib.tables.model import OpenTables
from sop_portal.lib.tables.text import open_text
from sop_portal.lib.workbook import Limits
from sop_portal.lib.workbook.kind import PLAIN_TEXT, UNKNOWN, file_kind


@contextmanager
def open_tables(path: Path, *, limits: Limits) -> Iterator[OpenTables]:
    """The tables of the file at `path`, which stays open in the block; nothing of it is held but a block of rows.

    limits: rows, columns, cells and memory bound the sheets of workbooks; of CSV any number of rows is read.
    Raises TooLarge (413) when a limit is passed, Refused (422) for what is no table; both say how to save it right.
    """
    kind = file_kind(path, limits)
    if kind in ("zip", "ole"):
        with open_book(path, kind, limits) as book:
            yield book
    elif kind in (PLAIN_TEXT, UNKNOWN):
        with open_text(path, limits) as table:
            yield table
    else:
        raise Refused(
            f"The file is {kind}, not a table. Upload a workbook (.xlsx, .xlsb, .xls, .ods) or a CSV file in UTF-8."
        )
