"""Codes that differ by capitals only are refused at every entrance, and old ones stay as they are."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from audit.context import acting
from masterdata.models import Customer
from tests.api.helpers import program_of
from tests.factories import make_customer, make_group, make_product, make_user

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("make", "path", "body", "pointer"),
    [
        (
            lambda code: make_customer(customer_id=code),
            "/customers",
            {"customer_id": "s_1", "name": "Elm"},
            "/customer_id",
        ),
        (
            lambda code: make_product(item_code=code),
            "/products",
            {"item_code": "s_1", "description": "Garlic", "group_code": "G", "uom": "case"},
            "/item_code",
        ),
    ],
)
def test_a_new_one_is_refused_by_the_api(make: Any, path: str, body: dict[str, str], pointer: str) -> None:
    admin = program_of(make_user("admin"))
    make_group(code="G")
    make("S_1")
    make("Sx1")
    one = make("other")
    refused = admin("POST", path, body)
    assert refused.status_code == 422, refused.content
    assert [(fault["pointer"], fault["detail"]) for fault in refused.json()["errors"]] == [
        (pointer, "'s_1' differs from 'S_1' by capitals only; write the code exactly like that.")
    ]
    renamed = admin("PATCH", f"{path}/other", {pointer[1:]: "s_1"})
    assert (renamed.status_code, renamed.json()["errors"][0]["pointer"]) == (422, pointer)
    assert admin("PATCH", f"{path}/other", {pointer[1:]: "OTHER"}).status_code == 200
    one.refresh_from_db()
    assert str(getattr(one, pointer[1:])) == "OTHER"


def test_a_new_one_is_refused_by_the_admin() -> None:
    client = Client()
    client.force_login(make_user("admin"))
    customer = make_customer(customer_id="S1")
    answer = client.post(
        reverse("admin:masterdata_customer_add"), {"customer_id": "s1", "name": "Elm", "default_risk_class": ""}
    )
    assert answer.status_code == 200
    assert "differs from &#x27;S1&#x27; by capitals only" in answer.content.decode()
    assert list(Customer.objects.all()) == [customer]


def test_old_ones_are_changed_as_before() -> None:
    with acting("system", source="command"):
        Customer.objects.create(customer_id="s1", name="Elm")
        Customer.objects.create(customer_id="S1", name="Oak")
    answer = program_of(make_user("admin"))("PATCH", "/customers/s1", {"name": "Fir"})
    assert (answer.status_code, answer.json()["name"]) == (200, "Fir")
