"""Pages about the trail as a whole: grave events, figures, and the state of the seal."""

import csv
import datetime as dt
import io

import pytest
from django.core.management import call_command
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from audit import retention
from audit.context import acting
from audit.models import Entry, SealBlock
from audit.services import Event, record_many
from tests import factories
from tests.audit.sealed import seal_all, tamper, write
from tests.audit.test_retention import OLD, PER_MONTH, history, place

pytestmark = pytest.mark.usefixtures("committed", "claimed")
__all__ = ["history", "place"]


@pytest.fixture
def admin(client):
    user = factories.make_user("admin", full_name="Ada Admin")
    client.force_login(user)
    return user


def test_critical_events_are_those_that_are_not_info(client, admin):
    for severity in ("INFO", "WARNING", "ERROR", "CRITICAL"):
        record_many([Event(action="thing_updated", entity_type="thing", entity_id=severity, severity=severity)])
    told = client.get(reverse("audit:critical")).context["told"]
    assert {row.entry.entity_id for row in told if row.entry.entity_type == "thing"} == {"WARNING", "ERROR", "CRITICAL"}
    assert [
        row.entry.entity_id for row in client.get(reverse("audit:critical"), {"severity": "ERROR"}).context["told"]
    ] == ["ERROR"]


class TestStatistics:
    def test_add_up_to_the_entries_of_these_days(self, client, admin):
        with acting(admin, source="web"):
            write("a", "b")
        write("c", severity="unused")
        today = timezone.localdate()
        context = client.get(reverse("audit:statistics")).context["statistics"]
        assert context.total == Entry.objects.count()
        assert (context.since, context.until) == (today - dt.timedelta(days=29), today)
        assert sum(number for _, number in context.days) == context.total
        by_title = {table.title: {words: number for _, words, number in table.rows} for table in context.tables}
        assert sum(context.severities.values()) == context.total
        assert by_title["Actions"]["Thing updated"] == 3
        assert by_title["People"]["Ada Admin"] >= 2
        assert by_title["Sources"]["Portal"] >= 2
        for table in context.tables:
            assert sum(number for *_, number in table.rows) + table.left_out == context.total

    def test_of_other_days(self, client, admin):
        page = client.get(reverse("audit:statistics"), {"since": "2001-01-01", "until": "2001-02-01"})
        assert page.context["statistics"].total == 0
        assert "Nothing happened in these days" in page.content.decode()

    @pytest.mark.parametrize(
        "query",
        [{"since": "x"}, {"until": "2026-02-30"}, {"since": "2026-02-02", "until": "2026-02-01"},
         {"since": "2020-01-01", "until": "2026-01-01"}, {"since": "9999-12-31", "until": "9999-12-31"}],
    )  # fmt: skip
    def test_days_that_make_no_sense_are_refused(self, client, admin, query):
        page = client.get(reverse("audit:statistics"), query)
        assert page.status_code == 422
        assert page.context["statistics"] is None


class TestSeal:
    def test_before_anything_is_sealed(self, client, admin):
        page = client.get(reverse("audit:seal")).content.decode()
        assert "Nothing is sealed yet" in page
        assert "never" in page

    def test_tells_the_last_block_the_tail_and_who_looked(self, client, admin):
        write("a")
        seal_all()
        call_command("verify_audit", stdout=io.StringIO())
        page = client.get(reverse("audit:seal"))
        last = SealBlock.objects.last()
        assert page.context["state"].last == last
        assert page.context["state"].unsealed == 1
        text = page.content.decode()
        for words in ("1 entry waits for the seal", last.hash, "Intact", "AUDIT_SEAL_SINK"):
            assert words in text
        tamper("UPDATE audit_entry SET label = 'x' WHERE entity_id = 'a'")
        with pytest.raises(SystemExit):
            call_command("verify_audit", stdout=io.StringIO())
        assert "Tampered with" in client.get(reverse("audit:seal")).content.decode()
        assert Entry.objects.filter(action="audit_verified", severity="CRITICAL").count() == 1

    def test_says_what_the_next_cleanup_does_and_does_nothing(self, client, admin, history):
        page = client.get(reverse("audit:seal"))
        assert [row.month for row in page.context["due"]] == OLD
        assert page.content.decode().count("is archived, proved and dropped") == len(OLD)
        assert Entry.objects.filter(at__lt=timezone.now() - dt.timedelta(days=200)).exists()

    def test_lists_the_months_that_left_and_misses_an_archive(self, client, admin, history, place):
        retention.clean(who="a test")
        (place / f"audit-{OLD[2]:%Y-%m}.jsonl.gz").unlink()
        page = client.get(reverse("audit:seal"))
        assert [row.stone.month for row in page.context["months"]] == OLD[::-1]
        assert [row.stone.month for row in page.context["months"] if row.is_missing] == [OLD[2]]
        text = page.content.decode()
        assert text.count("Missing") == 1
        assert f"read_audit_archive {OLD[-1]:%Y-%m}" in text
        assert "No month is older than the trail is kept." in text

    def test_costs_the_same_however_many_months_left(self, client, admin, history, django_assert_num_queries):
        def queries() -> int:
            with connection.execute_wrapper(counter := Counter()):
                client.get(reverse("audit:seal"))
            return counter.number

        before = queries()
        retention.clean(who="a test")
        assert queries() == before


class Counter:
    number = 0

    def __call__(self, execute, sql, params, many, context):
        self.number += 1
        return execute(sql, params, many, context)


class TestMonthsThatLeft:
    words = f"Entries from {OLD[0]:%b %Y} to {OLD[-1]:%b %Y} are no longer in the trail; they are kept in archives."

    def test_are_told_at_the_end_of_lists_and_histories(self, client, admin, history):
        retention.clean(who="a test")
        assert self.words in client.get(reverse("audit:history", args=["thing", "1"])).content.decode()
        assert self.words in client.get(reverse("audit:list"), {"text": "nothing of it"}).content.decode()
        young = {"since": f"{OLD[-1].replace(day=28) + dt.timedelta(days=10):%Y-%m-%d}"}
        assert "no longer in the trail" not in client.get(reverse("audit:list"), young).content.decode()

    def test_are_rows_of_the_file(self, client, admin, history):
        retention.clean(who="a test")
        body = b"".join(client.get(reverse("audit:csv"), {"source": "command"}).streaming_content).decode("utf-8-sig")
        rows = list(csv.reader(io.StringIO(body)))
        last = rows[-len(OLD) :]
        assert [row[6] for row in last] == [f"{month:%B %Y}" for month in OLD]
        assert all(f"{PER_MONTH} entries left the trail, archived in audit-" in row[3] for row in last)
        assert {len(row) for row in rows} == {13}
        young = b"".join(
            client.get(reverse("audit:csv"), {"since": f"{timezone.localdate()}"}).streaming_content
        ).decode()
        assert "left the trail" not in young
