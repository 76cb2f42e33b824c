"""Guessing one name from many addresses: turns that get longer, and the person who is never kept out by them."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from audit.models import Entry
from sop_portal.accounts import turns
from sop_portal.accounts.models import KnownAddress, SignInTurn
from sop_portal.accounts.tasks import forget_attempts
from tests.accounts.helpers import choose_password, is_signed_in, link_in, sign_in
from tests.factories import PASSWORD, make_user
from tests.mail.helpers import delivered

pytestmark = pytest.mark.django_db

START = dt.datetime(2026, 11, 2, 8, tzinfo=dt.UTC)
NAME = "rosa@example.com"
HOME = "198.51.100.4"
WRONG = "wrong wrong wrong"


@pytest.fixture
def clock() -> Iterator[Any]:
    with time_machine.travel(START, tick=False) as clock:
        yield clock


def tried(n: int, password: str = WRONG, name: str = NAME) -> Any:
    """An attempt from the n-th address of an attacker, none of which is used twice."""
    return sign_in(Client(), name, password, REMOTE_ADDR=f"203.0.{n // 250}.{n % 250 + 1}")


def attacked(times: int, name: str = NAME) -> list[int]:
    return [tried(n, name=name).status_code for n in range(times)]


def test_after_six_failures_the_next_waits_longer_and_longer(clock: Any) -> None:
    make_user(email=NAME)
    assert attacked(6) == [422] * 6
    waits = []
    for n in range(6, 14):
        refused = tried(n)
        assert refused.status_code == 429
        wait = int(refused["Retry-After"])
        waits.append(wait)
        assert f"Try again in {wait} second" in refused.content.decode()
        # A moment too early is still too early; then the turn is free.
        clock.shift(dt.timedelta(seconds=wait - 0.001))
        assert tried(n).status_code == 429
        clock.shift(dt.timedelta(seconds=0.001))
        assert tried(n).status_code == 422
    assert waits == [1, 2, 4, 8, 16, 30, 30, 30]


def test_an_attempt_out_of_turn_is_neither_checked_nor_counted(clock: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    user = make_user(email=NAME)
    attacked(6)
    monkeypatch.setattr(type(user), "check_password", lambda *args: pytest.fail("the password was looked at"))
    for n in range(20, 25):
        client = Client()
        answer = sign_in(client, NAME, PASSWORD, REMOTE_ADDR=f"203.0.113.{n}")
        assert (answer.status_code, answer["Retry-After"]) == (429, "1")
        assert not is_signed_in(client)
    assert SignInTurn.objects.get().attempts == 6


def test_an_address_of_the_person_never_waits(clock: Any) -> None:
    make_user(email=NAME)
    assert sign_in(Client(), NAME, PASSWORD, REMOTE_ADDR=HOME).status_code == 302
    for hours in range(1, 9):
        clock.move_to(START + dt.timedelta(hours=hours))
        assert 429 in attacked(12)
        # Also after a slip of their own.
        assert sign_in(Client(), NAME, WRONG, REMOTE_ADDR=HOME).status_code == 422
        assert sign_in(Client(), NAME, PASSWORD, REMOTE_ADDR=HOME).status_code == 302
    assert KnownAddress.objects.get().address == HOME


def test_somebody_elsewhere_waits_half_a_minute_at_most(clock: Any) -> None:
    make_user(email=NAME)
    for n in range(40):
        clock.shift(dt.timedelta(seconds=20))
        tried(n)
    wait = int(tried(41, PASSWORD)["Retry-After"])
    assert wait <= turns.LONGEST
    clock.shift(dt.timedelta(seconds=wait))
    assert tried(41, PASSWORD).status_code == 302


def test_a_password_chosen_by_mail_opens_the_door_where_one_is(clock: Any) -> None:
    make_user(email=NAME)
    attacked(12)
    visitor = Client(REMOTE_ADDR="192.0.2.77")
    assert sign_in(visitor, NAME, PASSWORD).status_code == 429
    visitor.post("/accounts/password/reset/", {"email": NAME})
    choose_password(visitor, link_in(delivered()[-1]), "another long password")
    assert sign_in(visitor, NAME, "another long password").status_code == 302


def test_a_success_is_no_failure(clock: Any) -> None:
    """A person who travels signs in from ever new addresses, nobody else tries."""
    make_user(email=NAME)
    for n in range(15):
        assert tried(n, PASSWORD).status_code == 302
    assert SignInTurn.objects.get().attempts == 0


def test_one_address_alone_delays_nobody_elsewhere(clock: Any) -> None:
    make_user(email=NAME)
    for _ in range(8):
        sign_in(Client(), NAME, WRONG, REMOTE_ADDR="203.0.113.9")
    assert sign_in(Client(), NAME, PASSWORD, REMOTE_ADDR="192.0.2.77").status_code == 302


def test_a_quarter_of_an_hour_without_attempts_is_forgotten(clock: Any) -> None:
    make_user(email=NAME)
    attacked(6)
    clock.shift(dt.timedelta(minutes=15, seconds=1))
    assert attacked(6) == [422] * 6


def test_both_names_of_a_person_take_the_same_turns(clock: Any) -> None:
    make_user(email=NAME, username="rosa")
    assert attacked(3) + attacked(3, "ROSA") == [422] * 6
    assert tried(7).status_code == tried(8, name="rosa").status_code == 429
    assert tried(9, name="someone.else").status_code == 422


def test_names_that_are_nobodys_are_answered_alike(clock: Any) -> None:
    make_user(email=NAME)
    attacked(6)
    attacked(6, "nobody@example.com")
    bodies, queries = [], []
    for name in (NAME, "nobody@example.com"):
        with CaptureQueriesContext(connection) as caught:
            answer = tried(30, name=name)
        assert (answer.status_code, answer["Retry-After"]) == (429, "1")
        bodies.append(answer.context["form"].non_field_errors())
        queries.append(len(caught))
    assert bodies[0] == bodies[1] and queries[0] == queries[1]
    # People type their password into the wrong field: no name of nobody is kept as it was typed.
    assert set(SignInTurn.objects.values_list("name", flat=True)) > {NAME}
    assert not SignInTurn.objects.filter(name__contains="nobody").exists()


def test_the_form_keeps_the_name_and_the_trail_tells_a_failure(clock: Any) -> None:
    user = make_user(email=NAME)
    attacked(6)
    before = Entry.objects.filter(action="user_login_failed", entity_id=str(user.pk)).count()
    page = tried(30).content.decode()
    assert f'value="{NAME}"' in page and WRONG not in page
    assert Entry.objects.filter(action="user_locked").count() == 0
    # One test is one transaction, in which the entries of one person are one.
    assert before == Entry.objects.filter(action="user_login_failed", entity_id=str(user.pk)).count() == 1


def test_what_no_longer_counts_is_deleted(clock: Any) -> None:
    user = make_user(email=NAME)
    sign_in(Client(), NAME, PASSWORD, REMOTE_ADDR=HOME)
    attacked(3)
    assert forget_attempts() == 0
    clock.shift(dt.timedelta(minutes=16))
    assert forget_attempts() == 1
    clock.shift(turns.KNOWN_FOR)
    assert forget_attempts() == 1
    assert not user.known_addresses.exists()
