"""One entry per object and transaction: first before, last after, the most specific action, the gravest severity."""

import json

import pytest
from django.db import connection, transaction

from audit.models import Entry
from audit.services import Event, record, record_many, record_query
from sop_portal.conf.models import Setting

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("claimed")]


def about(pk: str) -> Entry:
    return Entry.objects.get(entity_type="thing", entity_id=pk)


def event(action: str, pk: str = "1", **kw) -> Event:
    return Event(action=action, entity_type="thing", entity_id=pk, **kw)


def test_first_before_and_last_after():
    record(event("thing_updated", label="Old", changes={"name": ["a", "b"], "size": [1, 2]}))
    record(event("thing_updated", label="New", changes={"name": ["b", "c"], "colour": [None, "red"]}))
    entry = about("1")
    assert entry.changes == {"name": ["a", "c"], "size": [1, 2], "colour": [None, "red"]}
    assert entry.label == "New"


def test_a_value_that_came_back_is_no_change():
    record(event("thing_updated", changes={"name": ["a", "b"], "size": [1, 2]}))
    record(event("thing_updated", changes={"name": ["b", "a"]}))
    assert about("1").changes == {"size": [1, 2]}


def test_a_secret_that_changed_twice_stays_listed():
    record(event("thing_updated", changes={"password": [None, "changed"]}))
    record(event("thing_updated", changes={"password": [None, "changed"]}))
    assert about("1").changes == {"password": [None, "changed"]}


@pytest.mark.parametrize(
    ("actions", "kept"),
    [
        (["thing_updated", "thing_opened"], "thing_opened"),
        (["thing_opened", "thing_updated"], "thing_opened"),
        (["thing_created", "thing_updated"], "thing_created"),
        (["thing_created", "thing_deleted"], "thing_deleted"),
        (["thing_created", "thing_opened", "thing_updated"], "thing_opened"),
        (["thing_submitted", "thing_approved"], "thing_approved"),
    ],
)
@pytest.mark.parametrize("at_once", [True, False])
def test_the_most_specific_action_wins(actions, kept, at_once):
    events = [event(action) for action in actions]
    if at_once:
        assert record_many(events) == 1
    else:
        for one in events:
            record(one)
    assert about("1").action == kept


def test_merging_in_one_call_equals_merging_in_two():
    events = [
        event("thing_updated", "A", changes={"x": [1, 2], "y": [1, 2], "password": ["changed", "changed"]}),
        event("thing_closed", "A", changes={"x": [2, 3], "y": [2, 1], "password": ["changed", "changed"]}),
    ]
    record_many(events)
    for one in events:
        record(event(one.action, "B", changes=one.changes))
    one, other = about("A"), about("B")
    assert one.changes == other.changes == {"x": [1, 3], "password": ["changed", "changed"]}
    assert (one.action, one.specificity) == (other.action, other.specificity) == ("thing_closed", 30)


def test_the_gravest_severity_wins():
    record(event("thing_updated", severity="ERROR"))
    record(event("thing_opened", severity="WARNING"))
    assert about("1").severity == "ERROR"


def test_a_savepoint_that_is_rolled_back_leaves_nothing():
    with pytest.raises(ValueError, match="stop"), transaction.atomic():
        record(event("thing_created", "gone"))
        raise ValueError("stop")
    record(event("thing_updated", "kept"))
    assert list(Entry.objects.filter(entity_type="thing").values_list("entity_id", flat=True)) == ["kept"]


def test_many_events_are_one_statement(django_assert_num_queries):
    Setting.objects.count()
    events = [event("thing_updated", str(n), changes={"quantity 2027-01": [n, n + 1]}) for n in range(5000)]
    record(event("thing_created", "first"))
    with django_assert_num_queries(1):
        assert record_many(iter(events)) == 5000
    assert Entry.objects.filter(entity_type="thing").count() == 5001
    assert about("4999").changes == {"quantity 2027-01": [4999, 5000]}


def test_no_events_are_no_statement(django_assert_num_queries):
    record(event("thing_created"))
    with django_assert_num_queries(0):
        assert record_many([]) == 0


def test_rows_of_a_query_are_recorded_without_passing_through_python():
    written = record_query(
        "thing_created",
        "thing",
        "SELECT n::text, 'Thing ' || n, jsonb_build_object('size', jsonb_build_array(null, n)) "
        "FROM generate_series(1, %s) AS n",
        [3],
    )
    assert written == 3
    assert about("2").label == "Thing 2"
    assert about("2").changes == {"size": [None, 2]}
    assert about("2").actor_label == "system"


def test_rows_of_a_query_are_merged_with_what_the_transaction_told_before():
    rows = (
        "SELECT n::text, 'Thing', jsonb_build_object('size', jsonb_build_array(%s::int, %s::int)) "
        "FROM generate_series(1, 2) AS n"
    )
    with pytest.raises(ValueError, match="stop"), transaction.atomic():
        record_query("thing_created", "thing", rows, [None, 1])
        raise ValueError("stop")
    record(event("other_created", "1"))
    assert record_query("thing_created", "thing", rows, [None, 1]) == 2
    assert record_query("thing_updated", "thing", rows, [1, 2]) == 2
    record(event("thing_updated", changes={"size": [2, 3]}))
    assert (about("1").action, about("1").changes) == ("thing_created", {"size": [None, 3]})
    assert (about("2").action, about("2").changes) == ("thing_created", {"size": [None, 2]})


def test_hostile_text_is_kept_as_text():
    hostile = "<script>alert(1)</script>'; DROP TABLE audit_entry; -- %s {{7*7}} \x00 \ud800 end"
    record(event("thing_updated", label=hostile, changes={"name": [None, hostile], hostile: [hostile, 1]}))
    entry = about("1")
    kept = hostile.replace("\x00", "").replace("\ud800", "?")
    assert entry.label == kept
    assert entry.changes == {"name": [None, kept], kept: [kept, 1]}


def test_a_literal_backslash_u0000_is_no_null_character():
    record(event("thing_updated", changes={"path": [None, "C:\\u0000"]}))
    assert about("1").changes == {"path": [None, "C:\\u0000"]}


def test_merge_in_the_database_by_hand():
    earlier = {"a": [1, 2], "b": ["x", "y"], "c": [None, 1]}
    later = {"a": [2, 1], "b": ["y", "z"], "d": [5, None]}
    with connection.cursor() as cursor:
        cursor.execute("SELECT audit_merge(%s, %s)", [json.dumps(earlier), json.dumps(later)])
        assert json.loads(cursor.fetchone()[0]) == {"b": ["x", "z"], "c": [None, 1], "d": [5, None]}
