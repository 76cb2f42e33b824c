"""Indexes: every foreign key has one that finds its rows or a reason to have none, and none stands for nothing."""

from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from django.apps import apps
from django.contrib import admin
from django.db import connection, models

from audit.models import Entry
from sop_portal.accounts.models import User

pytestmark = pytest.mark.django_db

# Their rows are looked for only when a user is deleted, and users are deactivated instead. The owner of a line is asked
# for within a cycle, and that has an index.
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


@pytest.mark.parametrize(
    ("table", "columns"),
    [
        # The grid of a customer; the share of a rep, by status; where a product is planned; what somebody handed in.
        ("forecasts_line", {"customer_id", "cycle_id"}),
        ("forecasts_line", {"cycle_id", "owner_id", "status"}),
        ("forecasts_line", {"product_id"}),
        ("forecasts_line", {"submitted_by_id"}),
        # The versions of a line, and the last of one kind.
        ("forecasts_snapshot", {"line_id"}),
        ("forecasts_snapshot", {"line_id", "event"}),
        # The history of an object, and what somebody did; what was done is found by the words of sealing.
        ("audit_entry", {"entity_type", "entity_id"}),
        ("audit_entry", {"actor_id"}),
        # What is not sealed yet: the transactions after the last block's.
        ("audit_entry", {"xact"}),
        ("audit_sealblock", {"month"}),
    ],
)
def test_what_pages_choose_by_begins_an_index(table: str, columns: set[str]) -> None:
    assert any(set(found[: len(columns)]) == columns for found, _, _ in _indexes(table).values())


def test_a_page_of_the_trail_is_read_in_the_order_of_an_index() -> None:
    """Whatever chooses the entries, those of a page are the newest: time and id follow in the index."""
    wanted = Entry.objects.all(), Entry.objects.filter(actor=1)
    with connection.cursor() as cursor:
        # A handful of rows the database would rather read all and sort, if it is asked.
        for other_way in ("seqscan", "bitmapscan", "sort"):
            cursor.execute(f"SET LOCAL enable_{other_way} = off")
    for entries in wanted:
        plan = entries[:50].explain()
        assert "Index Scan Backward" in plan and "Sort  (" not in plan, plan
