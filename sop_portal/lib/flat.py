"""Flat tables straight from the database: one row of headings, typed columns, as a workbook or as CSV.

Rows come by COPY and are written a block at a time, a column of the block at once; nothing of a row becomes a Python
object of its own. What is hostile in a spreadsheet is told apart by the same patterns as in `sheets`. A table that
goes out so comes in again unchanged.
"""

import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import IO, Any, Literal

from django.db import connections
from django.db.models import QuerySet
from django.db.models.expressions import Combinable
from xlsxwriter.utility import xl_col_to_name

from sop_portal.lib.errors import TooLarge
from sop_portal.lib.sheets import LIVE, LONGEST_TEXT, MOST_ROWS, Book, Sheet, cell_text, csv_text

Type = Literal["text", "number", "date", "month", "flag"]
# Makes the cells of one column of a sheet from row numbers and values.
Writer = Callable[[Sequence[str], Sequence[str]], list[str]]

# Rows of COPY that are put together at once; more of them leave the processor's cache.
_ROWS_PER_PIECE = 200
# What `clean_text` removes: here as bytes of UTF-8, and as PostgreSQL writes it (which stores neither half pairs nor
# a zero byte).
_CONTROLS = bytes([*range(9), 11, 12, *range(14, 32), 127])
_FURTHER_CONTROLS = re.compile(rb"\xc2[\x80-\x9f]|\xef\xbf[\xbe\xbf]")
_SQL_UNWRITABLE = r"[\x01-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff]"
# In lines of COPY's text format: what a cell of a sheet cannot hold as it stands.
_AWKWARD = re.compile(r"\\|[\x00-\x08\x0b-\x1f\x7f-\x9f\ufffe\uffff]|_x[0-9A-Fa-f]{4}_|[\t\n][^\S\t\n]|[^\S\t\n][\t\n]")
_PLACE = re.compile("%[s%]")
_COPY_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_COPY_LETTERS = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v"}
# Excel keeps no more digits of a number; what has more goes as text and comes back whole.
_EXACT_DIGITS = 15
# Stands before a text with blanks at its ends until its element is told to keep them.
_KEEP_BLANKS = "\x00"
_LOOKS_ESCAPED = re.compile(r"_(?=x[0-9A-Fa-f]{4}_)")


@dataclass(frozen=True, slots=True)
class Column:
    """value: a field, a path to one, or an expression of the queryset. width: in characters, of the sheet."""

    heading: str
    type: Type
    value: str | Combinable
    width: float = 16


def write_csv(target: IO[bytes], rows: QuerySet[Any], columns: Sequence[Column]) -> None:
    """Write `rows` into `target` as CSV in UTF-8 with a mark that Excel recognises.

    Texts that a spreadsheet would run carry the prefix `'`; numbers, negative ones too, are numbers.
    """
    headings = io.StringIO()
    csv.writer(headings, lineterminator="\n").writerow([csv_text(column.heading) for column in columns])
    target.write(b"\xef\xbb\xbf" + headings.getvalue().encode())
    with _copied(rows, columns, _CSV, "FORMAT csv") as copied:
        while block := b"".join(islice(copied, _ROWS_PER_PIECE)):
            block = block.translate(None, _CONTROLS)
            if b"\xc2" in block or b"\xef\xbf" in block:
                block = _FURTHER_CONTROLS.sub(b"", block)
            target.write(block)


def write_workbook(
    target: IO[bytes], rows: QuerySet[Any], columns: Sequence[Column], *, sheet: str, company: str = ""
) -> None:
    """Write `rows` into `target` as a workbook of one sheet. Raises TooLarge when a sheet cannot hold them."""
    with Book(target, title=sheet, company=company) as book:
        heading = book.text_style(bold=True, bg_color="#0B6157", font_color="#FFFFFF", text_wrap=True, valign="top")
        styles = {
            "text": book.text_style(),
            "flag": book.text_style(),
            "number": book.style(num_format="#,##0.######"),
            "date": book.style(num_format="yyyy-mm-dd"),
            "month": book.month_style(),
        }
        page = book.sheet(sheet)
        page.widths([(number, number, column.width) for number, column in enumerate(columns)])
        page.texts(0, 0, [column.heading for column in columns], heading)
        writers = [
            _writer(column.type, xl_col_to_name(number), book.style_number(styles[column.type]))
            for number, column in enumerate(columns)
        ]
        last = _write_rows(page, rows, columns, writers)
        page.freeze(1, 0)
        page.filters(0, 0, last, len(columns) - 1)
        page.codes_are_text(0, 0, last, len(columns) - 1)
        page.page(repeat_rows=(0, 0), footer=sheet)


def _write_rows(page: Sheet, rows: QuerySet[Any], columns: Sequence[Column], writers: Sequence[Writer]) -> int:
    """Write `rows` below the headings; gives the number of the last one."""
    last = 0
    with _copied(rows, columns, _SHEET, "NULL ''") as copied:
        while block := b"".join(islice(copied, _ROWS_PER_PIECE)):
            lines = _marked_up(block.decode(), columns)
            if last + len(lines) >= MOST_ROWS:
                raise TooLarge(
                    f"The list has more than {MOST_ROWS - 1:,} rows, the most that a sheet holds. "
                    "Take it as CSV, or filter it."
                )
            numbers = [str(number) for number in range(last + 2, last + 2 + len(lines))]
            cells = [write(numbers, values) for write, values in zip(writers, zip(*lines, strict=True), strict=True)]
            xml = "".join(
                f'<row r="{number}">{"".join(row)}</row>'
                for number, row in zip(numbers, zip(*cells, strict=True), strict=True)
            )
            if _KEEP_BLANKS in xml:
                xml = xml.replace(f"<t>{_KEEP_BLANKS}", '<t xml:space="preserve">')
            last += len(lines)
            page.raw_rows(last, len(columns) - 1, xml)
    return last


# What each type becomes on its way out of the database, in `{}`; parameters are told by name.
_YES_NO = "CASE WHEN {} THEN 'Yes' WHEN NOT {} THEN 'No' END"
# As YYYY-MM-DD: the settings ask for it in each connection.
_ISO = "{}::text"
# "1.234" is a thousand and more to whoever writes decimals with a comma; "1.2340" is the same number to everybody.
# A text that starts with a letter or a digit can neither be a formula nor become one when control characters are
# removed; only the others pay for a look at all of it.
_CSV = {
    "text": r"CASE WHEN ascii({}) BETWEEN 65 AND 122 OR ascii({}) BETWEEN 48 AND 57 THEN {} ELSE "
    "NULLIF(regexp_replace(regexp_replace({}, %(unwritable)s, '', 'g'), %(live)s, %(prefixed)s), '') END",
    "number": "CASE WHEN min_scale({}) = 3 THEN round({}, 4) ELSE trim_scale({}) END",
    "date": _ISO,
    "month": _ISO,
    "flag": _YES_NO,
}
# Excel counts days from 1900 and one day too many until March of that year; what lies before stays text.
_SERIAL = f"CASE WHEN {{}} >= '1900-03-01' THEN ({{}} - date '1899-12-30')::text ELSE {_ISO} END"
_SHEET = {
    "text": "{}",
    "number": "trim_scale(NULLIF({}::numeric, 'NaN'))",
    "date": _SERIAL,
    "month": _SERIAL,
    "flag": _YES_NO,
}


@contextmanager
def _copied(rows: QuerySet[Any], columns: Sequence[Column], shapes: dict[str, str], options: str) -> Iterator[Any]:
    """The rows as they come from COPY, one at a time."""
    values = rows.values_list(*(column.value for column in columns))
    # A filter that nothing passes is asked all the same, so that the headings go out.
    inner, parameters = values.query.get_compiler(rows.db, elide_empty=False).as_sql()
    named = {f"p{number}": value for number, value in enumerate(parameters)}
    names = [f"c{number}" for number in range(len(columns))]
    outer = ", ".join(shapes[column.type].replace("{}", name) for column, name in zip(columns, names, strict=True))
    places = iter(named)
    inner = _PLACE.sub(lambda place: f"%({next(places)})s" if place[0] == "%s" else place[0], inner)
    named |= {"unwritable": _SQL_UNWRITABLE, "live": f"^({LIVE})", "prefixed": r"'\1"}
    with connections[rows.db].cursor() as cursor:
        # The inner query is the ORM's, the outer one is made of the words above, never input.
        statement = f"COPY (SELECT {outer} FROM ({inner}) AS t ({', '.join(names)})) TO STDOUT ({options})"
        # Past the wrapper that counts statements, whose copy() takes no parameters.
        with cursor.cursor.copy(statement, named) as copied:
            yield copied


def _marked_up(block: str, columns: Sequence[Column]) -> list[list[str]]:
    """Lines of COPY's text format as cells, texts as the XML of a sheet holds them."""
    lines = block.removesuffix("\n").split("\n")
    if not (_AWKWARD.search(f"\n{block}") or max(map(len, lines)) > LONGEST_TEXT // 2):
        return [line.split("\t") for line in _escaped(block).removesuffix("\n").split("\n")]
    texts = [number for number, column in enumerate(columns) if column.type == "text"]
    cells = [line.split("\t") for line in lines]
    for row in cells:
        for number in texts:
            row[number] = _careful(row[number])
    return cells


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _careful(field: str) -> str:
    """A text of COPY's format as the XML of a cell, whatever it holds."""
    text = cell_text(_COPY_ESCAPE.sub(lambda found: _COPY_LETTERS.get(found[1], found[1]), field))
    if len(text) > LONGEST_TEXT // 2:
        text = text.encode("utf-16-le")[: 2 * LONGEST_TEXT].decode("utf-16-le", "ignore")
    edge = _KEEP_BLANKS if text != text.strip() else ""
    return edge + _escaped(_LOOKS_ESCAPED.sub("_x005F_", text))


def _writer(type: Type, letters: str, style: int) -> Writer:
    """The writer of the column called `letters`; blank cells are left out."""
    before = f'<c r="{letters}'

    def text(numbers: Sequence[str], values: Sequence[str]) -> list[str]:
        middle = f'" s="{style}" t="inlineStr"><is><t>'
        return [
            f"{before}{number}{middle}{value}</t></is></c>" if value else ""
            for number, value in zip(numbers, values, strict=True)
        ]

    def number(numbers: Sequence[str], values: Sequence[str]) -> list[str]:
        middle = f'" s="{style}"><v>'
        return [
            f"{before}{number}{middle}{value}</v></c>" if value else ""
            for number, value in zip(numbers, values, strict=True)
        ]

    def exact(numbers: Sequence[str], values: Sequence[str]) -> list[str]:
        cells = number(numbers, values)
        if max(map(len, values)) > _EXACT_DIGITS:
            for place, value in enumerate(values):
                if len(value.replace("-", "").replace(".", "").lstrip("0")) > _EXACT_DIGITS:
                    cells[place] = text([numbers[place]], [value])[0]
        return cells

    def day(numbers: Sequence[str], values: Sequence[str]) -> list[str]:
        cells = number(numbers, values)
        if "-" in "".join(values):
            early = [(place, value) for place, value in enumerate(values) if "-" in value]
            for place, value in early:
                cells[place] = text([numbers[place]], [value])[0]
        return cells

    return {"text": text, "flag": text, "number": exact, "date": day, "month": day}[type]
