"""Mail under races: queued once, delivered once."""

import functools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from sop_portal.mail import sending
from sop_portal.mail.models import Notification, OutboxMail
from sop_portal.mail.services import Letter, queue_many
from tests.conftest import _url
from tests.factories import make_user
from tests.mail.smtp import mail_server

ROOT = Path(__file__).resolve().parents[2]
KIND = "mail_stuck"
STUCK: dict[str, Any] = {"count_words": "41 mails", "since": "Fri 27 Nov 2026, 09:04", "url": "/admin/mail/outboxmail/"}


def letters(users: list[Any]) -> list[Letter]:
    return [Letter(user, f"day:{user.pk}", STUCK) for user in users]


def test_two_who_queue_the_same_at_the_same_time(committed: None) -> None:
    users = [make_user() for _ in range(20)]
    together, queued = threading.Barrier(2), []

    def one(order: int) -> None:
        try:
            with transaction.atomic():
                together.wait(timeout=30)
                queued.append(queue_many(KIND, letters(users[::order])))
        finally:
            connection.close()

    threads = [threading.Thread(target=one, args=(order,)) for order in (1, -1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert sum(queued) == 20
    assert OutboxMail.objects.count() == Notification.objects.count() == 20


def test_two_workers_deliver_each_mail_once(committed: None, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "claim", functools.partial(sending.claim, 5))
    users = [make_user() for _ in range(40)]
    together, told = threading.Barrier(2), []

    def one() -> None:
        try:
            together.wait(timeout=30)
            told.append(sending.send_due())
        finally:
            connection.close()

    with mail_server(settings) as server:
        queue_many(KIND, letters(users))
        threads = [threading.Thread(target=one) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=60)
        ids = server.behaviour.ids()
    assert sum(counts["sent"] for counts in told) == len(ids) == len(set(ids)) == 40
    assert set(OutboxMail.objects.values_list("state", "attempts")) == {("sent", 1)}


# What the worker of the tests does in a process of its own; mail goes to the server of the settings.
WORKER = """
import django; django.setup()
from django.conf import settings
settings.EMAIL_BACKEND = "sop_portal.mail.backends.ConfiguredSmtpBackend"
settings.EMAIL_USE_TLS = False
from sop_portal.mail import sending
sending.send_due()
"""


def test_what_a_killed_worker_left_is_taken_up_when_its_lease_ends(
    committed: None, settings: Any, at: Callable[[Any], None]
) -> None:
    with mail_server(settings) as server:
        queue_many(KIND, letters([make_user() for _ in range(40)]))
        url = _url(os.environ["DATABASE_URL"], connection.settings_dict["NAME"])
        environment = {**os.environ, "DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "sop_portal.settings"}
        worker = subprocess.Popen([sys.executable, "-c", WORKER], cwd=ROOT, env=environment)
        until = time.monotonic() + 60
        while len(server.behaviour.taken) < 10 and time.monotonic() < until:
            time.sleep(0.001)
        worker.send_signal(signal.SIGKILL)
        worker.wait()
        left = OutboxMail.objects.filter(state="sending").count()
        assert 0 < left <= 31
        assert sending.send_due() == {}, "nobody takes them before"
        at(timezone.now() + sending.LEASE)
        assert sending.send_due() == {"sent": left}
        ids = server.behaviour.ids()
    # The one that was under way may have arrived before the worker could note it: twice, under one Message-ID.
    assert len(set(ids)) == 40 and len(ids) <= 41
    assert set(OutboxMail.objects.values_list("state", flat=True)) == {"sent"}
