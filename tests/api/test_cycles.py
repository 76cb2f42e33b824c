"""Cycles by the API: drafts, moves, who may, and what is refused."""

import datetime as dt
from typing import Any

import pytest

from cycles.models import Cycle
from sop_portal.mail.models import OutboxMail
from tests.api.helpers import Program, program_of
from tests.factories import FAR, make_customer, make_entry, make_line, make_user, open_cycle, submit

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
    assert admin("DELETE", address, If_Match=seen["ETag"]).status_code == 412
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


def test_a_draft_is_looked_at_and_opened(admin: Program) -> None:
    entry = make_entry(customer=make_customer(sales_rep=None))
    made = admin("POST", "/cycles", BODY).json()
    address = f"/cycles/{made['id']}"
    found = admin("GET", f"{address}/preflight").json()
    assert found["may_open"] is False
    (red,) = [finding for finding in found["findings"] if finding["level"] == "red"]
    assert (red["key"], red["count"], red["rows"][0]["label"]) == ("without_rep", 1, entry.customer.name)
    refused = admin("POST", f"{address}/open")
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/override")
    assert admin("GET", f"{address}/progress").status_code == 409
    opened = admin("POST", f"{address}/open", {"override": "They join next month."})
    assert (opened.status_code, opened.json()["status"]) == (200, "open")
    assert admin("POST", f"{address}/open").status_code == 200
    assert admin("GET", f"{address}/preflight").status_code == 409
    assert program_of(make_user("sales_rep"))("GET", f"{address}/preflight").status_code == 403


def test_how_far_a_cycle_is() -> None:
    manager = make_user("manager")
    rep, late = make_user("sales_rep", manager=manager), make_user("sales_rep")
    line = submit(make_line(owner=rep))
    other = make_customer(sales_rep=late, name="CANARY")
    make_entry(customer=other)
    cycle, admin = line.cycle, program_of(make_user("admin"))
    address = f"/cycles/{cycle.pk}"
    told = admin("GET", f"{address}/progress").json()
    assert (told["expected"], told["handed_in"], told["share"]) == (1, 1, "1.0000")
    (row,) = [row for row in told["rows"] if row["id"] == rep.pk]
    assert (row["state"], row["counts"]["submitted"], row["plan"]) == ("submitted", 1, "12000.0000")
    own = program_of(rep)("GET", f"{address}/progress?by=customer").json()
    assert [row["code"] for row in own["rows"]] == [line.customer.customer_id]
    for query, name in (("by=moon", "?by"), ("rep=1", "?rep")):
        refused = admin("GET", f"{address}/progress?{query}")
        assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (400, name)
    numbers = admin("GET", f"{address}/statistics").json()
    assert (numbers["live"], numbers["by_status"]["submitted"], numbers["reps"]) == (1, 1, 1)
    assert program_of(late)("GET", f"{address}/statistics").json()["live"] == 0
    assert admin("POST", f"{address}/remind").status_code == 422


def test_those_who_are_late_are_reminded_once_a_press() -> None:
    line = make_line(quantity=None)
    admin = program_of(make_user("admin"))
    address = f"/cycles/{line.cycle_id}/remind"
    assert program_of(line.owner)("POST", address).status_code == 403
    for _ in range(2):
        answered = admin("POST", address, {"reps": [line.owner_id]}, Idempotency_Key="press-1")
        assert answered.json() == {"mails": 1}
    assert OutboxMail.objects.filter(kind="deadline_reminder").count() == 1
    # The key of one program is not that of another.
    other = program_of(make_user("admin"))("POST", address, {"reps": [line.owner_id]}, Idempotency_Key="press-1")
    assert other.json() == {"mails": 1}


def test_the_plan_is_a_file() -> None:
    line = submit(make_line())
    program = program_of(line.owner)
    book = program("GET", f"/cycles/{line.cycle_id}/consolidated", Accept="application/octet-stream")
    assert book.status_code == 200
    assert b"".join(book.streaming_content)[:2] == b"PK"
    assert book["X-RateLimit-Limit"] == "60"
    rows = program("GET", f"/cycles/{line.cycle_id}/consolidated?format=csv")
    assert line.product.item_code.encode() in b"".join(rows.streaming_content)
    assert program("GET", f"/cycles/{line.cycle_id}/consolidated?format=pdf").status_code == 422
    assert program("GET", f"/cycles/{line.cycle_id}/consolidated?form=csv").status_code == 400


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
