"""Large uploads of old workbooks: left to the worker, followed, cancelled, picked up again."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connections
from django.urls import reverse

from audit.context import acting
from audit.models import Entry
from forecasts.excel import legacy_runs, legacy_work
from forecasts.models import Line
from masterdata.imports import worker
from masterdata.imports.progress import WORK_LOCK_CLASS
from masterdata.models import Customer, CustomerAlias, ImportRun
from masterdata.upserts import IMPORT_LOCK_CLASS
from tests.factories import make_customer, make_user
from tests.workbooks import Plan, Row, grid, save_xlsx

pytestmark = pytest.mark.usefixtures("committed")
State = ImportRun.State


@pytest.fixture(autouse=True)
def large(settings, tmp_path, monkeypatch):
    """Every upload counts as large."""
    settings.UPLOAD_DIR = tmp_path / "uploads"
    monkeypatch.setattr(legacy_runs, "AT_ONCE", 0)
    # There is no worker here; tests do its work.
    monkeypatch.setattr("masterdata.receivers.work_on_import.apply_async", lambda args, **kw: None)


@pytest.fixture
def admin(client):
    user = make_user("admin")
    client.force_login(user)
    return user


def plan(name):
    return grid(Plan(name=name, rows=[Row(110001, "Peeled", [5] * 16, [2] * 16)]))


def upload(client, tmp_path, *names):
    files = []
    for name in names:
        path = save_xlsx(tmp_path / f"{name}.xlsx", {name: plan(name)})
        files.append(SimpleUploadedFile(path.name, path.read_bytes()))
    client.post(reverse("forecasts:legacy_upload"), {"file": files})
    return ImportRun.objects.latest("pk")


def url(run, name="legacy_run"):
    return reverse(f"forecasts:{name}", args=[run.pk])


def page(client, run):
    return client.get(url(run)).content.decode()


def test_large_uploads_are_tried_out_and_written_by_the_worker(client, admin, tmp_path):
    run = upload(client, tmp_path, "Alder", "Birch")
    assert run.state == State.QUEUED
    assert "2 workbooks are being tried out" in page(client, run)
    assert client.get(url(run), headers={"HX-Request": "true"}).status_code == 200
    assert worker.work(run.pk) == State.CHECKED
    answer = client.get(url(run), headers={"HX-Request": "true"})
    assert (answer.status_code, answer.headers["HX-Refresh"]) == (204, "true")
    assert "2 of 2 files were read" in page(client, run)
    assert Line.objects.count() == 0
    client.post(url(run))
    run.refresh_from_db()
    assert run.state == State.APPLYING
    assert "2 workbooks are being written" in page(client, run)
    assert worker.work(run.pk) == State.APPLIED
    assert Line.objects.count() == 2
    # The worker acts as whoever applied it.
    assert set(Entry.objects.filter(entity_type="forecast").values_list("actor", flat=True)) == {admin.pk}
    assert worker.work(run.pk) == State.APPLIED  # once more does nothing
    assert Entry.objects.filter(action="excel_imported").count() == 1


def test_names_are_decided_and_tried_out_by_the_worker_too(client, admin, tmp_path):
    customer = make_customer(customer_id="100234", name="Maple Deli")
    run = upload(client, tmp_path, "Alder")
    worker.work(run.pk)
    client.post(url(run, "legacy_names"), {"customer-0": "100234"})
    run.refresh_from_db()
    assert run.state == State.QUEUED
    assert worker.work(run.pk) == State.CHECKED
    client.post(url(run))
    worker.work(run.pk)
    assert Line.objects.get().customer == customer
    assert CustomerAlias.objects.get().customer == customer


def test_a_choice_that_no_longer_holds_fails_with_its_sentence_and_can_be_tried_again(client, admin, tmp_path):
    customer = make_customer(customer_id="100234", name="Maple Deli")
    run = upload(client, tmp_path, "Alder")
    worker.work(run.pk)
    client.post(url(run, "legacy_names"), {"customer-0": "100234"})
    with acting("system", source="command"):
        customer.delete()
    assert worker.work(run.pk) == State.FAILED
    text = page(client, run)
    assert "No customer has the ID 100234 any more" in text and "Try it out again" in text
    client.post(url(run, "legacy_again"))
    assert worker.work(run.pk) == State.CHECKED
    run.refresh_from_db()
    assert "choices" not in run.options


def test_an_upload_that_waits_is_cancelled_and_may_be_tried_again(client, admin, tmp_path):
    run = upload(client, tmp_path, "Alder")
    client.post(url(run, "legacy_cancel"))
    run.refresh_from_db()
    assert run.state == State.CANCELLED
    assert worker.work(run.pk) == State.CANCELLED
    assert "was cancelled; nothing was written" in page(client, run)
    client.post(url(run, "legacy_again"))
    assert worker.work(run.pk) == State.CHECKED


def test_work_is_stopped_between_two_workbooks(client, admin, tmp_path, monkeypatch):
    run = upload(client, tmp_path, "Alder", "Birch", "Cedar")
    read, told = legacy_work.read_book, []

    def slowly(path):
        # Somebody asks to stop while the first workbook is read, seen over a connection of its own.
        if not told:
            told.append(path)
            with connections["default"].copy().cursor() as cursor:
                cursor.execute("UPDATE masterdata_importprogress SET cancel = true WHERE run_id = %s", [run.pk])
        else:
            told.append(path)
        return read(path)

    monkeypatch.setattr(legacy_work, "read_book", slowly)
    monkeypatch.setattr("masterdata.imports.progress.EVERY", 0)
    assert worker.work(run.pk) == State.CANCELLED
    assert len(told) == 1
    run.refresh_from_db()
    assert run.reason == "Cancelled before it had ended."


def test_a_checked_upload_may_be_put_aside(client, admin, tmp_path):
    run = upload(client, tmp_path, "Alder")
    worker.work(run.pk)
    client.post(url(run, "legacy_cancel"))
    run.refresh_from_db()
    assert run.state == State.CANCELLED
    assert client.post(url(run)).status_code == 409
    assert Line.objects.count() == 0


def test_a_file_that_was_damaged_meanwhile_leaves_everything_unwritten(client, admin, tmp_path):
    run = upload(client, tmp_path, "Alder")
    worker.work(run.pk)
    client.post(url(run))
    run.refresh_from_db()
    (tmp_path / "uploads" / run.stored_as).write_bytes(b"PK\x03\x04 gone")
    assert worker.work(run.pk) == State.CHECKED
    assert "1 of 1 files cannot be read" in page(client, run)
    assert Line.objects.count() == 0


def test_a_worker_that_fails_at_the_end_leaves_nothing(client, admin, tmp_path, monkeypatch):
    run = upload(client, tmp_path, "Alder")
    worker.work(run.pk)
    client.post(url(run))
    run.refresh_from_db()

    def fail(*args):
        raise RuntimeError("the last step fails")

    monkeypatch.setattr(legacy_work, "tell", fail)
    with pytest.raises(RuntimeError):
        worker.work(run.pk)
    assert (Line.objects.count(), Customer.objects.count()) == (0, 0)
    monkeypatch.undo()
    run.refresh_from_db()
    assert run.state == State.APPLYING  # the sweep offers it again
    assert worker.work(run.pk) == State.APPLIED


def test_a_small_upload_goes_to_the_worker_while_another_import_writes(client, admin, tmp_path, monkeypatch):
    monkeypatch.setattr(legacy_runs, "AT_ONCE", 10**9)
    monkeypatch.setattr(legacy_runs, "PATIENCE", 0.1)
    other = connections["default"].copy()
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s, 1)", [IMPORT_LOCK_CLASS])
        run = upload(client, tmp_path, "Alder")
        assert run.state == State.QUEUED
        cursor.execute("SELECT pg_advisory_unlock(%s, 1)", [IMPORT_LOCK_CLASS])
    other.close()
    assert worker.work(run.pk) == State.CHECKED


def test_a_page_offers_a_lost_run_again_but_not_one_at_work(client, admin, tmp_path):
    run = upload(client, tmp_path, "Alder")
    other = connections["default"].copy()
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s, %s)", [WORK_LOCK_CLASS, run.pk])
        assert worker.work(run.pk) == ""
        cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [WORK_LOCK_CLASS, run.pk])
    other.close()
    assert worker.work(run.pk) == State.CHECKED
