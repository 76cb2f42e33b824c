"""Tokens that people make for their programs."""

import datetime as dt
from typing import Any

import pytest
import time_machine

from sop_portal.accounts.models import PersonalToken
from tests.api.helpers import Program, program_of
from tests.factories import make_user

pytestmark = pytest.mark.django_db

WANTED = {"name": "Nightly load", "scopes": ["read", "write"], "days": 30}


@pytest.fixture
def user() -> Any:
    return make_user("admin")


def test_a_token_is_shown_once_and_stored_as_a_digest(user: Any) -> None:
    made = program_of(user)("POST", "/tokens", WANTED)
    assert made.status_code == 201, made.content
    text = made.json()["token"]
    stored = PersonalToken.objects.get()
    assert text not in str(stored.__dict__)
    assert text.endswith(stored.hint)
    (row,) = program_of(user)("GET", "/tokens").json()["results"]
    assert row == {name: value for name, value in made.json().items() if name != "token"}
    assert Program(text)("GET", "/auth/me").json()["id"] == user.pk
    stored.refresh_from_db()
    assert stored.last_used_at is not None


def test_a_token_ends_with_its_span_and_when_it_is_revoked(user: Any) -> None:
    now = dt.datetime.now(dt.UTC)
    made = program_of(user)("POST", "/tokens", WANTED).json()
    with time_machine.travel(now + dt.timedelta(days=29), tick=False):
        assert Program(made["token"])("GET", "/auth/me").status_code == 200
    with time_machine.travel(now + dt.timedelta(days=30, minutes=1), tick=False):
        assert Program(made["token"])("GET", "/auth/me").status_code == 401
    for _ in range(2):
        assert program_of(user)("DELETE", f"/tokens/{made['id']}").status_code == 204
    assert Program(made["token"])("GET", "/auth/me").status_code == 401
    assert program_of(user)("GET", "/tokens").json()["results"][0]["revoked_at"] is not None


def test_a_token_for_reading_does_not_write(user: Any) -> None:
    text = program_of(user)("POST", "/tokens", {**WANTED, "scopes": ["read"]}).json()["token"]
    assert Program(text)("GET", "/tokens").status_code == 200
    refused = Program(text)("DELETE", "/tokens/1")
    assert refused.status_code == 403
    assert "may not write" in refused.json()["detail"]
    writing = program_of(user)("POST", "/tokens", {**WANTED, "name": "b", "scopes": ["write"]}).json()["token"]
    assert Program(writing)("GET", "/tokens").status_code == 403


def test_a_token_makes_no_other_and_changes_no_password(user: Any) -> None:
    text = program_of(user)("POST", "/tokens", WANTED).json()["token"]
    assert Program(text)("POST", "/tokens", {**WANTED, "name": "Another"}).status_code == 409
    body = {"old_password": "x", "new_password": "another long password"}
    assert Program(text)("POST", "/auth/change-password", body).status_code == 409
    assert Program(text)("POST", "/auth/logout").status_code == 409


def test_somebody_elses_token_is_not_there(user: Any) -> None:
    made = program_of(user)("POST", "/tokens", WANTED).json()
    other = program_of(make_user("admin"))
    assert other("GET", "/tokens").json()["count"] == 0
    assert other("DELETE", f"/tokens/{made['id']}").status_code == 404
    assert other("DELETE", "/tokens/99999999999999999999").status_code == 404


@pytest.mark.parametrize(
    ("body", "status", "pointer"),
    [
        ({**WANTED, "days": 0}, 400, "/days"),
        ({**WANTED, "days": 367}, 400, "/days"),
        ({**WANTED, "scopes": []}, 400, "/scopes"),
        ({**WANTED, "scopes": ["feeds"]}, 400, "/scopes/0"),
        ({**WANTED, "name": ""}, 400, "/name"),
        ({**WANTED, "name": "a\u202eb"}, 422, "/name"),
        ({**WANTED, "last_used_at": None}, 400, "/last_used_at"),
        ([], 400, ""),
    ],
)
def test_what_makes_no_token_is_named(user: Any, body: Any, status: int, pointer: str) -> None:
    answer = program_of(user)("POST", "/tokens", body)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (status, pointer)
    assert not PersonalToken.objects.exists()


def test_a_name_is_free_again_once_its_token_is_revoked(user: Any) -> None:
    program = program_of(user)
    made = program("POST", "/tokens", WANTED).json()
    taken = program("POST", "/tokens", WANTED)
    assert taken.status_code == 409
    assert "revoke it first" in taken.json()["detail"]
    program("DELETE", f"/tokens/{made['id']}")
    assert program("POST", "/tokens", WANTED).status_code == 201
