"""Imports with real commits: the worker, two at once, stopping, and a worker that is killed at any moment."""

import datetime as dt
import os
import random
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.db import connection, transaction

from audit.context import acting
from audit.models import Entry
from masterdata.imports import runs, worker
from masterdata.imports.files import stored_path
from masterdata.imports.progress import Cancelled, LiveWatch, watching, worked_on
from masterdata.models import Actual, ActualRevision, Customer, ImportProgress
from sop_portal.lib.errors import Conflict
from tests.concurrency.test_races import acts_as, at_once, refusals
from tests.conftest import _url, owner_connection
from tests.factories import make_customer, make_product, make_user
from tests.imports import ACTUALS, csv_bytes, sentences, stored

pytestmark = pytest.mark.usefixtures("committed")
ROOT = Path(__file__).resolve().parents[2]
# How often the worker is killed; `make chaos` does it more often.
KILLS = int(os.environ.get("CHAOS_KILLS", "3"))
CUSTOMERS, PRODUCTS, MONTHS = 10, 10, 30


@pytest.fixture
def offered(monkeypatch):
    """The runs that were offered to the worker; there is none, tests do its work."""
    found = []
    monkeypatch.setattr("masterdata.receivers.work_on_import.apply_async", lambda args, **kw: found.append(args[0]))
    return found


@pytest.fixture
def world(settings, tmp_path, offered):
    settings.UPLOAD_DIR = tmp_path / "uploads"
    world = SimpleNamespace(admin=make_user("admin", full_name="Ada Admin"), offered=offered)
    group = make_product().group
    for n in range(CUSTOMERS):
        make_customer(customer_id=f"C{n}", name=f"Customer {n}")
    for n in range(PRODUCTS):
        make_product(item_code=f"P{n}", description="Garlic", group=group)
    return world


def content(quantity=10, months=MONTHS, wrong_row=None):
    """Actuals of every customer, product and month."""
    rows = [
        (f"C{customer}", f"P{product}", f"{2023 + month // 12}-{month % 12 + 1:02}", quantity, quantity * 10, "")
        for month in range(months)
        for customer in range(CUSTOMERS)
        for product in range(PRODUCTS)
    ]
    if wrong_row is not None:
        rows[wrong_row - 2] = (*rows[wrong_row - 2][:3], "1e3", 100, "")
    return csv_bytes(ACTUALS, rows)


def uploaded(world, data, kind="actuals", **options):
    with acting(world.admin, source="web"):
        return runs.check_upload("sales.csv", [data], kind=kind, by=world.admin, options=options)


def applied(world, run):
    with acting(world.admin, source="web"):
        return runs.apply_run(run.pk, by=world.admin)


def checked(world, data):
    run = uploaded(world, data)
    assert (run.state, world.offered.pop()) == ("queued", run.pk)
    assert worker.work(run.pk) == "checked"
    return stored(run)


def test_a_large_file_is_checked_applied_and_undone_by_the_worker(world):
    run = checked(world, content())
    assert (run.rows_read, run.rows_created, Actual.objects.count()) == (3_000, 3_000, 0)
    assert run.progress.rows_all == 3_000
    assert (applied(world, run).state, world.offered.pop()) == ("applying", run.pk)
    # Pressed twice, it is offered once.
    assert (applied(world, run).state, world.offered) == ("applying", [])
    assert worker.work(run.pk) == "applied"
    assert worker.work(run.pk) == "applied"
    run = stored(run)
    assert (run.rows_created, run.applied_by, Actual.objects.count()) == (3_000, world.admin, 3_000)
    entries = Entry.objects.filter(entity_type="actual")
    assert entries.count() == entries.values("entity_id").distinct().count() == 3_000
    assert set(entries.values_list("actor", "source")) == {(world.admin.pk, "excel")}
    with acting(world.admin, source="web"):
        assert runs.undo_run(run.pk, by=world.admin).state == "undoing"
    assert worker.work(run.pk) == "undone"
    assert Actual.objects.count() == 0
    assert Entry.objects.filter(entity_type="actual", action="actual_deleted").count() == 3_000


def test_one_wrong_row_of_many_keeps_all_out(world):
    run = checked(world, content(wrong_row=1_234))
    assert sentences(run) == ["D1234: '1e3' is not a quantity; write a plain number such as 1000."]
    assert (run.rows_created, run.rows_refused, Actual.objects.count()) == (2_999, 1, 0)


def test_what_is_wrong_by_now_is_found_when_it_is_applied(world):
    run = checked(world, content())
    applied(world, run)
    with acting(world.admin, source="admin"):
        Customer.objects.filter(customer_id="C3").update(customer_id="C33")
    assert worker.work(run.pk) == "checked"
    run = stored(run)
    assert (run.rows_refused, Actual.objects.count(), run.applied_by) == (300, 0, None)
    assert run.reason == "300 rows are refused by now, so nothing was imported."


def test_two_imports_at_once_take_turns(world):
    small = [uploaded(world, content(quantity, months=1)) for quantity in (1, 2)]
    outcomes = at_once(*[acts_as(world.admin, runs.apply_run, run.pk) for run in small])
    assert refusals(outcomes) == []
    # One of them was first; whoever waited long enough for the other is left to the worker.
    for pk in world.offered:
        worker.work(pk)
    assert {stored(run).state for run in small} == {"applied"}
    assert Actual.objects.count() == CUSTOMERS * PRODUCTS
    assert len(set(Actual.objects.values_list("quantity", flat=True))) == 1
    assert sorted(stored(run).rows_created for run in small) == [0, 100]


def test_one_file_applied_by_two_at_once_is_one_effect(world):
    run = uploaded(world, content(months=1))
    answers = at_once(*[acts_as(world.admin, runs.apply_run, run.pk) for _ in range(3)])
    assert refusals(answers) == []
    assert stored(run).state == "applied"
    assert ActualRevision.objects.count() == CUSTOMERS * PRODUCTS
    assert Entry.objects.filter(action="excel_imported").count() == 1


def test_two_who_undo_at_once_are_one_effect(world):
    run = uploaded(world, content(months=1))
    applied(world, run)
    assert refusals(at_once(*[acts_as(world.admin, runs.undo_run, run.pk) for _ in range(3)])) == []
    assert (stored(run).state, Actual.objects.count()) == ("undone", 0)
    assert Entry.objects.filter(action="import_undone").count() == 1


def test_two_workers_of_one_run(world):
    run = checked(world, content())
    applied(world, run)
    answers = at_once(*[lambda: worker.work(run.pk) for _ in range(2)])
    assert sorted(answers)[-1] == "applied"
    assert Actual.objects.count() == ActualRevision.objects.count() == 3_000


def test_a_small_file_waits_for_the_worker_while_another_import_is_written(world, monkeypatch):
    monkeypatch.setattr(runs, "PATIENCE", 0.1)
    run = uploaded(world, content(months=1))
    with watching(run.pk), transaction.atomic():
        # Somebody else's import.
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(5020, 1)")
        (answer,) = at_once(acts_as(world.admin, runs.apply_run, run.pk))
        assert answer.state == "applying"
    assert worker.work(run.pk) == "applied"


def test_work_stops_when_somebody_cancels(world, monkeypatch):
    run = checked(world, content())
    applied(world, run)
    monkeypatch.setattr("masterdata.imports.progress.EVERY", 0)
    seen = []
    tell = LiveWatch._tell

    def cancel_in_the_middle(self, *args):
        seen.append(args)
        if "step" in args[0] and args[1] == "Writing":
            (answer,) = at_once(acts_as(world.admin, runs.cancel_run, run.pk))
            assert answer.state == "applying"
        tell(self, *args)

    monkeypatch.setattr(LiveWatch, "_tell", cancel_in_the_middle)
    assert worker.work(run.pk) == "cancelled"
    assert (stored(run).reason, Actual.objects.count()) == ("Cancelled before it had ended.", 0)
    assert Entry.objects.filter(entity_type="actual").count() == 0
    monkeypatch.setattr(LiveWatch, "_tell", tell)
    # It can be checked again and applied after all.
    with acting(world.admin, source="web"):
        runs.recheck_run(run.pk, by=world.admin)
    assert worker.work(run.pk) == "checked"
    applied(world, run)
    assert worker.work(run.pk) == "applied"


def test_what_nobody_works_on_is_cancelled_at_once(world):
    run = uploaded(world, content())
    with acting(world.admin, source="web"):
        assert runs.cancel_run(run.pk, by=world.admin).state == "cancelled"
        assert runs.cancel_run(run.pk, by=world.admin).state == "cancelled"
    assert worker.work(run.pk) == "cancelled"
    with acting(world.admin, source="web"), pytest.raises(Conflict) as refusal:
        runs.apply_run(run.pk, by=world.admin)
    assert refusal.value.detail == "The file was cancelled, so there is nothing to apply; upload a mended one."


def test_progress_is_seen_while_the_work_goes_on(world):
    run = checked(world, content())
    with watching(run.pk) as watch:
        assert worked_on([run.pk, run.pk + 1]) == {run.pk}
        with transaction.atomic():
            watch.step("Writing", 10)
            time.sleep(0.35)
            watch.rows(5)
        seen = ImportProgress.objects.get(run=run)
        assert (seen.step, seen.rows_done, seen.rows_all) == ("Writing", 5, 10)
        with watching(run.pk) as other:
            assert other is None
        ImportProgress.objects.filter(run=run).update(cancel=True)
        with pytest.raises(Cancelled):
            watch.step("Next")
    until(lambda: worked_on([run.pk]) == set())


def test_the_sweep_finds_what_nobody_works_on(world):
    run = uploaded(world, content())
    world.offered.clear()
    with acting("system", source="job"):
        assert worker.sweep() == 0
        long_ago = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
        ImportProgress.objects.filter(run=run).update(updated_at=long_ago)
        with watching(run.pk):
            assert worker.sweep() == 0
        until(lambda: worked_on([run.pk]) == set())
        ImportProgress.objects.filter(run=run).update(updated_at=long_ago)
        assert worker.sweep() == 1
        # Not again before it had its chance.
        assert worker.sweep() == 0
    assert world.offered == [run.pk]


def test_a_run_that_kills_its_worker_is_given_up(world):
    run = uploaded(world, content())
    ImportProgress.objects.filter(run=run).update(attempts=worker.ATTEMPTS)
    assert worker.work(run.pk) == "failed"
    assert stored(run).reason.startswith("The worker stopped 3 times while it worked on this file.")


@contextmanager
def soft_limit(reached):
    """What the worker's time limit does, as soon as `reached()` is true: an exception out of a signal."""

    def stop(*args):
        raise SoftTimeLimitExceeded

    def watch():
        until(reached)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGALRM)

    before = signal.signal(signal.SIGALRM, stop)
    clock = threading.Thread(target=watch)
    clock.start()
    try:
        yield
    finally:
        clock.join()
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("state", ["queued", "applying", "undoing"])
def test_a_time_limit_inside_a_statement_ends_the_work_cleanly(world, state):
    """The statement is stopped in the database as well, nothing is written, and the run says why."""
    run = uploaded(world, content()) if state == "queued" else checked(world, content())
    if state != "queued":
        applied(world, run)
    if state == "undoing":
        assert worker.work(run.pk) == "applied"
        with acting(world.admin, source="web"):
            runs.undo_run(run.pk, by=world.admin)
    before = list(Actual.objects.values_list("pk", "quantity"))
    entries = Entry.objects.filter(entity_type="actual").count()
    assert stored(run).state == state
    with owner_connection() as somebody, somebody.transaction():
        # The import waits for this table in the middle of a statement.
        somebody.execute("LOCK TABLE masterdata_actual IN SHARE ROW EXCLUSIVE MODE")
        waiting = "SELECT EXISTS (SELECT FROM pg_locks WHERE relation = 'masterdata_actual'::regclass AND NOT granted)"
        with soft_limit(lambda: somebody.execute(waiting).fetchone()[0]):
            ended = worker.work(run.pk)
    assert ended == ("applied" if state == "undoing" else "failed")
    assert stored(run).reason == "It took longer than four minutes and was stopped. Split the file, and send it as CSV."
    assert list(Actual.objects.values_list("pk", "quantity")) == before
    assert Entry.objects.filter(entity_type="actual").count() == entries
    until(lambda: backends_of_others() == 0)
    # Nobody works on it any more, and the next attempt does all of it.
    with acting(world.admin, source="web"):
        if state == "undoing":
            runs.undo_run(run.pk, by=world.admin)
        else:
            runs.recheck_run(run.pk, by=world.admin)
    assert worker.work(run.pk) == ("undone" if state == "undoing" else "checked")


def start_worker(run):
    """A process of its own that does the worker's part for one run."""
    code = (
        "import django; django.setup()\n"
        "from masterdata.imports.worker import work\n"
        "print('ready', flush=True)\n"
        f"print(work({run.pk}), flush=True)\n"
    )
    environment = {
        **os.environ,
        "DATABASE_URL": _url(os.environ["DATABASE_URL"], connection.settings_dict["NAME"]),
        "DJANGO_SETTINGS_MODULE": "sop_portal.settings",
        "UPLOAD_DIR": str(stored_path(run).parent),
        "SOP_PROCESS": "worker",
    }
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def backends_of_others():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
            "AND backend_type = 'client backend'"
        )
        return cursor.fetchone()[0]


def until(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.slow
def test_a_worker_killed_at_any_moment_leaves_all_or_nothing(world, settings):
    """The next worker does the whole of it; nothing is there twice."""
    chance = random.Random(20)
    took = None
    for kill in range(KILLS + 1):
        quantity = 20 + kill
        run = checked(world, content(quantity))
        before = (Actual.objects.count(), Entry.objects.filter(entity_type="actual").count())
        applied(world, run)
        process = start_worker(run)
        start = time.monotonic()
        if took is None:
            # The first one is left alone, to know how long it takes.
            assert process.stdout.read() == "applied\n"
            took = time.monotonic() - start
        else:
            time.sleep(took * chance.uniform(0.05, 0.95))
            process.send_signal(signal.SIGKILL)
        process.wait()
        until(lambda: backends_of_others() == 0)
        state, written = stored(run).state, Actual.objects.filter(quantity=quantity).count()
        assert (state, written) in {("applied", 3_000), ("applying", 0)}
        if state == "applying":
            assert (Actual.objects.count(), Entry.objects.filter(entity_type="actual").count()) == before
            assert worker.work(run.pk) == "applied"
        assert Actual.objects.filter(quantity=quantity).count() == Actual.objects.count() == 3_000
        assert ActualRevision.objects.filter(batch=stored(run).batch).count() == 3_000
        assert Entry.objects.filter(entity_type="actual").count() == 3_000 * (kill + 1)
        assert Entry.objects.filter(action="excel_imported", entity_id=str(run.pk)).count() == 1
