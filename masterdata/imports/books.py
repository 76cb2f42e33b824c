"""The error workbook of a run: the uploaded values, the refused cells marked, and why they were refused.

The uploaded file is read once more as it is written, a block at a time, so that neither takes memory. Corrected, the
workbook is uploaded like any other file: the import leaves out the columns that were added here.
"""

import datetime as dt
import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import IO, Any

from xlsxwriter.format import Format

from masterdata.imports import files
from masterdata.imports.exports import TYPES, WIDTHS
from masterdata.imports.keeping import kind_of, require_file, require_importer
from masterdata.imports.kinds import Kind
from masterdata.imports.layout import CSV
from masterdata.imports.outcome import PROBLEMS_KEPT
from masterdata.models import ImportProblem, ImportRun
from sop_portal.lib.errors import Conflict
from sop_portal.lib.sheets import MOST_ROWS, Book, Sheet
from sop_portal.lib.tables import FORMULA, MARK, Layout, OpenTables, Preview, read_lines

# Up to so many rows the workbook holds all of them, each where it stood; of longer files only the refused ones.
ALL_ROWS = 20_000
WHY, ROW, FURTHER = "Why", "Row in the file", "Further fields"
ABOUT = "About this file"
# Fields beyond the headings that are shown of a CSV row with too many of them.
_FURTHER = 20
_NUMBER = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,9})?")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_ACCENT, _FAULT, _FAULT_FILL = "#0B6157", "#A0282B", "#FBE3E1"


def write_error_book(target: IO[bytes], run: ImportRun, *, by: Any) -> None:
    """Write the error workbook of `run` into `target`.

    Raises NotAllowed, Conflict when no row is refused or the uploaded file is no longer kept, and what reading it
    raises.
    """
    kind = kind_of(run.kind)
    require_importer(by, kind)
    if not run.rows_refused:
        raise Conflict("No row of the file is refused, so there is nothing to correct.")
    require_file(run)
    with files.opened(files.stored_path(run), kind) as tables, Book(target, title=f"Refused: {run.file_name}") as book:
        _ErrorBook(book, run, kind, tables).write()


class _Styles:
    """The formats of the book by type, each also as that of a refused cell."""

    def __init__(self, book: Book) -> None:
        self.heading = book.text_style(bold=True, font_color="#FFFFFF", bg_color=_ACCENT, text_wrap=True, valign="top")
        self.added = book.text_style(bold=True, font_color="#FFFFFF", bg_color=_FAULT, text_wrap=True, valign="top")
        self.why = book.text_style(font_color=_FAULT, text_wrap=True, valign="top")
        self.title = book.text_style(bold=True, font_size=16, font_color=_ACCENT)
        self.note = book.text_style(text_wrap=True, valign="top")
        fault = {"bold": True, "font_color": _FAULT, "bg_color": _FAULT_FILL}
        shapes: dict[str, dict[str, Any]] = {
            "number": {"num_format": "#,##0.######"},
            "month": {"num_format": "mmm yyyy"},
            "date": {"num_format": "yyyy-mm-dd"},
            "text": {"quote_prefix": True},
        }
        self._formats = {
            (shape, refused): book.style(valign="top", **properties, **(fault if refused else {}))
            for shape, properties in shapes.items()
            for refused in (False, True)
        }

    def of(self, shape: str, refused: bool) -> Format:
        return self._formats[shape, refused]


class _ErrorBook:
    """One error workbook while it is written."""

    def __init__(self, book: Book, run: ImportRun, kind: Kind, tables: OpenTables) -> None:
        self._book, self._run, self._kind, self._tables = book, run, kind, tables
        self._styles = _Styles(book)
        self._index, self._preview = self._source()
        self._header_row = run.layout["header_row"] - 1
        self._names = {at: name for name, at in run.layout["columns"].items()}
        headings = self._preview.rows[self._header_row]
        csv = tables.format == CSV
        self._width = len(headings) if csv else max(len(row) for row in self._preview.rows)
        further = _FURTHER if csv else 0
        # The first column is none of the file's: it takes the mark of rows with too many fields.
        self._layout = Layout(self._index, self._header_row, (-1, *range(self._width + further)))
        self._whole = run.rows_read <= ALL_ROWS and self._last_row() <= MOST_ROWS

    def write(self) -> None:
        """The sheet of rows, then the one that tells about it."""
        sheet = self._book.sheet(self._preview.name if self._run.layout["sheet"] else self._kind.title)
        self._widths(sheet)
        at = self._headings(sheet)
        for number, values, problems in self._rows():
            if self._whole:
                at = number - 1
            elif problems:
                at += 1
            else:
                continue
            self._row(sheet, at, number, values, problems)
        self._about()

    def _source(self) -> tuple[int, Preview]:
        wanted = self._run.layout["sheet"]
        for index, preview in enumerate(self._tables.previews):
            if preview.name == wanted or not wanted:
                return index, preview
        raise Conflict("The uploaded file is no longer what was checked; upload it again.")

    def _last_row(self) -> int:
        """The number of the last row that is not blank; CSV files do not know it before they are read."""
        if self._preview.height is not None:
            return self._preview.height
        last = 0
        for block in self._tables.copy_rows(self._layout):
            last = int(block[block.rfind(b"\n", 0, -1) + 1 :].split(b"\t", 1)[0])
        return last

    def _rows(self) -> Iterator[tuple[int, list[str | None], list[ImportProblem]]]:
        """Each row that is not blank: its number, its values and what is wrong with it."""
        found = groupby(self._run.problems.order_by("row", "pk").iterator(chunk_size=2_000), key=lambda each: each.row)
        row, problems = next(found, (0, iter(())))
        for block in self._tables.copy_rows(self._layout):
            for number, (_, *values) in read_lines(block):
                while row and row < number:
                    row, problems = next(found, (0, iter(())))
                yield number, values, list(problems) if row == number else []

    def _headings(self, sheet: Sheet) -> int:
        """The rows down to the headings; gives the row where the headings stand."""
        at = self._header_row if self._whole else 0
        for place, cells in enumerate(self._preview.rows[: self._header_row] if self._whole else []):
            for column, value in enumerate(cells):
                self._cell(sheet, place, column, value, refused=False)
        sheet.height(at, 30)
        for column, heading in enumerate(self._preview.rows[self._header_row]):
            if heading is not None:
                sheet.text(at, column, heading, self._styles.heading)
        added = [WHY] if self._whole else [WHY, ROW]
        sheet.texts(at, self._width, added, self._styles.added)
        sheet.freeze(at + 1, 0)
        return at

    def _row(
        self, sheet: Sheet, at: int, number: int, values: Sequence[str | None], problems: Sequence[ImportProblem]
    ) -> None:
        columns = self._run.layout["columns"]
        refused = {columns[each.column] for each in problems if each.column in columns}
        everywhere = any(each.column not in columns for each in problems)
        for column, value in enumerate(values[: self._width]):
            self._cell(sheet, at, column, value, everywhere or column in refused)
        if problems:
            sheet.text(at, self._width, "\n".join(map(self._told, problems)), self._styles.why)
        if not self._whole:
            sheet.number(at, self._width + 1, number, self._styles.of("number", False))
        beyond = [value for value in values[self._width :] if value is not None]
        if beyond:
            sheet.texts(at, self._width + 2, beyond, self._styles.of("text", True))

    def _cell(self, sheet: Sheet, at: int, column: int, value: str | None, refused: bool) -> None:
        if value is None or value == FORMULA:
            if refused:
                sheet.fill(at, column, column, self._styles.of("text", True))
            return
        name = self._names.get(column)
        shape = TYPES.get(self._kind.column(name).type, "text") if name else "text"
        if value.startswith(MARK):
            sheet.text(at, column, value[1:], self._styles.of("text", refused))
        elif shape == "number" and _NUMBER.fullmatch(value):
            sheet.number(at, column, float(value), self._styles.of(shape, refused))
        elif shape in ("month", "date") and _DAY.fullmatch(value) and (day := _day(value)):
            sheet.date(at, column, day, self._styles.of(shape, refused))
        else:
            sheet.text(at, column, value, self._styles.of("text", refused))

    def _told(self, problem: ImportProblem) -> str:
        if problem.column in self._kind.by_name:
            return f"{self._kind.column(problem.column).heading}: {problem.sentence}"
        return problem.sentence

    def _widths(self, sheet: Sheet) -> None:
        widths = []
        for column in range(self._width):
            name = self._names.get(column)
            widths.append((column, column, WIDTHS.get(self._kind.column(name).type, 14.0) if name else 14.0))
        sheet.widths([*widths, (self._width, self._width, 70.0), (self._width + 1, self._width + 1, 12.0)])

    def _about(self) -> None:
        run = self._run
        sheet = self._book.sheet(ABOUT)
        sheet.widths([(0, 0, 100.0)])
        sheet.text(
            0, 0, f"{run.file_name}: {_count(run.rows_refused)} refused of {run.rows_read:,}", self._styles.title
        )
        told = [
            f"{self._kind.title}, uploaded by {run.uploaded_by or 'the command line'} on {run.created_at:%d %b %Y}.",
            "Every row stands where it stood in the file."
            if self._whole
            else f"The file has more than {ALL_ROWS:,} rows, so only the refused ones are here; the column “{ROW}” "
            "says where they stood. Correct them and upload this workbook after the good rows have been applied.",
            f"Refused cells are marked, and the column “{WHY}” says what is wrong with each and what to do.",
            "Correct the cells and upload this workbook as it is; the columns that were added are left out.",
        ]
        if run.control_totals.get("problems", 0) > PROBLEMS_KEPT:
            told.append(
                f"Only the first {PROBLEMS_KEPT:,} faults are named; the others come up when these are corrected."
            )
        for at, sentence in enumerate(told, 2):
            sheet.text(at, 0, sentence, self._styles.note)


def _day(value: str) -> dt.date | None:
    """The day that `value` writes, when Excel knows it as a date."""
    try:
        day = dt.date.fromisoformat(value)
    except ValueError:
        return None
    return day if day.year >= 1901 else None


def _count(rows: int) -> str:
    return "1 row" if rows == 1 else f"{rows:,} rows"
