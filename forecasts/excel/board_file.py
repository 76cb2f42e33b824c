"""The rows of the submission board as a file: exactly what the page shows, with numbers as numbers."""

import io
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import IO, Any

from cycles.models import MANDATORY
from forecasts.board import CUSTOMER, REP, Board, Row
from sop_portal import conf
from sop_portal.accounts import formats
from sop_portal.lib.sheets import Book, CsvWriter

TYPES = {
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "csv": "text/csv; charset=utf-8",
}
_NAMES = {REP: ("Rep", "Employee ID"), CUSTOMER: ("Customer", "Customer ID")}
_PRODUCT = ("Product", "Item code")


def _columns(tab: str, zone: str) -> list[tuple[str, float, Callable[[Row], Any]]]:
    """Heading, width and value of each column."""
    name, code = _NAMES.get(tab, _PRODUCT)
    currency = conf.get("currency")

    def at(when: Any) -> str:
        return f"{formats.instant(when, zone)} {formats.zone_name(zone)}" if when else ""

    columns: list[tuple[str, float, Callable[[Row], Any]]] = [
        (name, 30, lambda row: row.name),
        (code, 14, lambda row: row.code),
        ("State", 16, lambda row: row.state.label),
        ("Lines expected", 10, lambda row: row.expected),
        ("Handed in", 10, lambda row: row.counts.handed_in),
        ("Handed in, % of expected", 12, lambda row: round(100 * row.share, 1)),
        ("Waiting for a decision", 12, lambda row: row.counts.submitted),
        ("Approved", 10, lambda row: row.counts.approved),
        ("Came back", 10, lambda row: row.counts.came_back),
        ("Missed", 10, lambda row: row.counts.missed),
        (f"Plan, next {MANDATORY} months, {currency}", 18, lambda row: round(row.plan.money, 2)),
        ("Change against last cycle, %", 16, lambda row: _percent(row.plan.change)),
    ]
    if tab == REP:
        columns[2:2] = [("Manager", 24, lambda row: row.manager)]
        columns += [
            ("Deadline", 34, lambda row: at(row.deadline)),
            ("Last seen", 34, lambda row: at(row.last_seen) or "never"),
        ]
    return columns


def _percent(change: Decimal | None) -> Decimal | None:
    return None if change is None else round(100 * change, 1)


def write_board(target: IO[bytes], found: Board, tab: str, *, form: str, user: Any) -> None:
    """Write the rows of `found` into `target`; times are those of `user`'s clock."""
    columns = _columns(tab, user.time_zone)
    if form == "csv":
        text = io.TextIOWrapper(target, encoding="utf-8", newline="", write_through=True)
        writer = CsvWriter(text)
        writer.row([heading for heading, _, _ in columns])
        for values in _values(found, columns):
            writer.row(values)
        text.detach()
        return
    with Book(target, title=f"Submission board {found.cycle}", company=conf.get("company_name")) as book:
        _sheet(book, found, columns)


def _values(found: Board, columns: Sequence[tuple[str, float, Callable[[Row], Any]]]) -> Iterator[list[Any]]:
    for row in found.rows:
        yield [value(row) for _, _, value in columns]


def _sheet(book: Book, found: Board, columns: Sequence[tuple[str, float, Callable[[Row], Any]]]) -> None:
    heading = book.text_style(bold=True, bg_color="#0B6157", font_color="#FFFFFF", text_wrap=True, valign="top")
    text, number = book.text_style(), book.style(num_format="#,##0.##")
    page = book.sheet(str(found.cycle))
    page.widths([(position, position, width) for position, (_, width, _) in enumerate(columns)])
    page.texts(0, 0, [title for title, _, _ in columns], heading)
    last = 0
    for last, values in enumerate(_values(found, columns), 1):
        for position, value in enumerate(values):
            if isinstance(value, Decimal | int) or value is None:
                page.number(last, position, value, number)
            else:
                page.text(last, position, value, text)
    page.freeze(1, 1)
    page.filters(0, 0, last, len(columns) - 1)
    page.page(repeat_rows=(0, 0), footer=f"Submission board, {found.cycle}")
