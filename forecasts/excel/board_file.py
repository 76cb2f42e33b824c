"""The rows of the submission board as a file: exactly what the page shows, with numbers as numbers."""

from collections.abc import Callable
from decimal import Decimal
from typing import IO, Any

from cycles.models import MANDATORY
from forecasts.board import CUSTOMER, REP, Board, Row
from forecasts.excel.listed import Columns, write_rows
from sop_portal import conf
from sop_portal.accounts import formats

_NAMES = {REP: ("Rep", "Employee ID"), CUSTOMER: ("Customer", "Customer ID")}
_PRODUCT = ("Product", "Item code")


def _columns(tab: str, zone: str) -> Columns[Row]:
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
    title = f"Submission board {found.cycle}"
    write_rows(
        target, found.rows, _columns(tab, user.time_zone), form=form, title=title, sheet=str(found.cycle),
        footer=f"Submission board, {found.cycle}",
    )  # fmt: skip
