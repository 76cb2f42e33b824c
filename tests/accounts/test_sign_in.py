"""Signing in: names, locks, one message, limits of time."""

import datetime as dt

import pytest
import time_machine
from axes.models import AccessAttempt
from django.contrib.auth.hashers import Argon2PasswordHasher
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audit.context import acting
from sop_portal import conf
from sop_portal.accounts.models import User
from tests.accounts.helpers import LOGIN, is_signed_in, sign_in
from tests.factories import PASSWORD, make_user

pytestmark = pytest.mark.django_db


def test_by_email_in_any_case_and_by_username(client: Client) -> None:
    make_user(email="rosa@example.com", username="rosa.m")
    for name in ("rosa@example.com", "ROSA@Example.com", " rosa.m ", "Rosa.M"):
        client = Client()
        answer = sign_in(client, name, PASSWORD)
        assert (answer.status_code, answer["Location"]) == (302, "/"), name
        assert is_signed_in(client)


def test_returns_to_where_one_was_but_never_to_another_site(client: Client) -> None:
    make_user(email="rosa@example.com")
    asked = client.get("/accounts/profile/?a=1")
    assert asked["Location"] == "/accounts/login/?next=/accounts/profile/%3Fa%3D1"
    assert sign_in(client, "rosa@example.com", PASSWORD, query_params={"next": "/accounts/profile/"})["Location"] == (
        "/accounts/profile/"
    )
    other = Client()
    answer = sign_in(other, "rosa@example.com", PASSWORD, query_params={"next": "https://evil.example/"})
    assert answer["Location"] == "/"


def without_password(user: User) -> None:
    user.set_unusable_password()
    with acting("system", source="command"):
        user.save()


def test_one_message_for_every_cause() -> None:
    make_user(email="rosa@example.com")
    make_user(email="gone@example.com", is_active=False)
    without_password(make_user(email="new@example.com"))
    bodies = set()
    for name, password in [
        ("rosa@example.com", "wrong wrong wrong"),
        ("gone@example.com", PASSWORD),
        ("new@example.com", PASSWORD),
        ("nobody@example.com", PASSWORD),
    ]:
        answer = sign_in(Client(), name, password)
        assert answer.status_code == 422
        assert answer.context["form"].non_field_errors() == [
            "This name and password do not fit together. Check both, or have a new password mailed to you."
        ]
        bodies.add(str(answer.context["form"].errors))
    assert len(bodies) == 1


def test_every_cause_costs_one_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    make_user(email="rosa@example.com", username="rosa@example.com")
    make_user(email="gone@example.com", is_active=False)
    without_password(make_user(email="new@example.com"))
    hashed: list[str] = []
    encode, verify = Argon2PasswordHasher.encode, Argon2PasswordHasher.verify
    monkeypatch.setattr(
        Argon2PasswordHasher, "encode", lambda self, *a, **k: hashed.append("encode") or encode(self, *a, **k)
    )
    monkeypatch.setattr(
        Argon2PasswordHasher, "verify", lambda self, *a, **k: hashed.append("verify") or verify(self, *a, **k)
    )
    for name in ("rosa@example.com", "gone@example.com", "new@example.com", "nobody@example.com", "nobody"):
        hashed.clear()
        sign_in(Client(), name, "wrong wrong wrong")
        assert len(hashed) == 1, name


def test_known_and_unknown_names_ask_the_database_alike() -> None:
    make_user(email="rosa@example.com")
    counts = []
    for name in ("rosa@example.com", "nobody@example.com"):
        with CaptureQueriesContext(connection) as queries:
            sign_in(Client(), name, "wrong wrong wrong")
        counts.append(len(queries))
    assert counts[0] == counts[1]


class TestLock:
    def fail(self, name: str, times: int, **extra: str) -> list[int]:
        return [sign_in(Client(), name, "wrong wrong wrong", **extra).status_code for _ in range(times)]

    def test_after_five_failures_even_the_right_password_waits(self) -> None:
        make_user(email="rosa@example.com", username="rosa")
        # Both names count as one.
        assert self.fail("rosa@example.com", 3) + self.fail("ROSA", 2) == [422, 422, 422, 422, 429]
        client = Client()
        answer = sign_in(client, "rosa@example.com", PASSWORD)
        assert answer.status_code == 429
        assert 850 < int(answer["Retry-After"]) <= 900
        assert b"15 minutes" in answer.content
        assert not is_signed_in(client)

    def test_is_over_after_15_minutes_and_not_extended_by_trying(self) -> None:
        make_user(email="rosa@example.com")
        start = timezone.now()
        with time_machine.travel(start, tick=False) as clock:
            self.fail("rosa@example.com", 5)
            clock.move_to(start + dt.timedelta(minutes=14, seconds=50))
            answer = sign_in(Client(), "rosa@example.com", PASSWORD)
            assert (answer.status_code, answer["Retry-After"]) == (429, "10")
            clock.move_to(start + dt.timedelta(minutes=15, seconds=1))
            assert sign_in(Client(), "rosa@example.com", PASSWORD).status_code == 302

    def test_does_not_lock_the_person_out_elsewhere(self) -> None:
        make_user(email="rosa@example.com")
        self.fail("rosa@example.com", 6, REMOTE_ADDR="203.0.113.9")
        assert sign_in(Client(), "rosa@example.com", PASSWORD, REMOTE_ADDR="198.51.100.4").status_code == 302

    def test_is_not_escaped_by_forged_addresses_or_browsers(self) -> None:
        make_user(email="rosa@example.com")
        answers = [
            sign_in(
                Client(), "rosa@example.com", "wrong wrong wrong",
                headers={"X-Forwarded-For": f"198.51.100.{n}", "User-Agent": f"browser {n}"},
            ).status_code
            for n in range(6)
        ]  # fmt: skip
        assert answers == [422, 422, 422, 422, 429, 429]

    def test_looks_the_same_for_names_that_do_not_exist(self) -> None:
        make_user(email="rosa@example.com")
        self.fail("rosa@example.com", 5)
        self.fail("nobody@example.com", 5)
        known = sign_in(Client(), "rosa@example.com", "x", headers={"X-Request-ID": "same-request"})
        unknown = sign_in(Client(), "nobody@example.com", "x", headers={"X-Request-ID": "same-request"})
        assert known.content == unknown.content

    def test_success_forgets_the_failures(self) -> None:
        make_user(email="rosa@example.com")
        for _ in range(3):
            assert self.fail("rosa@example.com", 4) == [422] * 4
            assert sign_in(Client(), "rosa@example.com", PASSWORD).status_code == 302
        assert not AccessAttempt.objects.exists()

    def test_an_address_that_tries_many_names_waits(self) -> None:
        make_user(email="rosa@example.com")
        start = timezone.now()
        with time_machine.travel(start, tick=False) as clock:
            answers = []
            for n in range(15):
                # Slow enough for the limit per minute.
                clock.move_to(start + dt.timedelta(seconds=20 * n))
                answers.append(self.fail(f"name{n}@example.com", 1)[0])
            assert answers == [422] * 11 + [429] * 4
            assert sign_in(Client(), "rosa@example.com", PASSWORD, REMOTE_ADDR="198.51.100.4").status_code == 302

    def test_successful_people_of_one_office_are_not_in_each_others_way(self) -> None:
        for n in range(13):
            make_user(email=f"rep{n}@example.com")
            assert sign_in(Client(), f"rep{n}@example.com", PASSWORD).status_code == 302


def test_an_address_may_try_20_times_a_minute() -> None:
    with time_machine.travel(dt.datetime(2026, 11, 2, 12, 0, 1, tzinfo=dt.UTC), tick=False):
        answers = [sign_in(Client(), "x@example.com", "").status_code for _ in range(21)]
    assert answers == [422] * 20 + [429]


@pytest.mark.parametrize("name", ["a" * 300, "a\0b", "' OR 1=1 --", "<script>", "\u202e", "ß" * 200])
def test_odd_names_are_refused_like_any_other(name: str) -> None:
    assert sign_in(Client(), name, PASSWORD).status_code == 422


class TestTimeLimits:
    START = dt.datetime(2026, 11, 2, 8, tzinfo=dt.UTC)

    def at(self, client: Client, *, hours: float) -> bool:
        with time_machine.travel(self.START + dt.timedelta(hours=hours), tick=False):
            return is_signed_in(client)

    def signed_in(self) -> Client:
        make_user(email="rosa@example.com")
        client = Client()
        with time_machine.travel(self.START, tick=False):
            sign_in(client, "rosa@example.com", PASSWORD)
        return client

    def test_idle_for_the_set_time(self) -> None:
        assert conf.get("session_timeout_minutes") == 480
        client = self.signed_in()
        assert self.at(client, hours=7.9)
        assert self.at(client, hours=11)
        client = self.client_again()
        assert not self.at(client, hours=8.1)

    def client_again(self) -> Client:
        client = Client()
        user = User.objects.get(email="rosa@example.com")
        with time_machine.travel(self.START, tick=False):
            client.force_login(user)
        return client

    def test_twelve_hours_in_any_case(self) -> None:
        client = self.signed_in()
        for hours in (3, 6, 9, 11.9):
            assert self.at(client, hours=hours)
        assert not self.at(client, hours=12.1)

    def test_says_why(self) -> None:
        client = self.signed_in()
        with time_machine.travel(self.START + dt.timedelta(hours=9), tick=False):
            page = client.get("/accounts/profile/", follow=True)
        assert page.redirect_chain[-1][0].startswith(LOGIN)
        assert b"signed out after a while without activity" in page.content

    def test_last_seen_is_written_once_a_minute(self) -> None:
        client = self.signed_in()
        writes = []
        for seconds in (10, 20, 70, 80):
            with (
                time_machine.travel(self.START + dt.timedelta(seconds=seconds), tick=False),
                CaptureQueriesContext(connection) as queries,
            ):
                client.get("/accounts/profile/")
            writes.append(sum('UPDATE "django_session"' in query["sql"] for query in queries))
        assert writes == [0, 0, 1, 0]


def test_the_page_of_signing_out_asks_first(client: Client) -> None:
    client.force_login(make_user())
    assert client.get("/accounts/logout/").status_code == 200
    assert is_signed_in(client)


def test_there_is_no_sign_up(client: Client) -> None:
    for path in ("signup/", "email/", "confirm-email/", "login/code/confirm/", "password/set/"):
        assert client.get(f"/accounts/{path}").status_code in (302, 404)
    client.force_login(make_user())
    for path in ("signup/", "email/", "confirm-email/", "login/code/confirm/", "password/set/"):
        assert client.get(f"/accounts/{path}").status_code == 404
