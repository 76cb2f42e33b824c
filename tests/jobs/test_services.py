"""Starting jobs by hand, and finding what was lost: dead workers, messages that never came, times nobody kept."""

import datetime as dt
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django_celery_beat.models import PeriodicTask

from audit.context import acting
from audit.models import Entry
from sop_portal.jobs import overview, recording, services
from sop_portal.jobs.models import ClockWatch, JobRun
from sop_portal.jobs.recording import Asked, StartedBy
from sop_portal.jobs.signals import job_failed
from sop_portal.lib import jobs
from sop_portal.lib.errors import Conflict, NotAllowed, Refused
from sop_portal.lib.jobs import SCHEDULES
from sop_portal.lib.leases import key_of, lease
from tests.factories import make_user

pytestmark = pytest.mark.django_db

NOW = dt.datetime(2026, 3, 11, 15, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)
DAY = dt.timedelta(days=1)


@pytest.fixture(autouse=True)
def afternoon(at: Callable[[Any], None]) -> Iterator[None]:
    at(NOW)
    with acting("system", source="job"):
        yield


def committed(capture: Any, act: Callable[[], Any]) -> Any:
    with capture(execute=True):
        return act()


@pytest.fixture
def messages(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    found: list[Any] = []
    monkeypatch.setattr(
        "sop_portal.jobs.receivers.current_app.send_task", lambda task, headers, retry: found.append((task, headers))
    )
    return found


class TestRunNow:
    def test_is_a_run_that_waits_and_is_sent(
        self, messages: list[Any], django_capture_on_commit_callbacks: Any
    ) -> None:
        admin = make_user("admin")
        with acting(admin, source="admin"):
            run = committed(django_capture_on_commit_callbacks, lambda: services.run_now("clear_sessions", by=admin))
        assert (run.state, run.started_by, run.person, run.asked_at) == ("queued", "person", admin, NOW)
        assert messages == [(SCHEDULES["clear_sessions"].task, {"job_run": run.pk})]
        entry = Entry.objects.get(entity_type="job_run", entity_id=str(run.pk))
        assert (entry.actor, entry.label, entry.changes) == (admin, "clear_sessions", {"state": [None, "queued"]})

    def test_asked_twice_is_one_run(self) -> None:
        admin = make_user("admin")
        first = services.run_now("clear_sessions", by=admin)
        assert services.run_now("clear_sessions", by=admin) == first
        assert JobRun.objects.count() == 1

    def test_is_taken_up_once_and_told_as_the_persons(self) -> None:
        admin = make_user("admin")
        run = services.run_now("clear_sessions", by=admin)
        done: list[int] = []
        for _ in range(2):
            recording.run(SCHEDULES["clear_sessions"], Asked(StartedBy.PERSON, run_id=run.pk), lambda: done.append(1))
        run.refresh_from_db()
        assert (done, run.state, run.started_at) == ([1], "ok", NOW)
        assert JobRun.objects.count() == 1

    def test_needs_the_permission_and_a_job_that_is_not_running(self) -> None:
        with pytest.raises(NotAllowed):
            services.run_now("clear_sessions", by=make_user("manager"))
        admin = make_user("admin")
        with pytest.raises(Refused, match="There is no job 'x'"):
            services.run_now("x", by=admin)
        JobRun.objects.create(job="clear_sessions", state="running", started_by="beat", asked_at=NOW)
        with lease(recording.LOCK_CLASS, key_of("clear_sessions")), pytest.raises(Conflict, match="running already"):
            services.run_now("clear_sessions", by=admin)
        # Its worker died: the new run will find that out.
        assert services.run_now("clear_sessions", by=admin).state == "queued"


class TestTheSweep:
    def test_marks_runs_of_dead_workers_and_announces_them(self) -> None:
        heard: list[JobRun] = []

        def hear(run: JobRun, **kwargs: Any) -> None:
            heard.append(run)

        dead = JobRun.objects.create(job="clear_sessions", state="running", started_by="beat", asked_at=NOW)
        alive = JobRun.objects.create(job="forget_attempts", state="running", started_by="beat", asked_at=NOW)
        job_failed.connect(hear)
        with lease(recording.LOCK_CLASS, key_of("forget_attempts")):
            assert services.end_dead() == 1
        job_failed.disconnect(hear)
        dead.refresh_from_db()
        alive.refresh_from_db()
        assert (dead.state, dead.ended_at, alive.state, heard) == ("died", NOW, "running", [dead])
        assert Entry.objects.get(entity_type="job_run", entity_id=str(dead.pk)).severity == "ERROR"

    def test_sends_runs_again_that_have_waited_for_long(
        self, messages: list[Any], django_capture_on_commit_callbacks: Any
    ) -> None:
        for name, minutes in (("clear_sessions", 11), ("forget_attempts", 9)):
            JobRun.objects.create(job=name, state="queued", started_by="person", asked_at=NOW - minutes * MINUTE)
        assert committed(django_capture_on_commit_callbacks, services.offer_waiting) == 1
        assert messages == [
            (SCHEDULES["clear_sessions"].task, {"job_run": JobRun.objects.get(job="clear_sessions").pk})
        ]


class TestMissedTimes:
    """`clear_sessions` is due at 02:10 UTC."""

    DUE = dt.datetime(2026, 3, 11, 2, 10, tzinfo=dt.UTC)

    @pytest.fixture
    def offered(self, messages: list[Any], django_capture_on_commit_callbacks: Any) -> Callable[[], list[str]]:
        def offer() -> list[str]:
            messages.clear()
            committed(django_capture_on_commit_callbacks, services.offer_missed)
            return [headers["due"] for task, headers in messages if task == SCHEDULES["clear_sessions"].task]

        return offer

    def ran(self, state: str, due: dt.datetime, asked: dt.datetime | None = None, **kw: Any) -> None:
        ended = None if state == "running" else NOW
        JobRun.objects.create(
            job="clear_sessions",
            state=state,
            started_by="beat",
            due_at=due,
            asked_at=asked or due,
            started_at=None if state == "skipped" else asked or due,
            ended_at=ended,
            **kw,
        )

    def test_that_were_kept_are_left_alone(self, offered: Any) -> None:
        self.ran("ok", self.DUE)
        self.ran("skipped", self.DUE)
        assert offered() == []

    def test_of_yesterdays_job_are_offered_today(self, offered: Any) -> None:
        self.ran("ok", self.DUE - DAY)
        assert offered() == [self.DUE.isoformat()]

    def test_of_many_days_are_one(self, offered: Any) -> None:
        self.ran("ok", self.DUE - 30 * DAY)
        assert offered() == [self.DUE.isoformat()]

    @pytest.mark.parametrize("state", ["failed", "died"])
    def test_whose_run_went_wrong_are_offered_three_times_in_all(self, offered: Any, state: str) -> None:
        self.ran("ok", self.DUE - DAY)
        for _ in range(2):
            self.ran(state, self.DUE)
            assert offered() == [self.DUE.isoformat()]
        self.ran(state, self.DUE)
        assert offered() == []

    def test_wait_ten_minutes_between_tries(self, offered: Any) -> None:
        self.ran("failed", self.DUE, asked=NOW - 9 * MINUTE)
        assert offered() == []

    def test_are_not_offered_while_their_run_goes_on_or_after_somebody_ran_the_job(self, offered: Any) -> None:
        self.ran("failed", self.DUE)
        self.ran("running", self.DUE)
        assert offered() == []
        JobRun.objects.filter(state="running").delete()
        JobRun.objects.create(
            job="clear_sessions", state="ok", started_by="person", asked_at=NOW, started_at=NOW, ended_at=NOW
        )
        assert offered() == []

    def test_are_not_offered_again_while_the_clock_is_in_doubt(self, offered: Any) -> None:
        """The run is skipped, and tomorrow's asks again; each sweep made another one, told in the trail."""
        name = "forget_tokens"
        for days, jumped in ((1, None), (0, NOW)):
            ClockWatch.objects.update_or_create(
                pk=1, defaults={"last_seen": NOW, "jumped_from": jumped and NOW - 90 * DAY, "jumped_to": jumped}
            )
            due = self.DUE - days * DAY + 20 * MINUTE
            run = recording.run(SCHEDULES[name], Asked(StartedBy.BEAT, due=due), lambda: 0)
            JobRun.objects.filter(pk=run.pk).update(asked_at=due)
        assert run.state == "skipped"
        assert services.offer_missed() == 0
        (row,) = [row for row in overview.rows() if row.task.name == name]
        assert row.last == run
        assert "nothing is deleted for its age" in row.last.words

    def test_of_schedules_that_are_off_stay_missed(self, offered: Any) -> None:
        self.ran("ok", self.DUE - DAY)
        PeriodicTask.objects.filter(name="clear_sessions").update(enabled=False)
        assert offered() == []

    def test_of_a_job_that_never_ran_are_beats_to_send(self, offered: Any) -> None:
        assert offered() == []


def test_one_part_that_fails_keeps_no_other_from_being_swept(monkeypatch: pytest.MonkeyPatch) -> None:
    swept: list[str] = []
    parts: dict[str, Any] = {"bad": lambda: 1 // 0, "good": lambda: swept.append("good") or 3}
    monkeypatch.setattr("sop_portal.jobs.sweeping.SWEEPERS", parts)
    with pytest.raises(Exception, match="bad: integer division or modulo by zero"):
        call_command("run_job", "sweep_queue")
    assert swept == ["good"]
    run = JobRun.objects.get()
    assert (run.state, run.started_by) == ("failed", "command")
    del parts["bad"]
    call_command("run_job", "sweep_queue")
    assert JobRun.objects.newest_first()[0].counts == {"good": 3}


def test_every_part_of_the_sweep_is_there() -> None:
    assert jobs.SWEEPERS.keys() >= {"jobs", "imports"}


def test_old_runs_are_deleted_and_quiet_ones_sooner() -> None:
    def make(job: str, state: str, days: int, **kw: Any) -> int:
        ended = NOW - days * DAY
        return int(JobRun.objects.create(
            job=job, state=state, started_by=kw.pop("by", "beat"), asked_at=ended, ended_at=ended, **kw
        ).pk)  # fmt: skip

    kept = {
        make("clear_sessions", "ok", 89),
        make("sweep_queue", "failed", 89),
        make("sweep_queue", "ok", 89, by="person"),
        make("sweep_queue", "ok", 1),
    }
    for job, state, days in (("clear_sessions", "ok", 91), ("sweep_queue", "ok", 3), ("sweep_queue", "skipped", 3)):
        make(job, state, days)
    assert services.forget_old() == 3
    assert set(JobRun.objects.values_list("pk", flat=True)) == kept


def test_the_command_lists_jobs_and_refuses_others(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("run_job")
    assert "clear_sessions: Delete sessions that have run out." in capsys.readouterr().out
    with pytest.raises(CommandError, match=r"There is no job 'nothing'\. The jobs are "):
        call_command("run_job", "nothing")
    call_command("run_job", "clear_sessions")
    assert capsys.readouterr().out == "clear_sessions done: nothing to do\n"
