"""What the database does for lists of the API, at the size of the reference company: see `tests/test_plans.py`."""

from typing import Any

import pytest

from masterdata.api import budget, customers, matrix, products, sales
from tests.test_plans import FEW, company, explain, read_whole, statements, unblocked

__all__ = ["company", "unblocked"]

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("midsize")]

LISTS: dict[str, Any] = {
    "customers": customers.CustomerList, "products": products.ProductList, "matrix": matrix.MatrixList,
    "sales-history": sales.ActualList, "budget": budget.BudgetList,
}  # fmt: skip


def pages(who: str, address: str) -> list[list[dict[str, Any]]]:
    """The plans of the statements that fetch rows of a page."""
    return [explain(sql) for sql in statements(who, f"/api/v1/{address}") if sql.endswith("LIMIT 50")]


def every_order() -> list[str]:
    return [
        f"{name}?ordering={sign}{order}" for name, view in LISTS.items() for order in view.orders for sign in ("", "-")
    ]


@pytest.mark.parametrize("address", every_order())
def test_every_order_of_every_list_is_that_of_an_index(address: str) -> None:
    (steps,) = pages("admin", address)
    assert read_whole(steps) == set()
    assert not [step for step in steps if step["Node Type"] == "Sort" and step["Plan Rows"] > FEW]


@pytest.mark.parametrize("who", ["rep7", "manager1", "admin"])
@pytest.mark.parametrize(
    "address",
    [
        "sales-history?customer_id=C000100", "sales-history?item_code=110100&period=2026-01",
        "sales-history?period=2026-01", "sales-history?since=2026-01&until=2026-03&customer_id=C000100",
        "sales-history?sales_rep=rep7@example.com", "customers/C000007/sales", "customers/C000007/products",
        "matrix?customer_id=C000100", "matrix?item_code=110100",
    ],
)  # fmt: skip
def test_a_filter_that_leaves_little_reads_little(who: str, address: str) -> None:
    from tests.test_plans import browser

    if browser(who).get(f"/api/v1/{address}").status_code == 404:
        assert who != "admin"
        return
    for steps in pages(who, address):
        assert read_whole(steps) == set()
