"""Users by the API: who sees whom, what administrators change, and what is refused."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from sop_portal.accounts import mail
from sop_portal.accounts.models import User
from sop_portal.lib.errors import Conflict
from sop_portal.mail.models import OutboxMail
from tests.api.helpers import Program, program_of
from tests.factories import make_user

pytestmark = pytest.mark.django_db

BODY = {"email": "New.Rep@example.com", "full_name": "New Rep", "roles": ["sales_rep"]}


@pytest.fixture
def admin() -> Program:
    return program_of(make_user("admin"))


def test_who_sees_whom(admin: Program) -> None:
    manager = make_user("manager")
    rep, stranger = make_user("sales_rep", manager=manager), make_user("sales_rep")

    def seen(program: Program) -> set[int]:
        return {row["id"] for row in program("GET", "/users").json()["results"]}

    assert seen(program_of(rep)) == {rep.pk}
    assert seen(program_of(manager)) == {manager.pk, rep.pk}
    assert seen(admin) >= {manager.pk, rep.pk, stranger.pk}
    assert program_of(manager)("GET", f"/users/{rep.pk}").status_code == 200
    assert program_of(manager)("GET", f"/users/{stranger.pk}").status_code == 404
    assert program_of(manager)("PATCH", f"/users/{rep.pk}", {"full_name": "x"}).status_code == 403
    assert program_of(manager)("POST", f"/users/{rep.pk}/deactivate").status_code == 403


def test_a_user_is_made_and_mailed_a_link(admin: Program) -> None:
    made = admin("POST", "/users", BODY, Idempotency_Key="u1")
    assert made.status_code == 201, made.content
    row = made.json()
    assert (row["email"], row["username"], row["roles"]) == (
        "new.rep@example.com",
        "new.rep@example.com",
        ["sales_rep"],
    )
    assert made["Location"].endswith(f"/users/{row['id']}")
    user = User.objects.get(pk=row["id"])
    assert not user.has_usable_password()
    assert OutboxMail.objects.filter(user=user, kind="welcome").count() == 1
    again = admin("POST", "/users", BODY, Idempotency_Key="u1")
    assert (again.status_code, again.json()) == (201, row)
    assert OutboxMail.objects.filter(kind="welcome").count() == 1


def test_nobody_is_made_whose_link_cannot_be_queued(admin: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: Any, **kwargs: Any) -> None:
        raise Conflict("No mail is taken.")

    monkeypatch.setattr(mail, "send_password_links", full)
    assert admin("POST", "/users", BODY).status_code == 409
    assert not User.objects.filter(email="new.rep@example.com").exists()


@pytest.mark.parametrize(
    ("body", "status", "pointer"),
    [
        ({**BODY, "email": "no address"}, 422, "/email"),
        ({**BODY, "email": "a@example.com\nBcc: b@example.com"}, 422, "/email"),
        ({**BODY, "roles": ["king"]}, 422, "/roles"),
        ({**BODY, "manager_id": 99999999}, 422, "/manager_id"),
        ({**BODY, "time_zone": "Mars/Base"}, 422, "/time_zone"),
        ({**BODY, "is_active": False}, 400, "/is_active"),
        ({**BODY, "id": 7}, 400, "/id"),
        ({"email": "a@example.com"}, 400, "/full_name"),
        ({**BODY, "full_name": "x" * 201}, 400, "/full_name"),
    ],
)
def test_what_makes_no_user_is_named(admin: Program, body: Any, status: int, pointer: str) -> None:
    before = User.objects.count()
    answer = admin("POST", "/users", body)
    assert answer.status_code == status
    assert answer.json()["errors"][0]["pointer"] == pointer
    assert User.objects.count() == before


def test_names_belong_to_one_user(admin: Program) -> None:
    make_user("sales_rep", email="taken@example.com")
    answer = admin("POST", "/users", {**BODY, "email": "TAKEN@example.com"})
    assert (answer.status_code, answer.json()["errors"][0]["detail"]) == (422, "Another user has this e-mail address.")


def test_change_and_replace(admin: Program) -> None:
    rep = make_user("sales_rep", employee_id="E7")
    address = f"/users/{rep.pk}"
    seen = admin("GET", address)
    changed = admin("PATCH", address, {"full_name": "Another Name"}, If_Match=seen["ETag"])
    assert (changed.status_code, changed.json()["full_name"], changed.json()["roles"]) == (
        200,
        "Another Name",
        ["sales_rep"],
    )
    stale = admin("PATCH", address, {"full_name": "Third"}, If_Match=seen["ETag"])
    assert (stale.status_code, stale.json()["current"]["full_name"]) == (412, "Another Name")
    assert admin("DELETE", address, If_Match=seen["ETag"]).status_code == 412
    for unquoted in (seen["ETag"].strip('"'), ""):
        unread = admin("PATCH", address, {"full_name": "Third"}, If_Match=unquoted)
        assert (unread.status_code, unread.json()["errors"][0]["pointer"]) == (400, "?If-Match")
    assert admin("PATCH", address, {"full_name": "Third"}, If_Match="*").status_code == 200
    replaced = admin("PUT", address, {"email": rep.email, "full_name": "Whole"})
    row = replaced.json()
    assert (replaced.status_code, row["employee_id"], row["roles"], row["time_zone"]) == (200, None, [], "UTC")
    assert admin("PATCH", address, {"manager_id": rep.pk}).status_code == 422


def test_users_are_deactivated_never_deleted(admin: Program) -> None:
    rep = make_user("sales_rep")
    program = program_of(rep)
    for _ in range(2):
        assert admin("DELETE", f"/users/{rep.pk}").status_code == 204
    assert User.objects.get(pk=rep.pk).is_active is False
    assert program("GET", "/auth/me").status_code == 401
    assert admin("POST", f"/users/{rep.pk}/activate").json()["is_active"] is True
    assert admin("GET", "/users?is_active=false").json()["count"] == 0


def test_the_last_administrator_stays() -> None:
    only = make_user("admin")
    program = program_of(only)
    for answer in (
        program("POST", f"/users/{only.pk}/deactivate"),
        program("DELETE", f"/users/{only.pk}"),
        program("PATCH", f"/users/{only.pk}", {"roles": ["viewer"]}),
    ):
        assert answer.status_code == 409
        assert (
            "last active administrator" in answer.json()["detail"]
            or "no active administrator" in answer.json()["detail"]
        )


def test_a_lock_is_seen_and_taken_away(admin: Program) -> None:
    rep = make_user("sales_rep")
    for _ in range(5):
        Program()("POST", "/auth/login", {"username": rep.email, "password": "wrong password"})
    assert admin("GET", f"/users/{rep.pk}").json()["is_locked"] is True
    assert admin("POST", f"/users/{rep.pk}/unlock").json()["is_locked"] is False


def test_filters_orders_and_search(admin: Program) -> None:
    manager = make_user("manager", full_name="Zoe")
    rep = make_user("sales_rep", manager=manager, full_name="Adam", employee_id="E1")

    def found(query: str) -> list[int]:
        return [row["id"] for row in admin("GET", f"/users?{query}").json()["results"]]

    assert found("role=sales_rep") == [rep.pk]
    assert found(f"manager_id={manager.pk}") == [rep.pk]
    assert found(f"email={rep.email.upper()}") == [rep.pk]
    assert found("employee_id=E1&ordering=-full_name") == [rep.pk]
    assert found("search=zoe") == [manager.pk]
    assert found("role=king") == []
    assert admin("PATCH", f"/users/{rep.pk}", {"roles": ["sales_rep", "viewer"]}).status_code == 200
    (row,) = admin("GET", "/users?role=viewer").json()["results"]
    assert row["roles"] == ["sales_rep", "viewer"]
    assert admin("GET", "/users?manager_id=x").status_code == 400


def test_a_list_asks_as_often_for_ten_as_for_a_thousand(admin: Program) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as asked:
            assert admin("GET", "/users?page_size=1000").status_code == 200
        return len(asked)

    for number in range(9):
        make_user(email=f"few{number}@example.com")
    few = queries()
    User.objects.untracked().bulk_create(
        User(email=f"u{n}@example.com", username=f"u{n}", full_name=f"U {n}") for n in range(1_000)
    )
    assert queries() == few
