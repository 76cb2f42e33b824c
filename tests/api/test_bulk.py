"""Many rows at once: all or nothing, each wrong value named by its pointer."""

import json
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit.models import Entry
from forecasts.models import Line
from masterdata.models import Actual, Customer, Product, ProductGroup
from tests.api.helpers import Program, program_of
from tests.factories import make_customer, make_line, make_product, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin() -> Program:
    return program_of(make_user("admin"))


def customers(count: int, **more: Any) -> list[dict[str, Any]]:
    return [{"customer_id": f"B{n:05d}", "name": f"Customer {n}", **more} for n in range(count)]


def faults(answer: Any) -> dict[str, str]:
    return {fault["pointer"]: fault["detail"] for fault in answer.json()["errors"]}


def test_items_add_change_and_leave_rows(admin: Program) -> None:
    rep = make_user("sales_rep", employee_id="4711")
    kept = make_customer(customer_id="OLD", name="Old name", region="North", city="Miami")
    make_customer(customer_id="SAME", name="Same")
    answer = admin("POST", "/customers/bulk", {"items": [
        {"customer_id": "OLD", "name": "New name", "region": None, "sales_rep": "4711", "default_risk_class": 2},
        {"customer_id": "SAME", "name": "Same"},
        {"customer_id": "NEW/1", "name": "Café=1", "credit_limit": 1000.5, "is_active": False},
    ]})  # fmt: skip
    assert (answer.status_code, answer.json()) == (200, {
        "items": 3, "created": 1, "updated": 1, "unchanged": 1, "batch": None, "remarks": [],
    })  # fmt: skip
    kept.refresh_from_db()
    assert (kept.name, kept.region, kept.city, kept.sales_rep, kept.default_risk_class) == (
        "New name", "North", "Miami", rep, 2,
    )  # fmt: skip
    new = Customer.objects.get(customer_id="NEW/1")
    assert (new.name, str(new.credit_limit), new.is_active) == ("Café=1", "1000.50", False)
    assert set(Entry.objects.values_list("source", flat=True)) >= {"api"}
    assert not Entry.objects.filter(entity_type="customer", source="excel").exists()
    assert admin("POST", "/customers/bulk", {"items": [{"customer_id": "NEW/1", "name": "Café=1"}]}).json()[
        "unchanged"
    ] == 1  # fmt: skip


def test_with_clear_blanks_null_empties(admin: Program) -> None:
    kept = make_customer(customer_id="OLD", name="Old name", region="North", city="Miami")
    body = {"clear_blanks": True, "items": [{"customer_id": "OLD", "name": "Old name", "region": None}]}
    assert admin("POST", "/customers/bulk", body).json()["updated"] == 1
    kept.refresh_from_db()
    assert (kept.region, kept.city) == ("", "Miami")
    uneven = {
        "clear_blanks": True,
        "items": [{"customer_id": "A", "name": "A"}, {"customer_id": "B", "name": "B", "city": "C"}],
    }
    answer = admin("POST", "/customers/bulk", uneven)
    assert (answer.status_code, list(faults(answer))) == (400, ["/items/1"])


def test_one_wrong_item_keeps_all_from_being_written(admin: Program) -> None:
    items = customers(50)
    items[3]["credit_limit"] = "-1"
    items[7] = {"customer_id": "X"}
    items[9]["sales_rep"] = "nobody@example.com"
    items[11]["contact_email"] = "nobody"
    items[20]["customer_id"] = items[21]["customer_id"]
    items[30]["name"] = "a\u202eb"
    before = Entry.objects.count()
    answer = admin("POST", "/customers/bulk", {"items": items})
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith("7 of 50 items are refused")
    assert list(faults(answer)) == [
        "/items/3/credit_limit", "/items/7/name", "/items/9/sales_rep", "/items/11/contact_email",
        "/items/20/customer_id", "/items/21/customer_id", "/items/30/name",
    ]  # fmt: skip
    assert "Rows 20 and 21" in faults(answer)["/items/20/customer_id"]
    assert not Customer.objects.exists()
    assert Entry.objects.count() == before


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({}, ["/items"]),
        ([], [""]),
        ({"items": []}, ["/items"]),
        ({"items": {}}, ["/items"]),
        ({"items": customers(10_001)}, ["/items"]),
        ({"items": customers(1), "colour": "red"}, ["/colour"]),
        ({"items": customers(1), "clear_blanks": "yes"}, ["/clear_blanks"]),
        ({"items": [1, customers(1)[0], None]}, ["/items/0", "/items/2"]),
        ({"items": customers(2, colour="red")}, ["/items/0/colour", "/items/1/colour"]),
        ({"items": customers(1, id=7)}, ["/items/0/id"]),
        ({"items": customers(1, credit_limit="1,234")}, ["/items/0/credit_limit"]),
        ({"items": customers(1, credit_limit=True)}, ["/items/0/credit_limit"]),
        ({"items": customers(1, credit_limit="1" * 31)}, ["/items/0/credit_limit"]),
        ({"items": customers(1, is_active="Yes")}, ["/items/0/is_active"]),
        ({"items": customers(1, city=["a"])}, ["/items/0/city"]),
        ({"items": customers(1, city={"a": 1})}, ["/items/0/city"]),
        ({"items": customers(1, city="\ue000#REF!")}, ["/items/0/city"]),
    ],
)
def test_what_has_another_form_is_named(admin: Program, body: Any, pointers: list[str]) -> None:
    answer = admin("POST", "/customers/bulk", body)
    assert (answer.status_code, list(faults(answer))) == (400, pointers), answer.content
    assert not Customer.objects.exists()


@pytest.mark.parametrize(
    ("written", "stored"),
    [("1.5e3", "1500.00"), ("1E2", "100.00"), ("12", "12.00"), ('"0.50"', "0.50"), ('""', "None")],
)
def test_numbers_are_read_as_they_are_written(admin: Program, written: str, stored: str) -> None:
    body = f'{{"items": [{{"customer_id": "A", "name": "A", "credit_limit": {written}}}]}}'
    assert admin("POST", "/customers/bulk", body).status_code == 200
    assert str(Customer.objects.get().credit_limit) == stored


@pytest.mark.parametrize(
    ("name", "value", "others"),
    [
        ("quantity", "1\n2", [3]), ("quantity", "1\n2", ["3"]), ("quantity", "1\n2", [3.5]), ("quantity", "1,2", ["3"]),
        ("period", "2026-01\n2026-02", ["2026-03"]), ("quantity", True, [1.5]), ("period", 2026.01, ["2026-03"]),
        ("period", "2026-01-15", ["2026-03-01"]), ("period", "2026-01-31", [None]), ("period", "2026-13", ["2026-03"]),
        ("item_code", 1.5, ["P1"]), ("quantity", [1], [1.5]), ("quantity", 1e400, [1.5]),
    ],
)  # fmt: skip
def test_a_value_of_another_form_among_good_ones_is_named(admin: Program, name: str, value: Any, others: Any) -> None:
    good = {"customer_id": "C1", "item_code": "P1", "period": "2026-01", "quantity": 1, "amount": "2.5"}
    items = [{**good, name: each} for each in [*others, value]]
    body = json.dumps({"items": items}).replace("Infinity", "1e400")
    answer = admin("POST", "/sales-history/bulk", body)
    assert (answer.status_code, set(faults(answer))) == (400, {f"/items/1/{name}"}), answer.content
    assert not Actual.objects.exists()


@pytest.mark.parametrize("is_odd", [False, True])
@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
@pytest.mark.parametrize(("name", "value"), [
    ("quantity", 0.1234567), ("quantity", 10**12), ("amount", 1e14), ("amount", "1.00001"), ("cost", -0.00001),
])  # fmt: skip
def test_a_number_that_does_not_fit_among_good_ones_is_refused(
    admin: Program, name: str, value: Any, separators: tuple[str, str], is_odd: bool
) -> None:
    customer, product = make_customer(customer_id="C1"), make_product(item_code="P1")
    good = {"customer_id": "C1", "item_code": "P1", "quantity": 1.5, "amount": 2, "cost": 0.25}
    items = [{**good, "period": f"2026-{month:02}"} for month in (1, 2, 3)]
    items[1] = {**items[1], name: value}
    # A number with a zero at its end is read the strict way.
    body = json.dumps({"items": items}, separators=separators).replace("0.25", "0.250" if is_odd else "0.25")
    answer = admin("POST", "/sales-history/bulk", body)
    assert (answer.status_code, set(faults(answer))) == (422, {f"/items/1/{name}"}), answer.content
    assert not Actual.objects.exists()
    body = json.dumps({"items": items[::2]}, separators=separators).replace("0.25", "0.250" if is_odd else "0.25")
    assert admin("POST", "/sales-history/bulk", body).json()["created"] == 2
    assert list(Actual.objects.order_by("period").values_list("customer", "product", "quantity", "amount", "cost")) == [
        (customer.pk, product.pk, Decimal("1.5"), Decimal(2), Decimal("0.25"))
    ] * 2  # fmt: skip


@pytest.mark.parametrize("number", ["1e99999999999999999999", "-1e-99999999999999999999"])
def test_an_exponent_beyond_every_number_is_named(admin: Program, number: str) -> None:
    body = f'{{"items": [{{"customer_id": "A", "name": "A", "credit_limit": {number}}}]}}'
    answer = admin("POST", "/customers/bulk", body)
    assert (answer.status_code, list(faults(answer))) == (400, ["/items/0/credit_limit"])


def test_of_very_many_unknown_fields_as_many_are_named_as_there_may_be_items(admin: Program) -> None:
    item = {f"field{number}": 0 for number in range(12_000)}
    for address, named in (("/customers/bulk", 10_000), ("/forecasts/bulk", 101)):
        assert len(admin("POST", address, {"items": [item]}).json()["errors"]) == named
    items = [{f"field{number}": 0 for number in range(10)}] * 2_000
    assert len(admin("POST", "/forecasts/bulk", {"items": items}).json()["errors"]) == 10_000


def test_texts_that_copy_would_read_otherwise_are_kept(admin: Program) -> None:
    names = ["\\N", "a\\tb", "tab\there".replace("\t", " "), "'=1+1", "100 %", "'; DROP TABLE", "{{7*7}}", "日本"]
    items = [{"customer_id": f"\\N{n}", "name": name, "notes": "one\ntwo\\n"} for n, name in enumerate(names)]
    answer = admin("POST", "/customers/bulk", {"items": items})
    assert answer.status_code == 200, answer.content
    stored = Customer.objects.order_by("customer_id").values_list("customer_id", "name", "notes")
    assert list(stored) == [(f"\\N{n}", name, "one\ntwo\\n") for n, name in enumerate(names)]


def test_products_bring_their_groups(admin: Program) -> None:
    answer = admin("POST", "/products/bulk", {"items": [
        {"item_code": 110001, "description": "Peeled garlic", "group_code": "G1", "group_name": "Garlic", "uom": "CS",
         "parent_group_code": "TOP", "weight": 9.07},
        {"item_code": "110002", "description": "Cloves", "group_code": "G1", "uom": "CS", "replaced_by": "110001"},
    ]})  # fmt: skip
    assert answer.json()["created"] == 2, answer.content
    assert Product.objects.get(item_code="110002").replaced_by == Product.objects.get(item_code="110001")
    assert ProductGroup.objects.get(code="G1").parent == ProductGroup.objects.get(code="TOP")


def test_a_rep_who_changes_takes_the_open_lines_along(admin: Program) -> None:
    line = make_line()
    other = make_user("sales_rep")
    item = {"customer_id": line.customer.customer_id, "name": line.customer.name, "sales_rep": other.email}
    assert admin("POST", "/customers/bulk", {"items": [item]}).json()["updated"] == 1
    assert Line.objects.get().owner == other


@pytest.mark.parametrize("role", ["sales_rep", "manager", "viewer"])
def test_only_admins_import(role: str) -> None:
    answer = program_of(make_user(role))("POST", "/customers/bulk", {"items": customers(1)})
    assert answer.status_code == 403
    assert not Customer.objects.exists()


def test_repeated_it_answers_the_same(admin: Program) -> None:
    first, second = (
        admin("POST", "/customers/bulk", {"items": customers(3)}, Idempotency_Key="night") for _ in range(2)
    )
    assert first.json() == second.json()
    assert second["Idempotency-Replayed"] == "true"


def test_ten_thousand_items_cost_the_statements_of_ten(admin: Program) -> None:
    def asked(items: list[Any]) -> int:
        with CaptureQueriesContext(connection) as queries:
            answer = admin("POST", "/customers/bulk", {"items": items})
        assert answer.status_code == 200, answer.content
        return len(queries)

    assert asked(customers(10)) == asked([{**item, "customer_id": f"Z{n}"} for n, item in enumerate(customers(10_000))])
    assert Customer.objects.count() == 10_010
