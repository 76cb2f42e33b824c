"""Deleting files that have served: every part its own, and the temporary ones of all."""

import datetime as dt
import shutil
from pathlib import Path

import structlog
from django.conf import settings

from sop_portal import conf
from sop_portal.jobs import clock
from sop_portal.lib.clock import portal_now
from sop_portal.lib.jobs import CLEANERS, cleaner

log = structlog.get_logger(__name__)


def clean(*, dry_run: bool = False) -> dict[str, int]:
    """Delete what is older than `cleanup_temp_files_days`, or only count it. Returns how much, by part.

    Raises Conflict when the clock has jumped within these days.
    """
    days = int(conf.get("cleanup_temp_files_days"))
    clock.require_steady(days)
    before = portal_now() - dt.timedelta(days=days)
    found = {name: part(before, dry_run) for name, part in sorted(CLEANERS.items())}
    log.info("files cleaned up", dry_run=dry_run, before=before.isoformat(), **found)
    return found


@cleaner("temporary_files")
def temporary_files(before: dt.datetime, dry_run: bool) -> int:
    """What processes left in the folder of temporary files when they were killed."""
    folder = Path(settings.FILE_UPLOAD_TEMP_DIR)
    old = [path for path in folder.glob("*") if path.lstat().st_mtime < before.timestamp()] if folder.is_dir() else []
    if not dry_run:
        for path in old:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
    return len(old)
