"""Products and product groups over the API."""

from typing import Any
from urllib.parse import quote

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from masterdata.models import Product
from tests.api.helpers import Program, program_of
from tests.factories import make_customer, make_entry, make_group, make_product, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin() -> Program:
    return program_of(make_user("admin"))


def wanted(**more: Any) -> dict[str, Any]:
    return {"item_code": "110/001", "description": "Peeled garlic 4x5", "group_code": "G9", "uom": "CS", **more}


def address(code: str) -> str:
    return f"/products/{quote(code, safe='')}"


def test_a_product_is_added_read_changed_and_deactivated(admin: Program) -> None:
    make_group(code="G9", name="Garlic")
    made = admin("POST", "/products", wanted(weight=9.07, list_price="52.50", cost_price=31))
    assert made.status_code == 201, made.content
    row = made.json()
    assert (row["group_name"], row["weight"], row["cost_price"]) == ("Garlic", "9.0700", "31.0000")
    assert admin("GET", address("110/001")).json() == row
    changed = admin("PATCH", address("110/001"), {"list_price": "60"}, If_Match=made["ETag"])
    assert changed.json() == {**row, "list_price": "60.0000"}
    stale = admin("PATCH", address("110/001"), {"list_price": "61"}, If_Match=made["ETag"])
    assert stale.status_code == 412
    replaced = admin("PUT", address("110/001"), wanted(pack_size="4x5 lb"))
    assert replaced.json() == {
        **row, "pack_size": "4x5 lb", "weight": None, "list_price": None, "cost_price": None,
    }  # fmt: skip
    assert admin("DELETE", address("110/001")).status_code == 204
    assert admin("GET", address("110/001")).json()["is_active"] is False


@pytest.mark.parametrize(
    ("more", "status", "pointer"),
    [
        ({"group_code": "G8"}, 422, "/group_code"),
        ({"group_code": None}, 400, "/group_code"),
        ({"group_name": "Garlic"}, 400, "/group_name"),
        ({"uom": ""}, 400, "/uom"),
        ({"weight": -1}, 422, "/weight"),
        ({"weight": True}, 400, "/weight"),
        ({"weight": ""}, 400, "/weight"),
        ({"list_price": "1e3"}, 201, ""),
        ({"list_price": "12345678901"}, 422, "/list_price"),
        ({"parent_group_code": "G8"}, 400, "/parent_group_code"),
    ],
)
def test_what_makes_no_product_is_named(admin: Program, more: Any, status: int, pointer: str) -> None:
    make_group(code="G9")
    answer = admin("POST", "/products", wanted(**more))
    assert answer.status_code == status, answer.content
    if status != 201:
        assert answer.json()["errors"][0]["pointer"] == pointer
    assert Product.objects.count() == (status == 201)


def test_an_id_is_no_code(admin: Program) -> None:
    assert admin("POST", "/products", {**wanted(), "id": 1}).json()["errors"][0]["code"] == "read_only"


def test_reps_see_active_products_and_never_a_cost() -> None:
    rep = make_user("sales_rep")
    make_product(item_code="A", cost_price=5)
    make_product(item_code="B", is_active=False)
    make_entry(
        customer=make_customer(sales_rep=rep), product=make_product(item_code="C", is_active=False, cost_price=5)
    )
    program = program_of(rep)
    rows = program("GET", "/products").json()["results"]
    assert [(row["item_code"], row["cost_price"]) for row in rows] == [("A", None), ("C", None)]
    assert program("GET", address("A")).json()["cost_price"] is None
    assert program("GET", address("B")).status_code == 404
    assert program("PATCH", address("A"), {}).status_code == 403
    assert program("GET", "/products?ordering=cost_price").status_code == 400
    viewer = program_of(make_user("viewer"))
    assert viewer("GET", address("A")).json()["cost_price"] == "5.0000"
    assert viewer("DELETE", address("A")).status_code == 403


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["A", "B", "C"]),
        ("group_code=TOP", ["A", "B"]),
        ("group_code=SUB", ["B"]),
        ("has_list_price=true", ["A"]),
        ("has_list_price=false&is_active=true", ["B"]),
        ("search=onion", ["C"]),
        ("uom=KG", ["C"]),
        ("ordering=-item_code&page_size=1", ["C"]),
    ],
)
def test_filters_leave_what_they_say(admin: Program, query: str, found: list[str]) -> None:
    top = make_group(code="TOP")
    make_product(item_code="A", group=top, list_price=3)
    make_product(item_code="B", group=make_group(code="SUB", parent=top))
    make_product(item_code="C", description="Red onions", uom="KG", is_active=False)
    assert [row["item_code"] for row in admin("GET", f"/products?{query}").json()["results"]] == found


def test_groups_tell_what_they_are_below(admin: Program) -> None:
    make_group(code="SUB", name="Cloves", parent=make_group(code="TOP"))
    rows = admin("GET", "/product-groups").json()["results"]
    assert [(row["code"], row["parent_code"]) for row in rows] == [("SUB", "TOP"), ("TOP", None)]
    assert program_of(make_user("sales_rep"))("GET", "/product-groups?search=cloves").json()["count"] == 1


def test_statistics_count_what_is_missing(admin: Program) -> None:
    garlic = make_group(code="G1", name="Garlic")
    make_product(group=garlic, list_price=3, weight=2)
    make_product(group=garlic)
    make_product(group=garlic, is_active=False)
    assert admin("GET", "/products/statistics").json() == {
        "total": 3, "active": 2, "inactive": 1, "without_list_price": 1, "without_weight": 1,
        "by_group": [{"group_code": "G1", "group_name": "Garlic", "products": 2}],
    }  # fmt: skip


@pytest.mark.parametrize("role", ["admin", "sales_rep"])
def test_the_list_asks_as_often_for_a_thousand_rows_as_for_ten(role: str) -> None:
    group, program = make_group(), program_of(make_user(role))

    def asked(count: int) -> int:
        Product.objects.untracked().bulk_create(
            Product(item_code=f"N{Product.objects.count()}-{n}", description=f"Product {n}", group=group)
            for n in range(count)
        )
        with CaptureQueriesContext(connection) as queries:
            answer = program("GET", "/products?page_size=1000")
        assert len(answer.json()["results"]) == Product.objects.count()
        return len(queries)

    assert asked(10) == asked(990)
