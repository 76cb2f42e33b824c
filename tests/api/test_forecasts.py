"""Lines by the API: reading, editing, adding, handing in and deciding, in scope and with the rules of pages."""

import datetime as dt
import json
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit.context import acting
from cycles import services as cycle_services
from cycles.models import Participant
from forecasts.models import Line
from masterdata.models import MatrixEntry
from tests.api.helpers import Program, program_of
from tests.factories import (
    answer,
    make_actual,
    make_customer,
    make_entry,
    make_line,
    make_product,
    make_user,
    open_cycle,
    submit,
)

pytestmark = pytest.mark.django_db


class Company:
    """A rep with a manager and one answered line in the open cycle."""

    def __init__(self) -> None:
        self.manager = make_user("manager")
        self.rep = make_user("sales_rep", manager=self.manager)
        self.line = make_line(owner=self.rep, quantity=100)
        self.cycle = self.line.cycle
        self.admin = make_user("admin")

    @property
    def address(self) -> str:
        return f"/forecasts/{self.line.pk}"


@pytest.fixture
def company() -> Company:
    return Company()


@pytest.fixture
def rep(company: Company) -> Program:
    return program_of(company.rep)


def cells(*pairs: tuple[str, Any], name: str = "quantity") -> list[dict[str, Any]]:
    return [{"period": period, name: value} for period, value in pairs]


def test_a_line_is_sent_with_exact_numbers(company: Company, rep: Program) -> None:
    body = {
        "revision": company.line.revision,
        "cells": cells(("2027-01", "0.10"), ("2027-02", 1200), ("2028-04", None)),
    }
    changed = rep("PATCH", company.address, body)
    assert changed.status_code == 200, changed.content
    row = changed.json()
    assert row["quantity"][:3] == ["0.1", "1200", "100"]
    assert row["quantity"][-1] is None
    assert row["quantity_source"] == "aa" + "e" * 13 + "-"
    assert row["unit_price"] == ["10"] * 16
    assert (row["customer_id"], row["item_code"]) == (company.line.customer.customer_id, company.line.product.item_code)
    company.line.refresh_from_db()
    assert company.line.quantity[0] == Decimal("0.10")
    assert row["revision"] == company.line.revision


def test_a_json_number_is_taken_as_it_is_written(company: Company, rep: Program) -> None:
    text = json.dumps({"revision": company.line.revision, "cells": [{"period": "2027-01", "quantity": "@"}]})
    changed = rep("PATCH", company.address, text.replace('"@"', "0.100001"))
    assert changed.json()["quantity"][0] == "0.100001"


def test_who_reads_and_who_writes(company: Company) -> None:
    body = {"revision": company.line.revision, "cells": cells(("2027-01", 1))}
    for user, read, write in (
        (company.manager, 200, 403),
        (make_user("viewer"), 200, 403),
        (make_user("sales_rep"), 404, 404),
        (make_user("manager"), 404, 404),
        (company.admin, 200, 200),
    ):
        program = program_of(user)
        assert program("GET", company.address).status_code == read
        assert program("GET", f"{company.address}/history").status_code == read
        assert len(program("GET", "/forecasts").json()["results"]) == (read == 200)
        assert program("PATCH", company.address, body).status_code == write


def test_a_write_names_the_revision_it_saw(company: Company, rep: Program) -> None:
    body = {"cells": cells(("2027-01", 7))}
    assert rep("PATCH", company.address, body).status_code == 428
    seen = rep("GET", company.address)
    assert seen["ETag"].startswith(f'"{company.line.revision}.')
    assert rep("GET", company.address, If_None_Match=seen["ETag"]).status_code == 304
    saved = rep("PATCH", company.address, body, If_Match=seen["ETag"])
    assert saved.status_code == 200
    # The answer to a write that was lost may be asked for again; another author's may not be overwritten.
    assert rep("PATCH", company.address, body, If_Match=seen["ETag"]).json() == saved.json()
    stale = program_of(company.admin)("PATCH", company.address, {"cells": cells(("2027-01", 9))}, If_Match=seen["ETag"])
    assert stale.status_code == 412
    assert stale.json()["stale"][0]["quantity"][0] == "7"
    assert stale.json()["current"] == program_of(company.admin)("GET", company.address).json()
    assert rep("PATCH", company.address, body, If_Match="*").status_code == 400
    both = rep("PATCH", company.address, {**body, "revision": saved.json()["revision"]}, If_Match=seen["ETag"])
    assert (both.status_code, both.json()["errors"][0]["pointer"]) == (400, "?If-Match")


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ("{etag}", 200), ("W/{etag}", 200), ('"a", {etag}', 200), ('"1", {etag}, "900"', 200), ('"{revision}"', 200),
        ("{revision}", 200), ('"a"', 412), ('"a", "900"', 412), ('"9000000000"', 412), ("*", 400), ("", 400), ("a", 400),
    ],
)  # fmt: skip
def test_if_match_takes_what_the_header_is_made_of(company: Company, rep: Program, sent: str, status: int) -> None:
    seen = rep("GET", company.address)
    header = sent.format(etag=seen["ETag"], revision=company.line.revision)
    written = rep("PATCH", company.address, {"cells": cells(("2027-01", 7))}, If_Match=header)
    assert written.status_code == status
    if status == 412:
        assert written.json()["current"] == seen.json()


def test_lines_of_many_that_somebody_else_saved_are_named_by_their_place() -> None:
    customer = make_customer(sales_rep=make_user("sales_rep"))
    make_entry(customer=customer, price="10")
    changed = make_line(owner=customer.sales_rep, customer=customer)
    other = Line.objects.exclude(pk=changed.pk).get()
    rep, admin = program_of(customer.sales_rep), program_of(make_user("admin"))
    assert rep("PATCH", f"/forecasts/{changed.pk}", {"revision": changed.revision, "notes": "Mine."}).status_code == 200
    items = [{"id": line.pk, "revision": line.revision, "cells": cells(("2027-01", 9))} for line in (other, changed)]
    refs = [{"id": item["id"], "revision": item["revision"]} for item in items]
    for refused in (
        admin("POST", "/forecasts/bulk", {"items": items}),
        admin("POST", "/forecasts/bulk-submit", {"items": refs}),
    ):
        assert refused.status_code == 412
        (fault,) = refused.json()["errors"]
        assert fault == {
            "pointer": "/items/1/revision", "code": "stale", "detail": f"Its revision is {changed.revision + 1} now.",
        }  # fmt: skip
        assert refused.json()["detail"].startswith("Somebody saved 1 of these lines after you read them")
    assert Line.objects.get(pk=other.pk).revision == other.revision


def test_a_revision_that_is_none_is_named_once(company: Company, rep: Program) -> None:
    refused = rep("PATCH", company.address, {"revision": 0, "cells": cells(("2027-01", 1))})
    assert [fault["pointer"] for fault in refused.json()["errors"]] == ["/revision"]
    assert len(rep("POST", f"{company.address}/submit", {"revision": 0}).json()["errors"]) == 1


@pytest.mark.parametrize(
    ("changes", "status", "pointer"),
    [
        ({"status": "approved"}, 400, "/status"),
        ({"owner_id": 1}, 400, "/owner_id"),
        ({"colour": "red"}, 400, "/colour"),
        ({"cells": {}}, 400, "/cells"),
        ({"cells": None}, 400, "/cells"),
        ({"notes": None}, 400, "/notes"),
        ({"risk_class": None}, 400, "/risk_class"),
        ({"cells": [{"period": "2027-13", "quantity": 1}]}, 400, "/cells/0/period"),
        ({"cells": [{"period": "2027-01", "amount": 1}]}, 400, "/cells/0/amount"),
        ({"cells": cells(("2027-01", "1,200"))}, 400, "/cells/0/quantity"),
        ({"cells": cells(("2027-01", True))}, 400, "/cells/0/quantity"),
        ({"cells": cells(("2027-01", "NaN"))}, 400, "/cells/0/quantity"),
        ({"cells": cells(("2027-01", 1), ("2027-01-01", 2))}, 400, "/cells/1/period"),
        ({"cells": cells(("2027-01", -1))}, 422, "/cells/0/quantity"),
        ({"cells": cells(("2027-01", "1e12"))}, 422, "/cells/0/quantity"),
        ({"cells": cells(("2027-01", "1e-7"))}, 422, "/cells/0/quantity"),
        ({"cells": cells(("2027-01", 1), ("2027-02", -1))}, 422, "/cells/1/quantity"),
        ({"cells": cells(("2030-01", 1))}, 422, "/cells/0/quantity"),
        ({"cells": cells(("2027-01", "1.00001"), name="unit_price")}, 422, "/cells/0/unit_price"),
        ({"risk_class": 4}, 400, "/risk_class"),
        ({"notes": "x" * 2_001}, 422, ""),
        ({"revision": "3"}, 400, "/revision"),
        ({"revision": 0}, 400, "/revision"),
    ],
)
def test_what_cannot_be_saved_is_named(company: Company, rep: Program, changes: Any, status: int, pointer: str) -> None:
    answered = rep("PATCH", company.address, {"revision": company.line.revision, **changes})
    assert (answered.status_code, answered.json()["errors"][0]["pointer"]) == (status, pointer), answered.json()
    before = company.line.revision
    company.line.refresh_from_db()
    assert company.line.revision == before


@pytest.mark.parametrize(
    ("written", "ends"),
    [
        ("1.0000005", "is not a number from 0 to 9,999,999.99 with at most 6 decimals."),
        ("-0.0000005", "is not a number from 0 to 9,999,999.99."),
        ("10000000", "is not a number from 0 to 9,999,999.99."),
    ],
)
def test_the_sentence_about_a_number_says_what_is_wrong_with_it(
    company: Company, rep: Program, written: str, ends: str
) -> None:
    body = {"revision": company.line.revision, "cells": cells(("2027-01", written))}
    assert rep("PATCH", company.address, body).json()["errors"][0]["detail"].endswith(f"'{written}' {ends}")


def test_put_takes_all_cells(company: Company, rep: Program) -> None:
    part = {"revision": company.line.revision, "cells": cells(("2027-01", 1))}
    assert rep("PUT", company.address, part).status_code == 400
    whole = [
        {"period": period.isoformat(), "quantity": number, "unit_price": "2.5"}
        for number, period in enumerate(company.cycle.periods)
    ]
    answered = rep("PUT", company.address, {"revision": company.line.revision, "cells": whole, "risk_class": 0})
    assert answered.status_code == 200
    assert answered.json()["quantity"] == [str(number) for number in range(16)]
    assert answered.json()["risk_class"] == 0


def test_the_life_of_a_line(company: Company, rep: Program) -> None:
    manager = program_of(company.manager)

    def act(program: Program, verb: str, body: Any = None, revision: int | None = None) -> Any:
        company.line.refresh_from_db()
        seen = {"revision": company.line.revision if revision is None else revision}
        return program("POST", f"{company.address}/{verb}", {**seen, **(body or {})})

    assert rep("POST", f"{company.address}/submit", {}).status_code == 428
    assert act(rep, "submit", revision=99).status_code == 412
    reason = {"change_reason": {"why": "promotion", "words": "spring"}}
    assert act(rep, "submit", reason).json()["status"] == "submitted"
    assert act(rep, "submit").json()["change_reason"] == "promotion: spring"
    assert act(rep, "recall").json()["status"] == "draft"
    assert act(rep, "approve").status_code == 403
    act(rep, "submit")
    assert act(manager, "reject").status_code == 422
    rejected = act(manager, "reject", {"comment": "Too high."}).json()
    assert (rejected["status"], rejected["decision_comment"]) == ("rejected", "Too high.")
    company.line.refresh_from_db()
    answer(company.line, 50)
    act(rep, "submit")
    assert act(manager, "approve").json()["status"] == "approved"
    assert act(manager, "return", {"comment": "Once more."}).json()["status"] == "draft"
    assert act(manager, "adjust", {"cells": cells(("2027-01", 1)), "reason": "x"}).status_code == 409
    act(rep, "submit")
    with acting(company.admin, source="web"):
        cycle_services.close_cycle(company.cycle.pk, by=company.admin)
    adjusted = act(manager, "adjust", {"cells": cells(("2027-01", 60)), "reason": "Agreed in the meeting."}).json()
    assert (adjusted["status"], adjusted["quantity"][0]) == ("approved", "60")
    story = manager("GET", f"{company.address}/history").json()
    assert [version["event"] for version in story["versions"]][:3] == ["open", "submit", "submit"]
    assert story["versions"][-1]["comment"] == "Agreed in the meeting."
    assert story["changes"][0]["changes"]
    late = rep("PATCH", company.address, {"revision": adjusted["revision"], "cells": cells(("2027-01", 1))})
    assert late.status_code == 409
    assert "closed on" in late.json()["detail"]


def test_a_line_is_added_for_an_own_customer(company: Company, rep: Program) -> None:
    customer, product = company.line.customer, make_product(list_price=Decimal("7.5"))
    body = {"customer_id": customer.customer_id, "item_code": product.item_code}
    expected = Participant.objects.get(cycle=company.cycle, rep=company.rep).lines_expected
    made = rep("POST", "/forecasts", body)
    assert made.status_code == 201, made.content
    row = made.json()
    assert (row["quantity"], row["unit_price"], row["price_source"]) == ([None] * 16, ["7.5"] * 16, "p" * 16)
    assert (row["owner_id"], row["live"], row["status"]) == (company.rep.pk, True, "draft")
    entry = MatrixEntry.objects.get(customer=customer, product=product)
    assert (entry.proposed_by, entry.is_active) == (company.rep, True)
    assert Participant.objects.get(cycle=company.cycle, rep=company.rep).lines_expected == expected + 1
    again = rep("POST", "/forecasts", body)
    assert (again.status_code, again.json()["line"]) == (409, row["id"])
    assert rep("DELETE", f"/forecasts/{row['id']}").status_code == 403
    admin = program_of(company.admin)
    assert admin("DELETE", company.address).status_code == 409
    stale = admin("DELETE", f"/forecasts/{row['id']}", If_Match=f'"{row["revision"] + 1}"')
    assert (stale.status_code, stale.json()["stale"][0]["line"]) == (412, row["id"])
    assert admin("DELETE", f"/forecasts/{row['id']}", If_Match=f'"{row["revision"]}"').status_code == 204
    assert Participant.objects.get(cycle=company.cycle, rep=company.rep).lines_expected == expected
    assert not Line.objects.filter(pk=row["id"]).exists()


@pytest.mark.parametrize("what", ["foreign", "missing", "inactive product", "no rep", "manager", "closed"])
def test_a_line_that_is_not_added(company: Company, rep: Program, what: str) -> None:
    customer, product, program = company.line.customer, make_product(), rep
    status = 422
    if what == "foreign":
        customer = make_customer(sales_rep=make_user("sales_rep"))
    elif what == "missing":
        product.item_code = "nothing"
    elif what == "inactive product":
        product = make_product(is_active=False)
        make_entry(customer=customer, product=product)
    elif what == "no rep":
        customer, program = make_customer(sales_rep=None), program_of(company.admin)
    elif what == "manager":
        program, status = program_of(company.manager), 403
    else:
        status = 409
        with acting(company.admin, source="web"):
            cycle_services.close_cycle(company.cycle.pk, by=company.admin)
    body = {"customer_id": customer.customer_id, "item_code": product.item_code, "cycle_id": company.cycle.pk}
    answered = program("POST", "/forecasts", body)
    assert answered.status_code == status, answered.json()
    assert Line.objects.count() == 1


class Many:
    """Several lines of one rep in the open cycle."""

    def __init__(self, number: int = 3) -> None:
        self.manager = make_user("manager")
        self.rep = make_user("sales_rep", manager=self.manager)
        self.customer = make_customer(sales_rep=self.rep, customer_id="A/B 100%")
        for _ in range(number):
            entry = make_entry(customer=self.customer)
            make_actual(entry, dt.date(2026, 12, 1))
        self.cycle = open_cycle()

    def lines(self) -> list[Line]:
        return list(Line.objects.filter(cycle=self.cycle).select_related("product").order_by("pk"))


def test_many_lines_are_written_or_none() -> None:
    many = Many()
    program = program_of(many.rep)
    items: list[dict[str, Any]] = [
        {"id": line.pk, "revision": line.revision, "cells": cells(("2027-01", 5))} for line in many.lines()
    ]
    first = many.lines()[0]
    items[0] = {
        "customer_id": "A/B 100%", "item_code": first.product.item_code, "revision": 1, "cells": cells(("2027-01", 5)),
    }  # fmt: skip
    bad = [*items[:2], {**items[2], "cells": cells(("2027-01", -1))}]
    refused = program("POST", "/forecasts/bulk", {"items": bad})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/items/2/cells/0/quantity")
    twice = [{**items[1], "cells": cells(("2027-02", -1))}, items[1]]
    pointers = [fault["pointer"] for fault in program("POST", "/forecasts/bulk", {"items": twice}).json()["errors"]]
    assert pointers == ["/items/0/cells/0/quantity", "/items/1"]
    assert {line.quantity[0] for line in many.lines()} == {None}
    done = program("POST", "/forecasts/bulk", {"items": items}, Idempotency_Key="b1")
    assert done.json()["count"] == 3
    assert {line.quantity[0] for line in many.lines()} == {Decimal(5)}
    assert program("POST", "/forecasts/bulk", {"items": items}, Idempotency_Key="b1").json() == done.json()
    again = program("POST", "/forecasts/bulk", {"items": items})
    assert (again.status_code, [item["revision"] for item in again.json()["items"]]) == (200, [2, 2, 2])


@pytest.mark.parametrize(
    ("item", "status", "pointer"),
    [
        ({"id": 1}, 428, None),
        ({"revision": 1}, 400, "/items/0"),
        ({"id": 1, "customer_id": "a", "item_code": "b", "revision": 1}, 400, "/items/0"),
        ({"customer_id": "a", "item_code": "b", "revision": 1}, 422, "/items/0"),
        ({"id": 2**62, "revision": 1}, 422, "/items/0"),
        (7, 400, "/items/0"),
    ],
)
def test_an_item_that_makes_no_sense(item: Any, status: int, pointer: str | None) -> None:
    many = Many(1)
    answered = program_of(many.rep)("POST", "/forecasts/bulk", {"items": [item]})
    assert answered.status_code == status, answered.json()
    if pointer is not None:
        assert answered.json()["errors"][0]["pointer"] == pointer


def test_many_lines_are_handed_in_and_decided() -> None:
    many = Many()
    rep, manager = program_of(many.rep), program_of(many.manager)
    for line in many.lines():
        answer(line, 10)

    def refs() -> list[dict[str, int]]:
        return [{"id": line.pk, "revision": line.revision} for line in many.lines()]

    assert rep("POST", "/forecasts/bulk-submit", {"items": []}).status_code == 400
    handed = rep("POST", "/forecasts/bulk-submit", {"items": refs()})
    assert handed.json()["count"] == 3
    body = {"items": refs(), "action": "reject"}
    assert manager("POST", "/forecasts/bulk-decide", body).json()["errors"][0]["pointer"] == "/comment"
    assert manager("POST", "/forecasts/bulk-decide", {**body, "action": "burn"}).status_code == 400
    approved = manager("POST", "/forecasts/bulk-decide", {**body, "action": "approve"})
    assert {item["status"] for item in approved.json()["items"]} == {"approved"}
    assert rep("POST", "/forecasts/bulk-submit", {"items": refs()}).status_code == 422


@pytest.mark.parametrize(
    ("address", "more"),
    [("bulk", {}), ("bulk-submit", {}), ("bulk-decide", {"action": "approve"})],
)
def test_lines_that_are_missing_cost_as_many_queries_as_one(address: str, more: dict[str, Any]) -> None:
    """Each was once looked up by itself: ten thousand of another team's took a manager twenty seconds."""
    many = Many(1)
    stranger = program_of(make_user("manager" if address == "bulk-decide" else "sales_rep"))

    def queries(count: int) -> int:
        ids = [many.lines()[0].pk, *range(2**40, 2**40 + count)]
        with CaptureQueriesContext(connection) as asked:
            refused = stranger(
                "POST", f"/forecasts/{address}", {"items": [{"id": pk, "revision": 1} for pk in ids], **more}
            )
        assert (refused.status_code, len(refused.json()["errors"])) == (422, count + 1), refused.json()
        return len(asked)

    queries(1)
    assert queries(1) == queries(30)


def test_one_line_that_may_only_be_read_refuses_all_as_not_allowed() -> None:
    many = Many(2)
    items = [{"id": pk, "revision": 1} for pk in (2**40, many.lines()[0].pk)]
    manager = program_of(many.manager)
    assert manager("POST", "/forecasts/bulk", {"items": items}).status_code == 403
    assert manager("POST", "/forecasts/bulk-submit", {"items": items}).status_code == 403


def test_filters_of_the_list() -> None:
    many = Many()
    program = program_of(many.rep)
    first, *_ = many.lines()
    submit(answer(first, 10))

    def found(query: str) -> int:
        answered = program("GET", f"/forecasts?{query}")
        assert answered.status_code == 200, answered.json()
        return int(answered.json()["count"])

    assert found(f"cycle_id={many.cycle.pk}") == 3
    assert found("status=submitted") == 1
    assert found("status=submitted&status=draft") == 3
    assert found("customer_id=A/B%20100%25") == 3
    assert found(f"item_code={first.product.item_code}") == 1
    assert found(f"group={first.product.group.code}&live=true&risk_class=3") == 1
    assert found(f"owner_id={many.rep.pk}&ordering=-edited_at") == 3
    assert found("edited_since=2100-01-01T00:00:00Z") == 0
    assert found(f"search={first.product.item_code}") == 1
    assert program("GET", "/forecasts?cycle_id=x").status_code == 400
    assert program("GET", "/forecasts?status=lost").status_code == 400


def test_a_list_asks_as_often_for_many_lines_as_for_one() -> None:
    many = Many(1)
    program = program_of(many.rep)

    def queries() -> int:
        with CaptureQueriesContext(connection) as asked:
            assert program("GET", "/forecasts?page_size=1000").status_code == 200
        return len(asked)

    one = queries()
    columns = "customer_id, owner_id, status, live, risk_class, risk_is_default, revision, notes, change_reason, decision_comment, quantity, quantity_source, unit_price, price_source"  # noqa: E501
    with connection.cursor() as cursor, acting("system", source="command"):
        products = [make_product() for _ in range(30)]
        cursor.execute(
            f"INSERT INTO forecasts_line (cycle_id, product_id, {columns}) SELECT cycle_id, product, {columns} "
            "FROM forecasts_line, unnest(%s::bigint[]) AS product",
            [[product.pk for product in products]],
        )
    assert program("GET", "/forecasts").json()["count"] == 31
    assert queries() == one
