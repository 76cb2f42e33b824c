"""The trail only grows, whoever asks; its partitions are there before they are needed."""

import datetime as dt

import psycopg
import pytest
from django.db import DatabaseError, connection, transaction

from audit.models import Entry
from audit.partitions import ensure_partitions
from audit.services import Event, record
from tests.conftest import owner_connection

pytestmark = pytest.mark.usefixtures("committed", "claimed")


def make_entry() -> Entry:
    record(Event(action="thing_created", entity_type="thing", entity_id="1", label="Thing"))
    return Entry.objects.get(entity_type="thing", entity_id="1")


def execute(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def partition() -> str:
    return f"audit_entry_{dt.datetime.now(dt.UTC):%Y_%m}"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_entry SET label = 'forged'",
        "UPDATE audit_entry SET at = at + interval '1 day'",
        "DELETE FROM audit_entry",
        "TRUNCATE audit_entry",
        "ALTER TABLE audit_entry DISABLE TRIGGER ALL",
        "ALTER TABLE audit_entry DISABLE TRIGGER audit_entry_no_delete",
        "DROP TRIGGER audit_entry_no_delete ON audit_entry",
        "DROP TABLE audit_entry",
        "ALTER TABLE audit_entry DROP COLUMN label",
        "UPDATE {partition} SET label = 'forged'",
        "DELETE FROM {partition}",
        "TRUNCATE {partition}",
        "INSERT INTO {partition} SELECT * FROM audit_entry",
        "SELECT * FROM {partition}",
        "ALTER TABLE audit_entry DETACH PARTITION {partition}",
        "DROP FUNCTION audit_refuse() CASCADE",
        "CREATE OR REPLACE FUNCTION audit_refuse() RETURNS trigger LANGUAGE sql AS 'SELECT NULL'",
        "SELECT audit_narrow('audit_entry', '{{}}')",
        "SET session_replication_role = replica",
    ],
)
def test_the_serving_role_can_change_nothing(statement):
    entry = make_entry()
    with pytest.raises(DatabaseError):
        execute(statement.format(partition=partition()))
    again = Entry.objects.get(pk=entry.pk)
    assert (again.label, again.at) == ("Thing", entry.at)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_entry SET label = 'forged'",
        "DELETE FROM audit_entry",
        "TRUNCATE audit_entry",
        "UPDATE {partition} SET label = 'forged'",
        "DELETE FROM {partition}",
        "TRUNCATE {partition}",
        "TRUNCATE audit_entry_default",
        "TRUNCATE audit_sealblock",
    ],
)
def test_the_owner_is_refused_by_the_triggers_too(statement):
    make_entry()
    with owner_connection() as owner, pytest.raises(psycopg.errors.InsufficientPrivilege, match="only grow"):
        owner.execute(statement.format(partition=partition()))
    assert Entry.objects.filter(entity_type="thing", label="Thing").count() == 1


def test_an_entry_of_the_same_transaction_is_merged_but_not_renamed():
    with transaction.atomic():
        make_entry()
        execute("UPDATE audit_entry SET label = 'Better' WHERE entity_type = 'thing'")
        with pytest.raises(DatabaseError, match="only grow"), transaction.atomic():
            execute("UPDATE audit_entry SET entity_id = '2' WHERE entity_type = 'thing'")
        with pytest.raises(DatabaseError, match="only grow"), transaction.atomic():
            execute("UPDATE audit_entry SET xact = '99999999'::xid8 WHERE entity_type = 'thing'")
    assert Entry.objects.get(entity_type="thing", entity_id="1").label == "Better"


@pytest.mark.parametrize("column", ["at", "xact"])
def test_an_entry_cannot_be_dated_back(column):
    value = {"at": "now() - interval '1 day'", "xact": "'3'::xid8"}[column]
    with pytest.raises(DatabaseError, match="only grow"):
        execute(
            f"INSERT INTO audit_entry ({column}, tx, action, entity_type, entity_id, source, specificity) "
            f"VALUES ({value}, audit_tx(), 'thing_created', 'thing', '1', 'web', 20)"
        )


def test_two_transactions_make_two_entries():
    with transaction.atomic():
        make_entry()
    with transaction.atomic():
        record(Event(action="thing_updated", entity_type="thing", entity_id="1", changes={"a": [1, 2]}))
    first, second = Entry.objects.filter(entity_type="thing").order_by("id")
    assert (first.action, second.action) == ("thing_created", "thing_updated")
    assert first.tx != second.tx
    assert first.at < second.at


def test_what_is_rolled_back_was_never_there():
    with pytest.raises(ValueError, match="stop"), transaction.atomic():
        make_entry()
        raise ValueError("stop")
    assert not Entry.objects.filter(entity_type="thing").exists()


def test_the_next_three_months_have_their_partitions():
    today = dt.datetime.now(dt.UTC)
    wanted = []
    for ahead in range(4):
        index = today.year * 12 + today.month - 1 + ahead
        wanted.append(f"audit_entry_{index // 12}_{index % 12 + 1:02d}")
    with connection.cursor() as cursor:
        cursor.execute("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'audit_entry'::regclass")
        found = {name for (name,) in cursor.fetchall()}
    assert found == {*wanted, "audit_entry_default"}
    assert ensure_partitions() == 0


def test_partitions_made_later_by_the_serving_role_are_guarded_as_well():
    """The job runs as the serving role; what it makes belongs to the owner, who cannot empty it either."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT audit_ensure_partitions(5)")
        assert cursor.fetchone()[0] == 2
        cursor.execute(
            "SELECT c.relname, pg_get_userbyid(c.relowner), has_table_privilege(c.oid, 'SELECT, INSERT, UPDATE, DELETE') "
            "FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid WHERE inhparent = 'audit_entry'::regclass "
            "ORDER BY c.relname"
        )
        parts = cursor.fetchall()
    newest = [name for name, _, _ in parts if name != "audit_entry_default"][-1]
    try:
        assert {owner for _, owner, _ in parts} == {parts[0][1]} != {connection.settings_dict["USER"]}
        assert not any(may for _, _, may in parts)
        with owner_connection() as owner:
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="only grow"):
                owner.execute(f"TRUNCATE {newest}")
            triggers = owner.execute(
                "SELECT tgname FROM pg_trigger WHERE tgrelid = %s::regclass AND NOT tgisinternal", [newest]
            ).fetchall()
        assert {name for (name,) in triggers} >= {
            "audit_entry_now", "audit_entry_merge_only", "audit_entry_no_delete", "audit_entry_no_truncate"
        }  # fmt: skip
    finally:
        with owner_connection() as owner:
            for name in sorted(name for name, _, _ in parts if name != "audit_entry_default")[-2:]:
                owner.execute(f"DROP TABLE {name}")
