"""Checking, applying and undoing the file of a run, for whoever waits and for the worker alike."""

from collections.abc import Callable
from typing import NamedTuple

from audit.services import Event, record
from masterdata.imports import files, undo
from masterdata.imports.engine import Busy, run_file, try_file
from masterdata.imports.keeping import State, describe, refuse, save
from masterdata.imports.outcome import Outcome
from masterdata.imports.progress import Watch
from masterdata.models import ImportRun
from sop_portal.lib.clock import portal_now
from sop_portal.lib.errors import DomainError


class Elsewhere(NamedTuple):
    """How the files of a kind are worked on whose rows belong to an app that stands further right.

    The first two take the run, the watch and the patience of `check` and `apply` below; `apply` saves the run. `start`
    is what `runs.apply_run` is to other kinds: by the id of a checked run and who acts.
    """

    check: Callable[[ImportRun, Watch, float | None], None]
    apply: Callable[[ImportRun, Watch, float | None], None]
    start: Callable[..., ImportRun]


# By kind; such an app adds itself when it is ready.
ELSEWHERE: dict[str, Elsewhere] = {}


class Overtaken(Exception):
    """A worker that was taken for dead has ended the work."""


def check(run: ImportRun, watch: Watch, patience: float | None, at_most: int | None = None) -> Outcome:
    """Put on the run what applying its file would do, or why it cannot be read. The caller saves it.

    Raises Busy after `patience` seconds, and Long for a file of `at_most` rows or more.
    """
    if run.kind in ELSEWHERE:
        ELSEWHERE[run.kind].check(run, watch, patience)
        return Outcome()
    try:
        outcome = try_file(
            files.stored_path(run),
            run.kind,
            run.options,
            watch=watch,
            patience=patience,
            by=run.uploaded_by,
            at_most=at_most,
        )
    except Busy:
        raise
    except DomainError as refusal:
        refuse(run, refusal)
        return Outcome()
    run.state, run.reason = State.CHECKED, ""
    describe(run, outcome)
    return outcome


def apply(run: ImportRun, watch: Watch, patience: float | None) -> Outcome:
    """Write the file of a run in the caller's transaction, and save the run with it.

    When rows are refused by now that were good before, nothing is written, and the run is checked again.
    """
    if run.kind in ELSEWHERE:
        ELSEWHERE[run.kind].apply(run, watch, patience)
        return Outcome()
    outcome = run_file(
        files.stored_path(run),
        run.kind,
        run.options,
        write=True,
        only_good=bool(run.options.get("only_good")),
        watch=watch,
        patience=patience,
        run_id=run.pk,
        by=run.applied_by,
        begin=lambda: still(run),
    )
    describe(run, outcome)
    if outcome.written:
        run.state, run.applied_at, run.batch, run.reason = State.APPLIED, portal_now(), outcome.batch, ""
    else:
        run.state, run.applied_by = State.CHECKED, None
        run.reason = f"{rows_are(outcome.refused)} refused by now, so nothing was imported."
    save(run, outcome.problems)
    if outcome.written:
        record(
            Event(
                action="excel_imported",
                entity_type="import",
                entity_id=str(run.pk),
                label=run.file_name,
                changes={
                    "rows_created": (None, run.rows_created),
                    "rows_updated": (None, run.rows_updated),
                    "rows_unchanged": (None, run.rows_unchanged),
                },
            )
        )
    return outcome


def take_back(run: ImportRun, watch: Watch, patience: float | None) -> None:
    """Undo what a run wrote, in the caller's transaction, and save the run with it."""
    run.undo_batch = undo.take_back(run, watch, patience, begin=lambda: still(run))
    run.state, run.undone_at, run.reason = State.UNDONE, portal_now(), ""
    save(run)
    record(
        Event(
            action="import_undone",
            entity_type="import",
            entity_id=str(run.pk),
            label=run.file_name,
            changes={"state": (State.APPLIED.value, State.UNDONE.value)},
        )
    )


def rows_are(number: int) -> str:
    """ "1 row is", "12 rows are": the start of a sentence about rows."""
    return "1 row is" if number == 1 else f"{number:,} rows are"


def still(run: ImportRun) -> None:
    """Keep others from the run, and stop when it is no longer what it was when the work began.

    The server may end the transaction of a dead worker after that worker's other connection is gone; only then is the
    lock of imports free, and only then is it known what that worker did.
    """
    kept = ImportRun.objects.select_for_update().only("state").get(pk=run.pk)
    if kept.state != run.state:
        raise Overtaken
