"""Retention: whole months go once they are archived and proved, everything younger stays, whatever happens on the way."""

import csv
import datetime as dt
import gzip
import io
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import DatabaseError, connection, connections, transaction

from audit import archives, retention, sealing
from audit.context import acting
from audit.models import Entry, SealBlock, Tombstone
from audit.tasks import cleanup_audit_logs
from audit.verifying import verify
from sop_portal import conf
from sop_portal.conf import services as settings_of
from sop_portal.lib import periods
from sop_portal.lib.errors import Conflict
from sop_portal.lib.jobs import SCHEDULES
from tests.audit.sealed import found, seal_all, tamper, write
from tests.conftest import owner_connection

pytestmark = pytest.mark.usefixtures("committed", "claimed")

NOW = dt.datetime.now(dt.UTC)
THIS_MONTH = NOW.date().replace(day=1)
YEARS = [periods.shift(THIS_MONTH, -back) for back in range(36, 0, -1)]
PER_MONTH = 6


def is_old(month: dt.date, days: int = 90) -> bool:
    """Whether every day of the month is more than so many days past; counted here, not in the database."""
    end = dt.datetime.combine(periods.shift(month, 1), dt.time(), dt.UTC)
    return NOW - end >= dt.timedelta(days=days)


OLD = [month for month in YEARS if is_old(month)]


@pytest.fixture(autouse=True)
def place(tmp_path: Path, settings) -> Path:
    settings.AUDIT_ARCHIVE_DIR = tmp_path / "archive"
    return tmp_path / "archive"


@pytest.fixture
def history() -> Iterator[list[dt.date]]:
    """Three years with some entries in each month, the oldest two of them in the net; sealed."""
    partitions = [f"audit_entry_{month:%Y_%m}" for month in YEARS[2:]]
    with owner_connection() as owner:
        owner.execute("SET timezone = 'UTC'")
        for month, name in zip(YEARS[2:], partitions, strict=True):
            owner.execute(
                f"CREATE TABLE {name} PARTITION OF audit_entry FOR VALUES FROM ('{month}') TO ('{periods.shift(month, 1)}')"
            )
        owner.execute("ALTER TABLE audit_entry DISABLE TRIGGER USER")
        owner.execute(
            "INSERT INTO audit_entry (at, tx, action, entity_type, entity_id, label, source, specificity) "
            "SELECT month + interval '2 days' * n, gen_random_uuid(), 'thing_updated', 'thing', n::text, "
            "E'Thing \"' || n || E'\" – ü\\n', 'job', 10 "
            "FROM unnest(%s::timestamptz[]) AS month CROSS JOIN generate_series(1, %s) AS n",
            [YEARS, PER_MONTH],
        )
        owner.execute("ALTER TABLE audit_entry ENABLE TRIGGER USER")
    write("today")
    seal_all()
    yield YEARS
    connections.close_all()
    with owner_connection() as owner:
        for name in partitions:
            owner.execute(f"DROP TABLE IF EXISTS {name}")


def months_left() -> list[dt.date]:
    before = NOW.replace(day=1, hour=0, minute=0, second=0)
    return sorted({entry.at.date().replace(day=1) for entry in Entry.objects.filter(at__lt=before)})


def clean() -> list[dt.date]:
    return [dropped.month for dropped in retention.clean(who="a test")]


def state(place: Path) -> tuple:
    stones = list(Tombstone.objects.values_list("month", "entries", "blocks", "archive", "archive_hash"))
    return months_left(), stones, {path.name: archives.hash_of(path) for path in place.iterdir()}


def test_exactly_the_months_that_are_old_enough_go(history, place):
    total = Entry.objects.count()
    assert len(OLD) in (32, 33)
    assert [month.month for month in retention.due()] == OLD
    assert clean() == OLD
    assert months_left() == [month for month in YEARS if month not in OLD]
    assert Entry.objects.filter(action="audit_month_dropped").count() == len(OLD)
    seal_all()
    assert Entry.objects.count() == total - len(OLD) * PER_MONTH + len(OLD)
    stones = list(Tombstone.objects.all())
    assert [(stone.month, stone.entries, stone.dropped_by) for stone in stones] == [
        (month, PER_MONTH, "a test") for month in OLD
    ]
    report = verify()
    assert report.ok, report.problems
    assert (report.tombstones, report.archived) == (len(OLD), len(OLD) * PER_MONTH)
    assert report.entries == Entry.objects.count()
    assert sorted(path.name for path in place.iterdir()) == [f"audit-{month:%Y-%m}.jsonl.gz" for month in OLD]
    with connection.cursor() as cursor:
        for table in ("audit_sealpart", "audit_sealwords"):
            cursor.execute(
                f"SELECT count(*) FROM {table} JOIN audit_sealblock ON number = block WHERE month = ANY(%s)", [OLD]
            )
            assert cursor.fetchone() == (0,), table
    assert place.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in place.iterdir()} == {0o600}


def test_a_repeat_changes_nothing(history, place):
    assert cleanup_audit_logs() == {"months": len(OLD), "entries": len(OLD) * PER_MONTH, "months_left": 0}
    before = state(place), SealBlock.objects.count()
    assert cleanup_audit_logs() == {"months": 0, "entries": 0, "months_left": 0}
    assert (state(place), SealBlock.objects.count()) == before
    schedule = SCHEDULES["cleanup_audit_logs"]
    assert (schedule.day_of_week, schedule.hour, schedule.minute) == ("0", "3", "0")


def test_a_worker_begins_no_month_that_it_may_not_end(history, monkeypatch):
    monkeypatch.setattr("audit.tasks.CLEANING_SECONDS", 0.0)
    assert cleanup_audit_logs() == {"months": 0, "entries": 0, "months_left": len(OLD)}
    assert len(months_left()) == 36


def test_the_setting_says_how_old(history):
    settings_of.set_value("audit_log_retention_days", 700, by=None)
    wanted = [month for month in YEARS if is_old(month, 700)]
    assert 0 < len(wanted) < len(OLD)
    assert clean() == wanted


def test_the_database_has_the_defaults_of_the_registry():
    with connection.cursor() as cursor:
        cursor.execute("SELECT audit_kept_until('2026-01-01')")
        days = (cursor.fetchone()[0] - dt.datetime(2026, 2, 1, tzinfo=dt.UTC)).days
    assert days == conf.get("audit_log_retention_days")
    assert conf.get("audit_archive") is True


def test_without_archiving_only_the_tombstone_is_left(history, place):
    settings_of.set_value("audit_archive", False, by=None)
    assert clean() == OLD
    assert not place.exists()
    assert {stone.archive for stone in Tombstone.objects.all()} == {""}
    assert verify().ok


def drop(month: dt.date, sha256: str = "0" * 64) -> bool:
    """Ask the database directly, as whoever holds the password of the serving role could."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT audit_drop_month(%s, 'me', %s, %s, 1)", [month, "x" if sha256 else "", sha256])
        return cursor.fetchone()[0]


def doubt() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT audit_clock_doubt()")
        return cursor.fetchone()[0] or ""


class TestTheDatabaseRefuses:
    def test_a_month_that_is_young(self, history):
        young = next(month for month in YEARS if month not in OLD)
        for month in (young, THIS_MONTH):
            with pytest.raises(DatabaseError, match="is kept until"):
                drop(month)
        assert len(months_left()) == 36

    def test_half_a_month(self, history):
        with pytest.raises(DatabaseError, match="no first day"):
            drop(OLD[0].replace(day=2))

    def test_a_month_without_an_archive(self, history):
        with pytest.raises(DatabaseError, match="has no archive"):
            drop(OLD[0], "")
        settings_of.set_value("audit_archive", False, by=None)
        assert drop(OLD[0], "")
        assert not drop(OLD[0], "")

    def test_a_month_that_is_not_sealed(self, history):
        tamper(
            "INSERT INTO audit_entry (at, tx, action, entity_type, entity_id, source, specificity) "
            "VALUES (%s, gen_random_uuid(), 'a', 'b', 'c', 'job', 1)",
            [OLD[3]],
        )
        with pytest.raises(DatabaseError, match="7 entries, of which 6 are sealed"):
            drop(OLD[3])
        with pytest.raises(Conflict, match="of which 6 are sealed: wait for seal_audit"):
            clean()
        assert months_left() == [OLD[3], *(month for month in YEARS if month not in OLD)]
        seal_all()
        assert clean() == [OLD[3]]

    def test_a_month_that_was_tampered_with(self, history, place):
        tamper("UPDATE audit_entry SET label = 'Forged' WHERE at = %s", [OLD[5] + dt.timedelta(days=2)])
        with pytest.raises(DatabaseError, match=r"1 entries of .* differ from their seal"):
            drop(OLD[5])
        with pytest.raises(Conflict, match="is not what was sealed"):
            clean()
        assert OLD[5] in months_left()
        assert not list(place.glob(f"*{OLD[5]:%Y-%m}*"))

    def test_everything_before_anything_is_sealed(self, at):
        at(NOW + dt.timedelta(days=400))
        with pytest.raises(DatabaseError, match="Nothing of the audit trail is sealed yet"):
            drop(THIS_MONTH)

    def test_everything_after_the_clock_jumped(self, history, at):
        """Until the next sealing by the newest block, after it by the step between two of them."""
        at(NOW + dt.timedelta(days=400))
        for _ in range(2):
            with pytest.raises(Conflict, match="it jumped, or the portal stood still") as refusal:
                clean()
            assert refusal.value.detail.count("jumped") == 1
            with pytest.raises(DatabaseError, match="jumped"):
                drop(OLD[0])
            write("by the new time")
            seal_all()
        assert not Tombstone.objects.exists()
        assert {month.refusal for month in retention.due()} == {refusal.value.detail}

    def test_everything_while_the_clock_is_late(self, history, at):
        at(NOW - dt.timedelta(days=3))
        with pytest.raises(DatabaseError, match="set the clock right"):
            drop(OLD[0])

    def test_no_more_once_the_new_time_was_sealed_for_a_week(self, history, at):
        for days in (400, 404):
            at(NOW + dt.timedelta(days=days))
            assert "jumped" in doubt()
            write(f"{days}")
            seal_all()
        at(NOW + dt.timedelta(days=408))
        assert doubt() == ""

    @pytest.mark.parametrize(
        "statement",
        [
            "INSERT INTO audit_tombstone SELECT * FROM audit_tombstone", "UPDATE audit_tombstone SET entries = 0",
            "DELETE FROM audit_tombstone", "TRUNCATE audit_tombstone",
            "ALTER TABLE audit_tombstone DISABLE TRIGGER ALL",
        ],
    )  # fmt: skip
    def test_changes_of_tombstones(self, history, statement):
        clean()
        before = list(Tombstone.objects.values())
        with pytest.raises(DatabaseError), connection.cursor() as cursor:
            cursor.execute(statement)
        assert list(Tombstone.objects.values()) == before


class TestBrokenOff:
    @pytest.fixture
    def wanted(self, place):
        """What a run that is not broken off leaves: worked out from what was put in."""
        return [month for month in YEARS if month not in OLD], [(month, PER_MONTH) for month in OLD]

    def check(self, place: Path, wanted: tuple) -> None:
        left, stones, files = state(place)
        assert (left, [stone[:2] for stone in stones]) == wanted
        assert files == {stone[3]: stone[4] for stone in stones}
        seal_all()
        report = verify()
        assert report.ok, report.problems
        assert report.archived == len(OLD) * PER_MONTH

    def test_while_an_archive_is_written(self, history, place, wanted, monkeypatch):
        monkeypatch.setattr("audit.archives.hash_of", _die)
        with pytest.raises(KeyboardInterrupt):
            clean()
        place.joinpath(".audit-2020-01.jsonl.gz.1.part").write_bytes(b"left by one who died")
        monkeypatch.undo()
        assert clean() == OLD
        assert place.joinpath(".audit-2020-01.jsonl.gz.1.part").exists()
        place.joinpath(".audit-2020-01.jsonl.gz.1.part").unlink()
        self.check(place, wanted)

    def test_between_archive_and_drop(self, history, place, wanted, monkeypatch):
        archives.write(OLD[0])
        first = place.joinpath(archives.name_of(OLD[0])).read_bytes()
        assert clean() == OLD
        assert place.joinpath(archives.name_of(OLD[0])).read_bytes() == first
        self.check(place, wanted)

    def test_in_the_middle_of_a_drop(self, history, place, wanted):
        with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            drop(OLD[0])
            cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        connection.close()
        assert len(months_left()) == 36
        assert clean() == OLD
        self.check(place, wanted)

    def test_after_some_months(self, history, place, wanted, monkeypatch):
        ask, asked = retention._ask, []

        def some(*given):
            if len(asked) == 5:
                raise KeyboardInterrupt
            asked.append(given)
            return ask(*given)

        monkeypatch.setattr("audit.retention._ask", some)
        with pytest.raises(KeyboardInterrupt):
            clean()
        assert Tombstone.objects.count() == 5
        monkeypatch.undo()
        assert clean() == OLD[5:]
        self.check(place, wanted)

    def test_two_workers(self, history, place, wanted):
        def work(_: int) -> list[dt.date]:
            with acting("system", source="job"):
                try:
                    return clean()
                finally:
                    connections.close_all()

        with ThreadPoolExecutor(2) as pool:
            first, second = pool.map(work, range(2))
        assert sorted(first + second) == OLD
        self.check(place, wanted)


def test_a_month_that_goes_while_it_is_looked_at_stands_in_nobodys_way(history, monkeypatch):
    """The statement began before another worker's drop was committed, and counted after it."""
    clean()
    monkeypatch.setattr(
        "audit.retention._DUE", "SELECT month, 0, 'It holds 0 entries, of which 6 are sealed.' FROM audit_tombstone"
    )
    assert retention.due() == []
    assert clean() == []


def _die(*_: object) -> None:
    raise KeyboardInterrupt


def test_nobody_waits_long_for_a_drop(history, monkeypatch):
    """A transaction that has written keeps the table; the drop gives way to the others and tries again."""
    monkeypatch.setattr("audit.retention.PAUSE_SECONDS", 0.2)
    begun, go_on = threading.Event(), threading.Event()

    def slow() -> None:
        with acting("system", source="command"), transaction.atomic():
            write("slow")
            begun.set()
            go_on.wait(20)
        connections.close_all()

    def run() -> list[dt.date]:
        with acting("system", source="job"):
            try:
                return clean()
            finally:
                connections.close_all()

    with ThreadPoolExecutor() as pool:
        holding = pool.submit(slow)
        assert begun.wait(20)
        cleaning = pool.submit(run)
        waits = []
        for n in range(15):
            before = time.monotonic()
            write(f"meanwhile {n}")
            waits.append(time.monotonic() - before)
        assert not Tombstone.objects.exists()
        go_on.set()
        holding.result()
        assert cleaning.result() == OLD
    # Half a second, and what a busy machine adds.
    assert max(waits) < 3


def test_an_archive_tells_what_was_in_the_month(history, place, capsys):
    month = OLD[7]
    wanted = list(Entry.objects.filter(at__year=month.year, at__month=month.month).order_by("at", "id").values())
    clean()
    out = io.StringIO()
    call_command("read_audit_archive", f"{month:%Y-%m}", stdout=out)
    rows = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [row["id"] for row in rows] == [entry["id"] for entry in wanted]
    for row, entry in zip(rows, wanted, strict=True):
        assert dt.datetime.fromisoformat(row["at"]) == entry["at"]
        assert {name: row[name] for name in ("label", "changes", "entity_id", "source", "actor_id")} == {
            name: entry[name] for name in ("label", "changes", "entity_id", "source", "actor_id")
        }
    out = io.StringIO()
    call_command("read_audit_archive", f"{month:%Y-%m}", "--csv", stdout=out)
    table = list(csv.DictReader(io.StringIO(out.getvalue())))
    assert [row["label"] for row in table] == [entry["label"] for entry in wanted]
    with pytest.raises(CommandError, match="has not left the audit trail"):
        call_command("read_audit_archive", "2001-01")


def forge(path: Path, old: bytes, new: bytes) -> None:
    content = gzip.decompress(path.read_bytes())
    assert old in content
    path.write_bytes(gzip.compress(content.replace(old, new, 1)))


def test_an_archive_that_was_altered_or_removed_is_found(history, place):
    clean()
    seal_all()
    altered, gone, cut = (place / archives.name_of(month) for month in OLD[:3])
    forge(altered, b"Thing", b"Thong")
    gone.unlink()
    cut.write_bytes(cut.read_bytes()[:-20])
    report = verify()
    assert [problem.kind for problem in report.problems] == ["archive"] * 3
    for path, words in ((altered, "is not the file"), (gone, "No such file"), (cut, "is not the file")):
        assert any(str(path) in problem.sentence and words in problem.sentence for problem in report.problems)
    assert verify(with_archives=False).ok
    with pytest.raises(CommandError, match="is not the file"):
        call_command("read_audit_archive", f"{OLD[0]:%Y-%m}", stdout=io.StringIO())
    with pytest.raises(CommandError, match="does not hold the entries that were sealed"):
        call_command("read_audit_archive", str(altered), stdout=io.StringIO())
    with pytest.raises(CommandError, match="cannot be read to its end"):
        call_command("read_audit_archive", str(cut), stdout=io.StringIO())


@pytest.mark.parametrize(("old", "new"), [(b"Thing", b"Thong"), (b'["block"', b'["block" '), (b"\n[1, ", b'\n["x", ')])
def test_a_tombstone_made_for_another_file_does_not_help(history, place, old, new):
    """What is in the file is proved by the blocks, which the chain holds."""
    clean()
    seal_all()
    path = place / archives.name_of(OLD[0])
    forge(path, old, new)
    tamper("UPDATE audit_tombstone SET archive_hash = %s WHERE month = %s", [archives.hash_of(path), OLD[0]])
    kinds = [kind for kind, _, _ in found()]
    assert set(kinds) == {"archive", "tombstone"}


def test_tombstones_that_were_altered_removed_or_invented_are_found(history):
    settings_of.set_value("audit_archive", False, by=None)
    clean()
    seal_all()
    stone = SealBlock.objects.get(kind="retention", month=OLD[2]).number
    columns = {"entries": "entries + 1", "blocks": "blocks + 1", "last_hash": "reverse(last_hash)",
               "archive_bytes": "1", "dropped_by": "'nobody'", "dropped_at": "dropped_at - interval '1 day'",
               "archive": "'x', archive_hash = 'y'"}  # fmt: skip
    for column, value in columns.items():
        with transaction.atomic():
            before = Tombstone.objects.filter(pk=OLD[2]).values_list(*columns_of_tombstones())[0]
        tamper(f"UPDATE audit_tombstone SET {column} = {value} WHERE month = %s", [OLD[2]])
        assert ("tombstone", stone, None) in found(), column
        tamper("DELETE FROM audit_tombstone WHERE month = %s", [OLD[2]])
        assert ("tombstone", stone, None) in found()
        tamper("INSERT INTO audit_tombstone VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)", list(before))
    assert verify().ok
    young = YEARS[-1]
    tamper("INSERT INTO audit_tombstone VALUES (%s, 6, 1, '', '', '', 0, 'me', now())", [young])
    tamper("DELETE FROM audit_entry WHERE at >= %s AND at < %s", [young, periods.shift(young, 1)])
    assert ("tombstone", None, None) in found()


def columns_of_tombstones() -> list[str]:
    return [field.attname for field in Tombstone._meta.concrete_fields]


def test_an_entry_put_into_a_dropped_month_is_found(history):
    clean()
    seal_all()
    tamper(
        "INSERT INTO audit_entry (id, at, tx, xact, action, entity_type, entity_id, source, specificity) "
        "VALUES (55555, %s, gen_random_uuid(), '5', 'a', 'b', 'c', 'job', 1)",
        [OLD[0]],
    )
    assert found() == {("added", None, 55555)}


def test_sealing_goes_on_after_a_drop(history):
    clean()
    write("after")
    assert sealing.seal().busy is False
    seal_all()
    assert verify().ok


def test_the_command(history):
    def run(*arguments: str) -> str:
        out = io.StringIO()
        call_command("cleanup_audit_logs", *arguments, stdout=out)
        return out.getvalue()

    text = run("--dry-run")
    assert text.count("would be archived and dropped") == len(OLD)
    assert len(months_left()) == 36
    text = run()
    assert f"{OLD[0]:%B %Y}, 6 entries: archived in audit-{OLD[0]:%Y-%m}.jsonl.gz and dropped" in text
    assert run() == run("--dry-run") == "No month is older than the trail is kept.\n"


def test_the_command_says_what_stands_in_the_way(history, at):
    at(NOW + dt.timedelta(days=400))
    out = io.StringIO()
    call_command("cleanup_audit_logs", "--dry-run", stdout=out)
    assert out.getvalue().count("it jumped, or the portal stood still") == 36 + 4
    with pytest.raises(CommandError, match="it jumped"):
        call_command("cleanup_audit_logs")
