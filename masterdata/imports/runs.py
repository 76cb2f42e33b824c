"""The acts upon imports: upload and check, map headings, apply, undo, cancel. Each leaves a run that says what became
of the file.

Small files are worked on at once. Larger ones are left to the worker (`worker`): the state of the run says what is
wanted.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from django.db import transaction

from masterdata.imports import doing, files
from masterdata.imports.doing import rows_are
from masterdata.imports.engine import Busy, try_file
from masterdata.imports.headings import remember_headings
from masterdata.imports.keeping import (
    State,
    kind_of,
    locked,
    move,
    queue,
    require_file,
    require_importer,
    save,
    standing,
)
from masterdata.imports.kinds import KINDS, Kind
from masterdata.imports.matrix import this_month
from masterdata.imports.outcome import Outcome
from masterdata.imports.progress import Watch, worked_on
from masterdata.imports.staging import Long
from masterdata.imports.values import Unreadable, day
from masterdata.models import ImportProgress, ImportRun
from sop_portal.lib.errors import Conflict, DomainError, Refused

# Files below this many rows are answered at once; one of more bytes is not even opened while somebody waits.
AT_ONCE = 2_000
SMALL = 1024 * 1024
# Seconds to wait for another import while somebody waits for the answer.
PATIENCE = 2.0
# Among the options of a run: it is applied once it is checked.
THEN_APPLY = "then_apply"
# The options of a check and what each must be.
OPTIONS: Mapping[str, type | tuple[str, ...]] = {
    "sum_duplicates": bool,
    "clear_blanks": bool,
    "sheet": str,
    "decimal_mark": (".", ","),
    "valid_from": str,
}


def check_upload(
    file_name: str,
    chunks: Iterable[bytes],
    *,
    kind: str,
    by: Any,
    options: Mapping[str, Any] | None = None,
    then_apply: bool = False,
) -> ImportRun:
    """Keep an uploaded file and check it: at once when it is small, else by the worker; nothing is written.

    options: `sum_duplicates` adds up rows with the same key (actuals, budget), `clear_blanks` lets blank cells empty
    what they would leave alone, `sheet` names the sheet, `decimal_mark` decides where a number has two readings,
    `valid_from` is the day (ISO) from which prices of the matrix hold that have none.
    then_apply: write the file once it is checked, if none of its rows is refused; nobody looks at it in between.
    A file that cannot be read, or whose headings do not fit, is kept as a refused run with the sentence.
    Raises NotAllowed, Refused for unknown kinds and options, TooLarge.
    """
    declared = kind_of(kind)
    require_importer(by, declared)
    chosen = clean_options(declared, options or {})
    files.require_ending(file_name)
    name, size, digest = files.keep_file(chunks, files.largest_of(declared))
    run = ImportRun(
        kind=kind,
        state=State.QUEUED,
        file_name=files.label_of(file_name),
        file_size=size,
        file_sha256=digest,
        stored_as=name,
        uploaded_by=by,
        options={**chosen, **({THEN_APPLY: True} if then_apply else {})},
    )
    try:
        _check_now_or_later(run)
    except BaseException:
        # Nobody would ever find the file again.
        files.forget_file(name)
        raise
    return apply_if_asked(run)


def apply_if_asked(run: ImportRun) -> ImportRun:
    """Apply a run that was just checked, if whoever uploaded it asked for that and no row is refused.

    A run that cannot be applied stays checked, with the reason.
    """
    if run.state != State.CHECKED or not run.options.get(THEN_APPLY):
        return run
    try:
        if run.kind in doing.ELSEWHERE:
            return doing.ELSEWHERE[run.kind].start(run.pk, by=run.uploaded_by)
        return apply_run(run.pk, by=run.uploaded_by) if run.rows_read and not run.rows_refused else run
    except DomainError as refusal:
        run.reason = refusal.detail
        run.save(update_fields=["reason"])
        return run


@transaction.atomic
def recheck_run(run_id: int, *, by: Any, options: Mapping[str, Any] | None = None) -> ImportRun:
    """Check a kept file again, with other options if given. Raises Conflict when it was applied or is not kept."""
    run = locked(run_id, by)
    move(run, State.QUEUED)
    require_file(run)
    # Whoever asks again wants to look at it.
    run.options.pop(THEN_APPLY, None)
    if options is not None:
        before = {name: value for name, value in run.options.items() if name in OPTIONS}
        run.options = clean_options(KINDS[run.kind], {**before, **options})
    run.reason = ""
    _check_now_or_later(run)
    return run


@transaction.atomic
def map_headings(run_id: int, mapping: Mapping[str, str], *, by: Any) -> ImportRun:
    """Remember what headings of a file mean, for this and every later file of its kind, and check the file again.

    mapping: heading -> name of a column, "" to leave the heading out.
    """
    run = locked(run_id, by)
    remember_headings(run.kind, mapping, by=by)
    return recheck_run(run_id, by=by)


@transaction.atomic
def apply_run(run_id: int, *, by: Any, only_good: bool = False) -> ImportRun:
    """Write a checked file, all of it or nothing; with `only_good` all rows but the refused ones.

    A large file is written by the worker: the run is "applying" then. Applying it again changes nothing. When rows
    are refused by now that were good before, nothing is written and the run stays "checked", with a reason.
    Raises Conflict when there is nothing to apply, Refused while rows are refused and `only_good` is not said.
    """
    run = locked(run_id, by)
    if run.state in (State.APPLIED, State.APPLYING):
        return run
    if run.state != State.CHECKED:
        raise Conflict(f"The file {standing(run)}, so there is nothing to apply; upload a mended one.")
    good = run.rows_read - run.rows_refused
    if run.rows_refused and not only_good:
        the_good = "the one good row" if good == 1 else f"the {good:,} good rows"
        raise Refused(
            f"{rows_are(run.rows_refused)} refused of {run.rows_read:,}, so nothing was imported. Correct the file and "
            f"upload it again, or apply {the_good} only."
        )
    if not good:
        raise Conflict("Every row of the file is refused, so there is nothing to apply; upload a mended one.")
    require_file(run)
    run.applied_by = by
    run.options["only_good"] = only_good
    if run.rows_read < AT_ONCE:
        try:
            with transaction.atomic():
                doing.apply(run, Watch(), PATIENCE)
            return run
        except Busy:
            pass
    queue(run, State.APPLYING)
    return run


@transaction.atomic
def undo_run(run_id: int, *, by: Any) -> ImportRun:
    """Take an applied import back while nothing newer touched its rows. Undoing it again changes nothing.

    A large one is undone by the worker: the run is "undoing" then. Raises Conflict naming what was touched since.
    """
    run = locked(run_id, by)
    if run.state in (State.UNDONE, State.UNDOING):
        return run
    if run.state != State.APPLIED:
        raise Conflict(f"The file {standing(run)}, so there is nothing to undo.")
    run.undone_by = by
    if run.rows_created + run.rows_updated < AT_ONCE:
        try:
            with transaction.atomic():
                doing.take_back(run, Watch(), PATIENCE)
            return run
        except Busy:
            pass
    queue(run, State.UNDOING)
    return run


@transaction.atomic
def cancel_run(run_id: int, *, by: Any) -> ImportRun:
    """Stop the work on a run, or put a checked one aside; what is written already stays.

    Whoever works on it hears of it within a moment. Cancelling again changes nothing. Raises Conflict when there is
    nothing to stop.
    """
    run: ImportRun = ImportRun.objects.get(pk=run_id)
    require_importer(by, KINDS.get(run.kind))
    if run.is_busy and run.pk in worked_on([run.pk]):
        ImportProgress.objects.filter(run=run).update(cancel=True)
        return run
    run = ImportRun.objects.select_for_update().get(pk=run_id)
    if run.state == State.CANCELLED:
        return run
    if run.state == State.UNDOING:
        move(run, State.APPLIED)
        run.undone_by, run.reason = None, "Undoing it was cancelled; the import is as it was."
    elif State.CANCELLED in ImportRun.MOVES[State(run.state)]:
        move(run, State.CANCELLED)
        run.reason = f"Cancelled by {by}."
    else:
        raise Conflict(f"The file {standing(run)}, so there is nothing to stop.")
    save(run)
    return run


def import_path(
    path: Path, *, kind: str, apply: bool, only_good: bool = False, options: Mapping[str, Any] | None = None
) -> tuple[Outcome, ImportRun | None]:
    """The same for the command line: try a file, or apply it and leave a run.

    A file with refused rows that was to be applied leaves a checked run with its file, so that an admin finds what is
    wrong and may apply the good rows. Raises what reading the file raises.
    """
    declared = kind_of(kind)
    chosen = clean_options(declared, options or {})
    if not apply:
        return try_file(path, kind, chosen), None
    with path.open("rb") as source:
        name, size, digest = files.keep_file(iter(lambda: source.read(files.MEGABYTE), b""))
    run = ImportRun(
        kind=kind,
        state=State.APPLYING,
        file_name=files.label_of(path.name),
        file_size=size,
        file_sha256=digest,
        stored_as=name,
        options={**chosen, "only_good": only_good},
    )
    try:
        with transaction.atomic():
            run.save()
            outcome = doing.apply(run, Watch(), None)
    except BaseException:
        files.forget_file(name)
        raise
    return outcome, run


def clean_options(kind: Kind, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that differ from the default. Raises Refused for unknown ones and values of another type."""
    refused = {}
    for name, value in options.items():
        wanted = OPTIONS.get(name)
        if wanted is None:
            refused[name] = f"There is no option '{name}'; there are {', '.join(OPTIONS)}."
        elif isinstance(wanted, tuple):
            if value not in wanted:
                refused[name] = f"{name} must be one of {' '.join(wanted)}"
        elif not isinstance(value, wanted):
            refused[name] = f"{name} must be {'true or false' if wanted is bool else 'a text'}."
    if options.get("sum_duplicates") and not kind.sums:
        refused["sum_duplicates"] = f"Rows of {kind.title.lower()} are not added up; only actuals and budget are."
    chosen = {name: value for name, value in options.items() if value}
    if kind.key == ImportRun.Kind.MATRIX:
        # Chosen when the file is checked, so that it means the same when it is applied.
        chosen.setdefault("valid_from", this_month().isoformat())
        try:
            chosen["valid_from"] = day(str(chosen["valid_from"])).isoformat()
        except Unreadable as problem:
            refused["valid_from"] = str(problem)
    elif "valid_from" in chosen:
        refused["valid_from"] = f"{kind.title} have no prices; only the pricing matrix has."
    if refused:
        raise Refused(refused)
    return chosen


def _check_now_or_later(run: ImportRun) -> None:
    """Check a run at once when its file is small and no other import is being written, else queue it; saves it."""
    if run.file_size <= SMALL:
        try:
            outcome = doing.check(run, Watch(), PATIENCE, AT_ONCE)
            with transaction.atomic():
                save(run, outcome.problems)
            return
        except (Busy, Long):
            pass
    with transaction.atomic():
        queue(run, State.QUEUED)
