"""Files over the API that are left to the worker: with real commits, since the worker looks from elsewhere."""

from typing import Any

import pytest

from masterdata.imports import worker
from masterdata.models import Customer
from tests.api.test_excel import Sender, customers
from tests.factories import make_user

pytestmark = pytest.mark.usefixtures("committed")


@pytest.fixture
def offered(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The runs that were offered to the worker; there is none, the test does its work."""
    found: list[int] = []
    monkeypatch.setattr("masterdata.receivers.work_on_import.apply_async", lambda args, **kw: found.append(args[0]))
    return found


def test_a_large_file_is_left_to_the_worker_which_applies_it(
    settings: Any, tmp_path: Any, offered: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("masterdata.imports.runs.AT_ONCE", 3)
    settings.UPLOAD_DIR = tmp_path
    send = Sender(make_user("admin"))
    answer = send("customers", customers(*((code, "Elm") for code in "ABCD")))
    run = answer.json()
    assert (answer.status_code, run["state"], run["progress"]["step"]) == (202, "queued", "Waiting for the worker")
    assert not Customer.objects.exists()
    # Checked, it is offered again, to be applied.
    assert worker.work(run["id"]) == "applying"
    assert send.ask("GET", f"/excel/imports/{run['id']}").json()["state"] == "applying"
    assert worker.work(run["id"]) == "applied"
    assert offered == [run["id"]] * 2
    assert Customer.objects.count() == 4
    undone = send.ask("POST", f"/excel/imports/{run['id']}/undo")
    assert (undone.status_code, undone.json()["state"]) == (202, "undoing")
    assert worker.work(run["id"]) == "undone"
    assert not Customer.objects.exists()


def test_what_was_only_to_be_tried_or_has_a_refused_row_stays_checked(
    settings: Any, tmp_path: Any, offered: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("masterdata.imports.runs.AT_ONCE", 3)
    settings.UPLOAD_DIR = tmp_path
    send = Sender(make_user("admin"))
    tried = send("customers", customers(*((code, "Elm") for code in "ABCD")), "?dry_run=1").json()["id"]
    refused = send("customers", customers(("A", "Elm"), ("B", ""), ("C", "Elm"), ("D", "Elm"))).json()["id"]
    assert [worker.work(run) for run in (tried, refused)] == ["checked", "checked"]
    assert not Customer.objects.exists()
    applied = send.ask("POST", f"/excel/imports/{tried}/apply")
    assert (applied.status_code, applied.json()["state"]) == (202, "applying")
    assert worker.work(tried) == "applied"
