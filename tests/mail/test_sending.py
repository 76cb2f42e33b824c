"""Sending: to a real SMTP server that is down, hangs, puts off, refuses and cuts; each mail arrives once."""

import datetime as dt
import random
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core import mail as outbox

from audit.context import acting
from sop_portal.accounts.models import User
from sop_portal.accounts.services import set_active
from sop_portal.conf.services import set_value
from sop_portal.mail import kinds, sending, tasks
from sop_portal.mail.models import OutboxMail
from sop_portal.mail.services import Attachment, Letter, queue, queue_many
from tests.factories import make_user
from tests.mail import smtp

pytestmark = pytest.mark.django_db
KIND = "mail_stuck"
STUCK: dict[str, Any] = {"count_words": "41 mails", "since": "Fri 27 Nov 2026, 09:04", "url": "/admin/mail/outboxmail/"}
NOON = dt.datetime(2026, 11, 27, 12, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)


@pytest.fixture
def server(settings: Any) -> Iterator[smtp.Server]:
    with smtp.mail_server(settings) as running:
        yield running


def one(**user: Any) -> OutboxMail:
    person = make_user(**user)
    queue(KIND, person, key=str(person.pk), context=STUCK)
    return OutboxMail.objects.get(user=person)


def after(mail: OutboxMail) -> OutboxMail:
    """The mail as it is now; one that is decided holds no lease."""
    mail.refresh_from_db()
    assert mail.lease is None and mail.leased_until is None
    return mail


def test_a_mail_over_the_wire(server: smtp.Server) -> None:
    rosa = make_user(email="rosa@example.com", full_name="Rosa Müller")
    calendar = Attachment("deadline.ics", b"BEGIN:VCALENDAR\r\n", "text/calendar")
    queue(KIND, rosa, key="x", context=STUCK, attachments=[calendar])
    assert tasks.send_outbox() == {"sent": 1}
    mail = after(OutboxMail.objects.get())
    assert (mail.state, mail.address, mail.attempts, mail.error) == ("sent", "rosa@example.com", 1, "")
    assert mail.sent_at is not None
    (came,) = server.behaviour.taken
    assert came["Message-ID"] == mail.message_id
    assert (came["To"], came["From"]) == ("rosa@example.com", "S&OP Portal <noreply@sopportal.com>")
    assert came["Subject"] == mail.subject
    assert came["Auto-Submitted"] == "auto-generated"
    assert "Hello Rosa," in came.get_body(("plain",)).get_content()
    assert "<h1>" in came.get_body(("html",)).get_content()
    assert [part.get_filename() for part in came.iter_attachments()] == ["deadline.ics"]
    assert tasks.send_outbox() == {}


def test_a_batch_takes_one_connection(server: smtp.Server, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []
    plain_open = smtp.Controller.factory
    monkeypatch.setattr(smtp.Controller, "factory", lambda self: opened.append(1) or plain_open(self))
    server.down()
    server.up()
    opened.clear()
    people = [make_user() for _ in range(5)]
    queue_many(KIND, [Letter(person, str(person.pk), STUCK) for person in people])
    assert sending.send_due() == {"sent": 5}
    assert len(opened) == 1


def test_an_address_that_is_refused_is_failed_and_shown(server: smtp.Server) -> None:
    server.behaviour.choose = lambda address: "550 5.1.1 No such user here" if "gone" in address else smtp.OK
    gone, other = one(email="gone@example.com"), one()
    assert sending.send_due() == {"failed": 1, "sent": 1}
    assert after(gone).state == "failed"
    assert gone.error == f"The mail server 127.0.0.1:{server.port} refused the address: 550 5.1.1 No such user here"
    assert after(other).state == "sent"
    assert sending.send_due() == {}


def test_content_that_is_refused_is_failed(server: smtp.Server) -> None:
    server.behaviour.choose = lambda address: smtp.REFUSE_DATA
    assert after_sending(one()).state == "failed"


def after_sending(mail: OutboxMail) -> OutboxMail:
    sending.send_due()
    return after(mail)


def test_what_is_put_off_waits_longer_each_time(server: smtp.Server, at: Callable[[Any], None]) -> None:
    at(NOON)
    mail = one()
    server.behaviour.choose = lambda address: "451 greylisted"
    now, waits = NOON, []
    for attempt in range(1, 10):
        at(now)
        after_sending(mail)
        assert (mail.state, mail.attempts) == ("pending", attempt)
        waits.append((mail.next_attempt_at - now).total_seconds() / 60)
        at(mail.next_attempt_at - dt.timedelta(seconds=1))
        assert sending.send_due() == {}
        now = mail.next_attempt_at
    assert waits == [0.5, 1, 2, 4, 8, 16, 32, 60, 60]
    assert "451 greylisted" in mail.error
    server.behaviour.choose = lambda address: smtp.OK
    at(now)
    assert after_sending(mail).state == "sent"


def test_a_mail_of_no_use_any_more_is_given_up(server: smtp.Server, at: Callable[[Any], None]) -> None:
    at(NOON)
    mail = one()
    server.behaviour.choose = lambda address: "451 mailbox full"
    after_sending(mail)
    at(NOON + kinds.find(KIND).lifetime + MINUTE)
    assert after_sending(mail).state == "failed"
    assert "too late" in mail.error and "mailbox full" in mail.error


def test_reminders_that_the_next_day_repeats_do_not_pile_up(server: smtp.Server, at: Callable[[Any], None]) -> None:
    at(NOON)
    rosa = make_user()
    for name in ("deadline_reminder", "decisions_waiting"):
        queue(name, rosa, key="1", context=kinds.find(name).sample)
    server.down()
    sending.send_due()
    server.up()
    at(NOON + dt.timedelta(days=1, minutes=1))
    assert sending.send_due() == {"failed": 2}
    assert server.behaviour.taken == []


@pytest.mark.parametrize(
    ("behave", "word"),
    [("down", "could not be reached"), (smtp.HANG, "stopped answering"), (smtp.CUT_BEFORE_DATA, "broke"),
     ("421 shutting down", "put off the connection")],
)  # fmt: skip
def test_a_server_that_is_away_costs_no_mail(
    server: smtp.Server, settings: Any, at: Callable[[Any], None], behave: str, word: str
) -> None:
    at(NOON)
    mail = one()
    settings.EMAIL_TIMEOUT = smtp.IMPATIENT if behave == smtp.HANG else smtp.PATIENT
    if behave == "down":
        server.down()
    server.behaviour.choose = lambda address: behave
    assert sending.send_due() == {"put off": 1}
    assert after(mail).state == "pending" and word in mail.error
    server.up()
    server.behaviour.choose = lambda address: smtp.OK
    settings.EMAIL_TIMEOUT = smtp.PATIENT
    at(NOON + MINUTE)
    assert sending.send_due() == {"sent": 1}
    assert server.behaviour.ids() == [mail.message_id]


def test_a_server_that_is_down_is_asked_once_a_run(server: smtp.Server) -> None:
    server.down()
    mails = [one() for _ in range(3)]
    assert sending.send_due() == {"put off": 1}
    assert sorted(after(mail).attempts for mail in mails) == [0, 0, 1]


def test_a_sender_who_is_refused_is_no_fault_of_the_mails(server: smtp.Server, at: Callable[[Any], None]) -> None:
    at(NOON)
    mails = [one() for _ in range(3)]
    server.behaviour.to_sender = "550 5.7.1 Not one of our addresses"
    assert sending.send_due() == {"put off": 1}
    assert "refused the sender: 550 5.7.1 Not one of our addresses" in after(mails[0]).error
    server.behaviour.to_sender = "250 OK"
    at(NOON + MINUTE)
    assert sending.send_due() == {"sent": 3}


@pytest.mark.parametrize(
    ("asked", "word"),
    [({"EMAIL_USE_TLS": True}, "SMTP_TLS"), ({"EMAIL_HOST_USER": "portal", "EMAIL_HOST_PASSWORD": "x"}, "SMTP_USER")],
)
def test_what_the_server_does_not_offer_is_said(
    server: smtp.Server, settings: Any, asked: dict[str, Any], word: str
) -> None:
    for name, value in asked.items():
        setattr(settings, name, value)
    mail = one()
    assert sending.send_due() == {"put off": 1}
    assert "does not offer" in after(mail).error and word in mail.error


def test_cut_after_the_data_it_goes_again_under_the_same_id(server: smtp.Server, at: Callable[[Any], None]) -> None:
    at(NOON)
    mail = one()
    server.behaviour.choose = lambda address: smtp.CUT_AFTER_DATA
    sending.send_due()
    server.behaviour.choose = lambda address: smtp.OK
    at(NOON + MINUTE)
    sending.send_due()
    assert after(mail).state == "sent"
    assert server.behaviour.ids() == [mail.message_id] * 2


@pytest.mark.slow
def test_500_mails_and_a_server_that_is_down_half_of_the_time(
    server: smtp.Server, settings: Any, at: Callable[[Any], None]
) -> None:
    """Down, hanging, putting off, cutting before and after the data, by turns; minutes pass by the portal's clock."""
    at(NOON)
    people = [make_user(email=f"{'gone' if n % 10 == 9 else 'rep'}{n}@example.com") for n in range(20)]
    queue_many(KIND, [Letter(person, f"{n}:{person.pk}", STUCK) for person in people for n in range(25)])
    chance = random.Random(500)

    def choose(address: str) -> str:
        if address.startswith("gone"):
            return "550 5.1.1 No such user here"
        draw = chance.random()
        if draw < 0.10:
            return "451 try later"
        if draw < 0.12:
            return smtp.CUT_BEFORE_DATA
        return smtp.CUT_AFTER_DATA if draw < 0.15 else smtp.OK

    minutes, now = 0, NOON
    while OutboxMail.objects.filter(state__in=["pending", "sending"]).exists():
        at(now)
        if minutes % 6 < 3:
            server.down()
        else:
            server.up()
            server.behaviour.choose = (lambda address: smtp.HANG) if minutes == 3 else choose
            settings.EMAIL_TIMEOUT = smtp.IMPATIENT if minutes == 3 else smtp.PATIENT
        tasks.send_outbox()
        minutes, now = minutes + 1, now + MINUTE
        assert minutes < 300, "mails are left"
    assert Counter(OutboxMail.objects.values_list("state", flat=True)) == {"sent": 450, "failed": 50}
    assert set(OutboxMail.objects.filter(state="failed").values_list("user__email", flat=True)) == {
        "gone9@example.com", "gone19@example.com",
    }  # fmt: skip
    copies = Counter(server.behaviour.ids())
    # Every mail arrived, and twice at most those whose answer was cut off, under one Message-ID.
    assert set(copies) == set(OutboxMail.objects.filter(state="sent").values_list("message_id", flat=True))
    assert len(server.behaviour.cut) > 5
    assert sum(copies.values()) == 450 + len(server.behaviour.cut)


def test_account_mail_goes_first(server: smtp.Server, monkeypatch: pytest.MonkeyPatch) -> None:
    late, early = one(), one()
    OutboxMail.objects.filter(pk=early.pk).update(kind="urgent")
    monkeypatch.setitem(kinds.KINDS, "urgent", kinds.Kind(name="urgent", colour="blue", help="", account=True))
    _, claimed = sending.claim()
    assert [mail.pk for mail in claimed] == [early.pk, late.pk]


class TestWithheld:
    def test_from_people_who_are_not_active_any_more(self, server: smtp.Server) -> None:
        mail = one()
        with acting("system", source="command"):
            set_active([mail.user], False, by=None)
        assert sending.send_due() == {"suppressed": 1}
        assert "not active" in after(mail).error
        assert server.behaviour.taken == []

    def test_while_mail_is_switched_off(self, server: smtp.Server) -> None:
        mail = one()
        with acting("system", source="command"):
            set_value("notification_email_enabled", False, by=None)
        assert sending.send_due() == {"suppressed": 1}
        assert "switched off" in after(mail).error


class TestLease:
    def test_keeps_others_away_until_it_runs_out(self, server: smtp.Server, at: Callable[[Any], None]) -> None:
        at(NOON)
        mail = one()
        _, claimed = sending.claim()
        assert claimed == [mail]
        at(NOON + sending.LEASE - MINUTE)
        assert sending.send_due() == {}
        at(NOON + sending.LEASE + MINUTE)
        assert sending.send_due() == {"sent": 1}
        assert after(mail).attempts == 2

    def test_whoever_lost_it_decides_nothing(self, server: smtp.Server, at: Callable[[Any], None]) -> None:
        at(NOON)
        mail = one()
        lease, _ = sending.claim()
        at(NOON + sending.LEASE + MINUTE)
        sending.send_due()
        sending._note(mail, lease, Counter(), state="failed", error="too late")
        sending.release(lease)
        assert after(mail).state == "sent"

    def test_is_given_back_when_the_run_ends_early(self, server: smtp.Server, monkeypatch: pytest.MonkeyPatch) -> None:
        mails = [one() for _ in range(3)]

        def killed(*args: Any) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(sending, "_attempt", killed)
        with pytest.raises(KeyboardInterrupt):
            sending.send_due()
        assert {(after(mail).state, mail.attempts) for mail in mails} == {("pending", 0)}

    def test_a_run_ends_in_time(self, server: smtp.Server) -> None:
        mails = [one() for _ in range(3)]
        assert sending.send_due(budget=0) == {}
        assert {after(mail).state for mail in mails} == {"pending"}


def test_a_mail_that_cannot_be_written_holds_up_no_other(server: smtp.Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(user: Any, context: Any) -> dict[str, Any]:
        raise RuntimeError("no link today")

    kind = kinds.Kind(name="broken", colour="blue", help="", account=True, complete=broken)
    monkeypatch.setitem(kinds.KINDS, "broken", kind)
    bad, good = one(), one()
    OutboxMail.objects.filter(pk=bad.pk).update(kind="broken")
    assert sending.send_due() == {"failed": 1, "sent": 1}
    assert "could not write" in after(bad).error and after(good).state == "sent"


@pytest.mark.parametrize("address", ["rosa@@example.com", "rosa@example.com, all@example.com"])
def test_an_address_that_no_form_would_take_fails_alone(server: smtp.Server, address: str) -> None:
    bad, good = one(), one()
    User.objects.untracked().filter(pk=bad.user.pk).update(email=address)
    assert sending.send_due() == {"failed": 1, "sent": 1}
    assert after(bad).error and after(good).state == "sent"
    assert server.behaviour.ids() == [good.message_id]


def test_a_sender_name_can_never_start_a_header(server: smtp.Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Forms refuse it; were it stored all the same, the mail fails and nothing is sent."""
    mail = one()
    monkeypatch.setattr("sop_portal.mail.wire.sender", lambda: "Portal\r\nBcc: all@example.com <noreply@example.com>")
    assert sending.send_due() == {"failed": 1}
    assert after(mail).state == "failed" and server.behaviour.taken == []


def test_locally_mails_become_files(settings: Any, tmp_path: Path) -> None:
    settings.EMAIL_BACKEND, settings.EMAIL_FILE_PATH = "sop_portal.mail.backends.MailFileBackend", tmp_path / "mail"
    for name in ("rosa", "ines"):
        one(email=f"{name}@example.com")
    assert sending.send_due() == {"sent": 2}
    files = sorted(path.name for path in (tmp_path / "mail").iterdir())
    assert len(files) == 2 and all(name.endswith(".eml") for name in files)
    assert any("rosa-example-com" in name for name in files)


def test_other_backends_send_as_well() -> None:
    mail = one()
    assert sending.send_due() == {"sent": 1}
    assert [message.extra_headers["Message-ID"] for message in outbox.outbox] == [mail.message_id]
    assert uuid.UUID(mail.message_id[1:33])
