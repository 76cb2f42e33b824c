"""The sales history and budgets over the API: rows, sums, many at once."""

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from masterdata.models import Actual, ActualRevision, Budget
from tests.api.helpers import Program, program_of
from tests.factories import make_actual, make_customer, make_entry, make_group, make_product, make_user

pytestmark = pytest.mark.django_db

JAN, FEB = dt.date(2026, 1, 1), dt.date(2026, 2, 1)
SUMS = ("statistics", "by-month", "top-products", "top-customers")


@pytest.fixture
def admin() -> Program:
    return program_of(make_user("admin"))


def pair(**more: Any) -> dict[str, Any]:
    make_customer(customer_id="C1")
    make_product(item_code="P1")
    return {"customer_id": "C1", "item_code": "P1", "period": "2026-01", "quantity": 5, "amount": "50.5", **more}


def test_an_actual_is_added_changed_and_deleted_with_its_revisions(admin: Program) -> None:
    made = admin("POST", "/sales-history", pair(cost=20))
    assert made.status_code == 201, made.content
    row = made.json()
    assert (row["period"], row["quantity"], row["amount"], row["cost"]) == ("2026-01", "5.000000", "50.5000", "20.0000")
    address = f"/sales-history/{row['id']}"
    changed = admin("PATCH", address, {"quantity": "-2.5"}, If_Match=made["ETag"])
    assert changed.json() == {**row, "quantity": "-2.500000"}
    assert admin("PATCH", address, {"quantity": 1}, If_Match=made["ETag"]).status_code == 412
    body = {"customer_id": "C1", "item_code": "P1", "period": "2026-02-01", "quantity": 1, "amount": 2}
    assert admin("PUT", address, body).json() == {
        **row, "period": "2026-02", "quantity": "1.000000", "amount": "2.0000", "cost": None,
    }  # fmt: skip
    assert admin("DELETE", address).status_code == 204
    assert admin("DELETE", address).status_code == 404
    # Added, changed, gone from January and come in February, deleted.
    assert ActualRevision.objects.count() == 5


@pytest.mark.parametrize(
    ("more", "status", "pointer"),
    [
        ({"period": "2026-13"}, 400, "/period"),
        ({"period": "2026-01-15"}, 400, "/period"),
        ({"period": "1999-12"}, 400, "/period"),
        ({"period": 202601}, 400, "/period"),
        ({"quantity": None}, 400, "/quantity"),
        ({"quantity": "0.1234567"}, 422, "/quantity"),
        ({"quantity": 10**12}, 422, "/quantity"),
        ({"customer_id": "C2"}, 422, "/customer_id"),
        ({"uom": "CS"}, 400, "/uom"),
    ],
)
def test_what_makes_no_actual_is_named(admin: Program, more: Any, status: int, pointer: str) -> None:
    answer = admin("POST", "/sales-history", pair(**more))
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (status, pointer), answer.content
    assert not Actual.objects.exists()


def test_a_pair_has_one_actual_a_month(admin: Program) -> None:
    body = pair()
    assert [admin("POST", "/sales-history", body).status_code for _ in range(2)] == [201, 422]


def test_reps_see_what_their_customers_bought_and_never_a_cost() -> None:
    rep = make_user("sales_rep")
    mine = make_customer(sales_rep=rep, customer_id="A b/c")
    old = make_customer(replaced_by=mine)
    first = make_actual(make_entry(customer=mine), JAN, cost=7)
    second = make_actual(make_entry(customer=old), JAN, cost=7)
    other = make_actual(make_entry(), JAN, cost=7)
    program = program_of(rep)
    for address in ("/sales-history", "/customers/A%20b%2Fc/sales", "/sales-history?customer_id=A%20b%2Fc"):
        rows = program("GET", address).json()["results"]
        assert [(row["id"], row["cost"]) for row in rows] == [(first.pk, None), (second.pk, None)], address
    assert program("GET", f"/sales-history/{other.pk}").status_code == 404
    assert program("GET", f"/customers/{other.customer.customer_id}/sales").status_code == 404
    assert program("PATCH", f"/sales-history/{first.pk}", {"quantity": 1}).status_code == 403
    sums = program("GET", "/sales-history/statistics").json()
    assert (sums["amount"], sums["cost"], sums["margin"]) == ("2000.0000", None, None)
    assert {month["cost"] for month in program("GET", "/sales-history/by-month").json()["months"]} == {None}
    assert program_of(make_user("viewer"))("GET", f"/sales-history/{other.pk}").json()["cost"] == "7.0000"


@pytest.fixture
def sold() -> None:
    """Two years of two customers, who buy one product each: 100 and 10 units a month, at 10 a unit."""
    group = make_group(code="G1")
    big = make_entry(customer=make_customer(customer_id="BIG", region="North"),
                     product=make_product(item_code="P1", group=group, weight=2))  # fmt: skip
    small = make_entry(customer=make_customer(customer_id="SMALL"), product=make_product(item_code="P2", uom="KG"))
    for year in (2025, 2026):
        for month in range(1, 13):
            make_actual(big, dt.date(year, month, 1), 100 if year == 2026 else 50, cost=600)
            make_actual(small, dt.date(year, month, 1), 10)


@pytest.fixture
def in_december() -> Any:
    with time_machine.travel(dt.datetime(2026, 12, 15, 12, tzinfo=dt.UTC), tick=True):
        yield


@pytest.mark.usefixtures("in_december", "sold")
def test_sums_compare_with_a_year_before(admin: Program) -> None:
    sums = admin("GET", "/sales-history/statistics?since=2026-01&until=2026-12").json()
    assert sums == {
        "since": "2026-01", "until": "2026-12", "amount": "13200.0000", "amount_year_before": "7200.0000",
        "change": "0.833333", "weight": "2400.0000000000",
        "quantities": [{"uom": "CS", "quantity": "1200.000000"}, {"uom": "KG", "quantity": "120.000000"}],
        "cost": "7200.0000", "margin": "0.400000", "products_without_weight": ["P2"], "more_without_weight": 0,
    }  # fmt: skip
    north = admin("GET", "/sales-history/statistics?region=North&until=2026-12").json()
    assert (north["since"], north["amount"]) == ("2025-01", "18000.0000")
    assert admin("GET", "/sales-history/statistics?item_code=P2").json()["amount"] == "2400.0000"
    assert admin("GET", "/sales-history/statistics?group_code=G1").json()["amount"] == "18000.0000"


@pytest.mark.usefixtures("in_december", "sold")
def test_months_come_in_order_with_averages(admin: Program) -> None:
    months = admin("GET", "/sales-history/by-month?since=2026-11&customer_id=BIG").json()["months"]
    assert [month["period"] for month in months] == ["2026-11", "2026-12"]
    assert months[1] == {
        "period": "2026-12", "amount": "1000.0000", "amount_year_before": "500.0000", "change": "1.000000",
        "weight": "200.0000000000", "quantities": [{"uom": "CS", "quantity": "100.000000"}], "cost": "600.0000",
        "average6": "1000.000000", "average12": "1000.000000", "average24": "750.000000",
    }  # fmt: skip


@pytest.mark.usefixtures("in_december", "sold")
def test_the_largest_come_first(admin: Program) -> None:
    top = admin("GET", "/sales-history/top-customers?limit=1").json()
    assert (top["count"], top["amount"]) == (2, "20400.0000")
    assert top["results"] == [{
        "code": "BIG", "name": top["results"][0]["name"], "amount": "18000.0000", "share": "0.882353",
        "last12": "12000.0000", "change": "1.000000",
    }]  # fmt: skip
    assert [row["code"] for row in admin("GET", "/sales-history/top-products").json()["results"]] == ["P1", "P2"]


@pytest.mark.parametrize("sums", SUMS)
def test_without_any_actuals_sums_are_nothing(admin: Program, sums: str) -> None:
    assert admin("GET", f"/sales-history/{sums}").status_code == 200


@pytest.mark.parametrize(
    "query",
    ["since=2026", "until=2026-13", "since=2026-02&until=2026-01", "since=2000-01&until=2026-01", "limit=5", "region=%FF",
     "colour=red", "page=1"],
)  # fmt: skip
def test_ranges_without_sense_are_refused(admin: Program, query: str) -> None:
    answer = admin("GET", f"/sales-history/statistics?{query}")
    assert answer.status_code == (200 if query == "region=%FF" else 400)
    if answer.status_code == 400:
        assert answer.json()["errors"][0]["pointer"].startswith("?")


@pytest.mark.parametrize("limit", ["0", "1001", "x"])
def test_only_so_many_are_the_largest(admin: Program, limit: str) -> None:
    assert admin("GET", f"/sales-history/top-products?limit={limit}").status_code == 400


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("period=2026-02", [FEB]), ("since=2026-02", [FEB]), ("until=2026-01", [JAN]), ("ordering=-period", [FEB, JAN]),
        ("customer_id=nobody", []), ("group_code=G1", [JAN, FEB]),
    ],
)  # fmt: skip
def test_filters_leave_what_they_say(admin: Program, query: str, found: list[dt.date]) -> None:
    entry = make_entry(product=make_product(group=make_group(code="G1")))
    for month in (JAN, FEB):
        make_actual(entry, month)
    rows = admin("GET", f"/sales-history?{query}").json()["results"]
    assert [row["period"] for row in rows] == [f"{month:%Y-%m}" for month in found]


def test_many_actuals_are_one_data_version(admin: Program) -> None:
    kept = make_actual(make_entry(customer=make_customer(customer_id="C1"), product=make_product(item_code="P1")), JAN)
    items = [
        {"customer_id": "C1", "item_code": "P1", "period": "2026-01", "quantity": 7, "amount": 70.25},
        {"customer_id": "C1", "item_code": "P1", "period": "2026-02-01", "quantity": "8", "amount": "80", "cost": 1},
    ]
    answer = admin("POST", "/sales-history/bulk", {"items": items})
    assert answer.status_code == 200, answer.content
    told = answer.json()
    assert (told["created"], told["updated"], told["unchanged"]) == (1, 1, 0)
    assert set(ActualRevision.objects.filter(batch=told["batch"]).values_list("period", flat=True)) == {JAN, FEB}
    kept.refresh_from_db()
    assert (kept.quantity, kept.amount) == (7, Decimal("70.25"))
    assert admin("POST", "/sales-history/bulk", {"items": items}).json()["unchanged"] == 2


def test_items_of_one_key_are_refused_or_added_up(admin: Program) -> None:
    items = [pair(), {**pair_again(), "quantity": 6}]
    refused = admin("POST", "/sales-history/bulk", {"items": items})
    assert [fault["pointer"] for fault in refused.json()["errors"]] == ["/items/0/customer_id", "/items/1/customer_id"]
    assert admin("POST", "/sales-history/bulk", {"items": items, "sum_duplicates": True}).json()["created"] == 2
    assert Actual.objects.get().quantity == 11


def pair_again() -> dict[str, Any]:
    return {"customer_id": "C1", "item_code": "P1", "period": "2026-01", "quantity": 5, "amount": "50.5"}


@pytest.mark.parametrize(
    ("more", "status", "pointer"),
    [
        ({"quantity": None}, 422, "/items/0/quantity"),
        ({"quantity": "1,234"}, 400, "/items/0/quantity"),
        ({"quantity": "1e"}, 400, "/items/0/quantity"),
        ({"quantity": "1e1000"}, 400, "/items/0/quantity"),
        ({"quantity": 10**12}, 422, "/items/0/quantity"),
        ({"period": "Jan 2026"}, 400, "/items/0/period"),
        ({"period": "2026-13"}, 400, "/items/0/period"),
        ({"period": None}, 422, "/items/0/period"),
        ({"item_code": "P2"}, 422, "/items/0/item_code"),
    ],
)
def test_what_makes_no_item_is_named(admin: Program, more: Any, status: int, pointer: str) -> None:
    answer = admin("POST", "/sales-history/bulk", {"items": [pair(**more)]})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (status, pointer), answer.content
    assert not Actual.objects.exists()


def test_budgets_come_by_bulk_and_are_read_in_scope(admin: Program) -> None:
    rep = make_user("sales_rep")
    make_customer(customer_id="C1", sales_rep=rep)
    make_customer(customer_id="C2")
    make_product(item_code="P1")
    item = {"version": "2027", "customer_id": "C1", "period": "2027-01", "quantity": 5, "amount": 50}
    items = [{**item, "item_code": "P1"}, {**item, "item_code": None}, {**item, "customer_id": "C2", "item_code": ""}]
    assert admin("POST", "/budget/bulk", {"items": items}).json()["created"] == 3
    assert admin("POST", "/budget/bulk", {"items": items}).json()["unchanged"] == 3
    rows = program_of(rep)("GET", "/budget?version=2027&since=2027-01").json()["results"]
    found = {(row["customer_id"], row["item_code"], row["period"]) for row in rows}
    assert found == {("C1", "P1", "2027-01"), ("C1", None, "2027-01")}
    assert admin("GET", "/budget?customer_id=C2").json()["count"] == 1
    assert admin("GET", "/budget?period=2026-01").json()["count"] == 0


@pytest.mark.parametrize("address", ["/sales-history", "/budget"])
@pytest.mark.parametrize("role", ["admin", "sales_rep"])
def test_lists_ask_as_often_for_a_thousand_rows_as_for_ten(address: str, role: str) -> None:
    user = make_user(role)
    entry = make_entry(customer=make_customer(sales_rep=user if role == "sales_rep" else None))
    program = program_of(user)
    model: Any = Actual if address == "/sales-history" else Budget
    more = {} if model is Actual else {"version": "2027"}

    def asked(count: int) -> int:
        start = model.objects.count()
        products = [make_product(group=entry.product.group) for _ in range(count // 10)]
        model.objects.untracked().bulk_create(
            model(customer=entry.customer, product=product, period=dt.date(2026, month, 1), quantity=1, amount=start, **more)
            for product in products
            for month in range(1, 11)
        )  # fmt: skip
        with CaptureQueriesContext(connection) as queries:
            answer = program("GET", f"{address}?page_size=1000")
        assert len(answer.json()["results"]) == model.objects.count()
        return len(queries)

    assert asked(10) == asked(990)
