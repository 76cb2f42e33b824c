"""Jobs: their schedules in the tables, who acts in them, and the signs of life of those who run them."""

import datetime as dt
from typing import Any

import pytest
from allauth.usersessions.models import UserSession
from celery import shared_task
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.utils import timezone
from django_celery_beat.models import CrontabSchedule, PeriodicTask
from django_celery_beat.schedulers import DatabaseScheduler

from audit.context import acting, current
from sop_portal import heartbeat
from sop_portal.accounts import schedules
from sop_portal.accounts.tasks import clear_sessions
from sop_portal.celery import app
from sop_portal.lib.jobs import SCHEDULES
from tests.factories import make_user


@pytest.mark.django_db
class TestSchedules:
    def test_are_in_the_tables_and_name_tasks_that_exist(self) -> None:
        rows = dict(PeriodicTask.objects.values_list("name", "task"))
        assert rows.items() >= {schedule.name: schedule.task for schedule in SCHEDULES.values()}.items()
        assert rows["clear_sessions"] == "sop_portal.accounts.tasks.clear_sessions"
        app.loader.import_default_modules()
        assert set(rows.values()) <= set(app.tasks)

    def test_what_an_admin_changed_stays(self) -> None:
        row = PeriodicTask.objects.get(name="clear_sessions")
        with acting("system", source="command"):
            row.crontab = CrontabSchedule.objects.create(minute="30", hour="4")
            row.enabled = False
            row.save()
        schedules.sync()
        again = PeriodicTask.objects.get(name="clear_sessions")
        assert (again.crontab.hour, again.enabled) == ("4", False)
        assert PeriodicTask.objects.filter(task=again.task).count() == 1


def test_what_a_task_writes_is_attributed() -> None:
    seen: list[Any] = []

    @shared_task(name="tests.look")
    def look() -> None:
        seen.append((current().actor, current().source))

    look.apply()
    assert seen == [("system", "job")]
    assert current().actor is None


@pytest.mark.django_db
def test_sessions_that_ran_out_are_deleted() -> None:
    rosa, now = make_user(), timezone.now()
    for key, expires in (("old", now - dt.timedelta(minutes=1)), ("new", now + dt.timedelta(minutes=1))):
        Session.objects.create(session_key=key, session_data="", expire_date=expires)
        UserSession.objects.create(user=rosa, session_key=key, ip="203.0.113.9", user_agent="")
    assert clear_sessions() == 1
    assert list(Session.objects.values_list("session_key", flat=True)) == ["new"]
    assert list(UserSession.objects.values_list("session_key", flat=True)) == ["new"]


def test_beat_gives_a_sign_at_its_ticks_but_not_at_each(monkeypatch: pytest.MonkeyPatch) -> None:
    signs: list[str] = []
    monkeypatch.setattr(DatabaseScheduler, "__init__", lambda self: None)
    monkeypatch.setattr(DatabaseScheduler, "tick", lambda self: 5.0)
    monkeypatch.setattr(heartbeat, "beat", signs.append)
    scheduler = heartbeat.Scheduler()
    assert [scheduler.tick(), scheduler.tick()] == [5.0, 5.0]
    assert signs == ["beat"]
    monkeypatch.setattr(scheduler, "_signed", scheduler._signed - heartbeat.EVERY)
    scheduler.tick()
    assert signs == ["beat", "beat"]


def test_a_sign_is_forgotten_after_a_minute() -> None:
    heartbeat.beat("test")
    assert heartbeat.lives("test")
    assert 0 < (cache._cache.get_client(None).ttl(cache.make_key("heartbeat:test"))) <= heartbeat.LASTS
    cache.delete("heartbeat:test")
    assert not heartbeat.lives("test")
