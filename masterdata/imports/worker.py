"""The worker's part of imports: doing what a run waits for, and finding runs that nobody works on."""

import datetime as dt

import structlog
from celery.exceptions import SoftTimeLimitExceeded
from django.db import DatabaseError, transaction

from audit.context import acting
from masterdata.imports import doing, runs
from masterdata.imports.doing import Overtaken
from masterdata.imports.keeping import State, move, save
from masterdata.imports.progress import Cancelled, LiveWatch, watching, worked_on
from masterdata.models import ImportProgress, ImportRun
from masterdata.signals import import_queued
from sop_portal.lib.clock import portal_now
from sop_portal.lib.errors import DomainError

log = structlog.get_logger(__name__)

# Seconds after which a run that nobody works on is offered to the worker again, and how often.
LOST_AFTER = 30
ATTEMPTS = 3


def work(run_id: int) -> str:
    """Do what a busy run waits for, all of it or nothing.

    Returns the state it ended in, "" when somebody else works on it or there is no such run.
    """
    wanted = ImportRun.objects.filter(pk=run_id).select_related("uploaded_by", "applied_by", "undone_by")
    if not wanted.exists():
        return ""
    with watching(run_id) as watch:
        if watch is None:
            return ""
        run: ImportRun = wanted.get()
        by = {State.APPLYING: run.applied_by, State.UNDOING: run.undone_by}.get(State(run.state), run.uploaded_by)
        with acting(by or "system", source="excel"):
            _work(run, watch)
    # Once nobody works on it any more: the next step may be another task.
    with acting(by or "system", source="excel"):
        return str(runs.apply_if_asked(run).state)


def sweep() -> int:
    """Offer the worker the runs that nobody works on. Returns how many were offered."""
    busy = list(ImportRun.objects.filter(state__in=ImportRun.BUSY).only("pk", "state"))
    return sum(look_after(run) for run in busy)


def look_after(run: ImportRun) -> bool:
    """Offer a busy run to the worker again when nobody has worked on it for a while; whether it was offered.

    Pages that show a busy run call this, too: who watches need not wait for the sweep.
    """
    if not run.is_busy or run.pk in worked_on([run.pk]):
        return False
    lost = portal_now() - dt.timedelta(seconds=LOST_AFTER)
    with transaction.atomic():
        found = ImportProgress.objects.filter(run=run.pk, updated_at__lt=lost).update(updated_at=portal_now())
        if found:
            import_queued.send(sender=ImportRun, run_id=run.pk)
    return bool(found)


def _work(run: ImportRun, watch: LiveWatch) -> None:
    wanted = State(run.state)
    if wanted not in ImportRun.BUSY:
        return
    if run.progress.attempts > ATTEMPTS:
        _give_up(run, f"The worker stopped {ATTEMPTS} times while it worked on this file. {_smaller(run)}")
        return
    try:
        if wanted == State.APPLYING:
            with transaction.atomic():
                doing.apply(run, watch, None)
        elif wanted == State.UNDOING:
            with transaction.atomic():
                doing.take_back(run, watch, None)
        else:
            if wanted == State.QUEUED:
                move(run, State.CHECKING)
                save(run)
            outcome = doing.check(run, watch, None)
            with transaction.atomic():
                save(run, outcome.problems)
    except Overtaken:
        run.refresh_from_db()
    except Cancelled:
        _give_up(run, "Cancelled before it had ended.", State.CANCELLED)
    except SoftTimeLimitExceeded:
        _give_up(run, f"It took longer than four minutes and was stopped. {_smaller(run)}")
    except DomainError as refusal:
        _give_up(run, refusal.detail)
    except DatabaseError as problem:
        log.exception("import_failed", run=run.pk)
        cause = str(problem).strip().partition("\n")[0] or "no reason given"
        _give_up(run, f"The database stopped it ({cause}). Try again in a minute.")


def _smaller(run: ImportRun) -> str:
    """What makes a file easier to work on."""
    if run.kind == ImportRun.Kind.LEGACY:
        return "Upload fewer workbooks at a time."
    return "Split the file, and send it as CSV."


def _give_up(run: ImportRun, reason: str, state: State = State.FAILED) -> None:
    """End work that wrote nothing, with the reason. What was applied and could not be undone stays applied."""
    with transaction.atomic():
        # As it was before the work, which was rolled back.
        kept: ImportRun = ImportRun.objects.select_for_update().get(pk=run.pk)
        if kept.state not in ImportRun.BUSY:
            return
        move(kept, State.APPLIED if kept.state == State.UNDOING else state)
        kept.reason = reason
        kept.save(update_fields=["reason", "state"])
        ImportProgress.objects.filter(run=run.pk).update(cancel=False)
    run.state, run.reason = kept.state, reason
