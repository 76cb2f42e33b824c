"""Indexes: every foreign key has one that finds its rows or a reason to have none, and none stands for nothing."""

from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from django.apps import apps
from django.contrib import admin
from django.db import connection, models

from forecasts.models import Line, Snapshot
from sop_portal.accounts.models import User
from tests.factories import make_line

pytestmark = pytest.mark.django_db

# Their rows are looked for only when a user is deleted, and users are deactivated instead. The owner of a line is asked
# for within a cycle, as `test_the_filters_of_lines_read_an_index` shows.
USERS_STAY = {
    "forecasts_line.owner_id", "forecasts_line.edited_by_id", "forecasts_line.confirmed_by_id",
    "forecasts_line.decided_by_id", "forecasts_snapshot.owner_id", "forecasts_snapshot.actor_id",
}  # fmt: skip
WRITTEN_BY_THE_THOUSAND = (
    "forecasts_line", "forecasts_snapshot", "audit_entry", "masterdata_actual", "masterdata_actualrevision",
    "masterdata_budget", "masterdata_matrixentry", "masterdata_price", "masterdata_customer", "masterdata_product",
)  # fmt: skip


def _foreign_keys() -> Iterator[tuple[str, models.ForeignKey]]:
    """Those that the database enforces, as table.column."""
    for model in apps.get_models(include_auto_created=True):
        if model._meta.managed and not model._meta.proxy:
            for field in model._meta.local_fields:
                if isinstance(field, models.ForeignKey) and field.db_constraint:
                    yield f"{model._meta.db_table}.{field.column}", field


def _indexes(table: str) -> dict[str, tuple[list[str], bool, str]]:
    """Name -> columns, whether it is unique, and its condition."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname, array_agg(coalesce(attname::text, '(expression)') ORDER BY place), indisunique, "
            "coalesce(pg_get_expr(indpred, indrelid), '') FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid "
            "CROSS JOIN LATERAL unnest(indkey::int2[]) WITH ORDINALITY AS key(number, place) "
            "LEFT JOIN pg_attribute ON attrelid = indrelid AND attnum = number AND attnum > 0 "
            "WHERE indrelid = %s::regclass AND indisvalid GROUP BY relname, indisunique, indpred, indrelid",
            [table],
        )
        return {name: (columns, unique, condition) for name, columns, unique, condition in cursor.fetchall()}


def _finds(column: str, columns: list[str], condition: str) -> bool:
    """Whether an index finds the rows by one value of `column`."""
    return columns[0] == column and condition in ("", f"({column} IS NOT NULL)")


def test_every_foreign_key_has_an_index_or_a_reason() -> None:
    without = {
        key
        for key, _ in _foreign_keys()
        if not any(_finds(key.partition(".")[2], columns, condition)
                   for columns, _, condition in _indexes(key.partition(".")[0]).values())
    }  # fmt: skip
    assert without == USERS_STAY
    assert {field.related_model for key, field in _foreign_keys() if key in USERS_STAY} == {User}
    assert not admin.site._registry[User].has_delete_permission(SimpleNamespace(user=None))


@pytest.mark.parametrize("table", WRITTEN_BY_THE_THOUSAND)
def test_no_index_repeats_another(table: str) -> None:
    found = _indexes(table)
    repeated = {
        (name, other)
        for name, (columns, unique, condition) in found.items()
        for other, (more, _, wider) in found.items()
        if name != other and not unique and more[: len(columns)] == columns and wider in ("", condition)
    }
    assert not repeated


@pytest.fixture
def indexes_only() -> None:
    """Of a handful of rows the database would rather read all."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_bitmapscan = off")


def test_the_filters_of_lines_read_an_index(indexes_only: None) -> None:
    line = make_line()
    lines = Line.objects.order_by()
    wanted = {
        "line_pair_once_per_cycle": lines.filter(cycle=line.cycle_id, customer=line.customer_id),
        "line_cycle_owner_status": lines.filter(cycle=line.cycle_id, owner=line.owner_id, status="submitted"),
        "forecasts_line_product_id": lines.filter(product=line.product_id),
        "line_submitted_by": lines.filter(submitted_by=line.owner_id),
        "snapshot_line_event": Snapshot.objects.order_by().filter(line=line.pk, event="open"),
    }
    for name, query in wanted.items():
        plan = query.explain()
        condition = plan.partition("Index Cond: ")[2].partition("\n")[0]
        filters = str(query.query).partition("WHERE ")[2].count("=")
        assert f"using {name}" in plan and condition.count("=") == filters, plan
