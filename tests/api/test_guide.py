"""The integration guide: each of its examples is run, and what a month by script leaves behind is looked at."""

import csv
import datetime as dt
import os
import shutil
import threading
from collections.abc import Iterator
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import openpyxl
import pytest

from audit.context import acting
from audit.models import Entry
from cycles.models import Cycle
from forecasts.models import Line, Snapshot
from masterdata.models import Actual, Customer, ImportRun
from sop_portal.accounts import bearer
from sop_portal.accounts.models import PersonalToken, TokenFamily
from tests.api import guide
from tests.factories import PASSWORD, make_actual, make_customer, make_entry, make_user
from tests.portal import Portal

# What the guide pushes, by customer and product.
PUSHED = {("C-1001", "110001"): "1250", ("C-1001", "110002"): "40", ("N/17 B", "110001"): "425.5"}
# A customer whose plans it has nothing to do with.
OTHER = "C-0900"


def last_month() -> dt.date:
    return (dt.date.today().replace(day=1) - dt.timedelta(days=1)).replace(day=1)


def test_every_example_stands_there_in_every_language() -> None:
    kinds = {block.kind for block in guide.blocks()}
    assert kinds == {*guide.LANGUAGES, *guide.OUTPUTS}
    by_heading: dict[str, list[str]] = {}
    for block in guide.blocks():
        if block.kind in guide.OUTPUTS:
            assert by_heading[block.heading], f"line {block.line} shows what is printed by no example"
        else:
            by_heading.setdefault(block.heading, []).append(block.kind)
    # What a page does is for browsers alone.
    assert by_heading.pop("Environments and browsers") == ["js"]
    for heading, languages in by_heading.items():
        assert languages == list(guide.LANGUAGES), heading


@pytest.fixture
def people(committed: None, elsewhere: list[str], settings: Any, tmp_path: Path) -> SimpleNamespace:
    """The portal as an integrator finds it: three people, and a customer the integration knows nothing of.

    Its environment names one other origin.
    """
    settings.UPLOAD_DIR = tmp_path / "uploads"
    settings.CORS_ALLOWED_ORIGINS = elsewhere[:1]
    manager = make_user("manager", email="manager1@example.com")
    with acting(manager, source="api"):
        token = bearer.create_token(manager, name="Decisions", scopes=["read", "write"], days=1)[1]
    rep = make_user("sales_rep", email="rep1@example.com", manager=manager)
    make_actual(make_entry(make_customer(customer_id=OTHER, sales_rep=rep, region="")), last_month())
    return SimpleNamespace(
        admin=make_user("admin", email="admin@example.com"),
        rep=rep,
        manager=manager,
        manager_token=token,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the examples keep their files."""
    (tmp_path / "examples").mkdir()
    return tmp_path / "examples"


@pytest.fixture
def console(
    language: str,
    people: SimpleNamespace,
    portal: Portal,
    elsewhere: list[str],
    folder: Path,
) -> Iterator[Any]:
    """What runs the examples of `language`."""
    if language == "js":
        page = portal.page()
        page.goto(elsewhere[0])
        console = guide.Console(page)
        held = {"username": people.admin.email, "password": PASSWORD, "managerToken": people.manager_token}
        page.evaluate("held => { globalThis.form = held; }", held)
        yield console
        return
    for program in ("curl", "jq"):
        if not shutil.which(program):
            pytest.fail(f"{program} is missing: install the package {program}.")
    environment = {
        **os.environ, "SOP_USER": people.admin.email, "SOP_PASSWORD": PASSWORD, "MANAGER_TOKEN": people.manager_token,
    }  # fmt: skip
    running = (guide.shell if language == "bash" else guide.interpreter)(folder, environment)
    yield running
    running.close()


class Moody(BaseHTTPRequestHandler):
    """Answers `moods` one after the other (0: breaks the connection), then well. `keys` are those of the requests."""

    moods: ClassVar[list[int]] = []
    keys: ClassVar[list[str]] = []

    def do_OPTIONS(self) -> None:
        self._answer(200, b"")

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.keys.append(self.headers["Idempotency-Key"])
        status = self.moods.pop(0) if self.moods else 200
        if status:
            self._answer(status, b'{"count": 7}' if status == 200 else b'{"detail": "Later.", "errors": []}')

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Access-Control-Allow-Origin", "*")
        self.send_header("Access-Control-Allow-Headers", "authorization, content-type, idempotency-key")
        self.send_header("Access-Control-Expose-Headers", "Retry-After")
        self.send_header("Content-Length", str(len(body)))
        if status >= 400:
            self.send_header("Retry-After", "1")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        """Says nothing."""


@pytest.fixture
def moody() -> Iterator[str]:
    """The address of an API that is busy and away before it answers."""
    Moody.keys.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Moody)
    threading.Thread(target=server.serve_forever, args=[0.02], daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


# The client of the guide, asking for something once.
ONCE = {
    "bash": "api POST /x --json '{}' | jq .count",
    "python": 'print(portal("POST", "/x", {}).json()["count"])',
    "js": 'console.log((await (await portal("POST", "/x", {})).json()).count);',
}


@pytest.mark.parametrize("language", guide.LANGUAGES)
def test_the_client_waits_and_sends_the_same_key(language: str, console: Any, portal: Portal, moody: str) -> None:
    for block in guide.blocks():
        if block.kind == language and block.heading in ("A token of a program", "A small client"):
            console.run(block.text.replace(guide.PORTAL, portal.base_url))
    console.run({"js": "const "}.get(language, "") + f'API="{moody}"')
    # A connection that breaks is left to whoever starts a script of the shell.
    Moody.moods[:] = [429, 503] if language == "bash" else [0, 429, 503]
    tries = len(Moody.moods) + 1
    assert console.run(ONCE[language]).strip() == "7"
    assert len(Moody.keys) == tries
    assert len(set(Moody.keys)) == 1


@pytest.mark.parametrize("language", guide.LANGUAGES)
def test_the_examples_do_what_they_say(
    language: str,
    console: Any,
    people: SimpleNamespace,
    portal: Portal,
    folder: Path,
) -> None:
    told = [""]
    for block in guide.blocks():
        if block.kind == language:
            told.append(console.run(block.text.replace(guide.PORTAL, portal.base_url)))
        elif language == "bash" and block.kind in guide.OUTPUTS:
            assert guide.is_alike(block.kind, block.text, told[-1]), (block.line, told[-1])

    # The month: what was pushed is the plan, of the published cycle and of what is kept of it for ever.
    cycle = Cycle.objects.get()
    assert cycle.status == Cycle.Status.ARCHIVED
    expected = {pair: [Decimal(quantity)] * 16 for pair, quantity in PUSHED.items()}
    lines = Line.objects.filter(cycle=cycle).exclude(customer__customer_id=OTHER).select_related("customer", "product")
    assert {(line.customer.customer_id, line.product.item_code): line.quantity for line in lines} == expected
    assert {(line.status, line.submitted_by_id, line.decided_by_id) for line in lines} == {
        (Line.Status.APPROVED, people.admin.pk, people.manager.pk)
    }
    other = Line.objects.get(cycle=cycle, customer__customer_id=OTHER)
    assert (other.status, other.revision, other.edited_at) == (Line.Status.MISSED, 2, None)
    kept = Snapshot.objects.filter(event=Snapshot.Event.FINAL, line__in=lines).select_related(
        "line__customer", "line__product"
    )
    assert {(one.line.customer.customer_id, one.line.product.item_code): one.quantity for one in kept} == expected
    assert {line.unit_price[0] for line in lines} == {Decimal("52.5"), Decimal(80), Decimal("53.1")}

    if language == "bash":
        assert_files_hold_the_plan(folder)
    else:
        assert any("4 lines" in text for text in told)

    # One item of two was wrong: it took the other along, which the guide sends again but for the shell.
    sold = Actual.objects.get(customer__customer_id="C-1001", product__item_code="110001", period=last_month())
    assert sold.quantity == (1240 if language == "bash" else 1300)
    assert not Actual.objects.filter(quantity__in=[12, 1105, 398]).exists()
    assert list(ImportRun.objects.order_by("pk").values_list("state", "rows_refused")) == [
        (ImportRun.State.UNDONE, 0),
        (ImportRun.State.CHECKED, 1),
    ]
    assert dict(Customer.objects.values_list("customer_id", "region")) == {
        OTHER: "",
        "C-1001": "Southeast", "N/17 B": "Midwest", "C-1003": "Northeast",
    }  # fmt: skip

    # The sign-in has ended, the token lives, and the trail names who did it all.
    assert TokenFamily.objects.filter(revoked_at=None).count() == (language == "js")
    assert PersonalToken.objects.get(user=people.admin).last_used_at is not None
    assert set(Entry.objects.filter(action__startswith="cycle_").values_list("actor_label", "source")) == {
        (people.admin.full_name, "api")
    }


def assert_files_hold_the_plan(folder: Path) -> None:
    """The files that the shell fetched are what their examples say."""
    with (folder / "plan.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    quantities = {
        (row["Customer ID"], row["Item"]): {text for name, text in row.items() if name.startswith("Volume ")}
        for row in rows
        if row["Customer ID"] != OTHER
    }
    assert len(rows) == 4
    assert quantities == {pair: {quantity} for pair, quantity in PUSHED.items()}
    assert openpyxl.load_workbook(folder / "actuals template.xlsx").sheetnames
    assert openpyxl.load_workbook(folder / "wrong errors.xlsx").sheetnames
    assert (folder / "customers.csv").read_text(encoding="utf-8-sig").count("\n") == 5
