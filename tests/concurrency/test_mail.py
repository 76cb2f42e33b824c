"""Mail under races: queued once, delivered once."""

import threading
from typing import Any

from django.db import connection, transaction

from sop_portal.mail import sending
from sop_portal.mail.models import Notification, OutboxMail
from sop_portal.mail.services import Letter, queue_many
from tests.factories import make_user
from tests.mail.smtp import mail_server

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


def test_two_workers_deliver_each_mail_once(committed: None, settings: Any) -> None:
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
