"""The one safe writer of workbooks and CSV: what people typed stays text, numbers are numbers, totals are formulas.

Rows go to disk as they are written (XlsxWriter's constant memory), so a sheet is written from top to bottom; several
sheets of one book may take turns.
"""

import csv
import datetime as dt
import re
import tempfile
from collections.abc import Iterable, Sequence
from decimal import Decimal
from types import TracebackType
from typing import IO, Any, Self

from xlsxwriter import Workbook
from xlsxwriter.format import Format
from xlsxwriter.utility import xl_col_to_name
from xlsxwriter.worksheet import Worksheet

from sop_portal.lib import temporary

# What Excel keeps in one cell, in UTF-16 units.
LONGEST_TEXT = 32_767
MOST_ROWS = 1_048_576
_LONGEST_NAME = 31
# Characters that XML cannot hold, or that nobody can see: C0 without tab and line ends, C1, half surrogate pairs.
_UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_NOT_IN_NAMES = re.compile(r"[\[\]:*?/\\\t\r\n]")
# What a spreadsheet takes for the start of a formula, in any width, and texts that already carry our prefix.
LIVE = "'*[=+\\-@\t\r＝＋－＠]"
_LIVE = re.compile(LIVE)
_MONTH = "mmm yyyy"


def clean_text(value: object) -> str:
    """`value` as text that a workbook and a CSV file can hold; "" for None."""
    return "" if value is None else _UNWRITABLE.sub("", str(value))


def cell_text(value: object) -> str:
    """`clean_text` with the one kind of line end that Excel has within a cell."""
    return clean_text(value).replace("\r\n", "\n").replace("\r", "\n")


def csv_text(value: object) -> str:
    """`value` as a CSV cell that no spreadsheet runs: texts like formulas get the prefix `'`.

    Taking one `'` from every cell that matches the same pattern gives the text back.
    """
    text = clean_text(value)
    return f"'{text}" if _LIVE.match(text) else text


def plain_number(value: Decimal | int | None) -> str:
    """A number with a decimal point, without exponent and trailing zeros; "" for None."""
    if value is None:
        return ""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


class CsvWriter:
    """Rows of safe cells in UTF-8 with a mark that Excel recognises; `Decimal` and `int` are numbers, the rest text."""

    def __init__(self, target: IO[str]) -> None:
        target.write("\ufeff")
        self._writer = csv.writer(target)

    def row(self, values: Iterable[Any]) -> None:
        self._writer.writerow(
            [
                plain_number(value) if isinstance(value, Decimal | int) or value is None else csv_text(value)
                for value in values
            ]
        )


class _SafeWorksheet(Worksheet):
    """A worksheet that never takes a text for markup: XlsxWriter writes texts like "<r>..</r>" as they are."""

    def _xml_rich_inline_string(self, string: str, attributes: Any = ()) -> None:
        self._xml_inline_string(string, False, attributes)

    def write_raw(self, last_row: int, last_column: int, xml: str) -> None:
        """Rows up to `last_row` as XML; XlsxWriter goes on as if it had written them itself."""
        self._check_dimensions(last_row, last_column)
        self._write_single_row(last_row + 1)
        self.row_data_fh.write(xml)


def cell(row: int, column: int, *, fixed: bool = False) -> str:
    """The address of a cell, both counted from 0: `A1`, or `$A$1` when fixed."""
    mark = "$" if fixed else ""
    return f"{mark}{xl_col_to_name(column)}{mark}{row + 1}"


class Sheet:
    """One sheet; rows and columns are counted from 0. Text, numbers and formulas each have their own function."""

    def __init__(self, sheet: _SafeWorksheet, name: str) -> None:
        self._sheet = sheet
        self.name = name

    def text(self, row: int, column: int, value: object, style: Format | None = None) -> None:
        """A text that stays one, whatever it looks like."""
        self._sheet.write_string(row, column, cell_text(value), style)

    def texts(self, row: int, column: int, values: Iterable[object], style: Format | None = None) -> None:
        """Texts side by side."""
        write = self._sheet.write_string
        for offset, value in enumerate(values, column):
            write(row, offset, cell_text(value), style)

    def number(self, row: int, column: int, value: Decimal | int | float | None, style: Format | None = None) -> None:
        """A number; None leaves the cell empty, in its style."""
        if value is None:
            self._sheet.write_blank(row, column, None, style)
        else:
            self._sheet.write_number(row, column, float(value), style)

    def numbers(
        self, row: int, column: int, values: Iterable[Decimal | int | None], style: Format, empty: Format | None = None
    ) -> None:
        """Numbers side by side; None leaves its cell out, or empty in the style `empty`."""
        write = self._sheet.write_number
        for offset, value in enumerate(values, column):
            if value is not None:
                write(row, offset, float(value), style)
            elif empty is not None:
                self._sheet.write_blank(row, offset, None, empty)

    def formula(self, row: int, column: int, formula: str, value: Decimal | int, style: Format | None = None) -> None:
        """A formula of ours with the value it has, so that readers which do not calculate show it, too.

        No text from people may become part of `formula`.
        """
        cached = float(value)
        self._sheet.write_formula(row, column, formula, style, int(cached) if cached.is_integer() else cached)

    def date(self, row: int, column: int, day: dt.date, style: Format) -> None:
        """A real date; `style` says how it is shown."""
        self._sheet.write_datetime(row, column, day, style)

    def fill(self, row: int, first: int, last: int, style: Format) -> None:
        """Empty cells from column `first` to `last` in one style."""
        for column in range(first, last + 1):
            self._sheet.write_blank(row, column, None, style)

    def raw_rows(self, last_row: int, last_column: int, xml: str) -> None:
        """The next rows up to `last_row` as elements of the sheet's XML, for writers of very many (`flat`)."""
        self._sheet.write_raw(last_row, last_column, xml)

    def widths(self, widths: Sequence[tuple[int, int, float]]) -> None:
        """Widths in characters, as (first column, last column, width)."""
        for first, last, width in widths:
            self._sheet.set_column(first, last, width)

    def height(self, row: int, points: float) -> None:
        """The height of a row; to be said before the row is written."""
        self._sheet.set_row(row, points)

    def freeze(self, row: int, column: int) -> None:
        """Keep what is above `row` and left of `column` in sight."""
        self._sheet.freeze_panes(row, column)

    def filters(self, first_row: int, first_column: int, last_row: int, last_column: int) -> None:
        """Filter arrows on a table whose headings stand in `first_row`."""
        self._sheet.autofilter(first_row, first_column, last_row, last_column)

    def codes_are_text(self, first_row: int, first_column: int, last_row: int, last_column: int) -> None:
        """No green corners on codes that look like numbers."""
        span = f"{cell(first_row, first_column)}:{cell(last_row, last_column)}"
        self._sheet.ignore_errors({"number_stored_as_text": span})

    def page(
        self,
        *,
        landscape: bool = True,
        wide: int = 1,
        repeat_rows: tuple[int, int] | None = None,
        repeat_columns: tuple[int, int] | None = None,
        footer: str = "",
    ) -> None:
        """Printing: `wide` pages across on letter paper, as many down as it takes.

        footer: our own words; a `&` in it is printed as such.
        """
        sheet = self._sheet
        if landscape:
            sheet.set_landscape()
        sheet.set_paper(1)
        sheet.set_margins(0.4, 0.4, 0.5, 0.6)
        sheet.fit_to_pages(wide, 0)
        if repeat_rows:
            sheet.repeat_rows(*repeat_rows)
        if repeat_columns:
            sheet.repeat_columns(*repeat_columns)
        name = clean_text(footer).replace("&", "&&")[:120]
        sheet.set_footer(f"&L&8{name}&C&8&A&R&8Page &P of &N")

    def look(self, *, gridlines: bool = True, zoom: int = 100, tab: str | None = None) -> None:
        """How the sheet opens."""
        if not gridlines:
            self._sheet.hide_gridlines(2)
        self._sheet.set_zoom(zoom)
        if tab:
            self._sheet.set_tab_color(tab)


class Book:
    """A workbook that is written into `target`, an open binary file; used in a `with`.

    When the block fails, nothing is written to `target` and no temporary file stays behind.
    """

    def __init__(self, target: IO[bytes], *, title: str = "", company: str = "") -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix="sheets-", dir=temporary.folder())
        self._book = Workbook(
            target,
            {
                "constant_memory": True,
                "tmpdir": self._temporary.name,
                "strings_to_numbers": False,
                "strings_to_formulas": False,
                "strings_to_urls": False,
            },
        )
        # XlsxWriter escapes these itself.
        self._book.set_properties({"title": clean_text(title), "company": clean_text(company)})
        self._names: set[str] = set()
        self._formats: dict[tuple[tuple[str, Any], ...], Format] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._book.close()
            else:
                for sheet in self._book.worksheets():
                    if sheet.row_data_fh is not None:
                        sheet.row_data_fh.close()
        finally:
            self._temporary.cleanup()

    def style(self, **properties: Any) -> Format:
        """A format with these properties of XlsxWriter; asking twice gives the same one."""
        key = tuple(sorted(properties.items()))
        if key not in self._formats:
            self._formats[key] = self._book.add_format({"font_name": "Calibri", "font_size": 10, **properties})
        return self._formats[key]

    def style_number(self, style: Format) -> int:
        """The number by which the XML of cells refers to `style`."""
        number: int = style._get_xf_index()
        return number

    def text_style(self, **properties: Any) -> Format:
        """A style for what people typed: the cell stays text even when somebody edits it in Excel."""
        return self.style(quote_prefix=True, **properties)

    def month_style(self, **properties: Any) -> Format:
        """A style for periods, which are real dates."""
        return self.style(num_format=_MONTH, **properties)

    def sheet(self, name: str) -> Sheet:
        """A new sheet named as near to `name` as Excel allows."""
        safe = self.safe_name(name)
        self._names.add(safe.lower())
        return Sheet(self._book.add_worksheet(safe, worksheet_class=_SafeWorksheet), safe)

    def safe_name(self, name: str) -> str:
        """A sheet name of at most 31 characters, without what Excel forbids, and not used in this book yet."""
        bare = " ".join(_NOT_IN_NAMES.sub(" ", clean_text(name)).split()).strip("' ") or "Sheet"
        if bare.lower() == "history":  # Excel keeps this one for itself.
            bare = "History sheet"
        tries = 1
        candidate = _cut(bare, _LONGEST_NAME)
        while candidate.lower() in self._names:
            tries += 1
            ending = f" ({tries})"
            candidate = _cut(bare, _LONGEST_NAME - len(ending)) + ending
        return candidate


def _cut(name: str, units: int) -> str:
    """`name` cut to so many UTF-16 units, never within a character."""
    while len(name.encode("utf-16-le")) // 2 > units:
        name = name[:-1]
    return name.strip("' ")
