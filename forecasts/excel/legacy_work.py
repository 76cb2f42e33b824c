"""Trying and applying the workbooks of a run, for whoever waits and for the worker alike."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from audit.services import Event, record
from forecasts.excel import legacy_files
from forecasts.excel.legacy_apply import apply_books
from forecasts.excel.legacy_choices import Choices
from forecasts.excel.legacy_files import ReadFile, read_files, sources
from forecasts.excel.legacy_model import LegacyBook
from forecasts.excel.legacy_outcome import Outcome
from forecasts.excel.legacy_report import describe
from masterdata.imports.doing import still
from masterdata.imports.engine import Busy, take_turn
from masterdata.imports.files import forget_file, stored_path
from masterdata.imports.progress import Watch
from masterdata.models import ImportRun
from sop_portal.accounts.models import User
from sop_portal.lib import temporary
from sop_portal.lib.archives import unbundle
from sop_portal.lib.clock import portal_now
from sop_portal.lib.errors import DomainError

State = ImportRun.State


def read_book(path: Path) -> LegacyBook:
    """Read and parse a workbook. Raises Refused or TooLarge with a sentence that says how to save it right."""
    return legacy_files.read_book(path)


def check(run: ImportRun, watch: Watch, patience: float | None) -> None:
    """Put on the run what applying it would do, or why it cannot be read; such a file is not kept. The caller saves it.

    Raises Busy after `patience` seconds, Refused when what was decided about names does not hold any more.
    """
    try:
        files, outcome = _run(run, run.uploaded_by, watch, partial(take_turn, watch, patience), dry_run=True)
    except Busy:
        raise
    except DomainError as refusal:
        if run.options.get("choices"):
            raise
        _refuse(run, [ReadFile(run.file_name, refused=refusal.detail)])
        return
    if outcome is None:
        _refuse(run, files)
        return
    run.state, run.reason = State.CHECKED, ""
    describe(run, files, outcome)


def apply(run: ImportRun, watch: Watch, patience: float | None) -> None:
    """Write the workbooks of a run in the caller's transaction, all of them or nothing, and save the run with it.

    When a file cannot be read, nothing is written and the run is checked again, unless the run's option
    `leave_out_unread` takes the others. Raises Busy after `patience` seconds.
    """

    def turn() -> None:
        take_turn(watch, patience)
        still(run)

    files, outcome = _run(
        run, run.applied_by, watch, turn, dry_run=False, all_of_them=not run.options.get("leave_out_unread")
    )
    if outcome is None:
        run.state, run.applied_by = State.CHECKED, None
        run.reason = not_all(files)
        run.save()
        return
    describe(run, files, outcome)
    run.state, run.applied_at, run.reason = State.APPLIED, portal_now(), ""
    run.save()
    tell(run, outcome)


def tell(run: ImportRun, outcome: Outcome) -> None:
    """Record that a run was applied."""
    record(
        Event(
            action="excel_imported",
            entity_type="import",
            entity_id=str(run.pk),
            label=run.file_name,
            changes={
                "lines": (None, outcome.lines),
                "cells": (None, outcome.cells),
                "budget_rows": (None, outcome.budget_rows),
                "changed": (None, outcome.changed),
            },
        )
    )


def not_all(files: Sequence[ReadFile]) -> str:
    """Why nothing was written, when some of the files cannot be read."""
    unread = [file.file for file in files if file.refused]
    more = f" and {len(unread) - 5} more" if len(unread) > 5 else ""
    return (
        f"{len(unread)} of {len(files)} files cannot be read ({', '.join(unread[:5])}{more}), so nothing was written. "
        "Mend them and upload all of them again, or apply the others without them."
    )


@contextmanager
def _uploads(run: ImportRun) -> Iterator[list[tuple[str, Path]]]:
    """The files of a run as they were uploaded: name and path, for as long as this is open."""
    if not run.options.get("several"):
        yield [(run.file_name, stored_path(run))]
        return
    with tempfile.TemporaryDirectory(prefix="uploads-", dir=temporary.folder()) as folder:
        yield unbundle(stored_path(run), Path(folder))


def _run(
    run: ImportRun,
    by: Any,
    watch: Watch,
    turn: Callable[[], None],
    *,
    dry_run: bool,
    all_of_them: bool = False,
) -> tuple[list[ReadFile], Outcome | None]:
    """Read the files of a run and apply what can be read, or try it.

    No outcome when nothing can be read, or not all of it and `all_of_them` are wanted.
    """
    watch.step("Opening the files")
    with _uploads(run) as uploads, sources(uploads) as found:
        watch.step("Reading workbooks", len(found))
        files = read_files(found, read_book, watch.rows)
    books = [file.book for file in files if file.book is not None]
    if not books or (all_of_them and any(file.refused for file in files)):
        return files, None
    watch.step("Trying out what they hold" if dry_run else "Writing what they hold")
    rep_id = run.options.get("rep")
    outcome = apply_books(
        books,
        rep=User.objects.get(pk=rep_id) if rep_id else None,
        by=by,
        dry_run=dry_run,
        into_open=bool(run.options.get("into_open")),
        choices=Choices.of(run.options.get("choices", {})),
        turn=turn,
    )
    return files, outcome


def _refuse(run: ImportRun, files: Sequence[ReadFile]) -> None:
    run.state = State.REFUSED
    run.reason = files[0].refused if len(files) == 1 else f"None of the {len(files)} files could be read."
    run.findings = [
        {"code": "refused", "place": file.file, "sentence": file.refused, "informative": False} for file in files
    ]
    forget_file(run.stored_as)
    run.stored_as = ""
