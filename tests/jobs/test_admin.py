"""Jobs in the admin: what runs when, what came of it, running one now, changing its times."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django_celery_beat.models import PeriodicTask

from audit.models import Entry
from sop_portal.jobs import recording, schedules
from sop_portal.jobs.models import JobRun
from sop_portal.lib.jobs import SCHEDULES
from sop_portal.lib.leases import key_of, lease
from tests.factories import make_user

pytestmark = pytest.mark.django_db

NOW = dt.datetime(2026, 3, 11, 15, tzinfo=dt.UTC)
JOBS = "/admin/django_celery_beat/periodictask/"


@pytest.fixture
def page(client: Client) -> Client:
    client.force_login(make_user("admin", full_name="The Boss"))
    return client


@pytest.fixture
def messages(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    found: list[Any] = []
    monkeypatch.setattr(
        "sop_portal.jobs.receivers.current_app.send_task", lambda task, headers, retry: found.append((task, headers))
    )
    return found


def ran(job: str, state: str, **kw: Any) -> JobRun:
    return JobRun.objects.create(
        job=job,
        state=state,
        started_by="beat",
        asked_at=NOW,
        started_at=None if state == "skipped" else NOW,
        ended_at=NOW + dt.timedelta(seconds=75),
        **kw,
    )


class TestTheListOfJobs:
    def test_shows_times_last_run_and_next_time(self, page: Client, at: Callable[[Any], None]) -> None:
        at(NOW)
        ran("clear_sessions", "ok", counts={"done": 1234})
        ran("clear_sessions", "skipped")
        answer = page.get(JOBS)
        (row,) = [row for row in answer.context["rows"] if row.task.name == "clear_sessions"]
        assert (row.times, row.due) == ("daily 02:10 UTC", dt.datetime(2026, 3, 12, 2, 10, tzinfo=dt.UTC))
        assert (row.last.state, row.last.words, row.is_changed) == ("ok", "1,234 done", False)
        assert answer.context["title"] == "Jobs"
        assert {row.task.name for row in answer.context["rows"]} == set(SCHEDULES)

    def test_says_first_what_went_wrong(self, page: Client) -> None:
        ran("clear_sessions", "failed", error="No room.")
        assert page.get(JOBS).context["title"] == "clear_sessions went wrong the last time"
        ran("forget_attempts", "died", error="x")
        title = page.get(JOBS).context["title"]
        assert title == f"2 of {len(SCHEDULES)} jobs went wrong the last time"
        ran("clear_sessions", "ok")
        ran("forget_attempts", "ok")
        PeriodicTask.objects.filter(name="clear_sessions").update(enabled=False)
        answer = page.get(JOBS)
        assert answer.context["title"] == f"1 of {len(SCHEDULES)} jobs is switched off"
        assert [row.task.name for row in answer.context["rows"] if row.due is None] == ["clear_sessions"]

    def test_costs_the_same_with_many_runs(
        self, page: Client, django_assert_max_num_queries: Any, django_assert_num_queries: Any
    ) -> None:
        page.get(JOBS)
        with django_assert_max_num_queries(30) as first:
            page.get(JOBS)
        for number in range(40):
            ran(list(SCHEDULES)[number % len(SCHEDULES)], "ok")
        with django_assert_num_queries(len(first)):
            page.get(JOBS)

    def test_is_for_those_who_may_see_schedules(self, client: Client) -> None:
        for role in ("manager", "viewer", "sales_rep"):
            client.force_login(make_user(role))
            assert client.get(JOBS).status_code in (302, 403)
            assert client.post(f"{JOBS}clear_sessions/run/").status_code in (302, 403)
        assert not JobRun.objects.exists()

    def test_stands_with_its_runs_on_the_page_of_the_app_too(self, page: Client) -> None:
        (jobs,) = page.get("/admin/jobs/").context["app_list"]
        assert [model["name"] for model in jobs["models"]] == ["Jobs", "Runs of jobs"]
        assert page.get("/admin/masterdata/").context["app_list"][0]["app_label"] == "masterdata"

    def test_stands_with_its_runs_in_the_index(self, page: Client) -> None:
        (jobs,) = [app for app in page.get("/admin/").context["app_list"] if app["app_label"] == "jobs"]
        assert [model["name"] for model in jobs["models"]] == ["Jobs", "Runs of jobs"]


class TestRunNow:
    def test_answers_with_the_run(
        self, page: Client, messages: list[Any], django_capture_on_commit_callbacks: Any
    ) -> None:
        with django_capture_on_commit_callbacks(execute=True):
            answer = page.post(f"{JOBS}clear_sessions/run/", follow=True)
        run = JobRun.objects.get()
        assert answer.redirect_chain == [(reverse("admin:jobs_jobrun_change", args=[run.pk]), 302)]
        assert b"Waiting for a worker" in answer.content
        assert (run.job, run.started_by, str(run.person)) == ("clear_sessions", "person", "The Boss")
        assert messages == [(SCHEDULES["clear_sessions"].task, {"job_run": run.pk})]
        entry = Entry.objects.get(entity_type="job_run")
        assert (entry.actor_label, entry.source, entry.action) == ("The Boss", "admin", "system_scheduled_job_run")
        assert entry.on_behalf_of is None

    def test_is_a_post_for_a_job_that_exists(self, page: Client) -> None:
        assert page.get(f"{JOBS}clear_sessions/run/")["Location"] == JOBS
        assert page.post(f"{JOBS}nothing/run/").status_code == 404
        assert not JobRun.objects.exists()

    def test_shows_the_run_that_goes_on_already(self, page: Client) -> None:
        run = JobRun.objects.create(job="clear_sessions", state="running", started_by="beat", asked_at=NOW)
        with lease(recording.LOCK_CLASS, key_of("clear_sessions")):
            answer = page.post(f"{JOBS}clear_sessions/run/", follow=True)
        assert answer.redirect_chain[0][0] == reverse("admin:jobs_jobrun_change", args=[run.pk])
        assert b"This job is running already" in answer.content


class TestRuns:
    def test_are_listed_and_filtered(self, page: Client) -> None:
        ran("clear_sessions", "failed", error="No room.")
        ran("forget_attempts", "ok", counts={"done": 3})
        runs = reverse("admin:jobs_jobrun_changelist")
        text = page.get(runs).content.decode()
        assert "No room." in text and "3 done" in text and "1 min 15 s" in text
        text = page.get(f"{runs}?state__exact=failed").content.decode()
        assert "No room." in text and "3 done" not in text

    def test_are_written_by_nobody(self, page: Client) -> None:
        run = ran("clear_sessions", "ok")
        assert page.post(reverse("admin:jobs_jobrun_change", args=[run.pk]), {"state": "failed"}).status_code == 403
        assert page.get("/admin/jobs/jobrun/add/").status_code == 403


class TestTheScheduleForm:
    def send(self, page: Client, **changes: str) -> Any:
        row = PeriodicTask.objects.get(name="clear_sessions")
        values = {"enabled": "on", "minute": "10", "hour": "2", "day_of_week": "*", "time_zone": "UTC"} | changes
        return page.post(reverse("admin:django_celery_beat_periodictask_change", args=[row.pk]), values)

    def test_moves_a_job_and_the_trail_tells(self, page: Client) -> None:
        assert (
            self.send(page, minute="30", hour="4", day_of_week="mon-fri", time_zone="Europe/Berlin").status_code == 302
        )
        row = PeriodicTask.objects.get(name="clear_sessions")
        assert schedules.words_of(row.crontab) == {
            "minute": "30", "hour": "4", "day_of_week": "mon-fri", "day_of_month": "*", "month_of_year": "*",
            "timezone": "Europe/Berlin",
        }  # fmt: skip
        assert Entry.objects.filter(entity_type="schedule", action="schedule_updated").exists()
        (shown,) = [row for row in page.get(JOBS).context["rows"] if row.task.name == "clear_sessions"]
        assert (shown.is_changed, shown.times) == (True, "30 4 * * mon-fri Europe/Berlin")

    def test_leaves_other_jobs_of_that_time_alone(self, page: Client) -> None:
        before = PeriodicTask.objects.get(name="forget_attempts").crontab
        self.send(page, minute="20", hour="2")
        self.send(page, minute="21", hour="2")
        after = PeriodicTask.objects.get(name="forget_attempts").crontab
        assert (after, after.minute) == (before, "20")

    @pytest.mark.parametrize(
        ("field", "words"),
        [("minute", "60"), ("minute", "a"), ("hour", "24"), ("hour", "-1"), ("day_of_week", "noday"), ("minute", "")],
    )
    def test_refuses_what_no_crontab_has(self, page: Client, field: str, words: str) -> None:
        answer = self.send(page, **{field: words})
        assert answer.status_code == 200
        assert field in answer.context["adminform"].form.errors
        assert PeriodicTask.objects.get(name="clear_sessions").crontab.minute == "10"

    def test_makes_no_jobs_and_deletes_none(self, page: Client) -> None:
        row = PeriodicTask.objects.get(name="clear_sessions")
        assert page.get(f"{JOBS}add/").status_code == 403
        assert page.post(f"{JOBS}{row.pk}/delete/", {"post": "yes"}).status_code == 403
