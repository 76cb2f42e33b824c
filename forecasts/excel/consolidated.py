"""The consolidated plan of a cycle as a workbook and as CSV."""

import datetime as dt
import io
from collections.abc import Iterator
from typing import IO, Any

from django.utils.text import slugify

from cycles.models import Cycle
from cycles.services import business_zone
from forecasts.excel.consolidated_about import write_about
from forecasts.excel.consolidated_tables import (
    LEAD,
    LineTable,
    Styles,
    risk_label,
    state_label,
    write_summary,
    write_unsubmitted,
)
from forecasts.excel.plan_reader import PlanLine, Totals, count_dormant, one_snapshot, read_lines, read_totals
from sop_portal import conf
from sop_portal.lib import periods
from sop_portal.lib.sheets import Book, CsvWriter

FINAL, INTERIM = "FINAL", "INTERIM"
_UNSUBMITTED = "Unsubmitted edits"


def edition(cycle: Cycle) -> str:
    """FINAL for a published cycle, else INTERIM."""
    return FINAL if cycle.status == Cycle.Status.ARCHIVED else INTERIM


def sees_all(user: Any) -> bool:
    return bool(user.has_perm("forecasts.view_all_lines"))


def scope_words(user: Any) -> str:
    """Whose lines a file for `user` holds."""
    return "the whole company" if sees_all(user) else f"only the lines that {user} may see, not the whole company"


def file_name(cycle: Cycle, user: Any, taken_at: dt.datetime, ending: str) -> str:
    """`sop-dec-2026-interim-20261122-1304.xlsx`; a part of the company carries the name of who took it."""
    parts = [
        "legacy-plan" if cycle.kind == Cycle.Kind.LEGACY else "sop",
        periods.label(cycle.first_period),
        edition(cycle),
        f"{taken_at.astimezone(business_zone()):%Y%m%d-%H%M}",
    ]
    if not sees_all(user):
        parts.append(str(user))
    return f"{slugify('-'.join(parts))}.{ending}"


def write_workbook(target: IO[bytes], cycle: Cycle, user: Any, taken_at: dt.datetime) -> Totals:
    """Write the book of the lines of `cycle` that `user` may read into `target`, an open binary file.

    Lines come from the server page by page and go to disk row by row. Returns the totals that the book shows.
    """
    with one_snapshot():
        totals = read_totals(cycle, user)
        with Book(
            target, title=f"{cycle}: consolidated plan, {edition(cycle)}", company=conf.get("company_name")
        ) as book:
            _write(book, cycle, user, totals, taken_at)
    return totals


def _write(book: Book, cycle: Cycle, user: Any, totals: Totals, taken_at: dt.datetime) -> None:
    styles = Styles(book)
    write_about(
        book, styles, cycle, totals, edition=edition(cycle), taken_at=taken_at, taken_by=user,
        scope=scope_words(user), dormant=count_dormant(cycle, user),
    )  # fmt: skip
    heading = f"{cycle}, {edition(cycle)}"
    of = "of the whole company" if sees_all(user) else f"that {user} may see, not the whole company"
    note = f"{edition(cycle)}. Live lines {of}; amounts in {conf.get('currency')}; missed lines are tinted."
    every = list(totals.by_unit.values())
    consol = LineTable(book, styles, cycle, "Consol", title=heading, note=note, totals=every, with_rep=True)
    write_summary(
        book, styles, cycle, "Summary by group", title=f"{heading}: by group", note=note, keys=[("Group", 30)],
        rows=[([group], parts) for group, parts in totals.by_group.items()], totals=every,
    )  # fmt: skip
    write_summary(
        book, styles, cycle, "Summary by customer", title=f"{heading}: by customer", note=note,
        keys=[("Rep", 16), ("Customer", 28), ("Customer ID", 12)],
        rows=list(totals.by_customer.items()), totals=every,
    )  # fmt: skip
    table: LineTable | None = None
    owner: Any = ()
    edited: list[PlanLine] = []
    for line in read_lines(cycle, user):
        if table is None or (line.owner_id, line.rep) != owner:
            owner = (line.owner_id, line.rep)
            table = LineTable(
                book, styles, cycle, line.rep, title=f"{line.rep}: {heading}", note=note,
                totals=totals.by_rep[owner], with_rep=False,
            )  # fmt: skip
        lead, sales = lead_texts(line), line.sales
        consol.add(line, lead, sales)
        table.add(line, lead, sales)
        if line.saved is not None:
            edited.append(line)
    if edited:
        write_unsubmitted(
            book, styles, cycle.periods, edited, name=_UNSUBMITTED,
            note="These volumes were saved but not submitted in time, so the plan uses the ones above them.",
        )  # fmt: skip


def lead_texts(line: PlanLine) -> list[str]:
    return [
        line.rep, line.customer, line.item, line.description, line.customer_code, line.group, line.unit,
        risk_label(line.risk_class), state_label(line.status),
    ]  # fmt: skip


def csv_rows(cycle: Cycle, user: Any) -> Iterator[str]:
    """The lines of `cycle` that `user` may read as CSV, some hundred at a time; needs a transaction."""
    buffer = io.StringIO(newline="")
    writer = CsvWriter(buffer)
    months = [periods.key(period) for period in cycle.periods]
    writer.row(
        [
            *(heading for heading, _ in LEAD),
            *(f"Volume {month}" for month in months),
            *(f"Price {month}" for month in months),
            *(f"Sales {month}" for month in months),
        ]
    )
    for number, line in enumerate(read_lines(cycle, user), 1):
        writer.row([*lead_texts(line), *line.quantity, *line.unit_price, *line.sales])
        if number % 200 == 0:
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue()


def write_csv(target: IO[bytes], cycle: Cycle, user: Any) -> None:
    """Write the CSV of `cycle` for `user` into `target`, an open binary file."""
    with one_snapshot():
        for part in csv_rows(cycle, user):
            target.write(part.encode())
