"""What follows from facts of jobs: messages to the workers; and schedules that move with the business time zone."""

import datetime as dt
from typing import Any

import structlog
from celery import current_app
from django.db import transaction
from django.dispatch import receiver
from kombu.exceptions import OperationalError

from sop_portal.conf.models import Setting
from sop_portal.conf.registry import find
from sop_portal.jobs import schedules
from sop_portal.jobs.models import JobRun
from sop_portal.jobs.signals import run_queued, tick_missed
from sop_portal.lib.jobs import SCHEDULES, Schedule

log = structlog.get_logger(__name__)

_KEY = "business_time_zone"


def zone_saved(sender: Any, instance: Setting, **kwargs: Any) -> None:
    """The setting was given another value."""
    if instance.key == _KEY:
        schedules.write(str(instance.value))


def zone_reset(sender: Any, instance: Setting, **kwargs: Any) -> None:
    """The setting has its default again."""
    if instance.key == _KEY:
        schedules.write(str(find(_KEY).default))


@receiver(run_queued, dispatch_uid="jobs.offer_run")
def offer_run(sender: Any, run: JobRun, **kwargs: Any) -> None:
    """Send a run that waits to the workers. With the broker away the sweep sends it later."""
    headers = {"job_run": run.pk}
    transaction.on_commit(lambda: _send(SCHEDULES[run.job], headers))


@receiver(tick_missed, dispatch_uid="jobs.offer_tick")
def offer_tick(sender: Any, schedule: Schedule, due: dt.datetime, **kwargs: Any) -> None:
    """Send a time of a schedule as beat does."""
    headers = {"periodic_task_name": schedule.name, "due": due.isoformat()}
    transaction.on_commit(lambda: _send(schedule, headers))


def _send(schedule: Schedule, headers: dict[str, Any]) -> None:
    try:
        current_app.send_task(schedule.task, headers=headers, retry=False)
    except OperationalError as problem:
        log.warning("broker away, the sweep will send it", job=schedule.name, problem=str(problem))
