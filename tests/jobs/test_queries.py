"""A job that finds a thousand things to do asks the database as often as one that finds ten. A new job without a line
fails."""

import datetime as dt
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audit import tasks as audit_tasks
from audit.context import acting
from cycles import services as cycles
from cycles import tasks as cycle_tasks
from forecasts import tasks as forecast_tasks
from sop_portal import conf
from sop_portal.accounts import tasks as account_tasks
from sop_portal.accounts.models import IdempotencyKey, KnownAddress, SignInTurn, TokenFamily, User
from sop_portal.conf.services import set_value
from sop_portal.jobs import tasks as job_tasks
from sop_portal.jobs.models import JobRun
from sop_portal.lib.jobs import SCHEDULES
from sop_portal.mail import tasks as mail_tasks
from sop_portal.mail.models import Notification, OutboxMail
from tests.api.grown import Grown
from tests.factories import FAR, FIRST, make_cycle, make_user
from tests.world import make_world, next_transaction, submitted

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

FEW, MANY = 10, 1_000
LONG_AGO = timezone.now() - dt.timedelta(days=400)
BEFORE, AFTER = FAR - dt.timedelta(hours=20), FAR + dt.timedelta(hours=1)
At = Callable[[Any], None]


def sessions(size: int, at: At) -> None:
    user = make_user("viewer")
    Session.objects.bulk_create(Session(session_key=f"old{n}", expire_date=LONG_AGO) for n in range(size))
    UserSession.objects.bulk_create(
        UserSession(user=user, session_key=f"old{n}", ip="192.0.2.1", user_agent="") for n in range(size)
    )


def attempts(size: int, at: At) -> None:
    users = User.objects.untracked().bulk_create(
        User(username=f"u{n}", email=f"u{n}@example.com", full_name=f"User {n}") for n in range(size)
    )
    SignInTurn.objects.bulk_create(SignInTurn(name=f"name{n}", attempts=3, last_at=LONG_AGO) for n in range(size))
    KnownAddress.objects.bulk_create(KnownAddress(user=one, address="192.0.2.1", last_at=LONG_AGO) for one in users)


def tokens(size: int, at: At) -> None:
    user = make_user("viewer")
    TokenFamily.objects.untracked().bulk_create(
        TokenFamily(
            user=user, access_version=1, current=uuid.uuid4().hex, created_at=LONG_AGO, expires_at=LONG_AGO
        )
        for n in range(size)
    )  # fmt: skip
    IdempotencyKey.objects.untracked().bulk_create(
        IdempotencyKey(user=user, key=f"key{n}", at=LONG_AGO, status=200, body=b"{}", headers={}) for n in range(size)
    )


def mails(size: int, at: At) -> None:
    made: dict[str, Any] = {"kind": "test", "user": make_user("viewer"), "created_at": LONG_AGO}
    Notification.objects.bulk_create(Notification(key=f"n{n}", **made) for n in range(size))
    OutboxMail.objects.bulk_create(
        OutboxMail(
            key=f"m{n}", message_id=f"<{n}@example.com>", state="sent", sent_at=LONG_AGO, next_attempt_at=LONG_AGO,
            give_up_at=LONG_AGO, **made,
        )
        for n in range(size)
    )  # fmt: skip


def runs(size: int, at: At) -> None:
    times = dict.fromkeys(("asked_at", "started_at", "ended_at"), LONG_AGO)
    JobRun.objects.bulk_create(JobRun(job="seal_audit", state="ok", started_by="beat", **times) for n in range(size))


def lines_left(size: int, at: At) -> None:
    """As many reps, of one manager, with a line each that is not handed in."""
    Grown(size)
    OutboxMail.objects.all().delete()
    at(BEFORE)


def lines_handed_in(size: int, at: At) -> None:
    world = make_world(lines=size, first_period=FIRST)
    at(BEFORE)
    submitted(world.lines)
    at(BEFORE + dt.timedelta(hours=2))


def cycle_over(size: int, at: At) -> None:
    make_world(lines=size, first_period=FIRST)
    at(AFTER)


def draft_due(size: int, at: At) -> None:
    """A draft after a cycle of as many lines."""
    world = make_world(lines=size, first_period=FIRST)
    with acting(world.admin, source="web"):
        cycles.close_cycle(world.cycle.pk, by=world.admin, reason="Everybody is done.")
        set_value("auto_open_cycles", True, by=None)
    make_cycle(
        by=world.admin, first_period=dt.date(2027, 2, 1), opens_at=BEFORE, closes_at=AFTER + dt.timedelta(days=9)
    )
    at(AFTER)


MAKE: dict[str, tuple[Callable[[int, At], None], Callable[[], Any], int]] = {
    "clear_sessions": (sessions, account_tasks.clear_sessions, MANY),
    "forget_attempts": (attempts, account_tasks.forget_attempts, MANY),
    "forget_tokens": (tokens, account_tasks.forget_tokens, MANY),
    "forget_old_mail": (mails, mail_tasks.forget_old_mail, MANY),
    "cleanup_job_runs": (runs, job_tasks.cleanup_job_runs, MANY),
    # Their things are made by the services, one by one.
    "send_deadline_reminders": (lines_left, forecast_tasks.send_deadline_reminders, 200),
    "send_digests": (lines_handed_in, forecast_tasks.send_digests, 100),
    "auto_close_cycles": (cycle_over, cycle_tasks.auto_close_cycles, 100),
    "auto_open_cycles": (draft_due, cycle_tasks.auto_open_cycles, 100),
    # Makes the months to come, whatever there is.
    "audit_partitions": (lambda size, at: None, audit_tasks.ensure_partitions, MANY),
}
# What costs a statement or more for each thing, and why.
EACH = {
    "send_outbox": "each mail is taken, sent and marked by itself, so that a worker that dies leaves one in doubt",
    "cleanup_files": "each file is deleted by itself",
    "sweep_queue": "each run that was lost is offered to the workers by itself",
    "seal_audit": "a step of 100,000 entries is one transaction",
    "cleanup_audit_logs": "each month is archived and dropped by itself",
}


def test_every_job_is_here() -> None:
    assert MAKE.keys() | EACH.keys() == SCHEDULES.keys() and not MAKE.keys() & EACH.keys()


@pytest.mark.parametrize("name", MAKE)
def test_many_things_cost_no_more_queries(name: str, at: At) -> None:
    make, run, many = MAKE[name]
    seen = []
    for size in (FEW, many):
        with transaction.atomic():
            make(size, at)
            next_transaction()
            conf.clear_cache()
            with CaptureQueriesContext(connection) as caught:
                done = run()
            seen.append((len(caught), done))
            transaction.set_rollback(True)
        at(None)
        conf.clear_cache()
    (few, little), (many_queries, much) = seen
    assert many_queries == few, (name, seen)
    assert any((much if isinstance(much, dict) else {"": much}).values()) or name == "audit_partitions", (name, little)
