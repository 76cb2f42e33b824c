"""What lists of the API share: pages that are cut from either end, and numbers that the database makes ready."""

from decimal import Decimal
from typing import Any

import pytest

from forecasts.models import Line
from masterdata.models import Customer
from sop_portal.lib.api import lists
from sop_portal.lib.api.bodies import JSONRenderer
from tests.api.helpers import Program, program_of
from tests.factories import make_customer, make_line, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin() -> Program:
    return program_of(make_user("admin"))


def walked(program: Program, address: str, size: int) -> list[Any]:
    """The ids of all rows, page by page along `next`; each page leads back to the one before."""
    found, page = [], program("GET", f"{address}&page_size={size}").json()
    while True:
        found += [row["id"] for row in page["results"]]
        if page["next"] is None:
            return found
        before, page = page, program("GET", page["next"].partition("/api/v1")[2]).json()
        assert program("GET", page["previous"].partition("/api/v1")[2]).json()["results"] == before["results"]


@pytest.mark.parametrize("counted", [10_000, 4])
@pytest.mark.parametrize("ordering", ["customer_id", "-customer_id", "region", "-region", "name"])
def test_pages_join_without_a_gap_from_either_end(
    admin: Program, ordering: str, counted: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where rows are alike, and where nobody knows how many there are."""
    monkeypatch.setattr(lists, "COUNTED", counted)
    for number in range(11):
        make_customer(region=f"Region {number % 2}", name=f"Customer {number // 3}")
    found = Customer.objects.order_by("customer_id", "pk")
    if ordering.endswith(("region", "name")):
        found = found.order_by(ordering.lstrip("-"), "pk")
    if ordering.startswith("-"):
        found = found.reverse()
    expected = list(found.values_list("pk", flat=True))
    for size in (1, 2, 3, 5, 10, 11, 12):
        assert walked(admin, f"/customers?ordering={ordering}", size) == expected
    for page in (12, 13, 1_000_000):
        beyond = admin("GET", f"/customers?page_size=1&page={page}").json()
        assert (beyond["results"], beyond["next"]) == ([], None)


def test_a_later_page_keeps_scope_and_filters() -> None:
    rep = make_user("sales_rep")
    own = [make_customer(sales_rep=rep, region="West") for _ in range(3)]
    make_customer(sales_rep=rep, region="East")
    make_customer(region="West")
    found = walked(program_of(rep), "/customers?region=West&ordering=customer_id", 1)
    assert found == [customer.pk for customer in sorted(own, key=lambda customer: customer.customer_id)]


# As they are stored, and as they are sent.
NUMBERS = {
    None: None, "0": "0", "0.000000": "0", "1": "1", "10": "10", "1000000": "1000000", "100.5": "100.5", "0.1": "0.1",
    "0.10": "0.1", "0.01": "0.01", "0.001": "0.001", "0.0001": "0.0001", "0.00001": "0.00001", "0.000001": "0.000001",
    "10.000010": "10.00001", "100000.100000": "100000.1", "9999999.990000": "9999999.99",
    "20.202020": "20.20202",
}  # fmt: skip


def test_numbers_lose_their_zeros_and_nothing_else(admin: Program) -> None:
    line = make_line(quantity=100)
    # First, in the middle and last: what stands around a number decides what is found.
    places = (0, 7, 15)
    for quantity, sent in NUMBERS.items():
        value = None if quantity is None else Decimal(quantity)
        price = None if value is None else round(min(value, Decimal(9_999)), 4)
        Line.objects.untracked().filter(pk=line.pk).update(
            quantity=[value if place in places else Decimal("30.5") for place in range(16)],
            unit_price=[price if place in places else None for place in range(16)],
        )
        row = admin("GET", f"/forecasts/{line.pk}").json()
        assert row["quantity"] == [sent if place in places else "30.5" for place in range(16)]
        told = None if price is None else format(price.normalize(), "f")
        assert row["unit_price"] == [told if place in places else None for place in range(16)]
    (listed,) = admin("GET", f"/forecasts?cycle_id={line.cycle_id}").json()["results"]
    assert listed == row


def test_a_filter_that_is_named_is_checked_whatever_else_is_named(admin: Program) -> None:
    wrong = admin("GET", "/forecasts?status=odd&live=true&risk_class=9").json()
    assert [fault["pointer"] for fault in wrong["errors"]] == ["?status", "?risk_class"]
    assert admin("GET", "/forecasts?risk_class=&live=").status_code == 400


def test_keys_that_are_no_texts_are_sent_as_texts() -> None:
    assert JSONRenderer().render({1: {None: "x"}, "rows": {2: Decimal("1.50")}}) == (
        b'{"1":{"null":"x"},"rows":{"2":"1.50"}}'
    )
