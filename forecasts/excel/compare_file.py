"""The rows of a comparison of two cycles as a file: what the page shows, with numbers as numbers."""

import io
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import IO, Any

from forecasts.compare import Comparison, Row
from sop_portal import conf
from sop_portal.lib.sheets import Book, CsvWriter

TYPES = {
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "csv": "text/csv; charset=utf-8",
}
_Columns = Sequence[tuple[str, float, Callable[[Row], Any]]]


def write_comparison(target: IO[bytes], found: Comparison, *, form: str) -> None:
    """Write the rows of `found` and their sum into `target`."""
    columns = _columns(found)
    if form == "csv":
        text = io.TextIOWrapper(target, encoding="utf-8", newline="", write_through=True)
        writer = CsvWriter(text)
        writer.row([heading for heading, _, _ in columns])
        for values in _values(found, columns):
            writer.row(values)
        text.detach()
        return
    title = f"{found.wanted.now} and {found.wanted.before}"
    with Book(target, title=title, company=conf.get("company_name")) as book:
        _sheet(book, found, columns, title)


def _columns(found: Comparison) -> _Columns:
    """Heading, width and value of each column."""
    before, now, currency = found.wanted.before, found.wanted.now, conf.get("currency")
    return [
        (found.wanted.tab.capitalize(), 34, lambda row: row.name),
        (f"{before}, {currency}", 18, lambda row: round(row.before.money, 2)),
        (f"{now}, {currency}", 18, lambda row: round(row.now.money, 2)),
        (f"Change, {currency}", 18, lambda row: round(row.change, 2)),
        ("Change, %", 12, lambda row: None if row.share is None else round(100 * row.share, 1)),
        (f"{before}, units", 16, lambda row: row.units_before),
        (f"{now}, units", 16, lambda row: row.units_now),
        ("Unit", 10, lambda row: row.unit),
        ("Without the weight of", 24, lambda row: ", ".join(row.weightless)),
    ]


def _values(found: Comparison, columns: _Columns) -> Iterator[list[Any]]:
    for row in (*found.rows, found.total):
        yield [value(row) for _, _, value in columns]


def _sheet(book: Book, found: Comparison, columns: _Columns, title: str) -> None:
    heading = book.text_style(bold=True, bg_color="#0B6157", font_color="#FFFFFF", text_wrap=True, valign="top")
    text, number = book.text_style(), book.style(num_format="#,##0.##")
    page = book.sheet("Compare")
    page.widths([(position, position, width) for position, (_, width, _) in enumerate(columns)])
    page.texts(0, 0, [name for name, _, _ in columns], heading)
    last = 0
    for last, values in enumerate(_values(found, columns), 1):
        for position, value in enumerate(values):
            if isinstance(value, Decimal | int) or value is None:
                page.number(last, position, value, number)
            else:
                page.text(last, position, value, text)
    page.freeze(1, 1)
    page.filters(0, 0, last, len(columns) - 1)
    page.page(repeat_rows=(0, 0), footer=title)
