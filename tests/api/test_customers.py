"""Customers over the API: scope, one by one, hostile codes and texts, conditions, repeats, counts."""

from typing import Any
from urllib.parse import quote

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from audit.models import Entry
from forecasts.models import Line
from masterdata.models import Customer
from sop_portal.accounts import bearer
from tests.api.helpers import Program, program_of
from tests.factories import make_customer, make_entry, make_line, make_product, make_user

pytestmark = pytest.mark.django_db

WANTED = {"customer_id": "C9", "name": "Elm Supply, Inc.", "region": "Southeast", "credit_limit": "50000.50"}


@pytest.fixture
def admin() -> Program:
    return program_of(make_user("admin"))


def address(code: str) -> str:
    return f"/customers/{quote(code, safe='')}"


def test_a_customer_is_added_read_changed_and_deactivated(admin: Program) -> None:
    rep = make_user("sales_rep", employee_id="4711")
    made = admin("POST", "/customers", {**WANTED, "sales_rep": "4711", "default_risk_class": 1})
    assert made.status_code == 201, made.content
    row = made.json()
    assert (row["sales_rep"], row["sales_rep_name"]) == (rep.email, rep.full_name)
    assert (row["credit_limit"], row["is_active"], row["default_risk_class"]) == ("50000.50", True, 1)
    read = admin("GET", address("C9"))
    assert (read.json(), read["ETag"]) == (row, made["ETag"])
    changed = admin("PATCH", address("C9"), {"city": " Miami "})
    assert changed.json() == {**row, "city": "Miami"}
    replaced = admin("PUT", address("C9"), {"customer_id": "C10", "name": "Elm"}).json()
    assert replaced == {
        **dict.fromkeys(row, ""), "id": row["id"], "customer_id": "C10", "name": "Elm", "sales_rep": None,
        "sales_rep_name": None, "credit_limit": None, "default_risk_class": None, "is_prospect": False,
        "is_active": True, "replaced_by": None,
    }  # fmt: skip
    for _ in range(2):
        assert admin("DELETE", address("C10")).status_code == 204
    assert admin("GET", address("C10")).json()["is_active"] is False
    # What one transaction does to one object, here that of the test, is one entry.
    (entry,) = Entry.objects.filter(entity_type="customer")
    assert (entry.action, entry.source, entry.changes["customer_id"]) == ("customer_created", "api", [None, "C10"])


def test_what_changes_nothing_leaves_no_trace(admin: Program) -> None:
    row = admin("POST", "/customers", WANTED).json()
    before = Entry.objects.count()
    assert admin("PATCH", address("C9"), {"name": row["name"], "credit_limit": 50000.5}).json() == row
    assert Entry.objects.count() == before


def test_another_rep_takes_the_open_lines_along(admin: Program) -> None:
    line = make_line()
    other = make_user("sales_rep")
    answer = admin("PATCH", address(line.customer.customer_id), {"sales_rep": other.email, "city": "Miami"})
    assert (answer.status_code, answer.json()["sales_rep"]) == (200, other.email)
    assert Line.objects.get().owner == other


@pytest.mark.parametrize(
    ("body", "status", "pointer"),
    [
        ({"customer_id": "C9"}, 400, "/name"),
        ({**WANTED, "colour": "red"}, 400, "/colour"),
        ({**WANTED, "id": 7}, 400, "/id"),
        ({**WANTED, "replaced_by": "C1"}, 400, "/replaced_by"),
        ({**WANTED, "credit_limit": "1.234,50"}, 400, "/credit_limit"),
        ({**WANTED, "credit_limit": "NaN"}, 400, "/credit_limit"),
        ({**WANTED, "credit_limit": "1e400"}, 422, "/credit_limit"),
        ({**WANTED, "credit_limit": "-1"}, 422, "/credit_limit"),
        ({**WANTED, "credit_limit": "0.123"}, 422, "/credit_limit"),
        ({**WANTED, "default_risk_class": 4}, 400, "/default_risk_class"),
        ({**WANTED, "name": "a\u202eb"}, 422, "/name"),
        ({**WANTED, "name": "a\u0000b"}, 400, "/name"),
        ({**WANTED, "name": "x" * 201}, 400, "/name"),
        ({**WANTED, "name": "  "}, 400, "/name"),
        ({**WANTED, "notes": "x" * 2_001}, 400, "/notes"),
        ({**WANTED, "contact_email": "nobody"}, 422, "/contact_email"),
        ({**WANTED, "sales_rep": "nobody@example.com"}, 422, "/sales_rep"),
        ({**WANTED, "is_active": "perhaps"}, 400, "/is_active"),
        ([WANTED], 400, ""),
    ],
)
def test_what_makes_no_customer_is_named(admin: Program, body: Any, status: int, pointer: str) -> None:
    answer = admin("POST", "/customers", body)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (status, pointer), answer.content
    assert not Customer.objects.exists()


def test_only_sales_reps_serve_customers_and_an_id_is_given_once(admin: Program) -> None:
    manager = make_user("manager")
    refused = admin("POST", "/customers", {**WANTED, "sales_rep": manager.email})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/sales_rep")
    admin("POST", "/customers", WANTED)
    again = admin("POST", "/customers", WANTED)
    assert (again.status_code, again.json()["errors"][0]["pointer"]) == (422, "/customer_id")


@pytest.mark.parametrize(
    "code",
    [
        "A/B", "A/B/", "/A", "//", "A/sales", "A/products/", "statistics/", "100%", "a b", "%2F", "%1F", "Größe", "..",
        "C?x=1", "#1", "'; DROP", "<script>", "=cmd", "日本", "a//b",
    ],
)  # fmt: skip
def test_codes_of_any_characters_are_found(admin: Program, code: str) -> None:
    made = admin("POST", "/customers", {**WANTED, "customer_id": code})
    assert made.status_code == 201, made.content
    for place, item in enumerate(("P1", "P2")):
        make_entry(customer=Customer.objects.get(customer_id=code), product=make_product(item_code=item))
        below = admin("GET", f"{address(code)}/products?page_size=1&ordering=id").json()
        assert (below["count"], below["results"][0]["customer_id"]) == (place + 1, code)
    # Where the next page is said to be, it is.
    following = admin("GET", below["next"].removeprefix("http://testserver/api/v1")).json()
    assert [row["item_code"] for row in following["results"]] == ["P2"]
    assert admin("GET", address(code)).json()["customer_id"] == code
    assert admin("GET", address(code) + "/").json()["customer_id"] == code
    assert admin("PATCH", address(code), {"name": code}).json()["name"] == code


def test_a_slash_within_a_code_is_told_from_one_that_ends_an_address(admin: Program) -> None:
    for code in ("A", "A/", "A/sales", "A/sales/"):
        make_customer(customer_id=code)
    for asked, found in (("A", "A"), ("A/", "A"), ("A%2F", "A/"), ("A%2f/", "A/"), ("A%2Fsales", "A/sales")):
        assert admin("PATCH", f"/customers/{asked}", {"region": asked}).json()["customer_id"] == found
    assert list(Customer.objects.order_by("customer_id").values_list("customer_id", "region")) == [
        ("A", "A/"), ("A/", "A%2f/"), ("A/sales", "A%2Fsales"), ("A/sales/", ""),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "given",
    [
        {},
        # Something on the way wrote the address anew.
        {"RAW_URI": "/api/v1/customers/B%2Fc"},
        {"REQUEST_URI": "/api/v1/customers/A/b%20%2F"},
    ],
)
def test_a_server_that_hands_on_no_more_than_the_decoded_path_serves_codes_with_slashes_too(given: Any) -> None:
    make_customer(customer_id="A/b")
    token = bearer.issue(make_user("admin")).access
    answer = Client().get("/api/v1/customers/A%2Fb", headers={"Authorization": f"Bearer {token}"}, **given)
    assert answer.json()["customer_id"] == "A/b"


@pytest.mark.parametrize("name", ["RAW_URI", "REQUEST_URI"])
@pytest.mark.parametrize("origin", ["", "http://testserver", "HTTPS://testserver:8443"])
def test_what_came_over_the_wire_may_be_a_whole_url(name: str, origin: str) -> None:
    for code in ("A", "A/"):
        make_customer(customer_id=code)
    headers = {"Authorization": f"Bearer {bearer.issue(make_user('admin')).access}"}
    given: dict[str, Any] = {name: f"{origin}/api/v1/customers/A%2F"}
    assert Client().get("/api/v1/customers/A%2F", headers=headers, **given).json()["customer_id"] == "A/"


def test_a_stale_etag_is_refused_with_what_is_stored_now(admin: Program) -> None:
    first = admin("POST", "/customers", WANTED)
    second = admin("PATCH", address("C9"), {"city": "Miami"}, If_Match=first["ETag"])
    assert (second.status_code, second["ETag"]) == (200, admin("GET", address("C9"))["ETag"])
    for verb, body in (("PATCH", {"city": "Tampa"}), ("PUT", WANTED), ("DELETE", None)):
        stale = admin(verb, address("C9"), body, If_Match=first["ETag"])
        assert (stale.status_code, stale.json()["current"]) == (412, second.json())
    assert admin("PATCH", address("C9"), {"city": "Tampa"}, If_Match=f"W/{second['ETag']}").status_code == 200
    assert admin("DELETE", address("C9"), If_Match="*").status_code == 204


def test_a_repeated_post_adds_one_customer(admin: Program) -> None:
    answers = [admin("POST", "/customers", WANTED, Idempotency_Key="load-1") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    assert Customer.objects.count() == 1


def test_everybody_reads_their_own_customers_and_only_admins_write() -> None:
    manager = make_user("manager")
    rep, other = make_user("sales_rep", manager=manager), make_user("sales_rep")
    mine = make_customer(sales_rep=rep, replaced_by=make_customer(sales_rep=other))
    make_customer()
    seen = {}
    for user in (rep, other, manager, make_user("viewer"), make_user("admin")):
        program = program_of(user)
        seen[user] = program("GET", "/customers").json()["count"]
        foreign = program("GET", address(mine.customer_id))
        assert foreign.status_code == (404 if user == other else 200)
        if user != other:
            shown = user.has_perm("masterdata.view_all_customers")
            assert (foreign.json()["replaced_by"] is not None) == shown
        if not user.has_perm("masterdata.change_customer"):
            status = 404 if user == other else 403
            for verb in ("PUT", "PATCH", "DELETE"):
                assert program(verb, address(mine.customer_id), {}).status_code == status
            assert program("POST", "/customers", WANTED).status_code == 403
    assert list(seen.values()) == [1, 1, 1, 3, 3]
    mine.refresh_from_db()
    assert mine.is_active


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["A", "B", "C"]),
        ("ordering=-customer_id", ["C", "B", "A"]),
        ("search=supply+elm", ["A"]),
        ("region=North", ["B", "C"]),
        ("is_active=false", ["C"]),
        ("sales_rep=none", ["B", "C"]),
        ("sales_rep=REP@example.com", ["A"]),
        ("default_risk_class=0", ["B"]),
        ("customer_id=A&region=North", []),
    ],
)
def test_filters_leave_what_they_say(admin: Program, query: str, found: list[str]) -> None:
    rep = make_user("sales_rep", email="rep@example.com")
    make_customer(customer_id="A", name="Elm Supply", sales_rep=rep)
    make_customer(customer_id="B", name="Oak", region="North", default_risk_class=0)
    make_customer(customer_id="C", name="Ash", region="North", is_active=False)
    rows = admin("GET", f"/customers?{query}").json()["results"]
    assert [row["customer_id"] for row in rows] == found


@pytest.mark.parametrize(
    "query", ["is_active=perhaps", "is_active=1", "default_risk_class=9", "sort=name", "ordering=cost", "region=%00"]
)
def test_filters_without_sense_are_refused(admin: Program, query: str) -> None:
    answer = admin("GET", f"/customers?{query}")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == f"?{query.partition('=')[0]}"


def test_statistics_count_what_is_in_scope(admin: Program) -> None:
    rep = make_user("sales_rep")
    make_entry(customer=make_customer(sales_rep=rep, region="North", default_risk_class=2))
    make_customer(region="North", is_prospect=True)
    make_customer(is_active=False)
    assert admin("GET", "/customers/statistics").json() == {
        "total": 3, "active": 2, "inactive": 1, "prospects": 1, "without_sales_rep": 1, "without_products": 1,
        "by_region": [{"region": "North", "customers": 2}],
        "by_risk_class": [
            {"risk_class": 2, "label": "Customer", "customers": 1},
            {"risk_class": None, "label": None, "customers": 1},
        ],
    }  # fmt: skip
    assert program_of(rep)("GET", "/customers/statistics").json()["total"] == 1


def test_the_list_asks_as_often_for_a_thousand_rows_as_for_ten(admin: Program) -> None:
    def asked(count: int) -> int:
        Customer.objects.untracked().bulk_create(
            Customer(customer_id=f"N{Customer.objects.count()}-{n}", name=f"Customer {n}") for n in range(count)
        )
        with CaptureQueriesContext(connection) as queries:
            answer = admin("GET", "/customers?page_size=1000")
        assert len(answer.json()["results"]) == Customer.objects.count()
        return len(queries)

    assert asked(10) == asked(990)
