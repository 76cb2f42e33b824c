"""Signing in by the API: tokens, their exchange, their end, and passwords."""

import datetime as dt
from typing import Any

import pytest
import time_machine
from django.test import Client

from audit.context import acting
from audit.models import Entry
from sop_portal.accounts import bearer, services
from sop_portal.accounts.tokens import password_link
from tests.api.helpers import API, PASSWORD, Program, program_of
from tests.factories import make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def rep() -> Any:
    with acting("system", source="command"):
        return make_user("sales_rep", email="rep@example.com")


def sign_in(name: str = "rep@example.com", password: str = PASSWORD) -> Any:
    return Program()("POST", "/auth/login", {"username": name, "password": password})


def test_a_program_signs_in_with_either_name_and_by_form_too(rep: Any) -> None:
    answer = sign_in()
    assert answer.status_code == 200, answer.content
    tokens = answer.json()
    assert tokens["token_type"] == "Bearer"
    assert 0 < tokens["expires_in"] <= 900
    me = Program(tokens["access"])("GET", "/auth/me")
    assert me.status_code == 200
    assert me.json()["email"] == "rep@example.com"
    assert me.json()["roles"] == ["sales_rep"]
    assert sign_in(rep.username.upper()).status_code == 200
    form = Client().post(f"{API}/auth/login", {"username": "rep@example.com", "password": PASSWORD})
    assert form.status_code == 200
    rep.refresh_from_db()
    assert rep.last_login is not None
    assert "sessionid" not in form.cookies


@pytest.mark.parametrize(
    ("name", "password"), [("rep@example.com", "wrong password"), ("nobody@example.com", PASSWORD)]
)
def test_every_failure_reads_alike(rep: Any, name: str, password: str) -> None:
    answer = sign_in(name, password)
    assert answer.status_code == 401
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json() == {
        "type": "urn:sop:not-signed-in",
        "title": "Not signed in",
        "status": 401,
        "detail": "This name and password do not fit together. Check both, or have a new password mailed to you.",
        "errors": [],
    }


def test_inactive_people_do_not_sign_in(rep: Any) -> None:
    with acting("system", source="command"):
        services.set_active([rep], False, by=None)
    assert sign_in().status_code == 401


def test_every_401_says_how_one_signs_in(rep: Any) -> None:
    for answer in (
        sign_in(password="wrong password"),
        Program()("POST", "/auth/refresh", {"refresh": "none"}),
        Program()("GET", "/auth/me"),
        Program("none")("GET", "/auth/me"),
    ):
        assert (answer.status_code, answer["WWW-Authenticate"]) == (401, 'Bearer realm="api"')


def test_the_sixth_attempt_waits_as_on_the_page(rep: Any) -> None:
    for _ in range(5):
        sign_in(password="wrong password")
    answer = sign_in()
    assert answer.status_code == 429
    assert int(answer["Retry-After"]) > 0
    assert "Wait 15 minutes" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({"username": "rep@example.com"}, "/password", "required"),
        ({"username": "a", "password": "b", "otp": "1"}, "/otp", "unknown"),
        ({"username": ["a"], "password": "b"}, "/username", "invalid"),
    ],
)
def test_the_shape_of_credentials_is_checked(body: Any, pointer: str, code: str) -> None:
    answer = Program()("POST", "/auth/login", body)
    assert answer.status_code == 400
    assert [(fault["pointer"], fault["code"]) for fault in answer.json()["errors"]] == [(pointer, code)]


def test_a_refresh_token_works_once_and_its_second_use_ends_the_sign_in(rep: Any) -> None:
    first = sign_in().json()
    second = Program()("POST", "/auth/refresh", {"refresh": first["refresh"]})
    assert second.status_code == 200
    access = Program(second.json()["access"])
    assert access("GET", "/auth/me").status_code == 200
    again = Program()("POST", "/auth/refresh", {"refresh": first["refresh"]})
    assert again.status_code == 401
    assert "used before" in again.json()["detail"]
    assert access("GET", "/auth/me").status_code == 401
    assert Program()("POST", "/auth/refresh", {"refresh": second.json()["refresh"]}).status_code == 401
    entry = Entry.objects.get(action="user_token_reused")
    assert (entry.entity_id, entry.severity) == (str(rep.pk), "ERROR")


def test_an_exchange_does_not_make_the_sign_in_longer(rep: Any) -> None:
    now = dt.datetime.now(dt.UTC)
    with time_machine.travel(now, tick=False):
        tokens = sign_in().json()
    with time_machine.travel(now + dt.timedelta(hours=7, minutes=59), tick=False):
        renewed = Program()("POST", "/auth/refresh", {"refresh": tokens["refresh"]}).json()
        assert renewed["refresh_expires_in"] <= 60
    with time_machine.travel(now + dt.timedelta(hours=8, minutes=1), tick=False):
        assert Program()("POST", "/auth/refresh", {"refresh": renewed["refresh"]}).status_code == 401
        assert Program(renewed["access"])("GET", "/auth/me").status_code == 401


def test_an_access_token_is_no_refresh_token_and_the_other_way_round(rep: Any) -> None:
    tokens = sign_in().json()
    assert Program()("POST", "/auth/refresh", {"refresh": tokens["access"]}).status_code == 401
    assert Program(tokens["refresh"])("GET", "/auth/me").status_code == 401


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "sop_never", "é", "x" * 5_000])
def test_what_is_no_token_is_refused_and_counted(token: str) -> None:
    answer = Program("", Authorization=f"Bearer {token}")("GET", "/auth/me")
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"] == 'Bearer realm="api"'
    assert answer["X-RateLimit-Remaining"] == "59"


def test_signing_out_ends_the_tokens_at_once(rep: Any) -> None:
    tokens = sign_in().json()
    program = Program(tokens["access"])
    assert program("POST", "/auth/logout").status_code == 204
    assert program("GET", "/auth/me").status_code == 401
    assert Program()("POST", "/auth/refresh", {"refresh": tokens["refresh"]}).status_code == 401


def test_a_refresh_token_is_as_long_as_it_is_sent(rep: Any) -> None:
    """Blanks around it count: what is longer than described is refused, not cut."""
    program, blanks = program_of(rep), "\x0b" * 4_000
    for path in ("/auth/logout", "/auth/refresh"):
        refused = program("POST", path, {"refresh": f"a{blanks}"})
        assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (400, "/refresh")


def test_somebody_signed_in_may_end_another_of_their_sign_ins(rep: Any) -> None:
    other = sign_in().json()
    assert program_of(rep)("POST", "/auth/logout", {"refresh": other["refresh"]}).status_code == 204
    assert Program(other["access"])("GET", "/auth/me").status_code == 401


@pytest.mark.parametrize("change", ["password", "role", "activity", "new password asked"])
def test_a_change_of_access_ends_every_token(rep: Any, change: str) -> None:
    program = program_of(rep)
    with acting(rep, source="api"):
        _, text = bearer.create_token(rep, name="Nightly", scopes=["read"], days=1)
    own = Program(text)
    assert program("GET", "/auth/me").status_code == own("GET", "/auth/me").status_code == 200
    with acting("system", source="command"):
        if change == "password":
            rep.set_password("another long password")
            rep.save()
        elif change == "role":
            services.set_roles(rep, ["viewer"], by=None)
        elif change == "activity":
            services.set_active([rep], False, by=None)
        else:
            services.require_new_password([rep], by=None)
    assert program("GET", "/auth/me").status_code == own("GET", "/auth/me").status_code == 401


def test_a_new_password_by_the_old_one(rep: Any) -> None:
    program = program_of(rep)
    wrong = program("POST", "/auth/change-password", {"old_password": "x", "new_password": "another long password"})
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (422, "/old_password")
    weak = program("POST", "/auth/change-password", {"old_password": PASSWORD, "new_password": "short"})
    assert (weak.status_code, weak.json()["errors"][0]["pointer"]) == (422, "/new_password")
    done = program("POST", "/auth/change-password", {"old_password": PASSWORD, "new_password": "another long password"})
    assert done.status_code == 204
    assert program("GET", "/auth/me").status_code == 401
    assert sign_in(password="another long password").status_code == 200


def test_who_must_choose_a_new_password_does_that_first(rep: Any) -> None:
    with acting("system", source="command"):
        services.require_new_password([rep], by=None)
    program = Program(sign_in().json()["access"])
    refused = program("GET", "/tokens")
    assert refused.status_code == 403
    assert "/auth/change-password" in refused.json()["detail"]
    assert program("GET", "/auth/me").json()["must_change_password"] is True
    body = {"old_password": PASSWORD, "new_password": "another long password"}
    assert program("POST", "/auth/change-password", body).status_code == 204
    again = Program(sign_in(password="another long password").json()["access"])
    assert again("GET", "/tokens").status_code == 200


def test_a_forgotten_password_by_a_mailed_link(rep: Any) -> None:
    known = Program()("POST", "/auth/password-reset", {"email": "rep@example.com"})
    unknown = Program()("POST", "/auth/password-reset", {"email": "nobody@example.com"})
    assert known.status_code == unknown.status_code == 202
    assert known.json() == unknown.json()
    key = password_link(rep).rstrip("/").rpartition("/")[2]
    body = {"key": key, "new_password": "another long password"}
    assert Program()("POST", "/auth/password-reset/confirm", body).status_code == 204
    assert Program()("POST", "/auth/password-reset/confirm", body).status_code == 422
    assert sign_in(password="another long password").status_code == 200


@pytest.mark.parametrize("key", ["", "1", "1-", "zzzzzzzzzzzzzzzzzzzzzzzz-x", "-", "é-x", "1-set-password"])
def test_what_is_no_link_is_refused(key: str) -> None:
    answer = Program()("POST", "/auth/password-reset/confirm", {"key": key, "new_password": "another long password"})
    assert answer.status_code == (400 if key == "" else 422)


def test_a_session_serves_too_and_writes_only_with_its_secret(rep: Any) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(rep, backend="sop_portal.accounts.backends.EmailOrUsernameBackend")
    assert client.get(f"{API}/auth/me").status_code == 200
    refused = client.post(f"{API}/auth/logout", {}, content_type="application/json")
    assert refused.status_code == 403
    client.get("/")
    secret = client.cookies["csrftoken"].value
    left = client.post(f"{API}/auth/logout", {}, content_type="application/json", headers={"X-CSRFToken": secret})
    assert left.status_code == 204
    assert client.get(f"{API}/auth/me").status_code == 401
