"""Runs of jobs: recorded from beginning to end, one at a time, a tick of the schedule once."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
from celery import shared_task

from audit.context import acting
from audit.models import Entry
from sop_portal.jobs import recording
from sop_portal.jobs.models import JobRun
from sop_portal.jobs.recording import Asked, StartedBy
from sop_portal.jobs.signals import job_failed
from sop_portal.lib.errors import Conflict
from sop_portal.lib.jobs import SCHEDULES, Schedule, of_task
from sop_portal.lib.leases import held, key_of, lease

pytestmark = pytest.mark.django_db

NINE = dt.datetime(2026, 3, 10, 9, tzinfo=dt.UTC)
DAILY = Schedule("test_daily", "tests.daily", "A job of the tests.", "0", "9", "*")
OFTEN = Schedule("test_often", "tests.often", "A job of the tests.", "*", "*", "*")


@pytest.fixture(autouse=True)
def declared(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(SCHEDULES, DAILY.name, DAILY)
    monkeypatch.setitem(SCHEDULES, OFTEN.name, OFTEN)
    with acting("system", source="job"):
        yield


@pytest.fixture
def failures() -> Iterator[list[JobRun]]:
    heard: list[JobRun] = []

    def hear(run: JobRun, **kwargs: Any) -> None:
        heard.append(run)

    job_failed.connect(hear)
    yield heard
    job_failed.disconnect(hear)


def tick(due: dt.datetime) -> Asked:
    return Asked(StartedBy.BEAT, due=due)


def entries() -> list[tuple[str, str]]:
    found = Entry.objects.filter(action="system_scheduled_job_run").order_by("id")
    return [(entry.label, entry.changes["state"][1]) for entry in found]


class TestARun:
    def test_is_recorded_with_what_it_did(self) -> None:
        told = recording.run(DAILY, tick(NINE), lambda: {"mails": 3, "people": 2})
        run = JobRun.objects.get()
        assert (told, run.words) == (run, "3 mails, 2 people")
        assert (run.job, run.state, run.started_by, run.due_at) == ("test_daily", "ok", "beat", NINE)
        assert (run.counts, run.error) == ({"mails": 3, "people": 2}, "")
        assert run.asked_at == run.started_at <= run.ended_at
        entry = Entry.objects.get(action="system_scheduled_job_run")
        assert (entry.entity_type, entry.entity_id) == ("job_run", str(run.pk))
        assert (entry.label, entry.actor_label, entry.severity) == ("test_daily", "system", "INFO")
        assert entry.changes == {"state": ["running", "ok"], "mails": [None, 3], "people": [None, 2]}

    def test_that_fails_says_why_and_is_announced(self, failures: list[JobRun]) -> None:
        def work() -> None:
            raise ValueError("no such month\nand more")

        with pytest.raises(ValueError, match="no such month"):
            recording.run(DAILY, tick(NINE), work)
        run = JobRun.objects.get()
        assert (run.state, run.error) == ("failed", "ValueError: no such month")
        assert failures == [run]
        assert Entry.objects.get(action="system_scheduled_job_run").severity == "ERROR"

    def test_that_is_refused_says_so_in_its_own_words(self) -> None:
        def work() -> None:
            raise Conflict("The cycle has lines that nobody owns.")

        with pytest.raises(Conflict):
            recording.run(DAILY, Asked(), work)
        assert JobRun.objects.get().error == "The cycle has lines that nobody owns."

    def test_while_another_goes_on_is_left_out(self) -> None:
        with lease(recording.LOCK_CLASS, key_of("test_daily")) as line:
            assert line is not None
            recording.run(DAILY, tick(NINE), lambda: pytest.fail("ran beside another"))
        run = JobRun.objects.get()
        assert (run.state, run.error, run.started_at) == ("skipped", recording.BUSY, None)

    def test_that_the_portal_asks_for_while_another_goes_on_leaves_nothing(self) -> None:
        with lease(recording.LOCK_CLASS, key_of("test_often")):
            run = recording.run(OFTEN, Asked(StartedBy.PORTAL), lambda: pytest.fail("ran beside another"))
        assert (run.state, JobRun.objects.count(), entries()) == ("skipped", 0, [])
        recording.run(OFTEN, Asked(StartedBy.PORTAL), lambda: 4)
        assert (JobRun.objects.get().started_by, JobRun.objects.get().counts) == ("portal", {"done": 4})

    def test_holds_the_lease_while_it_works(self) -> None:
        key = key_of("test_daily")
        recording.run(DAILY, Asked(), lambda: len(held(recording.LOCK_CLASS, [key])))
        assert JobRun.objects.get().counts == {"done": 1}
        assert held(recording.LOCK_CLASS, [key]) == set()

    def test_finds_that_the_one_before_died(self, failures: list[JobRun]) -> None:
        dead = JobRun.objects.create(job="test_daily", state="running", started_by="beat", asked_at=NINE, due_at=NINE)
        recording.run(DAILY, tick(NINE), lambda: 1)
        dead.refresh_from_db()
        assert (dead.state, dead.error) == ("died", "The worker ended in the middle of it.")
        assert failures == [dead]
        assert JobRun.objects.get(state="ok").counts == {"done": 1}

    def test_that_was_given_up_meanwhile_stays_so(self) -> None:
        recording.run(DAILY, Asked(), lambda: JobRun.objects.update(state="died", ended_at=NINE))
        assert JobRun.objects.get().state == "died"


class TestATick:
    def test_repeated_or_out_of_order_is_one_effect(self) -> None:
        done: list[int] = []
        day = dt.timedelta(days=1)
        for due in (NINE, NINE, NINE + day, NINE, NINE + day, NINE - day):
            recording.run(DAILY, tick(due), lambda: done.append(1))
        assert len(done) == 2
        assert list(JobRun.objects.order_by("pk").values_list("state", flat=True)) == [
            "ok", "skipped", "ok", "skipped", "skipped", "skipped",
        ]  # fmt: skip

    def test_whose_run_failed_is_done_when_it_comes_again(self) -> None:
        with pytest.raises(ZeroDivisionError):
            recording.run(DAILY, tick(NINE), lambda: 1 // 0)
        recording.run(DAILY, tick(NINE), lambda: 1)
        assert JobRun.objects.newest_first()[0].state == "ok"

    def test_of_a_clock_that_was_far_ahead_keeps_nothing_back(self) -> None:
        recording.run(DAILY, tick(NINE + dt.timedelta(days=4000)), lambda: 1)
        recording.run(DAILY, tick(NINE), lambda: 2)
        assert JobRun.objects.newest_first()[0].counts == {"done": 2}


class TestTheTrail:
    def test_has_one_entry_for_each_run(self) -> None:
        for due in (NINE, NINE):
            recording.run(DAILY, tick(due), lambda: 0)
        assert entries() == [("test_daily", "ok"), ("test_daily", "skipped")]

    def test_tells_of_frequent_jobs_only_what_they_did(self) -> None:
        for number, count in enumerate((0, 2, 0)):
            recording.run(OFTEN, tick(NINE + dt.timedelta(minutes=number)), lambda count=count: count)
        with pytest.raises(ZeroDivisionError):
            recording.run(OFTEN, tick(NINE + dt.timedelta(minutes=9)), lambda: 1 // 0)
        assert entries() == [("test_often", "ok"), ("test_often", "failed")]
        assert JobRun.objects.count() == 4


def test_tasks_with_a_schedule_are_recorded_and_others_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    @shared_task(name="tests.daily")
    def daily() -> int:
        return 7

    @shared_task(name="tests.other")
    def other() -> int:
        return 8

    assert of_task("tests.daily") == DAILY
    headers = {"periodic_task_name": "test_daily", "due": NINE.isoformat()}
    assert daily.apply(headers=headers).get() == {"done": 7}
    assert other.apply().get() == 8
    run = JobRun.objects.get()
    assert (run.job, run.started_by, run.due_at, run.counts) == ("test_daily", "beat", NINE, {"done": 7})
