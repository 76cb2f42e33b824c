"""The pricing matrix over the API: entries, their prices, many at once."""

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from masterdata.models import MatrixEntry, Price
from tests.api.helpers import Program, program_of
from tests.factories import make_actual, make_customer, make_entry, make_product, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin() -> Program:
    return program_of(make_user("admin"))


def test_an_entry_is_added_priced_changed_and_deleted(admin: Program) -> None:
    customer, product = make_customer(customer_id="C/1"), make_product(item_code="P1", list_price=7)
    body = {"customer_id": "C/1", "item_code": "P1", "minimum_order_quantity": 10}
    made = admin("POST", "/matrix", body)
    assert made.status_code == 201, made.content
    row = made.json()
    assert (row["customer_name"], row["description"]) == (customer.name, product.description)
    assert (row["minimum_order_quantity"], row["unit_price"], row["own_price"]) == ("10.000000", "7.0000", None)
    address = f"/matrix/{row['id']}"
    price = {"valid_from": "2026-01-01", "unit_price": 8.5}
    assert [admin("POST", f"{address}/prices", price).status_code for _ in range(2)] == [201, 200]
    assert admin("POST", f"{address}/prices", {**price, "unit_price": "9"}).json()["unit_price"] == "9.0000"
    assert Price.objects.get().unit_price == 9
    read = admin("GET", address)
    assert read.json() == {**row, "unit_price": "9.0000", "own_price": "9.0000"}
    assert admin("PATCH", address, {"lead_time_days": 14}, If_Match=made["ETag"]).status_code == 412
    changed = admin("PATCH", address, {"lead_time_days": 14}, If_Match=read["ETag"])
    assert changed.json()["lead_time_days"] == 14
    replaced = admin("PUT", address, {"customer_id": "C/1", "item_code": "P1", "is_active": False}).json()
    assert (replaced["lead_time_days"], replaced["minimum_order_quantity"], replaced["is_active"]) == (
        None,
        None,
        False,
    )
    assert admin("DELETE", address).json() == {"deleted": True, "history": []}
    assert admin("DELETE", address).status_code == 404


def test_an_entry_with_a_history_is_deactivated(admin: Program) -> None:
    entry = make_entry()
    make_actual(entry, dt.date(2026, 1, 1))
    for _ in range(2):
        answer = admin("DELETE", f"/matrix/{entry.pk}")
        assert (answer.status_code, answer.json()) == (200, {"deleted": False, "history": ["actuals"]})
    entry.refresh_from_db()
    assert entry.is_active is False


@pytest.mark.parametrize(
    ("more", "status", "pointer"),
    [
        ({"customer_id": "C2"}, 422, "/customer_id"),
        ({"item_code": "p1"}, 422, "/item_code"),
        ({"item_code": None}, 400, "/item_code"),
        ({"maximum_order_quantity": 5, "minimum_order_quantity": 6}, 422, "/maximum_order_quantity"),
        ({"lead_time_days": -1}, 422, "/lead_time_days"),
        ({"lead_time_days": 1.5}, 400, "/lead_time_days"),
        ({"lead_time_days": 40_000}, 422, "/lead_time_days"),
        ({"unit_price": 3}, 400, "/unit_price"),
        ({"proposed_by": "nobody"}, 422, "/proposed_by"),
    ],
)
def test_what_makes_no_entry_is_named(admin: Program, more: Any, status: int, pointer: str) -> None:
    make_customer(customer_id="C1")
    make_product(item_code="P1")
    answer = admin("POST", "/matrix", {"customer_id": "C1", "item_code": "P1", **more})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (status, pointer), answer.content
    assert not MatrixEntry.objects.exists()


@pytest.mark.parametrize(
    ("body", "status", "pointer"),
    [
        ({"valid_from": "2026-01-01"}, 400, "/unit_price"),
        ({"valid_from": "01.02.2026", "unit_price": 1}, 400, "/valid_from"),
        ({"valid_from": "1900-01-01", "unit_price": 1}, 422, "/valid_from"),
        ({"valid_from": "2026-01-01", "unit_price": -1}, 422, "/unit_price"),
        ({"valid_from": "2026-01-01", "unit_price": "0.12345"}, 422, "/unit_price"),
    ],
)
def test_what_makes_no_price_is_named(admin: Program, body: Any, status: int, pointer: str) -> None:
    entry = make_entry(price=None)
    answer = admin("POST", f"/matrix/{entry.pk}/prices", body)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (status, pointer), answer.content
    assert not Price.objects.exists()


def test_a_pair_has_one_entry(admin: Program) -> None:
    entry = make_entry()
    body = {"customer_id": entry.customer.customer_id, "item_code": entry.product.item_code}
    assert admin("POST", "/matrix", body).status_code == 422


def test_reps_see_the_entries_of_their_customers() -> None:
    rep = make_user("sales_rep")
    mine, other = make_entry(customer=make_customer(sales_rep=rep, customer_id="A b/c")), make_entry()
    program = program_of(rep)
    assert [row["id"] for row in program("GET", "/matrix").json()["results"]] == [mine.pk]
    assert [row["id"] for row in program("GET", "/customers/A%20b%2Fc/products").json()["results"]] == [mine.pk]
    assert program("GET", f"/customers/{other.customer.customer_id}/products").status_code == 404
    for address in (f"/matrix/{other.pk}", f"/matrix/{other.pk}/prices"):
        assert program("GET", address).status_code == 404
    assert [row["unit_price"] for row in program("GET", f"/matrix/{mine.pk}/prices").json()["results"]] == ["10.0000"]
    for verb in ("PUT", "PATCH", "DELETE"):
        assert program(verb, f"/matrix/{mine.pk}", {}).status_code == 403
    assert program("POST", f"/matrix/{mine.pk}/prices", {}).status_code == 403


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("customer_id=C1", ["P1", "P2"]), ("item_code=P2", ["P2"]), ("is_proposed=true", ["P2"]),
        ("is_active=false", ["P3"]), ("search=C1+P1", ["P1"]), ("sales_rep=none", ["P1", "P2", "P3"]),
    ],
)  # fmt: skip
def test_filters_leave_what_they_say(admin: Program, query: str, found: list[str]) -> None:
    customer = make_customer(customer_id="C1")
    make_entry(customer=customer, product=make_product(item_code="P1"))
    make_entry(customer=customer, product=make_product(item_code="P2"), proposed_by=make_user("sales_rep"))
    make_entry(product=make_product(item_code="P3"), is_active=False)
    rows = admin("GET", f"/matrix?ordering=id&{query}").json()["results"]
    assert [row["item_code"] for row in rows] == found


def test_many_entries_bring_their_prices(admin: Program) -> None:
    make_customer(customer_id="C1")
    make_product(item_code="P1")
    make_product(item_code="P2")
    answer = admin("POST", "/matrix/bulk", {"valid_from": "2026-03-01", "items": [
        {"customer_id": "C1", "item_code": "P1", "unit_price": 5, "valid_from": "2026-01-01", "lead_time_days": 7},
        {"customer_id": "C1", "item_code": "P1", "unit_price": "6.25"},
        {"customer_id": "C1", "item_code": "P2", "minimum_order_quantity": 3},
    ]})  # fmt: skip
    assert answer.status_code == 200, answer.content
    assert answer.json()["created"] == 3
    assert [remark["code"] for remark in answer.json()["remarks"]] == ["undated"]
    prices = Price.objects.order_by("valid_from").values_list("valid_from", "unit_price")
    assert list(prices) == [(dt.date(2026, 1, 1), Decimal(5)), (dt.date(2026, 3, 1), Decimal("6.25"))]
    refused = admin("POST", "/matrix/bulk", {"items": [
        {"customer_id": "C1", "item_code": "P2"}, {"customer_id": "C1", "item_code": "P9"},
        {"customer_id": "c1", "item_code": "P1"},
    ]})  # fmt: skip
    assert refused.status_code == 422
    assert [fault["pointer"] for fault in refused.json()["errors"]] == ["/items/1/item_code", "/items/2/customer_id"]
    assert "there is 'C1'" in refused.json()["errors"][1]["detail"]


def test_the_list_asks_as_often_for_a_thousand_rows_as_for_ten(admin: Program) -> None:
    customer, group = make_customer(), make_product().group

    def asked(count: int) -> int:
        from masterdata.models import Product

        start = Product.objects.count()
        products = Product.objects.untracked().bulk_create(
            Product(item_code=f"N{start + n}", description="x", group=group, list_price=3) for n in range(count)
        )
        entries = MatrixEntry.objects.untracked().bulk_create(
            MatrixEntry(customer=customer, product=product) for product in products
        )
        Price.objects.untracked().bulk_create(
            Price(entry=entry, valid_from=timezone.localdate(), unit_price=4) for entry in entries
        )
        with CaptureQueriesContext(connection) as queries:
            answer = admin("GET", "/matrix?page_size=1000")
        rows = answer.json()["results"]
        assert len(rows) == MatrixEntry.objects.count()
        assert {row["unit_price"] for row in rows} == {"4.0000"}
        return len(queries)

    assert asked(10) == asked(990)
