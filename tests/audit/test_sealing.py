"""Sealing: what is committed is chained once, whatever the order of commits, and what is broken off leaves nothing."""

import datetime as dt
import threading
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from django.db import DatabaseError, connection, connections, transaction

from audit import sealing
from audit.context import acting
from audit.models import Entry, SealBlock, SinkMark
from audit.tasks import seal_audit
from audit.verifying import verify
from sop_portal.jobs import recording
from sop_portal.jobs.recording import Asked, StartedBy
from sop_portal.lib.jobs import SCHEDULES
from tests.audit.sealed import as_restored, seal_all, settle, tamper, write
from tests.conftest import owner_connection

pytestmark = pytest.mark.usefixtures("committed", "claimed")


def rows(query: str) -> list[tuple]:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchall()


def sealed_ids() -> list[int]:
    return [pk for (pk,) in rows("SELECT unnest(ids) FROM audit_sealpart ORDER BY block, part")]


def chain() -> list[tuple]:
    return list(SealBlock.objects.values_list("number", "from_xact", "to_xact", "entries", "hash"))


def test_a_sealed_trail_is_intact():
    for n in range(5):
        write(f"{n}", "x")
    assert seal_all() == Entry.objects.count() >= 10
    report = verify()
    assert report.ok, report.problems
    assert (report.entries, report.unsealed, report.unsealed_since) == (Entry.objects.count(), 0, None)
    assert report.last_hash == SealBlock.objects.last().hash
    assert sorted(sealed_ids()) == sorted(Entry.objects.values_list("id", flat=True))


def test_a_repeat_adds_nothing():
    write("a")
    seal_all()
    before = chain()
    assert sealing.seal() == sealing.Sealed(0, 0)
    assert seal_audit() == {"blocks": 0, "entries": 0}
    assert chain() == before
    assert SCHEDULES["seal_audit"].minute == "*"


def test_an_open_transaction_keeps_the_later_ones_back():
    """It began first and commits last: a chain in the order of ids would have left its entry out for ever."""
    seal_all()
    begun, go_on = threading.Event(), threading.Event()

    def slow() -> None:
        with acting("system", source="command"), transaction.atomic():
            write("slow")
            begun.set()
            go_on.wait(20)
        connections.close_all()

    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(slow)
        assert begun.wait(20)
        write("quick")
        assert sealing.seal().entries == 0
        assert verify().unsealed == 1
        go_on.set()
        waiting.result()
    assert seal_all() == 2
    assert verify().ok
    assert len(sealed_ids()) == len(set(sealed_ids())) == Entry.objects.count()


def test_entries_of_one_block_are_those_of_one_month():
    write("a", "b")
    tamper("UPDATE audit_entry SET at = at - interval '2 months' WHERE entity_id = 'a'")
    seal_all()
    first, second = SealBlock.objects.all()
    assert first.month < second.month
    assert (first.from_xact, first.to_xact) == (second.from_xact, second.to_xact)
    assert verify().ok


def test_a_run_is_bounded_and_catches_up():
    seal_all()
    for n in range(7):
        write(f"{n}")
    settle()
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM audit_seal(3)")
        blocks, entries, more = cursor.fetchone()
    assert (blocks, more) == (1, True)
    assert 1 <= entries <= 3
    assert seal_all(at_a_time=3) == 7 - entries
    assert max(SealBlock.objects.values_list("entries", flat=True)[1:]) <= 3
    assert verify().ok


def test_a_transaction_larger_than_a_run_is_one_block():
    seal_all()
    write(*(str(n) for n in range(2500)))
    write("after")
    seal_all(at_a_time=1000)
    assert SealBlock.objects.filter(entries=2500).count() == 1
    assert [size for (size,) in rows("SELECT cardinality(ids) FROM audit_sealpart ORDER BY block, part")][-4:] == [
        1000, 1000, 500, 1
    ]  # fmt: skip
    assert verify().ok


def test_broken_off_in_the_middle_and_run_again():
    for n in range(30):
        write(f"{n}")
    settle()
    with transaction.atomic():
        seal_all()
        wanted = [row[:4] for row in chain()]
        transaction.set_rollback(True)
    assert not SealBlock.objects.exists()
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT * FROM audit_seal(100000)")
        cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
    connection.close()
    assert not SealBlock.objects.exists()
    assert rows("SELECT count(*) FROM audit_sealpart") == [(0,)]
    seal_all()
    # Where blocks end depends on what else is open in the server; what they hold does not.
    assert sum(row[3] for row in chain()) == sum(row[3] for row in wanted) == 30
    assert verify().ok


def test_many_workers_make_one_chain():
    def work(number: int) -> None:
        with acting("system", source="job"):
            for n in range(20):
                write(f"{number}-{n}")
                sealing.seal(at_a_time=5)
        connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    seal_all()
    assert verify().ok
    assert len(sealed_ids()) == len(set(sealed_ids())) == Entry.objects.count() >= 80


def test_a_trail_restored_into_another_server_goes_on():
    """There the numbers of transactions begin anew, below those that are sealed."""
    write("sealed")
    seal_all()
    write("tail")
    as_restored()
    write("new")
    seal_all()
    report = verify()
    assert report.ok, report.problems
    assert report.unsealed == 0
    write("newer")
    assert verify().unsealed == 1
    seal_all()
    assert verify().ok
    assert len(sealed_ids()) == len(set(sealed_ids())) == Entry.objects.count()
    assert {block.after_id for block in SealBlock.objects.all()} == {
        0, Entry.objects.get(entity_id="tail").pk
    }  # fmt: skip


def test_a_trail_restored_without_a_tail_goes_on():
    write("sealed")
    seal_all()
    as_restored()
    assert sealing.seal().entries == 0
    write("new")
    assert verify().ok
    seal_all()
    report = verify()
    assert report.ok, report.problems
    assert Entry.objects.count() == report.entries


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO audit_sealblock OVERRIDING SYSTEM VALUE SELECT * FROM audit_sealblock",
        "UPDATE audit_sealblock SET hash = 'x'",
        "DELETE FROM audit_sealblock",
        "TRUNCATE audit_sealblock",
        "ALTER TABLE audit_sealblock DISABLE TRIGGER ALL",
        "DROP TABLE audit_sealblock",
        "INSERT INTO audit_sealpart SELECT * FROM audit_sealpart",
        "UPDATE audit_sealpart SET ids = '{}'",
        "DELETE FROM audit_sealpart",
        "TRUNCATE audit_sealpart CASCADE",
        "ALTER TABLE audit_sealpart DISABLE TRIGGER audit_sealpart_no_change",
        "SELECT audit_append_block(audit_sealblock) FROM audit_sealblock",
        "SELECT audit_narrow_all()",
        "CREATE OR REPLACE FUNCTION audit_micros(instant timestamptz) RETURNS bigint LANGUAGE sql AS 'SELECT 1'",
    ],
)
def test_the_serving_role_cannot_touch_the_chain(statement):
    write("a")
    seal_all()
    before = chain()
    with pytest.raises(DatabaseError), connection.cursor() as cursor:
        cursor.execute(statement)
    assert chain() == before
    assert verify().ok


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_sealblock SET hash = 'x'", "DELETE FROM audit_sealblock", "TRUNCATE audit_sealblock",
        "UPDATE audit_sealpart SET part = 9", "DELETE FROM audit_sealpart", "TRUNCATE audit_sealpart CASCADE",
    ],
)  # fmt: skip
def test_the_triggers_refuse_the_owner_too(statement):
    write("a")
    seal_all()
    with owner_connection() as owner, pytest.raises(psycopg.errors.InsufficientPrivilege, match="only grow"):
        owner.execute(statement)


class TestSink:
    @pytest.fixture(autouse=True)
    def sink(self, tmp_path, settings):
        settings.AUDIT_SEAL_SINK = str(tmp_path / "hashes.log")
        return tmp_path / "hashes.log"

    def test_gets_a_line_for_each_block_once(self, sink):
        for name in "abc":
            write(name)
            seal_all()
        seal_all()
        lines = sink.read_text().splitlines()
        assert [line.split()[1:] for line in lines] == [
            [f"block={b.number}", f"entries={b.entries}", f"hash={b.hash}"] for b in SealBlock.objects.all()
        ]
        assert sink.stat().st_mode & 0o777 == 0o600
        assert verify().ok

    def test_what_could_not_be_written_is_written_by_the_next_run(self, sink, settings):
        settings.AUDIT_SEAL_SINK = str(sink.parent / "missing" / "hashes.log")
        write("a")
        with pytest.raises(FileNotFoundError):
            seal_all()
        count = SealBlock.objects.count()
        assert count >= 1
        sink.parent.joinpath("missing").mkdir()
        sealing.seal()
        assert len(sink.parent.joinpath("missing", "hashes.log").read_text().splitlines()) == count

    def test_a_line_that_was_broken_off_is_left_alone_and_written_again(self, sink):
        write("a")
        seal_all()
        whole = sink.read_text()
        sink.write_text(whole[:-10])
        SinkMark.objects.update(number=0)
        sealing.seal()
        assert sink.read_text() == whole[:-10] + "\n" + whole
        assert verify().ok

    def test_syslog(self, settings, monkeypatch):
        told = []
        monkeypatch.setattr("audit.sink.syslog.syslog", lambda level, line: told.append(line))
        settings.AUDIT_SEAL_SINK = "syslog"
        write("a")
        seal_all()
        seal_all()
        assert [line.rpartition("=")[2] for line in told] == list(SealBlock.objects.values_list("hash", flat=True))
        assert verify().ok


def test_sealing_makes_no_work_for_the_next_sealing():
    """An entry about each run would have to be sealed by a run that has an entry."""
    schedule = SCHEDULES["seal_audit"]
    write("a")
    seal_all()
    write("b")
    asked = Asked(StartedBy.BEAT, due=dt.datetime.now(dt.UTC))
    assert recording.run(schedule, asked, lambda: {"blocks": 1, "entries": 1}) is not None
    assert not Entry.objects.filter(action="system_scheduled_job_run").exists()
    with pytest.raises(ValueError, match="broken"):
        recording.run(schedule, Asked(StartedBy.BEAT, due=asked.due + dt.timedelta(minutes=1)), _broken)
    assert Entry.objects.filter(action="system_scheduled_job_run", severity="ERROR").count() == 1


def _broken() -> None:
    raise ValueError("broken")
