"""What is kept on a run: what was found, what was refused, in which state it is, and that the worker should look."""

from collections.abc import Sequence
from typing import Any

from masterdata.imports import files
from masterdata.imports.kinds import IMPORT, KINDS, Kind
from masterdata.imports.outcome import Outcome, Problem
from masterdata.models import ImportProblem, ImportProgress, ImportRun
from masterdata.signals import import_queued
from sop_portal.lib.errors import Conflict, DomainError, NotAllowed, Refused

State = ImportRun.State

# The state of a run as the end of a sentence about its file.
STANDING = {
    State.QUEUED: "waits to be checked",
    State.CHECKING: "is being checked",
    State.CHECKED: "was checked but not applied",
    State.APPLYING: "is being applied",
    State.APPLIED: "was applied",
    State.REFUSED: "was refused",
    State.FAILED: "failed",
    State.CANCELLED: "was cancelled",
    State.UNDOING: "is being undone",
    State.UNDONE: "was undone",
}


def kind_of(key: str) -> Kind:
    """The kind called `key`. Raises Refused naming those there are."""
    if key not in KINDS:
        raise Refused(f"There is no import of '{key}'; there are {', '.join(KINDS)}.")
    return KINDS[key]


def require_importer(by: Any, kind: Kind | None) -> None:
    """Refuse people who may not import this kind; None: old planning workbooks."""
    if not by.has_perm(IMPORT) or (kind is not None and not by.has_perm(kind.permission)):
        raise NotAllowed(f"Only an S&OP admin can import {kind.row_words if kind else 'workbooks'}.")


def locked(run_id: int, by: Any) -> ImportRun:
    """The run, kept from others; a busy one as it is, since whoever works on it may keep it for minutes.

    Raises NotAllowed, and Refused for a run of old workbooks, which has services of its own.
    """
    run: ImportRun = ImportRun.objects.get(pk=run_id)
    require_importer(by, kind_of(run.kind))
    return run if run.is_busy else ImportRun.objects.select_for_update().get(pk=run_id)


def require_file(run: ImportRun) -> None:
    """Raise Conflict when the file of a run is gone."""
    if not run.stored_as or not files.stored_path(run).exists():
        raise Conflict("The uploaded file is no longer kept; upload it again.")


def standing(run: ImportRun) -> str:
    """The state of a run as the end of a sentence about its file."""
    return STANDING[State(run.state)]


def move(run: ImportRun, state: State) -> None:
    """Give a run its next state. Raises Conflict for a step that is none."""
    if state not in ImportRun.MOVES[State(run.state)]:
        raise Conflict(f"The file {standing(run)}, so it cannot become '{state.label}'.")
    run.state = state


def describe(run: ImportRun, outcome: Outcome) -> None:
    """Put what was found on the run, as plain values for the page and the API."""
    run.rows_read, run.rows_refused = outcome.rows_read, outcome.refused
    run.rows_created, run.rows_updated = outcome.created, outcome.updated
    run.rows_unchanged = outcome.unchanged
    run.control_totals = {
        **outcome.totals,
        "tallies": {entity: list(tally) for entity, tally in outcome.tallies.items()},
        "problems": outcome.problem_count,
    }
    run.layout, run.sample = outcome.layout, outcome.sample
    run.findings = [remark.plain() for remark in outcome.remarks]


def refuse(run: ImportRun, refusal: DomainError) -> None:
    """The file as a whole is refused. It is kept, since its headings may be mapped and its options changed."""
    describe(run, Outcome(layout=refusal.extra.get("layout", {})))
    run.state, run.reason = State.REFUSED, refusal.detail
    run.findings = [{"code": "refused", "place": run.file_name, "sentence": refusal.detail, "informative": False}]


def save(run: ImportRun, problems: Sequence[Problem] | None = None) -> None:
    """Save a run and, when its file was read, the problems in it instead of those of before."""
    run.save()
    if problems is None:
        return
    run.problems.all().delete()
    ImportProblem.objects.bulk_create(
        [
            ImportProblem(
                run=run, row=each.row, column=each.column, place=each.place[:100], value=each.value,
                sentence=each.sentence,
            )
            for each in problems
        ],
        batch_size=1_000,
    )  # fmt: skip


def queue(run: ImportRun, state: State) -> None:
    """Leave a run to the worker, which is told once this is committed."""
    run.state = state
    run.save()
    ImportProgress.objects.update_or_create(
        run=run,
        defaults={
            "step": "Waiting for the worker",
            "rows_done": 0,
            "rows_all": None,
            "cancel": False,
            "attempts": 0,
        },
    )
    import_queued.send(sender=ImportRun, run_id=run.pk)
