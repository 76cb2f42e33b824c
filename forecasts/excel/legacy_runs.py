"""Importing old planning workbooks: the files are kept privately, tried out, mapped by hand, and applied on request.

However many workbooks a run has, it is one transaction: all of them or nothing.
"""

import hashlib
import secrets
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction

from audit.services import Event, record
from forecasts.excel import legacy_files
from forecasts.excel.legacy_apply import apply_books
from forecasts.excel.legacy_choices import Choices
from forecasts.excel.legacy_files import MEGABYTE, ReadFile, label_of, read_files, sources
from forecasts.excel.legacy_model import LegacyBook
from forecasts.excel.legacy_outcome import Outcome
from forecasts.excel.legacy_report import describe
from masterdata.models import ImportRun
from masterdata.services import sales_reps
from sop_portal import conf
from sop_portal.accounts.models import User
from sop_portal.lib.archives import bundle, unbundle
from sop_portal.lib.clock import portal_now
from sop_portal.lib.errors import Conflict, DomainError, NotAllowed, Refused, TooLarge

State = ImportRun.State


def require_importer(by: Any) -> None:
    """Refuse people who may not import."""
    if not by.has_perm("masterdata.import_data"):
        raise NotAllowed("Only an S&OP admin can import workbooks.")


def read_book(path: Path) -> LegacyBook:
    """Read and parse a workbook. Raises Refused or TooLarge with a sentence that says how to save it right."""
    return legacy_files.read_book(path)


def stored_path(run: ImportRun) -> Path:
    """Where the file of `run` is kept; the name is ours, never the user's."""
    return settings.UPLOAD_DIR / run.stored_as


def keep_files(files: Sequence[tuple[str, Iterable[bytes]]]) -> tuple[str, int, str]:
    """Write uploads into the private folder, several of them as one archive.

    Returns its name there, its size and SHA-256. Raises TooLarge.
    """
    largest = conf.get("max_import_file_size_mb") * MEGABYTE
    settings.UPLOAD_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
    name = f"{secrets.token_hex(16)}.upload"
    path = settings.UPLOAD_DIR / name
    if len(files) > 1:
        size = bundle(path, [(label_of(file), chunks) for file, chunks in files], limit=largest)
        with path.open("rb") as kept:
            return name, size, hashlib.file_digest(kept, "sha256").hexdigest()
    digest, size = hashlib.sha256(), 0
    try:
        with path.open("xb") as kept:
            for chunk in files[0][1]:
                size += len(chunk)
                if size > largest:
                    raise TooLarge(f"The file is larger than {largest // MEGABYTE} MB, the largest an import may be.")
                digest.update(chunk)
                kept.write(chunk)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return name, size, digest.hexdigest()


@contextmanager
def uploaded(run: ImportRun) -> Iterator[list[tuple[str, Path]]]:
    """The files of a run as they were uploaded: name and path, for as long as this is open."""
    if not run.options.get("several"):
        yield [(run.file_name, stored_path(run))]
        return
    with tempfile.TemporaryDirectory(prefix="uploads-") as folder:
        yield unbundle(stored_path(run), Path(folder))


def check_upload(
    file_name: str, chunks: Iterable[bytes], *, rep: User | None, by: Any, into_open: bool = False
) -> ImportRun:
    """`check_uploads` of one file."""
    return check_uploads([(file_name, chunks)], rep=rep, by=by, into_open=into_open)


def check_uploads(
    files: Sequence[tuple[str, Iterable[bytes]]], *, rep: User | None, by: Any, into_open: bool = False
) -> ImportRun:
    """Keep uploads, workbooks or zips of them, and try them out: what they hold, what would change, nothing written.

    A run none of whose files can be read is recorded as refused, with the sentences. Raises TooLarge.
    """
    require_importer(by)
    name, size, digest = keep_files(files)
    run = ImportRun(
        kind=ImportRun.Kind.LEGACY,
        file_name=label_of(files[0][0]) if len(files) == 1 else f"{len(files)} workbooks",
        file_size=size,
        file_sha256=digest,
        stored_as=name,
        uploaded_by=by,
        options={"rep": rep.pk if rep else None, "into_open": into_open, "several": len(files) > 1},
    )
    try:
        _try_out(run, by)
        run.save()
    except BaseException:
        # Nobody would ever find the file again.
        (settings.UPLOAD_DIR / name).unlink(missing_ok=True)
        raise
    return run


def choose_names(run_id: int, choices: Choices, *, by: Any) -> ImportRun:
    """Decide by hand who is who in a checked run, and try it out again. Raises Conflict once it was applied."""
    require_importer(by)
    with transaction.atomic():
        run = _locked(run_id)
        if run.state != State.CHECKED:
            raise Conflict("This import is not waiting to be applied, so its names can no longer be changed.")
        _require_file(run)
        run.options["choices"] = choices.as_json()
        _try_out(run, by)
        run.save()
    return run


def apply_run(run_id: int, *, by: Any, leave_out_unread: bool = False) -> ImportRun:
    """Apply a checked upload, all of its files or nothing. Applying it again changes nothing.

    leave_out_unread: take the files that can be read when others cannot; without it, Refused is raised then.
    """
    require_importer(by)
    with transaction.atomic():
        run = _locked(run_id)
        if run.state == State.APPLIED:
            return run
        if run.state != State.CHECKED:
            raise Conflict("This file was refused, so there is nothing to apply; upload a mended one.")
        _require_file(run)
        files, outcome = _run_files(run, by, dry_run=False)
        unread = [file for file in files if file.refused]
        if unread and not leave_out_unread:
            raise Refused(_not_all(unread, len(files)))
        describe(run, files, outcome)
        run.state, run.applied_at, run.applied_by = State.APPLIED, portal_now(), by
        run.save()
        _tell(run, outcome)
    return run


def import_paths(
    paths: Sequence[Path], *, rep: User | None, apply: bool, skip_unreadable: bool = False
) -> tuple[list[ReadFile], Outcome | None]:
    """The same for the command line: try or apply workbooks, folders and zips; only what is applied leaves a run.

    Returns what became of each file and of all; no outcome when nothing could be read, or when one of the files could
    not and `skip_unreadable` was not said.
    """
    files: list[tuple[str, Path]] = []
    missing: list[ReadFile] = []
    for path in (inside for given in paths for inside in legacy_files.workbooks_in(given)):
        try:
            with path.open("rb"):
                files.append((path.name, path))
        except OSError as problem:
            missing.append(ReadFile(path.name, refused=f"The file cannot be read: {problem.strerror}."))
    read = list(missing)
    if files:
        try:
            with sources(files) as found:
                read += read_files(found, read_book)
        except DomainError as refusal:
            read.append(ReadFile(", ".join(name for name, _ in files), refused=refusal.detail))
    books = [file.book for file in read if file.book is not None]
    unread = [file for file in read if file.refused]
    if not books or (apply and unread and not skip_unreadable):
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
        _tell(run, outcome)
    return read, outcome


def named_rep(email: str) -> User:
    """The rep with this e-mail address. Raises Refused when there is none who may own lines."""
    rep: User | None = sales_reps().filter(email__iexact=email).first()
    if rep is None:
        raise Refused({"rep": f"There is no active sales rep with the address '{email}'."})
    return rep


def _locked(run_id: int) -> ImportRun:
    run: ImportRun = ImportRun.objects.select_for_update().get(pk=run_id, kind=ImportRun.Kind.LEGACY)
    return run


def _require_file(run: ImportRun) -> None:
    if not run.stored_as or not stored_path(run).exists():
        raise Conflict("The uploaded file is no longer kept; upload it again.")


def _try_out(run: ImportRun, by: Any) -> None:
    """Put on the run what applying it would do, or why it cannot be read; such a file is not kept."""
    try:
        files, outcome = _run_files(run, by, dry_run=True)
    except DomainError as refusal:
        if run.pk is not None:
            # It could be read before: what was chosen does not hold, and the run stays as it was.
            raise
        _refuse(run, [ReadFile(run.file_name, refused=refusal.detail)])
        return
    if any(file.book for file in files):
        run.state = State.CHECKED
        describe(run, files, outcome)
    else:
        _refuse(run, files)


def _refuse(run: ImportRun, files: Sequence[ReadFile]) -> None:
    run.state = State.REFUSED
    run.reason = files[0].refused if len(files) == 1 else f"None of the {len(files)} files could be read."
    run.findings = [
        {"code": "refused", "place": file.file, "sentence": file.refused, "informative": False} for file in files
    ]
    stored_path(run).unlink(missing_ok=True)
    run.stored_as = ""


def _run_files(run: ImportRun, by: Any, *, dry_run: bool) -> tuple[list[ReadFile], Outcome]:
    """Read the files of a run and apply what can be read, or try it."""
    rep_id = run.options.get("rep")
    rep = User.objects.get(pk=rep_id) if rep_id else None
    with uploaded(run) as uploads, sources(uploads) as found:
        files = read_files(found, read_book)
    books = [file.book for file in files if file.book is not None]
    if not books:
        return files, Outcome()
    outcome = apply_books(
        books, rep=rep, by=by, dry_run=dry_run, into_open=run.options["into_open"],
        choices=Choices.of(run.options.get("choices", {})),
    )  # fmt: skip
    return files, outcome


def _not_all(unread: Sequence[ReadFile], files: int) -> str:
    names = ", ".join(file.file for file in unread[:5])
    more = f" and {len(unread) - 5} more" if len(unread) > 5 else ""
    return (
        f"{len(unread)} of {files} files cannot be read ({names}{more}), so nothing was written. Mend them and upload "
        "all of them again, or apply the others without them."
    )


def _digest(paths: Sequence[Path]) -> str:
    """The SHA-256 of a file; of several, that of their own ones."""
    digests = []
    for path in paths:
        with path.open("rb") as file:
            digests.append(hashlib.file_digest(file, "sha256").hexdigest())
    return digests[0] if len(digests) == 1 else hashlib.sha256("\n".join(digests).encode()).hexdigest()


def _tell(run: ImportRun, outcome: Outcome) -> None:
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
