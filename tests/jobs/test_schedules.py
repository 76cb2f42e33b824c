"""Jobs: their schedules in the tables, who acts in them, and the signs of life of those who run them."""

import dataclasses
import datetime as dt
from typing import Any

import pytest
from allauth.usersessions.models import UserSession
from celery import shared_task
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.utils import timezone
from django_celery_beat.models import CrontabSchedule, PeriodicTask, PeriodicTasks
from django_celery_beat.schedulers import DatabaseScheduler

from audit.context import acting, current
from sop_portal import heartbeat
from sop_portal.accounts.tasks import clear_sessions
from sop_portal.celery import app
from sop_portal.conf import services as conf
from sop_portal.jobs import schedules
from sop_portal.jobs.models import DeclaredSchedule
from sop_portal.jobs.times import next_due
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

    def test_follow_the_code_where_nobody_changed_them(self, monkeypatch: pytest.MonkeyPatch) -> None:
        moved = dataclasses.replace(SCHEDULES["clear_sessions"], hour="5", task="tests.moved", description="Moved.")
        monkeypatch.setitem(SCHEDULES, "clear_sessions", moved)
        schedules.sync()
        row = PeriodicTask.objects.get(name="clear_sessions")
        assert (row.crontab.hour, row.crontab.minute, row.task, row.description) == ("5", "10", "tests.moved", "Moved.")

    def test_what_an_admin_chose_stays_when_the_code_moves_and_can_be_given_back(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        row = PeriodicTask.objects.get(name="clear_sessions")
        original = row.crontab
        with acting("system", source="command"):
            row.crontab = CrontabSchedule.objects.create(minute="30", hour="4")
            row.save()
        moved = dataclasses.replace(SCHEDULES["clear_sessions"], hour="5")
        monkeypatch.setitem(SCHEDULES, "clear_sessions", moved)
        schedules.sync()
        row.refresh_from_db()
        assert row.crontab.hour == "4"
        # What the code declared before the last release is an admin's word, too.
        with acting("system", source="command"):
            row.crontab = original
            row.save()
        schedules.sync()
        row.refresh_from_db()
        assert row.crontab == original

    def test_of_jobs_that_are_gone_go(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delitem(SCHEDULES, "clear_sessions")
        schedules.sync()
        assert not PeriodicTask.objects.filter(name="clear_sessions").exists()
        assert not DeclaredSchedule.objects.filter(name="clear_sessions").exists()

    def test_move_with_the_business_time_zone_unless_changed(self) -> None:
        with acting("system", source="command"):
            changed = PeriodicTask.objects.get(name="clear_sessions")
            changed.crontab = CrontabSchedule.objects.create(minute="30", hour="4", timezone="Europe/Berlin")
            changed.save()
            conf.set_value("business_time_zone", "America/New_York", by=None)
        zones = {row.name: str(row.crontab.timezone) for row in PeriodicTask.objects.select_related("crontab")}
        assert zones.pop("clear_sessions") == "Europe/Berlin"
        daily = {name for name, schedule in SCHEDULES.items() if schedule.hour != "*"} - {"clear_sessions"}
        assert {zones[name] for name in daily} == {"America/New_York"}
        # In the hour that comes twice in autumn, an hourly crontab of that zone would rest.
        assert {zones[name] for name in SCHEDULES.keys() - daily - {"clear_sessions"}} == {"UTC"}
        with acting("system", source="command"):
            conf.reset("business_time_zone", by=None)
        row = PeriodicTask.objects.get(name="forget_attempts")
        assert str(row.crontab.timezone) == "UTC"

    def test_written_twice_change_nothing(self) -> None:
        before = PeriodicTasks.objects.get().last_update
        schedules.sync()
        assert PeriodicTasks.objects.get().last_update == before


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


@pytest.mark.django_db
class TestBeat:
    def test_reads_schedules_of_every_hour(self) -> None:
        for hour in range(24):
            crontab = CrontabSchedule.objects.create(minute="0", hour=str(hour))
            with acting("system", source="command"):
                PeriodicTask.objects.create(name=f"at {hour}", task="tests.nothing", crontab=crontab)
        scheduler = heartbeat.Scheduler(app=app, lazy=True)
        assert {f"at {hour}" for hour in range(24)} <= {row.name for row in scheduler.enabled_models_qs()}

    @pytest.mark.parametrize(
        ("zone", "last", "due"),
        [
            ("UTC", "2026-11-25T09:00:04+00:00", "2026-11-26T09:00:00+00:00"),
            # A day off: the first time that was missed.
            ("UTC", "2026-11-20T09:00:00+00:00", "2026-11-21T09:00:00+00:00"),
            ("America/New_York", "2026-03-07T14:00:01+00:00", "2026-03-08T13:00:00+00:00"),
            ("America/New_York", "2026-10-31T13:00:01+00:00", "2026-11-01T14:00:00+00:00"),
        ],
    )
    def test_tells_for_which_time_it_sends_a_task(self, zone: str, last: str, due: str) -> None:
        crontab = CrontabSchedule.objects.create(minute="0", hour="9", timezone=zone)
        with acting("system", source="command"):
            row = PeriodicTask.objects.create(name="x", task="tests.nothing", crontab=crontab)
        row.last_run_at = dt.datetime.fromisoformat(last)
        entry = heartbeat.ModelEntry(row, app=app)
        told = next_due(entry.schedule, entry.last_run_at)
        assert told == dt.datetime.fromisoformat(due)


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
