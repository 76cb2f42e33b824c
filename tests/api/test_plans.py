"""What the database does for lists of the API, at the size of the reference company: see `tests/test_plans.py`."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection

from cycles.api.cycles import CycleList
from cycles.models import Cycle
from forecasts.api.lines import LineList
from forecasts.models import Line
from masterdata.api import budget, customers, excel, matrix, products, sales
from sop_portal.accounts.api.tokens import TokenList
from sop_portal.accounts.api.users import UserList
from sop_portal.accounts.models import User
from sop_portal.mail.api.notices import NoticeList
from tests import test_plans
from tests.conftest import owner_connection
from tests.midsize import load_plans
from tests.test_plans import FEW, LARGE, browser, company, explain, statements, unblocked

__all__ = ["company", "unblocked"]

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("midsize")]

LISTS: dict[str, Any] = {
    "customers": customers.CustomerList, "products": products.ProductList, "matrix": matrix.MatrixList,
    "sales-history": sales.ActualList, "budget": budget.BudgetList, "forecasts": LineList, "users": UserList,
    "tokens": TokenList, "notifications": NoticeList, "cycles": CycleList, "product-groups": products.GroupList,
    "excel/imports": excel.RunList,
}  # fmt: skip
# Edited in the last two hours before the newest deadline: some hundred lines of a quarter of a million.
SINCE = "edited_since=2026-11-26T22:00:00Z"
OF_A_CYCLE = ("", "&status=draft", "&live=false", "&risk_class=1", "&search=C000100", "&group=G01", f"&{SINCE}")


@pytest.fixture(scope="module", autouse=True)
def plans(company: None, django_db_blocker: Any) -> Iterator[None]:
    """The company of pages has master data alone; here it has planned for a year, too."""
    with django_db_blocker.unblock():
        with owner_connection() as owner:
            load_plans(owner)
        yield


def read_whole(steps: list[dict[str, Any]]) -> set[str]:
    """The large tables that a plan reads from end to end, those of plans included."""
    return test_plans.read_whole(steps, LARGE | {"forecasts_line", "mail_notification"})


def named(address: str) -> str:
    """An address with the open cycle, a rep and a line of theirs."""
    rep, cycle = User.objects.get(username="rep7"), Cycle.objects.open().get()
    line = Line.objects.filter(owner=rep, cycle=cycle).values_list("pk", flat=True).first()
    return address.format(rep=rep.pk, cycle=cycle.pk, line=line)


def pages(who: str, address: str) -> list[list[dict[str, Any]]]:
    """The plans of the statements that fetch rows of a page."""
    return [explain(sql) for sql in statements(who, f"/api/v1/{address}") if sql.endswith("LIMIT 50")]


def every_order() -> list[str]:
    named = [(f"{name}?", view.orders) for name, view in LISTS.items()]
    named.append(("forecasts?cycle_id={cycle}&", LineList.orders))
    return [f"{address}ordering={sign}{order}" for address, orders in named for order in orders for sign in ("", "-")]


@pytest.mark.parametrize("address", every_order())
def test_every_order_of_every_list_is_that_of_an_index(address: str) -> None:
    (steps,) = pages("admin", named(address))
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
    if browser(who).get(f"/api/v1/{address}").status_code == 404:
        assert who != "admin"
        return
    for steps in pages(who, address):
        assert read_whole(steps) == set()


@pytest.mark.parametrize("who", ["rep7", "manager2", "admin"])
@pytest.mark.parametrize(
    "address",
    [
        "forecasts?customer_id=C000100", "forecasts?item_code=110100", "forecasts?owner_id={rep}",
        "forecasts?status=rejected", f"forecasts?{SINCE}", "forecasts/{line}", "forecasts/{line}/history",
        *(f"forecasts?cycle_id={{cycle}}{more}" for more in OF_A_CYCLE),
        "forecasts?cycle_id={cycle}&page=2", "forecasts?cycle_id={cycle}&page=200", "forecasts?cycle_id={cycle}&page=400",
        "cycles/{cycle}/statistics", "cycles/{cycle}/progress", "notifications", "notifications?unread=true",
    ],
)  # fmt: skip
def test_lines_of_one_cycle_or_of_few_pairs_are_found_by_index(who: str, address: str) -> None:
    """Counts and what is looked up before included. What leaves much of all cycles, reads much of them."""
    address = f"/api/v1/{named(address)}"
    assert {sql[:300] for sql in statements(who, address) if read_whole(explain(sql))} == set()


@pytest.mark.parametrize("who", ["rep7", "manager2"])
@pytest.mark.parametrize("address", ["products", "products?search=garlic", "products/statistics"])
def test_nothing_is_asked_once_for_each_product(who: str, address: str) -> None:
    """Before a table is analysed for the first time, the database once looked through all customers for each product."""
    asked = [sql for sql in statements(who, f"/api/v1/{address}") if 'FROM "masterdata_product"' in sql]
    assert len(asked) >= 2
    assert not [
        sql[:300] for sql in asked if any(step.get("Parent Relationship") == "SubPlan" for step in explain(sql))
    ]


@pytest.mark.parametrize("address", ["budget?ordering=version", "matrix?ordering=pair", "matrix?group_code=G01"])
def test_the_few_rows_of_a_rep_are_not_looked_for_among_those_of_all(address: str) -> None:
    for steps in pages("rep7", address):
        found = [step for step in steps if step.get("Relation Name") in ("masterdata_matrixentry", "masterdata_budget")]
        # The keys of the rep's customers are the condition of an index; without, all rows pass by in order.
        assert found and all("Index Cond" in step or "Recheck Cond" in step for step in found)


@pytest.mark.parametrize("who", ["rep7", "manager2", "admin"])
@pytest.mark.parametrize("address", ["forecasts?search=nowhere", "matrix?search=nowhere", "forecasts?search=Foods 100",
                                     "matrix?search=Foods 1009", "matrix?search=recipe 1009"])  # fmt: skip
def test_what_words_leave_is_found_by_index(who: str, address: str) -> None:
    """Of all cycles: customers and products that say it are looked up first."""
    assert {sql[:300] for sql in statements(who, f"/api/v1/{address}") if read_whole(explain(sql))} == set()


def test_sales_are_not_looked_through_once_for_each_product_without_a_weight() -> None:
    """What is asked of the sales of a region is asked once; within a loop it would be asked as often as it runs."""
    asked = [sql for sql in statements("admin", "/api/v1/sales-history/statistics?region=Region 7") if "actual" in sql]
    assert len(asked) >= 3
    assert not [sql[:300] for sql in asked if any(step.get("Join Type") == "Semi" for step in explain(sql))]


@pytest.mark.parametrize(
    "address", ["forecasts?group=G01", "forecasts?cycle_id={cycle}&group=G01", "matrix?group_code=G01"]
)
def test_the_products_of_a_group_are_looked_up_first(address: str) -> None:
    """A group of ten thousand products was once read product by product, a second and a half long."""
    asked = statements("rep7", f"/api/v1/{named(address)}")
    rows = [sql for sql in asked if 'FROM "forecasts_line"' in sql or 'FROM "masterdata_matrixentry"' in sql]
    assert len(rows) >= 2 and not [sql[:300] for sql in rows if "masterdata_productgroup" in sql]


def test_the_customers_of_a_team_are_one_parameter() -> None:
    """A parameter for each is written by Python and read by the database, three times a request."""
    most = 0

    def count(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        nonlocal most
        most = max(most, len(params or ()))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(count):
        for address in (
            "forecasts",
            "sales-history?region=Region 7",
            "sales-history/statistics?sales_rep=rep7@example.com",
        ):
            assert browser("manager1").get(f"/api/v1/{address}").status_code == 200
    assert 0 < most < 50


def test_all_lines_of_a_rep_are_found_by_index() -> None:
    for address in ("forecasts", "forecasts?live=false", "forecasts?risk_class=1", "forecasts?page=5"):
        assert {sql[:300] for sql in statements("rep7", f"/api/v1/{address}") if read_whole(explain(sql))} == set()


def test_what_is_planted_is_found() -> None:
    assert read_whole(explain("SELECT count(*) FROM forecasts_line WHERE live")) == {"forecasts_line"}
    assert read_whole(explain("SELECT max(read_at) FROM mail_notification")) == {"mail_notification"}
