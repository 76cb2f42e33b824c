"""Cycles by the API: drafts, moves, who may, and what is refused."""

import datetime as dt
from typing import Any

import pytest

from cycles.models import Cycle
from tests.api.helpers import Program, program_of
from tests.factories import FAR, make_user, open_cycle

pytestmark = pytest.mark.django_db

BODY = {"first_period": "2027-01", "closes_at": "2029-12-18T18:00:00-05:00"}


@pytest.fixture
def admin() -> Program:
    return program_of(make_user("admin"))


def test_a_draft_is_made_changed_and_deleted(admin: Program) -> None:
    made = admin("POST", "/cycles", BODY)
    assert made.status_code == 201, made.content
    cycle = made.json()
    assert (cycle["name"], cycle["status"], cycle["closes_at"]) == ("S&OP Jan 2027", "draft", "2029-12-18T23:00:00Z")
    assert (cycle["periods"][0], cycle["periods"][-1], len(cycle["periods"])) == ("2027-01-01", "2028-04-01", 16)
    address = f"/cycles/{cycle['id']}"
    assert made["Location"].endswith(address)
    seen = admin("GET", address)
    assert seen.json() == cycle
    moved = admin("PATCH", address, {"first_period": "2027-02-01"}, If_Match=seen["ETag"])
    assert (moved.status_code, moved.json()["name"]) == (200, "S&OP Feb 2027")
    assert admin("PATCH", address, {"name": "x"}, If_Match=seen["ETag"]).status_code == 412
    assert admin("PUT", address, {**BODY, "name": "Winter"}).json()["name"] == "Winter"
    rep = program_of(make_user("sales_rep"))
    assert rep("GET", address).status_code == 404
    assert rep("GET", "/cycles").json()["count"] == 0
    assert admin("DELETE", address).status_code == 204
    assert admin("GET", address).status_code == 404


@pytest.mark.parametrize(
    ("changes", "status", "pointer"),
    [
        ({"first_period": "2027-13"}, 400, "/first_period"),
        ({"first_period": "2027-01-02"}, 400, "/first_period"),
        ({"first_period": "1066-10"}, 400, "/first_period"),
        ({"first_period": 202701}, 400, "/first_period"),
        ({"closes_at": "2029-12-18T18:00:00"}, 400, "/closes_at"),
        ({"closes_at": "0001-01-01T00:00:00+14:00"}, 400, "/closes_at"),
        ({"closes_at": "soon"}, 400, "/closes_at"),
        ({"opens_at": "2029-12-19T18:00:00Z"}, 422, "/closes_at"),
        ({"name": "a\u202eb"}, 422, "/name"),
        ({"status": "open"}, 400, "/status"),
        ({"horizon": 20}, 400, "/horizon"),
    ],
)
def test_what_makes_no_cycle_is_named(admin: Program, changes: Any, status: int, pointer: str) -> None:
    answer = admin("POST", "/cycles", {**BODY, **changes})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (status, pointer)
    assert not Cycle.objects.exists()


def test_the_moves_of_a_cycle() -> None:
    user = make_user("admin")
    admin, rep = program_of(user), make_user("sales_rep")
    cycle = open_cycle(by=user)
    address = f"/cycles/{cycle.pk}"
    assert admin("GET", "/cycles/active").json()["id"] == cycle.pk
    assert program_of(rep)("GET", "/cycles/active").json()["id"] == cycle.pk
    for act in ("close", "extend", "reopen", "refresh", "archive"):
        assert program_of(rep)("POST", f"{address}/{act}", {}).status_code == 403
    later = (FAR + dt.timedelta(days=7)).isoformat()
    assert admin("POST", f"{address}/extend", {"until": later}).json()["errors"][0]["pointer"] == "/reason"
    extended = admin("POST", f"{address}/extend", {"until": later, "reason": "Late price list."})
    assert extended.status_code == 200
    assert dt.datetime.fromisoformat(extended.json()["closes_at"]) == FAR + dt.timedelta(days=7)
    nobody = admin("POST", f"{address}/extend", {"until": later, "reason": "x", "reps": [2**62]})
    assert (nobody.status_code, nobody.json()["errors"][0]["pointer"]) == (422, "/reps")
    assert admin("POST", f"{address}/refresh").json() == {"woken": 0, "slept": 0}
    assert admin("POST", f"{address}/archive").status_code == 409
    for _ in range(2):
        closed = admin("POST", f"{address}/close", {"reason": "Everybody is done."})
        assert (closed.status_code, closed.json()["status"]) == (200, "closed")
    assert admin("GET", "/cycles/active").status_code == 404
    reopened = admin("POST", f"{address}/reopen", {"until": later, "reason": "One more customer."})
    assert (reopened.status_code, reopened.json()["times_opened"]) == (200, 2)
    admin("POST", f"{address}/close")
    assert admin("POST", f"{address}/archive").json()["status"] == "archived"
    assert admin("DELETE", address).status_code == 409
    assert admin("PATCH", address, {"name": "x"}).status_code == 409


def test_filters_of_the_list(admin: Program) -> None:
    for month in (1, 2, 3):
        assert admin("POST", "/cycles", {**BODY, "first_period": f"2027-0{month}"}).status_code == 201

    def found(query: str) -> list[str]:
        return [row["first_period"][5:7] for row in admin("GET", f"/cycles?{query}").json()["results"]]

    assert found("") == ["03", "02", "01"]
    assert found("ordering=first_period") == ["01", "02", "03"]
    assert found("first_period_from=2027-02-01&first_period_to=2027-02-01") == ["02"]
    assert found("first_period=2027-03-01") == ["03"]
    assert found("status=open") == []
    assert found("search=feb") == ["02"]
    assert admin("GET", "/cycles?status=lost").status_code == 400
