"""The rows of a comparison of two cycles as a file: what the page shows, with numbers as numbers."""

from typing import IO

from forecasts.compare import Comparison, Row
from forecasts.excel.listed import Columns, write_rows
from sop_portal import conf


def write_comparison(target: IO[bytes], found: Comparison, *, form: str) -> None:
    """Write the rows of `found` and their sum into `target`."""
    title = f"{found.wanted.now} and {found.wanted.before}"
    rows = (*found.rows, found.total)
    write_rows(target, rows, _columns(found), form=form, title=title, sheet="Compare", footer=title)


def _columns(found: Comparison) -> Columns[Row]:
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
