"""Recording the runs of jobs: one at a time, a tick of the schedule once, and each with its end.

A run holds the lease of its job from before its row says "running" until after its end is written. So whoever holds the
lease knows that every other running row belongs to a worker that died.
"""

import dataclasses
import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any

import structlog
from celery.exceptions import SoftTimeLimitExceeded
from django.db import transaction

from audit.context import SYSTEM, acting
from audit.services import Event, record
from sop_portal.jobs import clock
from sop_portal.jobs.models import JobRun
from sop_portal.jobs.signals import job_failed
from sop_portal.lib.clock import portal_now
from sop_portal.lib.errors import Conflict, DomainError
from sop_portal.lib.jobs import SCHEDULES, Schedule
from sop_portal.lib.leases import key_of, lease

log = structlog.get_logger(__name__)

State, StartedBy = JobRun.State, JobRun.StartedBy

# Class of the advisory locks of running jobs; the key is made of the job's name.
LOCK_CLASS = 5_023
# A tick may be told by a clock that is ahead of the database's; one from further ahead tells nothing.
AHEAD = dt.timedelta(hours=1)
BUSY = "Another run of this job was going on."
WORKER_GONE = "The worker ended in the middle of it."
REPEATED = "This time of the schedule was done already."


@dataclasses.dataclass(frozen=True)
class Asked:
    """Who asked for a run; the portal itself does so when there is work that need not wait.

    due: the time of the schedule that beat tells it for. run_id: of a run that waits.
    """

    by: str = StartedBy.COMMAND
    due: dt.datetime | None = None
    run_id: int | None = None


def asked_by(headers: Mapping[str, Any] | None) -> Asked:
    """What the headers of a message say."""
    given = headers or {}
    if given.get("job_run"):
        return Asked(StartedBy.PERSON, run_id=int(given["job_run"]))
    if given.get("periodic_task_name"):
        due = given.get("due")
        return Asked(StartedBy.BEAT, due=dt.datetime.fromisoformat(due) if due else None)
    return Asked(StartedBy.PORTAL)


def run(schedule: Schedule, asked: Asked, work: Callable[[], Any]) -> JobRun:
    """Do the work of a job and record it as a run. Returns that; one that was taken up before is left as it is.

    Raises what the work raises, once that is recorded.
    """
    with lease(LOCK_CLASS, key_of(schedule.name)) as line:
        if line is None:
            return _leave_out(schedule, asked, BUSY)
        if asked.due is not None and _is_done(schedule, asked.due):
            return _leave_out(schedule, asked, REPEATED)
        begun = _begin(schedule, asked)
        if begun.state != State.RUNNING:
            return begun
        if schedule.forgets:
            try:
                clock.require_steady(clock.JUMP.days)
            except Conflict as refusal:
                # It will be so for days, and nobody needs a mail a day about it: `cleanup_files` fails and says it.
                end(begun, State.SKIPPED, error=refusal.detail)
                return begun
        log.debug("job begins", job=begun.job, run=begun.pk)
        try:
            with acting(SYSTEM, source="job", on_behalf_of=begun.person):
                result = work()
        except Exception as problem:
            end(begun, State.FAILED, error=_words(problem))
            raise
        end(begun, State.OK, counts=counted(result))
        return begun


def end(run: JobRun, state: JobRun.State, *, counts: dict[str, int] | None = None, error: str = "") -> None:
    """Write how a run ended, tell it in the trail, and announce it when it went wrong.

    A run that was given up meanwhile, because the connection that held its lease broke, stays as it was ended.
    """
    before = run.state
    with transaction.atomic():
        if not JobRun.objects.select_for_update().filter(pk=run.pk, state=before).exists():
            return
        run.state, run.counts, run.error, run.ended_at = state, counts or {}, error[:500], portal_now()
        run.save(update_fields=["state", "counts", "error", "ended_at"])
        if is_news(run):
            tell(run, before)
        if run.state in JobRun.BAD:
            job_failed.send(sender=JobRun, run=run)
    log.info("job ended", job=run.job, run=run.pk, state=str(run.state), **({"error": run.error} if error else {}))


def is_news(run: JobRun) -> bool:
    """Whether the trail tells of a run: of a job that runs several times an hour only what did something or failed."""
    schedule = SCHEDULES.get(run.job)
    if schedule is None or not schedule.is_frequent or run.person_id is not None:
        return True
    return run.state in JobRun.BAD or (run.state == State.OK and run.did_something and schedule.is_told)


def tell(run: JobRun, before: str | None) -> None:
    """Write the entry of a run into the trail."""
    changes: dict[str, tuple[Any, Any]] = {"state": (before, str(run.state))}
    changes |= {name: (None, count) for name, count in run.counts.items()}
    if run.error:
        changes["error"] = (None, run.error)
    record(
        Event(
            action="system_scheduled_job_run",
            entity_type="job_run",
            entity_id=str(run.pk),
            label=run.job,
            changes=changes,
            severity="ERROR" if run.state in JobRun.BAD else "INFO",
            # Whoever asks for a run acts for nobody but themselves; the system then runs it for them.
            on_behalf_of=None if run.state == State.QUEUED else run.person_id,
        )
    )


def counted(result: Any) -> dict[str, int]:
    """What a job returned, as numbers by name."""
    if isinstance(result, Mapping):
        return {str(name): int(count) for name, count in result.items()}
    return {} if result is None else {"done": int(result)}


def _begin(schedule: Schedule, asked: Asked) -> JobRun:
    """The run as it begins, or as the one that was asked for has ended already."""
    now = portal_now()
    with transaction.atomic():
        for dead in JobRun.objects.select_for_update().filter(job=schedule.name, state=State.RUNNING):
            end(dead, State.DIED, error=WORKER_GONE)
        if asked.run_id is None:
            return JobRun.objects.create(
                job=schedule.name, state=State.RUNNING, started_by=asked.by, due_at=asked.due, asked_at=now,
                started_at=now,
            )  # fmt: skip
        waiting = _asked_for(asked.run_id)
        if waiting.state == State.QUEUED:
            waiting.state, waiting.started_at = State.RUNNING, now
            waiting.save(update_fields=["state", "started_at"])
        return waiting


def _asked_for(run_id: int) -> JobRun:
    return JobRun.objects.select_for_update(of=("self",)).select_related("person").get(pk=run_id)


def _leave_out(schedule: Schedule, asked: Asked, why: str) -> JobRun:
    now = portal_now()
    with transaction.atomic():
        if asked.run_id is None:
            run = JobRun(job=schedule.name, state=State.RUNNING, started_by=asked.by, due_at=asked.due, asked_at=now)
        else:
            run = _asked_for(asked.run_id)
            if run.state != State.QUEUED:
                return run
        before = run.state if run.pk else None
        run.state, run.error, run.ended_at = State.SKIPPED, why, now
        if asked.by == StartedBy.PORTAL:
            # It asks with each mail; the run that goes on, or the next time of the schedule, sees to it.
            return run
        run.save()
        if is_news(run):
            tell(run, before)
    return run


def _is_done(schedule: Schedule, due: dt.datetime) -> bool:
    """Whether a run for this time of the schedule, or for a later one, ended well."""
    done = JobRun.objects.filter(job=schedule.name, state=State.OK, due_at__gte=due)
    return done.filter(due_at__lte=max(portal_now(), due) + AHEAD).exists()


def _words(problem: BaseException) -> str:
    if isinstance(problem, DomainError):
        return problem.detail
    if isinstance(problem, SoftTimeLimitExceeded):
        return "It took longer than a task may take and was stopped."
    first = str(problem).strip().partition("\n")[0]
    return f"{type(problem).__name__}: {first}" if first else type(problem).__name__
