"""What follows from facts of master data: work for the worker, told once the fact is committed."""

from typing import Any

import structlog
from django.db import transaction
from django.dispatch import receiver
from kombu.exceptions import OperationalError

from masterdata.signals import import_queued
from masterdata.tasks import work_on_import

log = structlog.get_logger(__name__)


@receiver(import_queued, dispatch_uid="masterdata.offer_import")
def offer_import(sender: Any, run_id: int, **kwargs: Any) -> None:
    """Offer a run to the worker. With the broker away the sweep finds it later."""
    transaction.on_commit(lambda: _send(run_id))


def _send(run_id: int) -> None:
    try:
        work_on_import.apply_async([run_id], retry=False)
    except OperationalError as problem:
        log.warning("broker away, the sweep will find the import", run=run_id, problem=str(problem))
