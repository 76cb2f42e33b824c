"""Reading costs as many queries from a company of ten rows as from one of a thousand. A new address without a line fails.

Every list has a thousand rows on one page; of what does not grow, it is said why.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import get_resolver

from audit.context import acting
from sop_portal.conf import clear_cache
from sop_portal.conf.services import set_value
from sop_portal.lib.api.views import ApiView
from tests.api.grown import SOLD, Grown, rows_of
from tests.api.helpers import program_of
from tests.conftest import owner_connection, wipe

pytestmark = pytest.mark.slow

WHO = ("admin", "manager", "rep")
# Of whom each sees many people; a rep sees oneself.
ADMIN, LEADERS = ("admin",), ("admin", "manager")
FEW, MANY = 10, 1_000
EXPORTED = ("customers", "products", "matrix", "actuals")
# In which everything was sold.
MONTHS = f"since={SOLD:%Y-%m}&until={SOLD:%Y-%m}"


@dataclass(frozen=True)
class Asked:
    """What is asked of a route. rows: where the rows of its answer stand; "" for answers that do not grow."""

    addresses: tuple[str, ...]
    rows: str = "results"
    # Who may read it, and has as many rows.
    who: tuple[str, ...] = WHO


def told(*addresses: str, **more: Any) -> tuple[Asked, ...]:
    """An answer that is longer the more there is."""
    return (Asked(addresses, **more),)


def page(*addresses: str, **more: Any) -> tuple[Asked, ...]:
    """A list, with all of its rows on one page."""
    return told(*(f"{address}{'&' if '?' in address else '?'}page_size=1000" for address in addresses), **more)


def one(*addresses: str, **more: Any) -> tuple[Asked, ...]:
    """A single thing among many, or what does not grow with them."""
    return told(*addresses, rows="", **more)


ROUTES: dict[str, tuple[Asked, ...]] = {
    "auth-me": one("/auth/me"),
    "users": (
        *page("/users", "/users?search=grown&role=sales_rep", who=LEADERS),
        *one("/users", who=("rep",)),
    ),
    "user": one("/users/{user}", who=LEADERS),
    "tokens": page("/tokens"),
    "cycles": page("/cycles"),
    "cycle-active": one("/cycles/active"),
    "cycle": one("/cycles/{cycle}"),
    "cycle-preflight": one("/cycles/{draft}/preflight", who=ADMIN),
    "cycle-progress": (
        *told("/cycles/{cycle}/progress?by=customer", "/cycles/{cycle}/progress?by=product", rows="rows"),
        *told("/cycles/{cycle}/progress", rows="rows", who=LEADERS),
        *one("/cycles/{cycle}/progress", who=("rep",)),
    ),
    "cycle-statistics": one("/cycles/{cycle}/statistics"),
    # The workbook has a sheet a rep and a thousand reps here, so one of them asks for it.
    "cycle-consolidated": (
        *one("/cycles/{cycle}/consolidated?format=csv"), *one("/cycles/{cycle}/consolidated", who=("rep",)),
    ),
    "forecasts": page(
        "/forecasts", "/forecasts?cycle_id={cycle}", "/forecasts?search=grown&live=true",
        "/forecasts?customer_id={customer}&ordering=-item_code",
    ),
    "forecast": one("/forecasts/{line}"),
    "forecast-history": told("/forecasts/{line}/history", rows="versions"),
    "notifications": page("/notifications", "/notifications?unread=true"),
    # As many as the portal has jobs, whatever each ran.
    "jobs": one("/jobs", who=ADMIN),
    "settings-public": one("/settings/public"),
    "settings": told("/settings", who=ADMIN),
    "setting": one("/settings/grown_1", who=ADMIN),
    "customers": page("/customers", "/customers?search=grown&ordering=-name"),
    "customer-statistics": one("/customers/statistics"),
    "customer-products": page("/customers/{customer}/products"),
    "customer-sales": page("/customers/{customer}/sales"),
    "customer": one("/customers/{customer}"),
    "products": page("/products", "/products?search=grown&ordering=-description"),
    "product-statistics": told("/products/statistics", rows="by_group"),
    "product": one("/products/{product}"),
    "product-groups": page("/product-groups"),
    "matrix": page("/matrix", "/matrix?customer_id={customer}"),
    "matrix-entry": one("/matrix/{entry}"),
    "matrix-prices": page("/matrix/{entry}/prices"),
    "sales-history": page("/sales-history", "/sales-history?customer_id={customer}&period=2026-12"),
    # Sums, and at most as many months as one may ask for.
    "sales-statistics": one("/sales-history/statistics?" + MONTHS),
    "sales-by-month": one("/sales-history/by-month?" + MONTHS),
    "sales-top-products": told("/sales-history/top-products?limit=1000&" + MONTHS),
    "sales-top-customers": told("/sales-history/top-customers?limit=1000&" + MONTHS),
    "actual": one("/sales-history/{actual}"),
    "budget": page("/budget", "/budget?version=AOP"),
    "excel-imports": page("/excel/imports", who=ADMIN),
    # Of the refused cells the first are sent; how many is the same for any file with more.
    "excel-run": one("/excel/imports/{run}", who=ADMIN),
    "excel-errors": one("/excel/imports/{run}/errors", who=ADMIN),
    "excel-template": one("/excel/templates/actuals", who=ADMIN),
    "excel-export": (
        *one(*(f"/excel/export/{kind}?format=csv" for kind in EXPORTED)),
        *one(*(f"/excel/export/{kind}" for kind in EXPORTED), who=ADMIN),
    ),
    "audit-logs": page("/audit-logs", who=ADMIN),
    "audit-my-activity": page("/audit-logs/my-activity"),
    "audit-critical-events": page("/audit-logs/critical-events", who=ADMIN),
    # Its tables have fifteen rows at most.
    "audit-statistics": one("/audit-logs/statistics", who=ADMIN),
    "audit-entity": page("/audit-logs/entity/forecast/{line}"),
}  # fmt: skip


def reading(patterns: Any = None, space: str = "") -> Iterator[str]:
    """The names of all operations of the resolver that may be read."""
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        if hasattr(pattern, "url_patterns"):
            yield from reading(pattern.url_patterns, f"{space}{pattern.namespace}:" if pattern.namespace else space)
        elif space == "api:" and hasattr(pattern.callback.cls, "get"):
            assert issubclass(pattern.callback.cls, ApiView), pattern
            yield pattern.name


def test_every_operation_that_reads_has_a_line() -> None:
    assert set(reading()) == set(ROUTES)


def costs(company: Grown, who: str) -> dict[str, tuple[int, int | None]]:
    """Address -> how many queries it costs, and how many rows it answers with; None for what does not grow."""
    found: dict[str, tuple[int, int | None]] = {}
    program = program_of(getattr(company, who))
    for asked in (asked for several in ROUTES.values() for asked in several if who in asked.who):
        for template in asked.addresses:
            with CaptureQueriesContext(connection) as queries:
                answer = program("GET", company.address(template))
                assert answer.status_code == 200, (template, answer.content)
                body = b"".join(answer.streaming_content) if answer.streaming else answer.content
            assert body
            found[template] = (len(queries), rows_of(answer, asked.rows) if asked.rows else None)
    return found


def grown(size: int) -> dict[str, dict[str, tuple[int, int | None]]]:
    """The costs for each of WHO in a company of this size, which is gone afterwards."""
    with transaction.atomic():
        company = Grown(size)
        with acting("system", source="command"):
            set_value("rate_limit_requests_per_minute", 10_000, by=None)
    with owner_connection() as owner:
        # What autovacuum does a minute later; without it the planner takes a thousand rows for none.
        owner.execute("ANALYZE")
    try:
        return {who: costs(company, who) for who in WHO}
    finally:
        connections.close_all()
        wipe()
        clear_cache()


def test_a_thousand_rows_cost_as_many_queries_as_ten(committed: None, settings: Any, tmp_path: Any) -> None:
    settings.UPLOAD_DIR = tmp_path
    few, many = grown(FEW), grown(MANY)
    for who in WHO:
        dearer = {}
        for address, (queries, rows) in many[who].items():
            before, rows_before = few[who][address]
            if queries != before:
                dearer[address] = (before, queries)
            if rows is not None:
                assert rows_before is not None and rows_before < MANY <= rows, (who, address, rows_before, rows)
        assert dearer == {}, who
