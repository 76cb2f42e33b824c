"""The rows that a page lists as a file of one sheet: texts as texts, numbers as numbers."""

import io
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import IO, Any, TypeVar

from sop_portal import conf
from sop_portal.lib.sheets import Book, CsvWriter

Row = TypeVar("Row")
# Heading, width and value of each column.
Columns = Sequence[tuple[str, float, Callable[[Row], Any]]]


def write_rows(
    target: IO[bytes], rows: Iterable[Row], columns: Columns[Row], *, form: str, title: str, sheet: str, footer: str
) -> None:
    """Write `rows` into `target` in one of the forms of `lib.downloads`."""
    values = ([value(row) for _, _, value in columns] for row in rows)
    if form == "csv":
        text = io.TextIOWrapper(target, encoding="utf-8", newline="", write_through=True)
        writer = CsvWriter(text)
        writer.row([heading for heading, _, _ in columns])
        for row in values:
            writer.row(row)
        text.detach()
        return
    with Book(target, title=title, company=conf.get("company_name")) as book:
        _fill(book, values, columns, sheet, footer)


def _fill(book: Book, values: Iterable[Sequence[Any]], columns: Columns[Any], sheet: str, footer: str) -> None:
    heading = book.text_style(bold=True, bg_color="#0B6157", font_color="#FFFFFF", text_wrap=True, valign="top")
    text, number = book.text_style(), book.style(num_format="#,##0.##")
    page = book.sheet(sheet)
    page.widths([(position, position, width) for position, (_, width, _) in enumerate(columns)])
    page.texts(0, 0, [name for name, _, _ in columns], heading)
    last = 0
    for last, row in enumerate(values, 1):
        for position, value in enumerate(row):
            if isinstance(value, Decimal | int) or value is None:
                page.number(last, position, value, number)
            else:
                page.text(last, position, value, text)
    page.freeze(1, 1)
    page.filters(0, 0, last, len(columns) - 1)
    page.page(repeat_rows=(0, 0), footer=footer)
