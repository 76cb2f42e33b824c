"""The acts upon imports of old planning workbooks: upload and try out, decide who is who, apply; and the command's.

However many workbooks a run has, it is one transaction: all of them or nothing. Small uploads are worked on at once,
larger ones by the worker: the state of the run says what is wanted (`masterdata.imports`).
"""

import hashlib
import secrets
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction

from forecasts.excel import legacy_files, legacy_work
from forecasts.excel.legacy_apply import apply_books
from forecasts.excel.legacy_choices import Choices
from forecasts.excel.legacy_files import ReadFile, read_files, sources
from forecasts.excel.legacy_outcome import Outcome
from forecasts.excel.legacy_report import describe
from masterdata.imports.engine import Busy
from masterdata.imports.files import ENDING, MEGABYTE, forget_file, keep_file, label_of, largest, require_ending
from masterdata.imports.keeping import move, queue, require_file, require_importer, standing
from masterdata.imports.progress import Watch
from masterdata.imports.runs import THEN_APPLY, apply_if_asked
from masterdata.models import ImportRun
from masterdata.services import sales_reps
from sop_portal.accounts.models import User
from sop_portal.lib.archives import bundle
from sop_portal.lib.clock import portal_now
from sop_portal.lib.errors import Conflict, Refused

State = ImportRun.State
# Uploads up to this size are answered at once: the workbooks of two or three reps, a few seconds' work.
AT_ONCE = 2 * MEGABYTE
# Seconds to wait for another import while somebody waits for the answer.
PATIENCE = 2.0


def check_upload(
    file_name: str, chunks: Iterable[bytes], *, rep: User | None, by: Any, into_open: bool = False
) -> ImportRun:
    """`check_uploads` of one file."""
    return check_uploads([(file_name, chunks)], rep=rep, by=by, into_open=into_open)


def check_uploads(
    files: Sequence[tuple[str, Iterable[bytes]]],
    *,
    rep: User | None,
    by: Any,
    into_open: bool = False,
    then_apply: bool = False,
) -> ImportRun:
    """Keep uploads, workbooks or zips of them, and try them out: what they hold, what would change, nothing written.

    then_apply: write them once they are tried out, if all of them can be read; nobody looks at them in between.
    A run none of whose files can be read is recorded as refused, with the sentences. Raises TooLarge, and Refused for a
    name that ends otherwise than uploads may.
    """
    require_importer(by, None)
    for label, _ in files:
        require_ending(label, archives=True)
    name, size, digest = keep_file(files[0][1]) if len(files) == 1 else _keep_files(files)
    run = ImportRun(
        kind=ImportRun.Kind.LEGACY,
        state=State.QUEUED,
        file_name=label_of(files[0][0]) if len(files) == 1 else f"{len(files)} workbooks",
        file_size=size,
        file_sha256=digest,
        stored_as=name,
        uploaded_by=by,
        options={
            "rep": rep.pk if rep else None,
            "into_open": into_open,
            "several": len(files) > 1,
            **({THEN_APPLY: True} if then_apply else {}),
        },
    )
    try:
        _check_now_or_later(run)
    except BaseException:
        # Nobody would ever find the file again.
        forget_file(name)
        raise
    return apply_if_asked(run)


@transaction.atomic
def choose_names(run_id: int, choices: Choices, *, by: Any) -> ImportRun:
    """Decide by hand who is who in a checked run, and try it out again. Raises Conflict once it was applied.

    Raises Refused when somebody or something chosen is not there any more.
    """
    run = _locked(run_id, by)
    if run.state != State.CHECKED:
        raise Conflict("This import is not waiting to be applied, so its names can no longer be changed.")
    require_file(run)
    run.options["choices"] = choices.as_json()
    # Whoever decides something wants to see what comes of it.
    run.options.pop(THEN_APPLY, None)
    _check_now_or_later(run)
    return run


@transaction.atomic
def recheck_run(run_id: int, *, by: Any) -> ImportRun:
    """Try the kept file of a run out again that failed or was cancelled, without what was decided about names.

    Raises Conflict for a run that was applied, or whose file is gone.
    """
    run = _locked(run_id, by)
    move(run, State.QUEUED)
    require_file(run)
    run.options.pop("choices", None)
    run.options.pop(THEN_APPLY, None)
    run.reason = ""
    _check_now_or_later(run)
    return run


@transaction.atomic
def apply_run(run_id: int, *, by: Any, leave_out_unread: bool = False) -> ImportRun:
    """Apply a checked upload, all of its files or nothing. Applying it again changes nothing.

    A large one is written by the worker: the run is "applying" then. leave_out_unread: take the files that can be read
    when others cannot; without it, Refused is raised then.
    """
    run = _locked(run_id, by)
    if run.state in (State.APPLIED, State.APPLYING):
        return run
    if run.state != State.CHECKED:
        raise Conflict(f"The file {standing(run)}, so there is nothing to apply; upload a mended one.")
    require_file(run)
    if run.control_totals.get("refused_files") and not leave_out_unread:
        unread = [ReadFile(file["file"], refused=file["sentence"] if file["state"] == "refused" else "")
                  for file in run.control_totals["files"]]  # fmt: skip
        raise Refused(legacy_work.not_all(unread))
    run.applied_by = by
    run.options["leave_out_unread"] = leave_out_unread
    if run.file_size <= AT_ONCE:
        try:
            with transaction.atomic():
                legacy_work.apply(run, Watch(), PATIENCE)
            return run
        except Busy:
            pass
    queue(run, State.APPLYING)
    return run


def import_paths(
    paths: Sequence[Path], *, rep: User | None, apply: bool, skip_unreadable: bool = False
) -> tuple[list[ReadFile], Outcome | None]:
    """The same for the command line: try or apply workbooks, folders and zips; only what is applied leaves a run.

    Returns what became of each file and of all; no outcome when nothing could be read, or when one of the files could
    not and `skip_unreadable` was not said.
    """
    files: list[tuple[str, Path]] = []
    read: list[ReadFile] = []
    for path in (inside for given in paths for inside in legacy_files.workbooks_in(given)):
        try:
            with path.open("rb"):
                files.append((path.name, path))
        except OSError as problem:
            read.append(ReadFile(path.name, refused=f"The file cannot be read: {problem.strerror}."))
    with sources(files, most=None) as found:
        read += read_files(found, legacy_work.read_book)
    books = [file.book for file in read if file.book is not None]
    if not books or (apply and not skip_unreadable and any(file.refused for file in read)):
        return read, None
    if not apply:
        return read, apply_books(books, rep=rep, by=None, dry_run=True)
    with transaction.atomic():
        outcome = apply_books(books, rep=rep, by=None, dry_run=False)
        run = ImportRun(
            kind=ImportRun.Kind.LEGACY,
            state=State.APPLIED,
            file_name=label_of(files[0][0]) if len(files) == 1 else f"{len(books)} workbooks",
            file_size=sum(path.stat().st_size for _, path in files),
            file_sha256=_digest([path for _, path in files]),
            options={"rep": rep.pk if rep else None, "into_open": False},
            applied_at=portal_now(),
        )
        describe(run, read, outcome)
        run.save()
        legacy_work.tell(run, outcome)
    return read, outcome


def named_rep(email: str) -> User:
    """The rep with this e-mail address. Raises Refused when there is none who may own lines."""
    rep: User | None = sales_reps().filter(email__iexact=email).first()
    if rep is None:
        raise Refused({"rep": f"There is no active sales rep with the address '{email}'."})
    return rep


def _locked(run_id: int, by: Any) -> ImportRun:
    """The run, kept from others; a busy one as it is, since whoever works on it may keep it for minutes."""
    require_importer(by, None)
    run: ImportRun = ImportRun.objects.get(pk=run_id, kind=ImportRun.Kind.LEGACY)
    return run if run.is_busy else ImportRun.objects.select_for_update().get(pk=run_id)


def _keep_files(files: Sequence[tuple[str, Iterable[bytes]]]) -> tuple[str, int, str]:
    """Several uploads as one file in the private folder: its name there, its size and SHA-256. Raises TooLarge."""
    settings.UPLOAD_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
    name = f"{secrets.token_hex(16)}{ENDING}"
    path = settings.UPLOAD_DIR / name
    size = bundle(path, [(label_of(file), chunks) for file, chunks in files], limit=largest())
    return name, size, _digest([path])


def _check_now_or_later(run: ImportRun) -> None:
    """Try a run out at once when it is small and no other import is being written, else queue it; saves it."""
    if run.file_size <= AT_ONCE:
        try:
            legacy_work.check(run, Watch(), PATIENCE)
            run.save()
            return
        except Busy:
            pass
    with transaction.atomic():
        queue(run, State.QUEUED)


def _digest(paths: Sequence[Path]) -> str:
    """The SHA-256 of a file; of several, that of their own ones."""
    digests = []
    for path in paths:
        with path.open("rb") as file:
            digests.append(hashlib.file_digest(file, "sha256").hexdigest())
    return digests[0] if len(digests) == 1 else hashlib.sha256("\n".join(digests).encode()).hexdigest()
