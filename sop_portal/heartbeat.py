"""Signs of life of the worker and of beat, read by /ready.

Both write from inside their own loop, not from a thread beside it, so a hanging process falls silent too.
"""

import time
from typing import Any

import redis
import structlog
from django.core.cache import cache
from django.db.models import QuerySet
from django_celery_beat.models import PeriodicTask
from django_celery_beat.schedulers import DatabaseScheduler, ModelEntry

from audit.context import SYSTEM, acting
from sop_portal import starting
from sop_portal.jobs.times import next_due
from sop_portal.lib import ratelimit

# Seconds between two signs, and how long one counts.
EVERY = 15.0
LASTS = 60
PARTS = {"worker": "the worker", "beat": "beat (the schedules)"}

log = structlog.get_logger(__name__)


def beat(part: str) -> None:
    """Note that `part` ("worker" or "beat") lives now; without a cache the sign is lost, nothing else."""
    try:
        cache.set(f"heartbeat:{part}", int(time.time()), LASTS)
    except (redis.RedisError, OSError) as problem:
        log.warning("heartbeat not stored", part=part, problem=str(problem))


def lives(part: str) -> bool:
    """Whether `part` gave a sign lately. Raises what the cache raises when it is away."""
    return cache.get(f"heartbeat:{part}") is not None


class _Memory:
    """What was last found out about the parts, and until when (monotonic seconds) that may be said again."""

    def __init__(self) -> None:
        self.sentence = ""
        self.until = 0.0


_memory = _Memory()


def complaint() -> str:
    """Why jobs do not run now, in a sentence for those who can see to it; "" while they do. At most EVERY seconds old.

    A cache that is away is not asked on each page: it may hang.
    """
    if time.monotonic() >= _memory.until:
        _memory.sentence = _complaint()
        _memory.until = time.monotonic() + EVERY
    return _memory.sentence


def forget() -> None:
    """Look again at the next question."""
    _memory.until = 0.0


def _complaint() -> str:
    try:
        if ratelimit.is_degraded():
            raise OSError
        silent = [words for part, words in PARTS.items() if not lives(part)]
    except (redis.RedisError, OSError):
        return "Jobs are not running: Redis cannot be reached. Mails, imports and closing wait until it is back."
    if not silent:
        return ""
    return (
        f"Jobs are not running: {' and '.join(silent)} gave no sign of life for a minute. "
        "Mails, imports and closing wait until that is back."
    )


class Scheduler(DatabaseScheduler):
    """The schedules of django-celery-beat's tables, with a sign of life at each tick; what it writes is the system's."""

    _signed = 0.0

    def setup_schedule(self) -> None:
        """Read the tables; beat may add entries of its own. Beat tells that it starts only after this, so the check
        that every process makes at its start is made here."""
        starting.prepare("beat")
        with acting(SYSTEM, source="job"):
            super().setup_schedule()
        starting.ready("beat")

    def sync(self) -> None:
        """Write back when each schedule ran last."""
        with acting(SYSTEM, source="job"):
            super().sync()

    def enabled_models_qs(self) -> QuerySet[PeriodicTask]:
        """Every enabled schedule. The package leaves out what is not due within two hours of now, and with it whatever
        was missed while beat was down."""
        return self.Model.objects.enabled()

    def apply_async(self, entry: ModelEntry, producer: Any = None, advance: bool = True, **kwargs: Any) -> Any:
        """Send the task, and with it the time that it is due: two beats tell the same one."""
        due = next_due(entry.schedule, entry.last_run_at)
        entry = self.reserve(entry) if advance else entry
        if due is not None:
            entry.options["headers"] = {**entry.options["headers"], "due": due.isoformat()}
        return super().apply_async(entry, producer=producer, advance=False, **kwargs)

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Run what is due and say so."""
        wait: float = super().tick(*args, **kwargs)
        if time.monotonic() - self._signed >= EVERY:
            beat("beat")
            self._signed = time.monotonic()
        return wait
