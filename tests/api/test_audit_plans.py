"""What the database does for the lists of the trail, where reading all of it would be seen."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext

from bench.seal import FILL
from sop_portal.accounts.models import User
from tests.api.helpers import program_of
from tests.audit.sealed import seal_all
from tests.conftest import owner_connection, wipe
from tests.factories import make_user
from tests.test_plans import explain

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("midsize")]

ENTRIES = 60_000
# A page and the one row that tells whether there is another.
ROWS = 51
# Rows that may be read for a page, with those of each month among which it is found.
FEW = 2_000


@pytest.fixture(scope="module")
def trail(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """Entries of three months, committed and sealed; gone after the last test of this module."""
    with django_db_blocker.unblock():
        with owner_connection() as owner:
            before = _partitions(owner)
            owner.execute("ALTER TABLE audit_entry DISABLE TRIGGER USER")
            owner.execute(FILL % ENTRIES)
            owner.execute("ALTER TABLE audit_entry ENABLE TRIGGER USER")
        seal_all()
        with owner_connection() as owner:
            owner.execute("ANALYZE audit_entry")
        try:
            yield
        finally:
            connections.close_all()
            wipe()
            with owner_connection() as owner:
                for name in _partitions(owner) - before:
                    owner.execute(f"DROP TABLE {name}")


def _partitions(owner: Any) -> set[str]:
    rows = owner.execute("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'audit_entry'::regclass")
    return {name for (name,) in rows}


@pytest.fixture
def admin(trail: None, django_db_blocker: Any) -> Iterator[User]:
    with django_db_blocker.unblock():
        yield make_user("admin")


def too_much(user: User, address: str) -> list[str]:
    """Steps of the statements that fetch a page which read or sort more than a page needs."""
    with CaptureQueriesContext(connection) as caught:
        assert program_of(user)("GET", f"/audit-logs{address}").status_code == 200
    fetching = [query["sql"] for query in caught.captured_queries if query["sql"].endswith(f"LIMIT {ROWS}")]
    assert fetching
    return [
        f"{step['Node Type']} of {step['Plan Rows']}"
        for statement in fetching
        for step in explain(statement)
        if step["Node Type"] in ("Seq Scan", "Sort", "Incremental Sort") and step["Plan Rows"] > FEW
    ]


@pytest.mark.parametrize(
    "query",
    [
        "", "action=forecast_submitted", "actor={user}", "severity=WARNING", "since={day}", "until={day}",
        "source=web", "entity_type=forecast&severity=WARNING", "search=Customer 1234", "search=815",
        "action=forecast_submitted&actor={user}", "cursor=before-{cursor}", "cursor=after-{cursor}",
        "action=forecast_submitted&cursor=before-{cursor}",
    ],
)  # fmt: skip
def test_a_page_reads_what_it_shows(admin: User, query: str) -> None:
    middle = dt.datetime.now(dt.UTC) - dt.timedelta(days=50)
    query = query.format(day=middle.date(), user=admin.pk, cursor=f"{middle:%Y%m%d%H%M%S%f}-30000")
    assert too_much(admin, f"?{query}") == []


@pytest.mark.parametrize("part", ["/my-activity", "/critical-events", "/entity/forecast/815", "/entity/cycle/1"])
def test_the_other_lists_do_as_well(admin: User, part: str) -> None:
    assert too_much(admin, part) == []
