"""The outbox in the admin: lists, previews, sending again, the test mail."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.core import mail as arrived
from django.test import Client
from django.urls import reverse

from audit.models import Entry
from sop_portal.accounts.models import User
from sop_portal.lib.errors import NotAllowed
from sop_portal.mail import kinds, sending, services
from sop_portal.mail.models import Notification, OutboxMail
from sop_portal.mail.services import Attachment, queue
from tests.factories import make_user
from tests.mail import smtp
from tests.mail.helpers import delivered
from tests.world import count_queries

pytestmark = pytest.mark.django_db
KIND = "mail_stuck"
STUCK: dict[str, Any] = {"count_words": "41 mails", "since": "noon", "url": "/accounts/profile/"}
LIST = "/admin/mail/outboxmail/"
TEST = f"{LIST}test/"


@pytest.fixture
def boss() -> User:
    return make_user("admin", email="boss@example.com")


@pytest.fixture
def page(boss: User) -> Client:
    client = Client()
    client.force_login(boss)
    return client


@pytest.fixture
def server(settings: Any) -> Iterator[smtp.Server]:
    with smtp.mail_server(settings) as running:
        yield running


def one(**fields: Any) -> OutboxMail:
    user = make_user()
    queue(KIND, user, key=str(user.pk), context=STUCK, attachments=[Attachment("a.ics", b"x", "text/calendar")])
    OutboxMail.objects.filter(user=user).update(**fields)
    return OutboxMail.objects.get(user=user)


def said(answer: Any) -> list[str]:
    return [str(message) for message in get_messages(answer.wsgi_request)]


def act(page: Client, *mails: OutboxMail) -> Any:
    return page.post(LIST, {"action": "send_again", "_selected_action": [mail.pk for mail in mails]})


def test_the_list_by_state_kind_and_words(page: Client) -> None:
    one(state="failed", error="The mail server said 550."), one(subject="Something else")
    everything = page.get(LIST).content.decode()
    assert "said 550" in everything and "Something else" in everything and "Send a test mail" in everything
    failed = page.get(f"{LIST}?state__exact=failed").content.decode()
    assert "said 550" in failed and "Something else" not in failed
    assert "Something else" in page.get(f"{LIST}?q=something").content.decode()
    assert "Something else" not in page.get(f"{LIST}?kind=welcome").content.decode()
    few = count_queries(page, LIST)
    for _ in range(5):
        one()
    assert count_queries(page, LIST) == few


def test_a_mail_is_shown_and_cannot_be_changed(page: Client) -> None:
    mail = one()
    answer = page.get(f"{LIST}{mail.pk}/change/")
    shown = answer.content.decode()
    assert "41 mails waiting" in shown and "a.ics" in shown and mail.message_id.strip("<>") in shown
    assert f'src="{LIST}{mail.pk}/html/"' in shown and "frame-src 'self'" in answer["Content-Security-Policy"]
    assert 'name="_save"' not in shown
    assert page.post(f"{LIST}{mail.pk}/change/", {"subject": "x"}).status_code == 403
    assert page.get(f"{LIST}add/").status_code == 403
    assert page.post(f"{LIST}{mail.pk}/delete/", {"post": "yes"}).status_code == 403


def test_its_html_runs_nothing(page: Client) -> None:
    mail = one()
    answer = page.get(f"{LIST}{mail.pk}/html/")
    policy = answer["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "'sha256-" in policy and "sandbox" in policy
    assert "unsafe" not in policy and answer["X-Frame-Options"] == "SAMEORIGIN"
    assert page.get(f"{LIST}999999/html/").status_code == 404


def test_account_mail_shows_no_link(page: Client, boss: User) -> None:
    queue("password_reset", boss, key="x", context={})
    mail = OutboxMail.objects.get()
    delivered()
    assert "not kept" in page.get(f"{LIST}{mail.pk}/change/").content.decode()


def test_failed_and_suppressed_are_sent_again(page: Client, boss: User) -> None:
    failed, suppressed, sent = one(state="failed", attempts=9), one(state="suppressed"), one(state="sent")
    told = said(act(page, failed, suppressed, sent))
    assert told == ["2 mails are on the way again.", "Mails that were sent, or are being sent, are left as they are."]
    assert [message.to for message in delivered()] == [[failed.user.email], [suppressed.user.email]]
    failed.refresh_from_db()
    assert (failed.state, failed.attempts) == ("sent", 1)
    entry = Entry.objects.get(action="mail_retried", entity_id=str(failed.pk))
    assert (entry.actor_id, entry.source, entry.changes) == (boss.pk, "admin", {"state": ["failed", "pending"]})
    assert page.get(f"{LIST}{failed.pk}/history/", follow=True).status_code == 200


def test_only_admins_look_send_again_and_try() -> None:
    mail = one(state="failed")
    for role in ("sales_rep", "manager", "viewer"):
        user, client = make_user(role), Client()
        client.force_login(user)
        for address in (LIST, TEST, f"{LIST}kinds/", f"{LIST}kinds/welcome/", f"{LIST}{mail.pk}/html/"):
            assert client.get(address).status_code in (302, 403), address
        assert client.post(TEST).status_code in (302, 403)
        with pytest.raises(NotAllowed):
            services.send_again(OutboxMail.objects.all(), by=user)
        with pytest.raises(NotAllowed):
            sending.send_test(user)
    mail.refresh_from_db()
    assert mail.state == "failed" and arrived.outbox == []


class TestTestMail:
    def test_really_goes_and_says_so(self, page: Client, server: smtp.Server) -> None:
        assert "boss@example.com" in page.get(TEST).content.decode()
        assert server.behaviour.taken == []
        told = said(page.post(TEST))
        where = f"through the mail server 127.0.0.1:{server.port}"
        assert told == [f"The test mail to boss@example.com was taken, {where}."]
        (came,) = server.behaviour.taken
        assert came["To"] == "boss@example.com" and came["Subject"] == "Test mail from S&OP Portal"
        assert Entry.objects.filter(action="mail_tested").count() == 1
        assert not OutboxMail.objects.exists() and not Notification.objects.exists()

    def test_shows_what_the_server_answered(self, page: Client, server: smtp.Server) -> None:
        server.behaviour.choose = lambda address: "550 5.7.1 Relaying denied"
        assert said(page.post(TEST)) == [
            f"The mail server 127.0.0.1:{server.port} refused the address: 550 5.7.1 Relaying denied"
        ]
        server.down()
        assert "could not be reached" in said(page.post(TEST))[-1]

    def test_says_when_mail_becomes_a_file(self, page: Client, settings: Any, tmp_path: Any) -> None:
        settings.EMAIL_BACKEND, settings.EMAIL_FILE_PATH = "sop_portal.mail.backends.MailFileBackend", tmp_path
        assert f"as a file in {tmp_path}" in said(page.post(TEST))[0]
        assert len(list(tmp_path.iterdir())) == 1


def test_every_kind_has_a_preview(page: Client) -> None:
    overview = page.get(reverse("admin:mail_kinds")).content.decode()
    for name, kind in kinds.KINDS.items():
        assert kind.help in overview.replace("&#x27;", "'").replace("&amp;", "&")
        assert page.get(reverse("admin:mail_kind", args=[name])).status_code == 200, name
        assert "<style>" in page.get(reverse("admin:mail_kind_html", args=[name])).content.decode()
    assert page.get(f"{LIST}kinds/no-such/").status_code == 404
    assert not OutboxMail.objects.exists()
