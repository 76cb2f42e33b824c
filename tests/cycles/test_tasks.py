"""The hourly jobs of cycles: they do what the services do, are recorded, and follow their settings."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from django_celery_beat.models import PeriodicTask

from audit.context import acting
from cycles.tasks import auto_close_cycles, auto_open_cycles
from sop_portal.conf import services as conf
from sop_portal.jobs import times
from sop_portal.jobs.models import JobRun
from tests.factories import make_line

pytestmark = pytest.mark.django_db


def test_an_open_cycle_is_closed_after_its_deadline_unless_the_setting_is_off(at: Callable[[Any], None]) -> None:
    cycle = make_line().cycle
    at(cycle.closes_at + dt.timedelta(minutes=1))
    with acting("system", source="command"):
        conf.set_value("auto_close_cycles", "no", by=None)
    assert auto_close_cycles.apply().get() == {"closed": 0}
    cycle.refresh_from_db()
    assert cycle.status == "open"
    with acting("system", source="command"):
        conf.reset("auto_close_cycles", by=None)
    assert auto_close_cycles.apply().get() == {"closed": 1}
    cycle.refresh_from_db()
    assert cycle.status == "closed"
    assert auto_close_cycles.apply().get() == {"closed": 0}
    assert set(JobRun.objects.values_list("job", "state")) == {("auto_close_cycles", "ok")}


def test_drafts_without_a_time_stay_drafts() -> None:
    assert auto_open_cycles.apply().get() == {"opened": 0}
    assert JobRun.objects.get().job == "auto_open_cycles"


def test_they_run_every_hour_the_opening_after_the_closing() -> None:
    rows = {row.name: times.words(row.crontab) for row in PeriodicTask.objects.filter(task__startswith="cycles.")}
    assert rows == {"auto_close_cycles": "hourly", "auto_open_cycles": "hourly, 5 minutes past"}
