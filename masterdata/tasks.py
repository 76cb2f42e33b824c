"""Jobs of master data."""

from celery import shared_task

from masterdata.imports import worker
from sop_portal.lib.jobs import scheduled


@shared_task(name="masterdata.tasks.work_on_import")
def work_on_import(run_id: int) -> str:
    """Check, apply or undo one import, whatever it waits for."""
    return worker.work(run_id)


@scheduled("sweep_imports", minute="*/5")
@shared_task(name="masterdata.tasks.sweep_imports")
def sweep_imports() -> int:
    """Take up imports that nobody works on, and forget files that belong to none."""
    return worker.sweep()
