"""Forgetting the files of imports that have ended, and files that no import knows."""

import datetime as dt
import time

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Greatest

from masterdata.imports import files
from masterdata.imports.keeping import State, move
from masterdata.models import ImportRun

# A file of the last day may belong to an upload that is just being written down.
YOUNG = 24 * 3600
UNUSED = "It was not applied in time; its file is no longer kept, so upload it again."


def forget_ended(before: dt.datetime, dry_run: bool) -> int:
    """Delete the files of runs on which nobody has worked since `before`; a checked one is put aside with it.

    Returns how many files. The row goes first: a file that is left behind is a stray, which the next call finds.
    """
    # The newest of the three; PostgreSQL leaves out those that are missing.
    ended = ImportRun.objects.exclude(stored_as="").exclude(state__in=ImportRun.BUSY)
    old = ended.annotate(last=Greatest("created_at", "applied_at", "undone_at")).filter(last__lt=before)
    ids = list(old.values_list("pk", flat=True))
    if dry_run:
        return len(ids)
    return sum(_forget(pk) for pk in ids)


def _forget(pk: int) -> bool:
    with transaction.atomic():
        run = ImportRun.objects.select_for_update().exclude(state__in=ImportRun.BUSY).filter(pk=pk).first()
        if run is None or not run.stored_as:
            return False
        name, run.stored_as = run.stored_as, ""
        if run.state == State.CHECKED:
            move(run, State.CANCELLED)
            run.reason = UNUSED
        run.save(update_fields=["stored_as", "state", "reason"])
    files.forget_file(name)
    return True


def forget_strays(dry_run: bool = False) -> int:
    """Delete kept files that no run knows, a day after they came: whoever kept them did not live to say so."""
    if not settings.UPLOAD_DIR.is_dir():
        return 0
    before = time.time() - YOUNG
    old = [path for path in settings.UPLOAD_DIR.glob(f"*{files.ENDING}") if path.stat().st_mtime < before]
    known = set(ImportRun.objects.filter(stored_as__in=[path.name for path in old]).values_list("stored_as", flat=True))
    strays = [path for path in old if path.name not in known]
    if not dry_run:
        for path in strays:
            path.unlink(missing_ok=True)
    return len(strays)
