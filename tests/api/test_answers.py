"""Answers of the operations about master data have the form that the description promises, for whoever asks."""

import datetime as dt
import json
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
from django.test import Client

from tests.api.helpers import Program, program_of
from tests.factories import make_actual, make_customer, make_entry, make_product, make_user
from tests.imports import csv_bytes

pytestmark = pytest.mark.django_db


@pytest.fixture
def described() -> Any:
    client = Client()
    client.force_login(make_user("viewer"), backend="sop_portal.accounts.backends.EmailOrUsernameBackend")
    return json.loads(client.get("/api/openapi.json").content)


def faults(described: Any, verb: str, path: str, answer: Any) -> list[str]:
    """What of an answer is not as it is described."""
    answers = described["paths"][f"/api/v1{path}"][verb.lower()]["responses"]
    if str(answer.status_code) not in answers:
        return [f"{verb} {path}: {answer.status_code} is not described"]
    form = answers[str(answer.status_code)]
    if "$ref" in form:
        form = described["components"]["responses"][form["$ref"].rpartition("/")[2]]
    content = form.get("content", {})
    form = content.get(answer.headers.get("Content-Type", ""), {}).get("schema")
    if form is None:
        return [] if not answer.content else [f"{verb} {path}: {answer['Content-Type']} is not described"]
    checker = jsonschema.Draft202012Validator({**form, "components": described["components"]})
    return [f"{verb} {path}: {fault.json_path}: {fault.message}" for fault in checker.iter_errors(answer.json())]


@pytest.fixture
def rep() -> Any:
    return make_user("sales_rep")


@pytest.fixture
def entry(rep: Any) -> Any:
    customer = make_customer(customer_id="C1", sales_rep=rep, default_risk_class=1, replaced_by=None)
    entry = make_entry(customer=customer, product=make_product(item_code="P1", cost_price=3, weight=2), proposed_by=rep)
    make_entry(customer=make_customer(customer_id="C2"), product=make_product(item_code="P2"), price=None)
    for month in range(1, 13):
        make_actual(entry, dt.date(2026, month, 1), cost=month if month % 2 else None)
    return entry


def reading(entry: Any) -> Iterator[tuple[str, str]]:
    """Path as it is described -> address, of everything that is read."""
    for name in ("customers", "products", "product-groups", "matrix", "sales-history", "budget"):
        yield f"/{name}", f"/{name}"
    for name in ("customers/statistics", "products/statistics", *(f"sales-history/{sums}" for sums in (
        "statistics", "by-month", "top-products", "top-customers"))):  # fmt: skip
        yield f"/{name}", f"/{name}"
    yield "/customers/{customer_id}", "/customers/C1"
    yield "/customers/{customer_id}/products", "/customers/C1/products"
    yield "/customers/{customer_id}/sales", "/customers/C1/sales"
    yield "/products/{item_code}", "/products/P1"
    yield "/matrix/{id}", f"/matrix/{entry.pk}"
    yield "/matrix/{id}/prices", f"/matrix/{entry.pk}/prices"
    yield "/sales-history/{id}", f"/sales-history/{entry.customer.actuals.first().pk}"


def test_what_is_read_has_the_form_described(described: Any, rep: Any, entry: Any) -> None:
    found: list[str] = []
    for user in (rep, make_user("admin")):
        program = program_of(user)
        for path, address in reading(entry):
            answer = program("GET", address)
            assert answer.status_code == 200, address
            found += faults(described, "GET", path, answer)
            found += faults(described, "GET", path, program("GET", f"{address}?colour=red"))
    assert found == []


def test_what_is_written_has_the_form_described(described: Any, entry: Any, settings: Any, tmp_path: Any) -> None:
    settings.UPLOAD_DIR = tmp_path
    admin: Program = program_of(make_user("admin"))
    actual, group = entry.customer.actuals.first().pk, entry.product.group.code
    product = {"item_code": "P9", "description": "New", "group_code": group, "uom": "CS"}
    month = {"customer_id": "C2", "item_code": "P2", "period": "2026-01", "quantity": 1, "amount": "2.5"}
    acts: list[tuple[str, str, str, Any]] = [
        ("POST", "/customers", "/customers", {"customer_id": "C9", "name": "New"}),
        ("PATCH", "/customers/{customer_id}", "/customers/C9", {"credit_limit": 1.5}),
        ("PUT", "/customers/{customer_id}", "/customers/C9", {"customer_id": "C9", "name": "New"}),
        ("DELETE", "/customers/{customer_id}", "/customers/C9", None),
        ("POST", "/customers/bulk", "/customers/bulk", {"items": [{"customer_id": "C9", "name": "Newer"}]}),
        ("POST", "/products", "/products", product),
        ("PATCH", "/products/{item_code}", "/products/P9", {"weight": "2"}),
        ("PUT", "/products/{item_code}", "/products/P9", product),
        ("DELETE", "/products/{item_code}", "/products/P9", None),
        ("POST", "/products/bulk", "/products/bulk", {"items": [product]}),
        ("POST", "/matrix", "/matrix", {"customer_id": "C2", "item_code": "P9"}),
        ("PATCH", "/matrix/{id}", f"/matrix/{entry.pk}", {"proposed_by": None}),
        ("POST", "/matrix/{id}/prices", f"/matrix/{entry.pk}/prices", {"valid_from": "2026-05-01", "unit_price": 4}),
        ("POST", "/matrix/{id}/prices", f"/matrix/{entry.pk}/prices", {"valid_from": "2026-05-01", "unit_price": 5}),
        ("DELETE", "/matrix/{id}", f"/matrix/{entry.pk}", None),
        ("POST", "/matrix/bulk", "/matrix/bulk", {"items": [{"customer_id": "C1", "item_code": "P2", "unit_price": 3}]}),
        ("POST", "/sales-history", "/sales-history", month),
        ("PATCH", "/sales-history/{id}", f"/sales-history/{actual}", {"quantity": "1.5"}),
        ("PUT", "/sales-history/{id}", f"/sales-history/{actual}", {**month, "period": "2026-02"}),
        ("DELETE", "/sales-history/{id}", f"/sales-history/{actual}", None),
        ("POST", "/sales-history/bulk", "/sales-history/bulk", {"items": [month]}),
        ("POST", "/budget/bulk", "/budget/bulk", {"items": [{**month, "version": "2026"}]}),
    ]  # fmt: skip
    found: list[str] = []
    for verb, path, address, body in acts:
        answer = admin(verb, address, body)
        assert answer.status_code in (200, 201, 204), (verb, address, answer.content)
        found += faults(described, verb, path, answer)
        if body is not None:
            found += faults(described, verb, path, admin(verb, address, {"colour": "red"}))
            found += faults(described, verb, path, admin(verb, address, b"{"))
            form = described["paths"][f"/api/v1{path}"][verb.lower()]["requestBody"]["content"]["application/json"]
            checker = jsonschema.Draft202012Validator({**form["schema"], "components": described["components"]})
            found += [f"{verb} {path} takes more than it says: {fault.message}" for fault in checker.iter_errors(body)]
    assert found == []


def test_imports_have_the_form_described(described: Any, settings: Any, tmp_path: Any) -> None:
    from tests.api.test_excel import Sender

    settings.UPLOAD_DIR = tmp_path
    send = Sender(make_user("admin"))
    good = csv_bytes(("Customer ID", "Customer Name", "Colour"), [("A", "Elm", "red")])
    found = faults(described, "POST", "/excel/import/{kind}", tried := send("customers", good, "?dry_run=1"))
    run = tried.json()["id"]
    for verb, path in (("GET", ""), ("POST", "/apply"), ("POST", "/undo"), ("POST", "/apply")):
        answer = send.ask(verb, f"/excel/imports/{run}{path}")
        found += faults(described, verb, f"/excel/imports/{{id}}{path}", answer)
    found += faults(described, "GET", "/excel/imports", send.ask("GET", "/excel/imports"))
    found += faults(described, "POST", "/excel/import/{kind}", send("customers", b""))
    assert found == []
