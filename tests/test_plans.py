"""What the database does for the lists, at the size of the reference company: EXPLAIN of every statement of a page.

A filter that leaves little reads little: no large table from end to end. An order is that of an index, so that a page
costs the same whatever stands behind it.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection, connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from masterdata import lists
from masterdata.models import Customer, Product
from masterdata.views import sales
from sop_portal.accounts.models import User
from tests.conftest import owner_connection, wipe
from tests.midsize import LAST, load
from tests.world import count_queries

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("midsize")]

LARGE = {
    "masterdata_actual", "masterdata_actualrevision", "masterdata_budget", "masterdata_matrixentry", "masterdata_price",
}  # fmt: skip
CUSTOMERS, PRODUCTS = reverse("masterdata:customer_list"), reverse("masterdata:product_list")
SALES = reverse("masterdata:sales_history")
# Rows that may be sorted in memory for a page: the customers, or one month of actuals.
FEW = 25_000


@pytest.fixture(scope="module")
def company(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """The reference company, committed; gone after the last test of this module."""
    with django_db_blocker.unblock():
        with owner_connection() as owner:
            load(owner)
        try:
            yield
        finally:
            connections.close_all()
            wipe()


@pytest.fixture(autouse=True)
def unblocked(company: None, django_db_blocker: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("masterdata.views.listing.today", lambda: LAST.replace(day=26))
    with django_db_blocker.unblock():
        yield


def browser(username: str) -> Client:
    client = Client()
    client.force_login(User.objects.get(username=username))
    return client


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every step of a plan."""
    yield plan
    for below in plan.get("Plans", []):
        yield from nodes(below)


def explain(sql: str) -> list[dict[str, Any]]:
    """The steps of the plan of a statement, with the helpers that a real database has, and those of tests have not."""
    with connection.cursor() as cursor:
        cursor.execute("SET max_parallel_workers_per_gather = 2")
        # A statement that the page itself sent, never input.
        cursor.execute("EXPLAIN (FORMAT JSON) " + sql.replace("%", "%%"), [])
        plan = cursor.fetchone()[0][0]["Plan"]
        cursor.execute("RESET max_parallel_workers_per_gather")
        return list(nodes(plan))


def statements(username: str, address: str) -> list[str]:
    """The SELECTs that a page sends."""
    client = browser(username)
    with CaptureQueriesContext(connection) as caught:
        assert client.get(address).status_code == 200, address
    return [query["sql"] for query in caught.captured_queries if query["sql"].startswith("SELECT")]


def read_whole(steps: list[dict[str, Any]], large: set[str] = LARGE) -> set[str]:
    """The large tables that a plan reads from end to end."""
    return large & {step["Relation Name"] for step in steps if step["Node Type"] == "Seq Scan"}


def page_statement(username: str, address: str, table: str) -> list[dict[str, Any]]:
    """The plan of the one statement that fetches the rows of the page."""
    (sql,) = [sql for sql in statements(username, address) if f'FROM "{table}"' in sql and sql.endswith("LIMIT 51")]
    return explain(sql)


def key(model: Any, **which: Any) -> int:
    found: int = model.objects.filter(**which).values_list("pk", flat=True).first()
    return found


def selective() -> Iterator[tuple[str, str]]:
    """Pages that leave little to read: by role, narrow filters, and details."""
    for address in (CUSTOMERS, SALES, *(f"{SALES}?by={tab}" for tab in sales.TABS)):
        yield "rep7", address
    for query in ("customer=C000100", "product=110100", "customer=C000100&product=110100", "rep={rep}"):
        for tab in sales.TABS:
            yield "admin", f"{SALES}?{query}&by={tab}"
    for page in ("customer", "customer_products", "customer_history"):
        yield "admin", f"masterdata:{page}"
    for page in ("product", "product_customers", "product_history"):
        yield "admin", f"masterdata:{page}"


@pytest.mark.parametrize(("who", "address"), list(selective()))
def test_what_leaves_little_reads_little(who: str, address: str) -> None:
    if address.startswith("masterdata:"):
        model = Customer if address.startswith("masterdata:customer") else Product
        address = reverse(address, args=[key(model, is_active=True)])
    address = address.replace("{rep}", str(key(User, username="rep7")))
    found = {sql[:300]: whole for sql in statements(who, address) if (whole := read_whole(explain(sql)))}
    assert found == {}


@pytest.mark.parametrize("who", ["admin", "manager1"])
@pytest.mark.parametrize("sort", [f"{sign}{word}" for word in lists.CUSTOMERS for sign in ("", "-")])
def test_every_order_of_customers_is_that_of_an_index(who: str, sort: str) -> None:
    steps = page_statement(who, f"{CUSTOMERS}?sort={sort}", "masterdata_customer")
    sorts = [step for step in steps if step["Node Type"] == "Sort" and step["Plan Rows"] > FEW]
    assert not sorts
    if who == "admin":
        wanted = {"name": "customer_name", "id": "masterdata_customer_customer_id_key"}.get(
            sort.lstrip("-"), f"customer_{ {'group': 'corporate_group'}.get(sort.lstrip('-'), sort.lstrip('-')) }"
        )
        assert wanted in {step.get("Index Name") for step in steps}


@pytest.mark.parametrize("sort", [f"{sign}{word}" for word in lists.PRODUCTS for sign in ("", "-")])
def test_every_order_of_products_is_that_of_an_index(sort: str) -> None:
    steps = page_statement("admin", f"{PRODUCTS}?sort={sort}", "masterdata_product")
    assert not [step for step in steps if step["Node Type"] == "Sort"]
    assert any(step.get("Index Name", "").startswith(("product_", "masterdata_product")) for step in steps)


@pytest.mark.parametrize("sort", ["", *(f"{sign}{word}" for word in lists.SALES for sign in ("", "-"))])
def test_a_page_of_720_000_rows_sorts_no_more_than_a_month_of_them(sort: str) -> None:
    steps = page_statement("admin", f"{SALES}?by=rows&sort={sort}", "masterdata_actual")
    assert read_whole(steps) == set()
    assert not [step for step in steps if step["Node Type"] == "Sort"]


def test_the_next_page_costs_what_the_first_does() -> None:
    client, address = browser("admin"), f"{SALES}?by=rows"
    client.get(address)
    first = count_queries(client, address)
    for _ in range(3):
        address = SALES + client.get(address).context["pager"]["next_url"]
    assert count_queries(client, address) == first
    steps = page_statement("admin", address, "masterdata_actual")
    assert read_whole(steps) == set()


@pytest.mark.parametrize("address", [CUSTOMERS, PRODUCTS, f"{SALES}?by=rows"])
def test_fifty_rows_and_two_hundred_cost_the_same_queries(address: str) -> None:
    client = browser("admin")
    client.get(address)
    joined = "&" if "?" in address else "?"
    assert count_queries(client, address) == count_queries(client, f"{address}{joined}size=200")


def test_what_is_planted_is_found() -> None:
    assert read_whole(explain("SELECT sum(amount) FROM masterdata_actual")) == {"masterdata_actual"}
    steps = explain("SELECT id FROM masterdata_actual ORDER BY amount LIMIT 51")
    assert [step for step in steps if step["Node Type"] == "Sort"]


def test_sums_over_everything_read_the_table_once_each() -> None:
    """Nothing is saved by an index when all of it is added up; it must not be read more often than there are sums."""
    reading = [sql for sql in statements("admin", SALES) if "masterdata_actual" in read_whole(explain(sql))]
    assert len(reading) == 1
