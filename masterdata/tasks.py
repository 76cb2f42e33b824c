"""Jobs of master data."""

import datetime as dt

from celery import shared_task

from masterdata.imports import ageing, worker
from sop_portal.lib.jobs import cleaner, sweeper


@shared_task(name="masterdata.tasks.work_on_import")
def work_on_import(run_id: int) -> str:
    """Check, apply or undo one import, whatever it waits for."""
    return worker.work(run_id)


sweeper("imports")(worker.sweep)
cleaner("imports")(ageing.forget_ended)


@cleaner("stray_uploads")
def stray_uploads(before: dt.datetime, dry_run: bool) -> int:
    """Delete kept files that no import knows; a day after they came nobody can need them."""
    return ageing.forget_strays(dry_run)
