"""Files to import, and importing them as an admin would."""

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from django.db import connection

from audit.context import acting
from audit.models import Entry
from masterdata.imports import runs
from masterdata.models import ImportRun
from sop_portal.accounts.models import User
from tests.workbooks import save_xlsx
from tests.world import next_transaction

ACTUALS = ["Customer ID", "Item Code", "Period", "Quantity", "Amount", "Cost"]
BUDGET = ["Version", "Customer ID", "Item Code", "Period", "Quantity", "Amount"]


def csv_bytes(headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    """A CSV file as a program would write it."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(headings)
    writer.writerows(["" if value is None else value for value in row] for row in rows)
    return text.getvalue().encode()


def xlsx_bytes(headings: Sequence[str], rows: Iterable[Sequence[Any]], folder: Path, sheet: str = "Sheet1") -> bytes:
    """A workbook with one sheet whose headings stand in the first row."""
    cells = {
        (at, column): value
        for at, row in enumerate([headings, *rows])
        for column, value in enumerate(row)
        if value is not None
    }
    return save_xlsx(folder / "made.xlsx", {sheet: cells}).read_bytes()


def upload(kind: str, content: bytes, by: User, name: str = "file.csv", **options: Any) -> ImportRun:
    """Upload a file and have it checked."""
    with acting(by, source="web"):
        return runs.check_upload(name, [content], kind=kind, by=by, options=options)


def apply(run: ImportRun, by: User, *, only_good: bool = False) -> ImportRun:
    """Apply a checked file; the run as it is stored afterwards."""
    with acting(by, source="web"):
        runs.apply_run(run.pk, by=by, only_good=only_good)
    commit()
    return stored(run)


def undo(run: ImportRun, by: User) -> ImportRun:
    """Undo an applied file; the run as it is stored afterwards."""
    with acting(by, source="web"):
        runs.undo_run(run.pk, by=by)
    commit()
    return stored(run)


def commit() -> None:
    """Make database and trail believe that a transaction has ended; a test itself runs in one."""
    next_transaction()
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('sop.batch', '', true)")


def imported(kind: str, content: bytes, by: User, name: str = "file.csv", **options: Any) -> ImportRun:
    """Upload, check and apply a file that has no fault."""
    run = upload(kind, content, by, name, **options)
    assert run.state == ImportRun.State.CHECKED, run.reason
    assert sentences(run) == []
    run = apply(run, by)
    assert run.state == ImportRun.State.APPLIED, run.reason
    return run


def stored(run: ImportRun) -> ImportRun:
    return ImportRun.objects.get(pk=run.pk)


def sentences(run: ImportRun) -> list[str]:
    """What is wrong in a file, as it is shown."""
    return [f"{problem.place}: {problem.sentence}" for problem in run.problems.all()]


def remarks(run: ImportRun, code: str) -> list[str]:
    """What is said about a file besides, of one sort."""
    return [finding["sentence"] for finding in run.findings if finding["code"] == code]


def counts(run: ImportRun) -> tuple[int, int, int, int]:
    """New, changed, unchanged and refused rows."""
    return run.rows_created, run.rows_updated, run.rows_unchanged, run.rows_refused


def told(since: int = 0) -> list[tuple[str, str]]:
    """Actions and objects of the trail after entry `since`, runs apart."""
    entries = Entry.objects.filter(id__gt=since).exclude(entity_type__in=["import", "user"])
    return sorted((entry.action, entry.label) for entry in entries)


def last_entry() -> int:
    return Entry.objects.order_by("-id").values_list("id", flat=True).first() or 0
