"""Importing an old planning workbook: the file is kept privately, tried out, and applied on request."""

import hashlib
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.db import transaction

from audit.services import Event, record
from forecasts.excel.legacy_apply import Outcome, apply_book, rep_named
from forecasts.excel.legacy_model import LegacyBook
from forecasts.excel.legacy_sheets import parse_book
from masterdata.models import ImportRun
from masterdata.services import sales_reps
from sop_portal import conf
from sop_portal.accounts.models import User
from sop_portal.lib.clock import portal_now
from sop_portal.lib.errors import Conflict, DomainError, NotAllowed, Refused, TooLarge
from sop_portal.lib.text import bad_character, normal
from sop_portal.lib.workbook import Limits, read_workbook

MEGABYTE = 1024 * 1024
# Admins' imports may unpack to three times what other uploads may.
UNPACKED = 300 * MEGABYTE


def require_importer(by: Any) -> None:
    """Refuse people who may not import."""
    if not by.has_perm("masterdata.import_data"):
        raise NotAllowed("Only an S&OP admin can import workbooks.")


def read_book(path: Path) -> LegacyBook:
    """Read and parse a workbook. Raises Refused or TooLarge with a sentence that says how to save it right."""
    largest = conf.get("max_import_file_size_mb") * MEGABYTE
    return parse_book(read_workbook(path, limits=Limits(size=largest, unpacked=UNPACKED)))


def stored_path(run: ImportRun) -> Path:
    """Where the file of `run` is kept; the name is ours, never the user's."""
    return settings.UPLOAD_DIR / run.stored_as


def keep_file(chunks: Iterable[bytes]) -> tuple[str, int, str]:
    """Write an upload into the private folder. Returns its name there, its size and SHA-256. Raises TooLarge."""
    largest = conf.get("max_import_file_size_mb") * MEGABYTE
    settings.UPLOAD_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
    name = f"{secrets.token_hex(16)}.upload"
    path = settings.UPLOAD_DIR / name
    digest, size = hashlib.sha256(), 0
    try:
        with path.open("xb") as kept:
            for chunk in chunks:
                size += len(chunk)
                if size > largest:
                    raise TooLarge(f"The file is larger than {largest // MEGABYTE} MB, the largest an import may be.")
                digest.update(chunk)
                kept.write(chunk)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return name, size, digest.hexdigest()


def label_of(file_name: str) -> str:
    """The user's file name as a label: its last part, without characters that could hide something."""
    name = normal(file_name.replace("\\", "/").rsplit("/", 1)[-1])
    return "".join(character for character in name if bad_character(character) is None)[-255:] or "workbook"


def check_upload(
    file_name: str, chunks: Iterable[bytes], *, rep: User | None, by: Any, into_open: bool = False
) -> ImportRun:
    """Keep an uploaded workbook and try it out: what it holds, what would change, nothing written.

    A file that cannot be read is recorded as a refused run, with the sentence.
    """
    require_importer(by)
    name, size, digest = keep_file(chunks)
    run = ImportRun(
        kind=ImportRun.Kind.LEGACY,
        file_name=label_of(file_name),
        file_size=size,
        file_sha256=digest,
        stored_as=name,
        uploaded_by=by,
        options={"rep": rep.pk if rep else None, "into_open": into_open},
    )
    try:
        _try_out(run, rep, by)
        run.save()
    except BaseException:
        # Nobody would ever find the file again.
        (settings.UPLOAD_DIR / name).unlink(missing_ok=True)
        raise
    return run


def _try_out(run: ImportRun, rep: User | None, by: Any) -> None:
    """Put on the run what applying its file would do, or why it cannot be read; such a file is not kept."""
    try:
        book = read_book(stored_path(run))
        outcome = apply_book(book, rep=rep, by=by, dry_run=True, into_open=run.options["into_open"])
    except DomainError as refusal:
        run.state = ImportRun.State.REFUSED
        run.findings = [{"code": "refused", "place": run.file_name, "sentence": refusal.detail, "informative": False}]
        stored_path(run).unlink(missing_ok=True)
        run.stored_as = ""
    else:
        run.state = ImportRun.State.CHECKED
        _describe(run, book, outcome)


def apply_run(run_id: int, *, by: Any) -> ImportRun:
    """Apply a checked upload, all or nothing. Applying it again changes nothing."""
    require_importer(by)
    with transaction.atomic():
        run = ImportRun.objects.select_for_update().get(pk=run_id, kind=ImportRun.Kind.LEGACY)
        if run.state == ImportRun.State.APPLIED:
            return run
        if run.state != ImportRun.State.CHECKED:
            raise Conflict("This file was refused, so there is nothing to apply; upload a mended one.")
        path = stored_path(run)
        if not path.exists():
            raise Conflict("The uploaded file is no longer kept; upload it again.")
        rep_id = run.options.get("rep")
        rep = User.objects.get(pk=rep_id) if rep_id else None
        book = read_book(path)
        outcome = apply_book(book, rep=rep, by=by, dry_run=False, into_open=run.options["into_open"])
        _describe(run, book, outcome)
        run.state, run.applied_at = ImportRun.State.APPLIED, portal_now()
        run.save()
        _tell(run, outcome)
    return run


def import_file(file_name: str, stream: IO[bytes], *, rep: User | None, apply: bool) -> tuple[LegacyBook, Outcome]:
    """The same for the command line: try or apply a workbook; only what is applied leaves an ImportRun.

    Raises DomainError for a file that cannot be read.
    """
    name, size, digest = keep_file(iter(lambda: stream.read(MEGABYTE), b""))
    path = settings.UPLOAD_DIR / name
    try:
        book = read_book(path)
        if not apply:
            return book, apply_book(book, rep=rep, by=None, dry_run=True)
        with transaction.atomic():
            outcome = apply_book(book, rep=rep, by=None, dry_run=False)
            run = ImportRun(
                kind=ImportRun.Kind.LEGACY,
                state=ImportRun.State.APPLIED,
                file_name=label_of(file_name),
                file_size=size,
                file_sha256=digest,
                options={"rep": rep.pk if rep else None, "into_open": False},
                applied_at=portal_now(),
            )
            _describe(run, book, outcome)
            run.save()
            _tell(run, outcome)
        return book, outcome
    finally:
        path.unlink(missing_ok=True)


def named_rep(email: str) -> User:
    """The rep with this e-mail address. Raises Refused when there is none who may own lines."""
    rep: User | None = sales_reps().filter(email__iexact=email).first()
    if rep is None:
        raise Refused({"rep": f"There is no active sales rep with the address '{email}'."})
    return rep


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
                "changed": (None, outcome.changed),
            },
        )
    )


def _describe(run: ImportRun, book: LegacyBook, outcome: Outcome) -> None:
    """Put what was found on the run, as plain values for the page and the API."""
    run.rows_created, run.rows_updated = outcome.count("created"), outcome.count("updated")
    run.rows_unchanged = outcome.count("unchanged")
    run.rows_read = run.rows_created + run.rows_updated + run.rows_unchanged
    run.rows_refused = sum(1 for warning in outcome.warnings if not warning.informative)
    rep = rep_named(book.rep_name)
    run.control_totals = {
        "sentence": book.sentence,
        "sheets": outcome.sheets,
        "customers": outcome.customers,
        "lines": outcome.lines,
        "cells": outcome.cells,
        "volume": str(outcome.volume),
        "prices": outcome.prices,
        "budget_rows": outcome.budget_rows,
        "budget_cells": outcome.budget_cells,
        "budget_quantity": str(outcome.budget_quantity),
        "budget_amount": str(outcome.budget_amount),
        "budget_by_period": {
            period: [str(value) for value in sums] for period, sums in sorted(outcome.budget_by_period.items())
        },
        "changed": outcome.changed,
        "by_period": {period: str(value) for period, value in sorted(outcome.by_period.items())},
        "tallies": {
            kind: [tally.created, tally.updated, tally.unchanged] for kind, tally in sorted(outcome.tallies.items())
        },
        "unknown": outcome.unknown,
        "owner": outcome.owner,
        "rep_in_book": book.rep_name or "",
        "rep_in_book_known": rep is not None,
        "cycle": outcome.cycle_name,
        "cycles": [[pk, name] for pk, name in outcome.cycles.items()],
        "unknown_reps": outcome.unknown_reps,
        "open_names": outcome.open_names,
        "reports": [[report.name, report.title, report.sentence, report.taken] for report in book.reports],
    }
    run.findings = [
        {
            "code": warning.code,
            "place": warning.address,
            "sentence": warning.sentence,
            "informative": warning.informative,
        }
        for warning in outcome.warnings
    ]
