"""One-use links, choosing and changing passwords, and the mail that carries the links."""

import datetime as dt
import re
from typing import Any

import pytest
import time_machine
from allauth.account.models import EmailAddress
from django.contrib.auth.hashers import make_password
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audit.context import acting
from sop_portal.accounts import mail, services
from sop_portal.accounts.models import PasswordRequest, User
from sop_portal.accounts.tokens import password_link
from sop_portal.conf.services import set_value
from sop_portal.mail.backends import ConfiguredSmtpBackend
from sop_portal.mail.models import Notification, OutboxMail
from tests.accounts.helpers import choose_password, is_signed_in, link_in, sign_in
from tests.factories import PASSWORD, make_user
from tests.mail.helpers import delivered

pytestmark = pytest.mark.django_db
NEW = "a-quite-new-secret-9"


def ask(client: Client, email: str) -> Any:
    return client.post("/accounts/password/reset/", {"email": email})


def path_of(link: str) -> str:
    return link.partition("://")[2].partition("/")[1] + link.partition("://")[2].partition("/")[2]


def test_forgotten_password_from_mail_to_sign_in(client: Client) -> None:
    make_user(email="rosa@example.com")
    assert ask(client, "Rosa@Example.com").status_code == 302
    (message,) = delivered()
    assert message.to == ["rosa@example.com"]
    assert message.from_email == "S&OP Portal <noreply@sopportal.com>"
    link = link_in(message)
    assert choose_password(Client(), link, NEW).status_code == 302
    assert sign_in(Client(), "rosa@example.com", PASSWORD).status_code == 422
    assert sign_in(Client(), "rosa@example.com", NEW).status_code == 302
    again = choose_password(Client(), link, "another-new-secret-1")
    assert b"no longer works" in again.content
    assert sign_in(Client(), "rosa@example.com", NEW).status_code == 302


def test_the_answer_does_not_tell_who_has_an_account(client: Client) -> None:
    make_user(email="rosa@example.com")
    make_user(email="gone@example.com", is_active=False)
    answers = {ask(client, email)["Location"] for email in ("rosa@example.com", "gone@example.com", "no@example.com")}
    assert answers == {"/accounts/password/reset/done/"}
    assert [message.to for message in delivered()] == [["rosa@example.com"]]


def test_the_page_does_the_same_work_for_everybody(client: Client) -> None:
    """Nobody is looked up while it is answered, so the time it takes tells nothing either."""
    make_user(email="rosa@example.com")
    statements = []
    for email in ("first@example.com", "rosa@example.com", "no@example.com"):
        with CaptureQueriesContext(connection) as queries:
            ask(client, email)
        statements.append([re.sub(r"'[^']*'(::\w+)?|s\d+_x\d+", "?", query["sql"]) for query in queries])
    assert statements[1] == statements[2]
    assert not any('accounts_user"' in sql for sql in statements[1])
    assert PasswordRequest.objects.count() == 3
    assert [message.to for message in delivered()] == [["rosa@example.com"]]
    assert not PasswordRequest.objects.exists()


def test_no_link_is_stored(client: Client) -> None:
    make_user(email="rosa@example.com")
    ask(client, "rosa@example.com")
    mail.answer_requests()
    (waiting,) = OutboxMail.objects.all()
    assert (waiting.text, waiting.html, waiting.context) == ("", "", {})
    link = link_in(delivered()[0])
    waiting.refresh_from_db()
    assert link not in str(vars(waiting)) and waiting.state == "sent"
    assert not Notification.objects.exists()


def test_a_request_is_answered_once(client: Client) -> None:
    make_user(email="rosa@example.com")
    ask(client, "rosa@example.com")
    (request,) = PasswordRequest.objects.all()
    mail.answer_requests()
    request.save(force_insert=True)
    assert len(delivered()) == 1


def test_a_link_lives_for_an_hour() -> None:
    rosa = make_user()
    link = path_of(password_link(rosa))
    with time_machine.travel(timezone.now() + dt.timedelta(minutes=61)):
        assert b"no longer works" in choose_password(Client(), link, NEW).content
    with time_machine.travel(timezone.now() + dt.timedelta(minutes=59)):
        assert choose_password(Client(), link, NEW).status_code == 302


@pytest.mark.parametrize("event", ["sign-in", "deactivated", "address"])
def test_a_link_dies_early(event: str) -> None:
    rosa = make_user(email="rosa@example.com")
    link = path_of(password_link(rosa))
    with acting("system", source="command"):
        if event == "sign-in":
            sign_in(Client(), "rosa@example.com", PASSWORD)
        elif event == "deactivated":
            services.set_active([rosa], False, by=None)
        else:
            rosa.email = "rosa.new@example.com"
            rosa.save()
    assert b"no longer works" in choose_password(Client(), link, NEW).content


def test_an_old_address_gets_no_link(client: Client) -> None:
    rosa = make_user(email="old@example.com")
    ask(client, "old@example.com")
    mail.answer_requests()
    rosa.email = "new@example.com"
    with acting("system", source="command"):
        rosa.save()
    ask(client, "old@example.com")
    assert [message.to for message in delivered()] == [["new@example.com"]]
    assert not EmailAddress.objects.exists()


@pytest.mark.parametrize(
    "path", ["0-x-y", "zzzzzzzzzzzzz-x", "1-" + "a" * 100, "1-set-password", "9999999999999-abc-def"]
)
def test_malformed_links_are_only_dead(client: Client, path: str) -> None:
    make_user()
    answer = client.get(f"/accounts/password/reset/key/{path}/")
    assert answer.status_code == 200
    assert b"no longer works" in answer.content


@pytest.mark.parametrize(
    ("password", "word"),
    [("short-one-1", "12"), ("password123456", "common"), ("rosa.meyer.rosa", "similar"), ("930284756102", "numeric")],
)
def test_weak_passwords_are_refused(password: str, word: str) -> None:
    rosa = make_user(email="rosa.meyer@example.com", full_name="Rosa Meyer")
    answer = choose_password(Client(), path_of(password_link(rosa)), password)
    assert answer.status_code == 422
    assert word in str(answer.context["form"].errors)


def test_a_mailbox_is_not_filled(client: Client) -> None:
    make_user(email="rosa@example.com")
    with time_machine.travel(dt.datetime(2026, 11, 2, 12, 0, 1, tzinfo=dt.UTC)) as clock:
        answers = []
        for _ in range(6):
            answers.append(ask(client, "rosa@example.com").status_code)
            clock.shift(dt.timedelta(seconds=61))
    assert answers == [302] * 5 + [429]
    assert len(delivered()) == 5


class TestChange:
    def test_keeps_this_session_and_ends_the_others(self) -> None:
        make_user(email="rosa@example.com")
        here, there = Client(), Client()
        sign_in(here, "rosa@example.com", PASSWORD)
        sign_in(there, "rosa@example.com", PASSWORD)
        answer = here.post("/accounts/password/change/", {"oldpassword": PASSWORD, "password1": NEW, "password2": NEW})
        assert answer.status_code == 302
        assert is_signed_in(here)
        assert not is_signed_in(there)

    def test_needs_the_old_one(self) -> None:
        client = Client()
        client.force_login(make_user())
        answer = client.post("/accounts/password/change/", {"oldpassword": "x", "password1": NEW, "password2": NEW})
        assert answer.status_code == 422


class TestCreateAdmin:
    def test_the_first_one(self, capsys: pytest.CaptureFixture[str]) -> None:
        call_command("create_admin", "boss@example.com", "--name", "The Boss")
        link = capsys.readouterr().out.strip()
        boss = User.objects.get(email="boss@example.com")
        assert (boss.full_name, boss.has_usable_password()) == ("The Boss", False)
        assert boss.has_perm("accounts.manage_users")
        assert link.startswith("http")
        assert choose_password(Client(), path_of(link), NEW).status_code == 302
        client = Client()
        assert sign_in(client, "boss@example.com", NEW).status_code == 302
        assert client.get("/admin/").status_code == 200
        assert b"no longer works" in choose_password(Client(), path_of(link), NEW).content

    def test_makes_somebody_who_is_there_an_admin(self, capsys: pytest.CaptureFixture[str]) -> None:
        rosa = make_user("sales_rep", email="rosa@example.com", is_active=False)
        call_command("create_admin", "ROSA@example.com")
        assert User.objects.get(pk=rosa.pk).is_active
        assert User.objects.active().with_permission("accounts.manage_users").get() == rosa
        assert choose_password(Client(), path_of(capsys.readouterr().out.strip()), NEW).status_code == 302

    def test_if_none(self, capsys: pytest.CaptureFixture[str]) -> None:
        make_user("admin")
        call_command("create_admin", "boss@example.com", "--if-none")
        assert capsys.readouterr().out == ""
        assert not User.objects.filter(email="boss@example.com").exists()

    def test_refuses_what_is_no_address(self) -> None:
        with pytest.raises(CommandError, match="valid email"):
            call_command("create_admin", "boss")


class TestMail:
    def test_goes_to_the_server_of_the_settings(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sop_portal.conf.get", {"smtp_host": "mail.example.com", "smtp_port": 2525}.__getitem__)
        backend = ConfiguredSmtpBackend()
        assert (backend.host, backend.port) == ("mail.example.com", 2525)
        assert (backend.use_tls, backend.use_ssl) == (True, False)

    def test_speaks_tls_from_the_first_byte_at_its_port(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sop_portal.conf.get", {"smtp_host": "mail.example.com", "smtp_port": 465}.__getitem__)
        backend = ConfiguredSmtpBackend()
        assert (backend.use_tls, backend.use_ssl) == (False, True)

    def test_welcome_in_text_and_html(self) -> None:
        rosa = make_user(full_name="Rosa <b>Meyer</b>", email="rosa@example.com")
        assert mail.send_password_links([rosa], welcome=True) == 1
        (message,) = delivered()
        assert "Hello Rosa," in message.body
        html = str(message.alternatives[0][0])  # type: ignore[attr-defined]
        assert "<b>Meyer" not in html
        assert link_in(message) in html

    def test_goes_though_notices_are_switched_off(self) -> None:
        with acting("system", source="command"):
            set_value("notification_email_enabled", False, by=None)
        mail.send_password_links([make_user()])
        assert len(delivered()) == 1


class TestChanged:
    def test_whoever_changed_it_the_person_is_told(self) -> None:
        rosa = make_user(email="rosa@example.com", time_zone="America/New_York")
        client = Client()
        sign_in(client, "rosa@example.com", PASSWORD)
        client.post("/accounts/password/change/", {"oldpassword": PASSWORD, "password1": NEW, "password2": NEW})
        (message,) = delivered()
        assert message.to == ["rosa@example.com"] and "was changed" in message.subject
        assert "(New York)" in message.body
        assert Notification.objects.get(user=rosa).url == "/accounts/password/reset/"
        choose_password(Client(), path_of(password_link(User.objects.get(pk=rosa.pk))), "another-new-secret-1")
        assert len(delivered()) == 2

    def test_not_for_a_new_user_a_new_hash_or_another_field(self) -> None:
        make_user(email="rosa@example.com")
        user = User.objects.get(email="rosa@example.com")
        with acting("system", source="command"):
            user.password = make_password(PASSWORD, hasher="pbkdf2_sha256")
            user.save()
            user.full_name = "Rosa"
            user.save()
        sign_in(Client(), "rosa@example.com", PASSWORD)
        assert User.objects.get(pk=user.pk).password.startswith("argon2")
        assert delivered() == []
