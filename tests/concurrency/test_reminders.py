"""Reminders and digests under races: two workers, two presses, two acts at the same moment are one mail each."""

import datetime as dt
from typing import Any

import pytest
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from audit.context import acting
from forecasts.models import Line
from forecasts.services import reminding
from forecasts.services.writing import past_the_guard
from forecasts.tasks import send_deadline_reminders, send_digests
from sop_portal.mail.models import Notification, OutboxMail
from tests.concurrency.test_races import acts_as, at_once, refusals
from tests.world import make_world, submitted

pytestmark = pytest.mark.usefixtures("committed")
PRESS = "5f0e7f0c-6f3d-4a53-9d1b-0d8a5f7a9e11"


def kinds(*wanted: str) -> list[tuple[str, str]]:
    mails = OutboxMail.objects.filter(kind__in=wanted).select_related("user")
    return sorted((mail.kind, mail.user.full_name) for mail in mails)


def as_job(task: Any) -> Any:
    def run() -> Any:
        with acting("system", source="job"):
            return task()

    return run


def test_three_runs_at_once_are_one_reminder_each() -> None:
    world = make_world(lines=3, closes_at=timezone.now() + dt.timedelta(hours=30))
    submitted(world.lines)
    run = as_job(send_deadline_reminders)
    answers = at_once(run, run, run)
    assert refusals(answers) == []
    assert sorted(answer["reminders"] for answer in answers) == [0, 0, 1]
    assert kinds("deadline_reminder", "decisions_waiting") == [
        ("deadline_reminder", "Oskar Rep"), ("decisions_waiting", "Mona Manager")
    ]  # fmt: skip


def test_one_press_sent_three_times_is_one_mail() -> None:
    world = make_world(lines=2)
    press = acts_as(world.admin, lambda by: reminding.remind(world.cycle.pk, None, press=PRESS, by=by))
    answers = at_once(press, press, press)
    assert refusals(answers) == []
    assert sorted(answers) == [0, 0, 2]
    assert kinds("deadline_reminder") == [("deadline_reminder", "Oskar Rep"), ("deadline_reminder", "Rita Rep")]


def test_three_digests_at_once_are_one() -> None:
    world = make_world(lines=2)
    submitted(world.lines)
    with transaction.atomic(), past_the_guard():
        lines = Line.objects.filter(submitted_at__isnull=False)
        lines.untracked().update(submitted_at=F("submitted_at") - dt.timedelta(hours=2))
    run = as_job(send_digests)
    answers = at_once(run, run, run)
    assert sorted(answers) == [0, 0, 2]
    assert kinds("submissions_digest") == [("submissions_digest", "Ada Admin"), ("submissions_digest", "Mona Manager")]
    assert Notification.objects.filter(kind="submissions_digest").count() == 2
