"""Two beats and four workers, as processes: ticks come twice, five times, late and out of order, and have one effect."""

import datetime as dt
import random
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
import redis
from django.contrib.sessions.models import Session
from django.db import connection
from django.utils import timezone
from django_celery_beat.models import PeriodicTask, PeriodicTasks

from audit.context import acting
from audit.models import Entry
from sop_portal.celery import app
from sop_portal.jobs import recording, services
from sop_portal.jobs.models import JobRun
from sop_portal.jobs.times import next_due
from sop_portal.lib.jobs import SCHEDULES
from sop_portal.lib.leases import held, key_of
from tests.jobs.processes import Process, beat, redis_url, running, wait_until, worker

pytestmark = pytest.mark.usefixtures("committed", "own_queue")

JOB = "clear_sessions"
SESSIONS = 50
DAY = dt.timedelta(days=1)


@pytest.fixture
def own_queue() -> Iterator[None]:
    """An empty Redis database before and after, and schedules that nobody has run."""
    with redis.Redis.from_url(redis_url()) as queue:
        queue.flushdb()
        yield
        queue.flushdb()


@pytest.fixture
def day_off(committed: None) -> Iterator[None]:
    """Every job ran last 26 hours ago, as after a day on which nothing was switched on."""
    PeriodicTask.objects.update(last_run_at=timezone.now() - dt.timedelta(hours=26))
    PeriodicTasks.update_changed()
    yield
    PeriodicTask.objects.update(last_run_at=None, total_run_count=0)


def old_sessions() -> None:
    Session.objects.bulk_create(
        Session(session_key=f"old{number}", session_data="", expire_date=timezone.now() - DAY)
        for number in range(SESSIONS)
    )


def runs(**kw: Any) -> Any:
    return JobRun.objects.filter(job=JOB, **kw)


def send(due: dt.datetime) -> None:
    """A tick as beat sends it."""
    with app.connection_for_write(redis_url()) as line:
        headers = {"periodic_task_name": JOB, "due": due.isoformat()}
        app.send_task(SCHEDULES[JOB].task, headers=headers, connection=line)


def test_after_a_day_off_every_job_is_caught_up_once(day_off: None) -> None:
    old_sessions()
    due = next_due(PeriodicTask.objects.get(name=JOB).schedule, timezone.now() - dt.timedelta(hours=26))
    assert due is not None
    parts: list[Process] = [worker(f"w{number}") for number in range(4)]
    with running(*parts):
        for part in parts:
            part.wait_for("6 ready")
        # Before any beat: the same tick again and again, and that of another day among them.
        for tick in (due, due - DAY, due, due - 2 * DAY, due, due):
            send(tick)
        wait_until(lambda: runs().count() >= 6, told=lambda: str(list(runs().values())))
        beats = [beat(), beat()]
        with running(*beats):
            for part in beats:
                part.wait_for("6 ready")
            daily = [
                name for name, schedule in SCHEDULES.items() if schedule.hour.isdigit() and schedule.day_of_week == "*"
            ]
            wait_until(lambda: runs().count() >= 8, told=lambda: str(list(runs().values())))
            wait_until(
                lambda: (
                    set(JobRun.objects.filter(state="ok", job__in=daily).values_list("job", flat=True)) == set(daily)
                ),
                told=lambda: str(list(JobRun.objects.values_list("job", "state", "error"))),
            )
            for part in (*beats, *parts):
                part.end(signal.SIGTERM)
    assert not Session.objects.filter(session_key__startswith="old").exists()
    done = runs(state="ok")
    assert sum(run.counts["done"] for run in done) == SESSIONS
    assert done.filter(due_at=due).count() == 1
    # Late ticks of days before are done already; each job has one good run for each time.
    assert JobRun.objects.filter(state__in=["failed", "died", "running", "queued"]).count() == 0
    for name in daily:
        times = list(JobRun.objects.filter(job=name, state="ok").values_list("due_at", flat=True))
        assert len(times) == len(set(times)), name
    told = Entry.objects.filter(action="system_scheduled_job_run", label=JOB)
    assert told.count() == runs().count()


def test_a_worker_killed_in_the_middle_is_found_and_its_work_taken_up() -> None:
    old_sessions()
    due = timezone.now().replace(microsecond=0)
    key = key_of(JOB)
    with psycopg.connect(**connection.get_connection_params()) as blocker:
        blocker.execute("LOCK TABLE django_session")
        victim = Process(
            "-m", "celery", "--app", "sop_portal.celery:app", "worker", "--pool", "solo", "--loglevel", "INFO",
            "--without-mingle", "--without-gossip", "--hostname", "victim@test", kind="worker",
        )  # fmt: skip
        with running(victim):
            victim.wait_for("6 ready")
            send(due)
            wait_until(lambda: runs(state="running").exists() and held(recording.LOCK_CLASS, [key]))
            assert services.end_dead() == 0
            victim.end(signal.SIGKILL)
        wait_until(lambda: not held(recording.LOCK_CLASS, [key]))
        with acting("system", source="job"):
            assert services.end_dead() == 1
    died = runs().get()
    assert (died.state, died.error) == ("died", recording.WORKER_GONE)
    next_one = worker("next")
    with running(next_one):
        next_one.wait_for("6 ready")
        send(due)
        send(due)
        wait_until(lambda: runs().exclude(state="running").count() == 3)
        next_one.end(signal.SIGTERM)
    assert list(runs().order_by("pk").values_list("state", flat=True)) == ["died", "ok", "skipped"]
    assert runs(state="ok").get().counts == {"done": SESSIONS}


def test_four_threads_with_the_same_ticks_do_each_once() -> None:
    """Ticks of three days, each five times and shuffled; whoever finds another at work leaves that day to it."""
    first = dt.datetime(2026, 3, 10, 9, tzinfo=dt.UTC)
    days = [first + number * DAY for number in range(3)]
    ticks = [day for day in days for _ in range(5)]
    random.Random(7).shuffle(ticks)
    done: list[dt.datetime] = []

    def work(due: dt.datetime) -> int:
        done.append(due)
        time.sleep(0.05)
        return 1

    def take(due: dt.datetime) -> None:
        try:
            with acting("system", source="job"):
                asked = recording.Asked(recording.StartedBy.BEAT, due=due)
                recording.run(SCHEDULES[JOB], asked, lambda: work(due))
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(take, ticks))
    assert len(done) == len(set(done))
    assert runs(state="ok").count() == len(done) and runs().count() == len(ticks)
    # The latest time stands for those before it, so whatever the order, nothing is left to do.
    take(days[-1])
    assert max(done) == days[-1] and done.count(days[-1]) == 1
