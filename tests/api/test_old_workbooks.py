"""Old planning workbooks over the API."""

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from forecasts.models import Line
from masterdata.models import ImportRun
from sop_portal.accounts import bearer
from tests.api.helpers import API, program_of
from tests.factories import make_user
from tests.workbooks import Plan, Row, grid, save_xlsx

pytestmark = pytest.mark.django_db

ADDRESS = f"{API}/excel/import/legacy-workbook"


@pytest.fixture
def admin(settings: Any, tmp_path: Path) -> Any:
    settings.UPLOAD_DIR = tmp_path / "uploads"
    return make_user("admin")


def client_of(user: Any) -> Client:
    return Client(headers={"Authorization": f"Bearer {bearer.issue(user).access}"})


def book(folder: Path, name: str) -> Path:
    plan = Plan(name=name, rows=[Row(110001, "Peeled", [5] * 16, [2] * 16)])
    return save_xlsx(folder / f"{name}.xlsx", {name: grid(plan)})


def send(user: Any, *paths: Path, query: str = "", **fields: Any) -> Any:
    with ExitStack() as opened:
        files = [opened.enter_context(path.open("rb")) for path in paths]
        return client_of(user).post(f"{ADDRESS}{query}", {"file": files, **fields})


def test_workbooks_are_applied_at_once_for_a_rep(admin: Any, tmp_path: Path) -> None:
    rep = make_user("sales_rep")
    books = [book(tmp_path, name) for name in ("Elm", "Oak")]
    answer = send(admin, *books, rep=rep.email)
    assert (answer.status_code, answer.json()["state"]) == (201, "applied"), answer.content
    assert set(Line.objects.values_list("owner", flat=True)) == {rep.pk}
    assert Line.objects.count() == 2
    program = program_of(admin)
    assert program("GET", "/excel/imports?kind=legacy").json()["count"] == 1
    assert program("POST", f"/excel/imports/{answer.json()['id']}/apply").json()["state"] == "applied"


def test_a_dry_run_waits_until_it_is_applied(admin: Any, tmp_path: Path) -> None:
    run = send(admin, book(tmp_path, "Elm"), query="?dry_run=1").json()
    assert run["state"] == "checked"
    assert not Line.objects.exists()
    applied = program_of(admin)("POST", f"/excel/imports/{run['id']}/apply")
    assert (applied.status_code, applied.json()["state"]) == (200, "applied")
    assert Line.objects.count() == 1


def test_an_unreadable_file_holds_the_others_back_until_it_is_left_out(admin: Any, tmp_path: Path) -> None:
    broken = tmp_path / "broken.xlsx"
    broken.write_bytes(b"%PDF-1.7")
    answer = send(admin, book(tmp_path, "Elm"), broken)
    assert answer.status_code == 422
    assert "broken.xlsx" in answer.json()["detail"]
    assert not Line.objects.exists()
    address = f"/excel/imports/{answer.json()['run']}/apply"
    program = program_of(admin)
    assert program("POST", address).status_code == 422
    assert program("POST", address, {"only_good": True}).json()["state"] == "applied"
    alone = send(admin, broken)
    assert (alone.status_code, ImportRun.objects.get(pk=alone.json()["run"]).state) == (422, "refused")


def test_what_makes_no_upload_is_refused(admin: Any, tmp_path: Path) -> None:
    made = book(tmp_path, "Elm")
    assert send(admin, made, rep="nobody@example.com").status_code == 422
    assert send(admin, made, into="elsewhere").status_code == 400
    assert client_of(admin).post(ADDRESS, {"into": "open"}).status_code == 400
    assert send(make_user("manager"), made).status_code == 403
    assert not ImportRun.objects.exists()
