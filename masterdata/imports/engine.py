"""One run over a file: open it, find the columns, stage the rows, check and write them in one transaction.

A dry run is the real run, rolled back.
"""

import time
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.db import IntegrityError, transaction

from audit.context import as_source
from masterdata.imports import customers, facts, matrix, products, users
from masterdata.imports.files import opened
from masterdata.imports.job import Job
from masterdata.imports.kinds import KINDS, Kind
from masterdata.imports.layout import Found, find_layout
from masterdata.imports.outcome import PROBLEMS_KEPT, Outcome, Remark, written
from masterdata.imports.progress import Watch
from masterdata.imports.staging import Staging, one_of, run_sql, staged
from masterdata.models import ImportHeading, ImportRun
from masterdata.upserts import try_lock_imports
from sop_portal.lib.errors import Conflict, Refused
from sop_portal.lib.tables import OpenTables

LOADERS: Mapping[str, Callable[[Staging, Job], Outcome]] = {
    ImportRun.Kind.CUSTOMERS: customers.load,
    ImportRun.Kind.PRODUCTS: products.load,
    ImportRun.Kind.MATRIX: matrix.load,
    ImportRun.Kind.ACTUALS: facts.load,
    ImportRun.Kind.BUDGET: facts.load,
    ImportRun.Kind.USERS: users.load,
}


class Busy(Conflict):
    """Another import is being written; nothing was begun."""


def run_file(
    path: Path,
    kind_key: str,
    options: dict[str, Any],
    *,
    write: bool,
    only_good: bool = False,
    watch: Watch | None = None,
    patience: float | None = None,
    run_id: int | None = None,
    by: Any = None,
    begin: Callable[[], None] | None = None,
    at_most: int | None = None,
    alone: bool = True,
) -> Outcome:
    """Check the file at `path` and write it if `write`, or try it and roll it back.

    With a refused row nothing is written, unless `only_good` leaves the refused rows out. run_id: the run that
    remembers what is needed to undo it. patience: seconds to wait for another import, None for as long as it takes.
    by: who acts, None for a command. begin: called when it is our turn, before anything is read. alone: keep others
    from writing the tables meanwhile, `try_file` says when not.
    Raises Refused and TooLarge for a file that cannot be read, Busy, Cancelled when somebody asked to stop, and Long for
    a file of `at_most` rows or more.
    """
    watch = watch or Watch()
    kind = KINDS[kind_key]
    watch.step("Opening the file")
    with opened(path, kind) as tables, transaction.atomic(), as_source("excel"):
        found = layout_of(tables, kind, options)
        take_turn(watch, patience)
        if begin is not None:
            begin()
        with staged(kind, found, tables.format, options.get("decimal_mark", ".")) as staging:
            preview = tables.previews[found.index]
            watch.step("Reading", preview.height and preview.height - found.header_row - 1)
            staging.fill(tables.copy_rows(found.layout), watch, at_most)
            if not staging.rows:
                raise Refused("The table has headings but no rows below them; fill it and upload it again.")
            outcome = LOADERS[kind_key](staging, Job(options, watch, run_id if write else None, by, alone=alone))
            _describe(outcome, staging, found, tables)
        outcome.written = write and (only_good or not outcome.refused)
        if not outcome.written:
            transaction.set_rollback(True)
    return outcome


def try_file(path: Path, kind_key: str, options: dict[str, Any], **more: Any) -> Outcome:
    """What writing the file at `path` would do; takes and raises what `run_file` does.

    Nobody is kept from the tables for a trial, which may take a minute: what is applied is compared once more. Only a
    trial that lost a race for a row, which an apply cannot, is made again while others are kept away.
    """
    try:
        return run_file(path, kind_key, options, write=False, alone=False, **more)
    except IntegrityError:
        return run_file(path, kind_key, options, write=False, **more)


def layout_of(tables: OpenTables, kind: Kind, options: dict[str, Any]) -> Found:
    """Where the columns of `kind` stand in an open file; headings mapped by hand count."""
    mapped = dict(ImportHeading.objects.filter(kind=kind.key).values_list("key", "column"))
    return find_layout(tables.previews, kind, mapped, form=tables.format, sheet=options.get("sheet", ""))


def take_turn(watch: Watch, patience: float | None) -> None:
    """Hold the lock of `upserts.lock_imports` until the transaction ends, and suit the transaction to few large
    statements. Says so while another import holds the lock. Raises Busy after `patience` seconds, None being never."""
    run_sql("SET LOCAL work_mem = '64MB'; SET LOCAL jit = off; SET LOCAL client_connection_check_interval = '2s'")
    if patience is None:
        run_sql("SET LOCAL lock_timeout = '60s'")
    start = time.monotonic()
    told = False
    while not try_lock_imports():
        if patience is not None and time.monotonic() - start >= patience:
            raise Busy("Another import is being written; wait until it has ended and try again.")
        if not told:
            watch.step("Waiting for another import")
            told = True
        watch.rows(0)
        time.sleep(0.2)


def _describe(outcome: Outcome, staging: Staging, found: Found, tables: OpenTables) -> None:
    """Put what belongs to every kind on the outcome: layout, problems, and remarks about headings and numbers."""
    outcome.layout = {**found.plain(), "format": tables.format, "description": tables.description}
    outcome.problem_count = int(one_of("SELECT count(*) FROM import_bad")[0])
    outcome.problems = staging.problems(PROBLEMS_KEPT)
    remarks = []
    if found.ignored:
        names = ", ".join(f"'{heading.text}'" for heading in found.ignored)
        remarks.append(Remark("ignored", found.sheet, f"These columns are not read: {names}."))
    if found.hidden:
        names = ", ".join(f"'{name}'" for name in found.hidden)
        remarks.append(Remark("hidden", "", f"Hidden sheets are not read: {names}."))
    for column in staging.columns:
        count, line, text, value = staging.ambiguous(column.name)
        if count and line is not None:
            mark = "the comma" if staging.mark == "," else "the point"
            remarks.append(
                Remark(
                    "ambiguous",
                    found.place(line, column.name),
                    f"Texts under {column.heading} that fit two readings: {count:,}. '{text}' was read as "
                    f"{written(Decimal(value))}, since your decimal mark is {mark}.",
                )
            )
    outcome.remarks = remarks + outcome.remarks
