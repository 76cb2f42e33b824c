"""One's own notices, and jobs for administrators."""

from typing import Any

import pytest

from sop_portal.jobs.models import JobRun
from sop_portal.jobs.recording import LOCK_CLASS
from sop_portal.lib.clock import portal_now
from sop_portal.lib.leases import key_of, lease
from sop_portal.mail.models import Notification
from tests.api.helpers import program_of
from tests.factories import make_user

pytestmark = pytest.mark.django_db


def notice(user: Any, title: str, **kw: Any) -> Notification:
    made = {"kind": "cycle_opened", "key": title, "url": "/forecast/", "created_at": portal_now(), **kw}
    return Notification.objects.create(user=user, title=title, **made)


def test_notices_are_read_by_whom_they_are_for() -> None:
    user = make_user("sales_rep")
    notice(make_user("sales_rep"), "CANARY")
    first, second = notice(user, "first", read_at=portal_now()), notice(user, "second")
    program = program_of(user)

    def found(query: str = "") -> list[int]:
        return [row["id"] for row in program("GET", f"/notifications{query}").json()["results"]]

    assert found() == [second.pk, first.pk]
    assert found("?unread=true") == [second.pk]
    assert found("?unread=false&ordering=oldest") == [first.pk]
    assert found("?kind=other") == []
    assert found("?since=2100-01-01T00:00:00Z") == []
    assert program("GET", "/notifications?since=yesterday").status_code == 400


def test_jobs_are_listed_and_started_by_hand() -> None:
    program = program_of(make_user("admin"))
    listed = program("GET", "/jobs").json()
    (job,) = [row for row in listed["results"] if row["name"] == "clear_sessions"]
    assert (job["enabled"], job["last_run"]) == (True, None)
    assert job["next_due_at"]
    first = program("POST", "/jobs/clear_sessions/run")
    again = program("POST", "/jobs/clear_sessions/run/")
    assert (first.status_code, first.json()["state"]) == (202, "queued")
    assert again.json()["id"] == first.json()["id"]
    assert JobRun.objects.filter(job="clear_sessions").count() == 1


def test_a_job_that_is_running_is_not_started() -> None:
    program = program_of(make_user("admin"))
    now = portal_now()
    run = JobRun.objects.create(job="clear_sessions", state="running", started_by="beat", asked_at=now, started_at=now)
    with lease(LOCK_CLASS, key_of("clear_sessions")):
        answer = program("POST", "/jobs/clear_sessions/run")
    assert (answer.status_code, answer.json()["run"]) == (409, run.pk)
    assert "running already" in answer.json()["detail"]
