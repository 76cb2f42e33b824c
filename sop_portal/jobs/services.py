"""Starting jobs by hand, and finding runs whose worker died and times of a schedule that nobody kept."""

import datetime as dt
from typing import Any

import structlog
from django.db import IntegrityError, transaction
from django_celery_beat.models import PeriodicTask

from sop_portal.jobs import clock, recording
from sop_portal.jobs.models import JobRun
from sop_portal.jobs.recording import State
from sop_portal.jobs.signals import run_queued, tick_missed
from sop_portal.jobs.times import last_due
from sop_portal.lib.clock import portal_now
from sop_portal.lib.errors import Conflict, NotAllowed, Refused
from sop_portal.lib.jobs import SCHEDULES
from sop_portal.lib.leases import held, key_of

log = structlog.get_logger(__name__)

# After which a run that waits, or a time of the schedule that nobody kept, is offered to the workers again.
PATIENCE = dt.timedelta(minutes=10)
# How often one time of a schedule is tried before the next one has to do.
ATTEMPTS = 3
# Runs are kept for so long; ticks of which nothing came, of jobs that run all the time, for less.
KEPT = dt.timedelta(days=90)
QUIET_KEPT = dt.timedelta(days=2)


def run_now(name: str, *, by: Any) -> JobRun:
    """Ask for a run of a job on behalf of `by`, and return it; asked again while it waits, it is the same run.

    Raises NotAllowed without the permission, Refused for an unknown job, Conflict while the job is running.
    """
    if not by.has_perm("jobs.run_job"):
        raise NotAllowed("Only administrators may start jobs.")
    if name not in SCHEDULES:
        raise Refused(f"There is no job '{name}'.")
    running = JobRun.objects.filter(job=name, state=State.RUNNING).first()
    if running is not None and held(recording.LOCK_CLASS, [key_of(name)]):
        raise Conflict("This job is running already; wait until it has ended.", run=running.pk)
    try:
        with transaction.atomic():
            run = JobRun.objects.create(
                job=name, state=State.QUEUED, started_by=JobRun.StartedBy.PERSON, person=by, asked_at=portal_now()
            )
            recording.tell(run, None)
            run_queued.send(sender=JobRun, run=run)
    except IntegrityError:
        # Somebody asked a moment ago; if it has begun meanwhile, it is done with what there was to do.
        return JobRun.objects.filter(job=name).newest_first()[0]
    return run


def sweep() -> int:
    """Find runs of dead workers, runs that were never queued, and missed times. Returns how many were found.

    The clock is looked at as well, since this runs often.
    """
    clock.look()
    return end_dead() + offer_waiting() + offer_missed()


def end_dead() -> int:
    """Mark the runs whose worker is gone."""
    running = list(JobRun.objects.filter(state=State.RUNNING))
    alive = held(recording.LOCK_CLASS, [key_of(run.job) for run in running])
    # A run that ended since it was read has another state by now, which `end` looks at.
    dead = [run for run in running if key_of(run.job) not in alive]
    for run in dead:
        recording.end(run, State.DIED, error=recording.WORKER_GONE)
    return len(dead)


def offer_waiting() -> int:
    """Offer the workers runs that have waited for long: the message may be lost."""
    waiting = list(JobRun.objects.filter(state=State.QUEUED, asked_at__lt=portal_now() - PATIENCE))
    for run in waiting:
        run_queued.send(sender=JobRun, run=run)
    return len(waiting)


def offer_missed() -> int:
    """Offer the workers the newest time of each schedule if no run for it ended well: the worker died, the database was
    away, or the broker lost the message.

    Jobs that run several times an hour are left to their next time, and those that beat never started to beat.
    """
    now = portal_now()
    found = 0
    for row in PeriodicTask.objects.enabled().filter(name__in=SCHEDULES).select_related("crontab"):
        # Those that were left out say nothing; one that looked at the clock and waits was kept.
        runs = JobRun.objects.filter(job=row.name, due_at__lte=now, started_at__isnull=False)
        newest = runs.order_by("-due_at").first()
        if SCHEDULES[row.name].is_frequent or newest is None or newest.due_at is None:
            continue
        due = last_due(row.schedule, newest.due_at, now - PATIENCE) or newest.due_at
        tried = runs.filter(due_at__gte=due)
        if tried.exclude(state__in=JobRun.BAD).exists() or tried.count() >= ATTEMPTS:
            continue
        if JobRun.objects.filter(job=row.name, state=State.OK, started_at__gte=due).exists():
            continue
        if due <= now - PATIENCE and now - newest.asked_at >= PATIENCE:
            log.warning("a time of the schedule is offered again", job=row.name, due=due.isoformat())
            tick_missed.send(sender=JobRun, schedule=SCHEDULES[row.name], due=due)
            found += 1
    return found


def forget_old() -> int:
    """Delete old runs. Returns how many."""
    now = portal_now()
    frequent = [name for name, schedule in SCHEDULES.items() if schedule.is_frequent]
    done = JobRun.objects.exclude(state__in=JobRun.UNFINISHED)
    quiet = done.filter(
        job__in=frequent, state__in=[State.OK, State.SKIPPED], started_by=JobRun.StartedBy.BEAT,
        ended_at__lt=now - QUIET_KEPT,
    )  # fmt: skip
    deleted, _ = (quiet | done.filter(ended_at__lt=now - KEPT)).delete()
    return deleted
