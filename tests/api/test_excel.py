"""Files over the API: uploads that are checked and applied, what became of them, templates, exports."""

import datetime as dt
from decimal import Decimal
from io import BytesIO
from typing import Any

import openpyxl
import pytest
from django.test import Client

from audit.models import Entry
from masterdata.models import Actual, Customer, ImportRun, Product
from sop_portal.accounts import bearer
from tests.api.helpers import API, Program, program_of
from tests.factories import make_actual, make_customer, make_entry, make_product, make_user
from tests.imports import csv_bytes

pytestmark = pytest.mark.django_db

HEADINGS = ("Customer ID", "Customer Name")


class Sender:
    """An admin's program that sends files."""

    def __init__(self, user: Any) -> None:
        self.user, self.ask = user, program_of(user)
        self._client = Client(headers={"Authorization": f"Bearer {bearer.issue(user).access}"})

    def __call__(self, kind: str, content: bytes, query: str = "", name: str = "file.csv", **fields: Any) -> Any:
        file = BytesIO(content)
        file.name = name
        return self._client.post(f"{API}/excel/import/{kind}{query}", {"file": file, **fields})


@pytest.fixture
def send(settings: Any, tmp_path: Any) -> Sender:
    settings.UPLOAD_DIR = tmp_path
    return Sender(make_user("admin"))


def customers(*rows: tuple[str, str]) -> bytes:
    return csv_bytes(HEADINGS, rows)


def test_a_good_file_is_applied_at_once_and_undone(send: Sender) -> None:
    answer = send("customers", customers(("A", "Elm"), ("B", "Oak")))
    assert answer.status_code == 201, answer.content
    run = answer.json()
    assert (run["state"], run["rows_read"], run["rows_created"], run["uploaded_by"]) == (
        "applied",
        2,
        2,
        send.user.email,
    )
    assert Customer.objects.count() == 2
    assert answer["Location"].endswith(f"/api/v1/excel/imports/{run['id']}")
    assert send.ask("GET", f"/excel/imports/{run['id']}").json() == run
    (row,) = send.ask("GET", "/excel/imports?kind=customers").json()["results"]
    assert row == {name: run[name] for name in row}
    assert send("customers", customers(("A", "Elm"), ("B", "Oak"))).json()["rows_unchanged"] == 2
    for _ in range(2):
        undone = send.ask("POST", f"/excel/imports/{run['id']}/undo")
        assert (undone.status_code, undone.json()["state"]) == (200, "undone")
    assert not Customer.objects.exists()
    assert set(Entry.objects.filter(entity_type="customer").values_list("actor_id", flat=True)) == {send.user.pk}


def test_a_dry_run_writes_nothing_until_it_is_applied(send: Sender) -> None:
    run = send("customers", customers(("A", "Elm")), "?dry_run=1").json()
    assert (run["state"], run["rows_created"]) == ("checked", 1)
    assert not Customer.objects.exists()
    for _ in range(2):
        applied = send.ask("POST", f"/excel/imports/{run['id']}/apply", Idempotency_Key="once")
        assert (applied.status_code, applied.json()["state"]) == (200, "applied")
    assert Customer.objects.count() == 1


def test_one_bad_row_keeps_all_out_unless_the_good_ones_are_asked_for(send: Sender) -> None:
    answer = send("customers", customers(("A", "Elm"), ("B", ""), ("C", "Ash")))
    assert answer.status_code == 422
    problem = answer.json()
    assert [fault["pointer"] for fault in problem["errors"]] == ["/B3"]
    assert not Customer.objects.exists()
    run = send.ask("GET", f"/excel/imports/{problem['run']}").json()
    assert (run["state"], run["rows_refused"], run["problems"][0]["place"]) == ("checked", 1, "B3")
    assert send.ask("POST", f"/excel/imports/{run['id']}/apply").status_code == 422
    good = send.ask("POST", f"/excel/imports/{run['id']}/apply", {"only_good": True})
    assert (good.status_code, good.json()["rows_created"]) == (200, 2)


def test_refused_rows_come_as_a_workbook_that_is_corrected_and_sent_again(send: Sender) -> None:
    problem = send("customers", customers(("A", "Elm"), ("B", ""), ("C", "Ash"))).json()
    answer = send.ask("GET", f"/excel/imports/{problem['run']}/errors", Accept="application/json")
    assert answer.status_code == 200, answer.content
    assert "file errors.xlsx" in answer["Content-Disposition"]
    book = openpyxl.load_workbook(BytesIO(b"".join(answer.streaming_content)))
    sheet = book.worksheets[0]
    (cell,) = [cell for row in sheet.iter_rows() for cell in row if cell.value == "B"]
    sheet.cell(cell.row, cell.column + 1).value = "Beech"
    corrected = BytesIO()
    book.save(corrected)
    again = send("customers", corrected.getvalue(), name="file errors.xlsx")
    assert (again.status_code, again.json().get("rows_created")) == (201, 3), again.content
    good = again.json()["id"]
    assert send.ask("GET", f"/excel/imports/{good}/errors").status_code == 409
    assert program_of(make_user("viewer"))("GET", f"/excel/imports/{good}/errors").status_code == 403


def test_actuals_are_read_as_the_options_say(send: Sender) -> None:
    make_entry(customer=make_customer(customer_id="C1"), product=make_product(item_code="P1"))
    content = csv_bytes(("Customer ID", "Item Code", "Period", "Quantity", "Amount"),
                        [("C1", "P1", "2026-01", "1,500", "2"), ("C1", "P1", "2026-01", "1", "2")])  # fmt: skip
    assert send("actuals", content).status_code == 422
    answer = send("actuals", content, sum_duplicates="true", decimal_mark=",")
    assert answer.status_code == 201, answer.content
    # One and a half, and one more.
    assert Actual.objects.get().quantity == Decimal("2.5")
    assert answer.json()["batch"] is not None
    assert answer.json()["control_totals"]["rows"] == 2


@pytest.mark.parametrize(
    ("content", "name", "fields", "query", "status"),
    [
        (b"", "file.csv", {}, "", 422),
        (b"no,such,heading\n1,2,3\n", "file.csv", {}, "", 422),
        (b"%PDF-1.7", "file.xlsx", {}, "", 422),
        (b"a,b\n", "file.exe", {}, "", 422),
        (b"Customer ID,Customer Name\nA,Elm\n", "file.csv", {"colour": "red"}, "", 400),
        (b"Customer ID,Customer Name\nA,Elm\n", "file.csv", {"decimal_mark": ";"}, "", 400),
        (b"Customer ID,Customer Name\nA,Elm\n", "file.csv", {"valid_from": "2026-01-01"}, "", 422),
        (b"Customer ID,Customer Name\nA,Elm\n", "file.csv", {"sum_duplicates": "true"}, "", 422),
        (b"Customer ID,Customer Name\nA,Elm\n", "file.csv", {}, "?dry_run=perhaps", 400),
        (b"Customer ID,Customer Name\nA,Elm\n", "file.csv", {}, "?dry=1", 400),
    ],
)
def test_files_that_cannot_be_read_are_refused(
    send: Sender, content: bytes, name: str, fields: Any, query: str, status: int
) -> None:
    answer = send("customers", content, query, name, **fields)
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    assert not Customer.objects.exists()


def test_what_is_no_form_or_no_file_is_refused(send: Sender) -> None:
    assert send.ask("POST", "/excel/import/customers", {}).status_code == 415
    nothing = send._client.post(f"{API}/excel/import/customers", {"sheet": "x"})
    assert (nothing.status_code, nothing.json()["errors"][0]["pointer"]) == (400, "/file")
    assert send("nothing", b"").status_code == 404


@pytest.mark.parametrize("role", ["sales_rep", "manager", "viewer"])
def test_only_admins_send_files_and_nobody_else_stores_any(settings: Any, tmp_path: Any, role: str) -> None:
    settings.UPLOAD_DIR = tmp_path
    sender = Sender(make_user(role))
    assert sender("customers", customers(("A", "Elm"))).status_code == 403
    assert not any(path.is_file() for path in tmp_path.rglob("*"))
    assert not ImportRun.objects.exists()
    for address in ("/excel/imports", "/excel/templates/customers", "/excel/export/users"):
        assert sender.ask("GET", address).status_code == 403


def test_files_larger_than_the_setting_are_refused_before_they_are_read(send: Sender) -> None:
    answer = send._client.generic(
        "POST", f"{API}/excel/import/customers", b"x", content_type="multipart/form-data; boundary=x",
        CONTENT_LENGTH=str(300 * 1024 * 1024),
    )  # fmt: skip
    assert answer.status_code == 413


def test_an_upload_takes_part_in_the_limit_of_uploads(send: Sender) -> None:
    answers = [send("customers", b"x").status_code for _ in range(11)]
    assert (set(answers[:10]), answers[10]) == ({422}, 429)


@pytest.mark.parametrize("kind", ["customers", "products", "matrix", "actuals", "budget", "users"])
def test_a_template_is_a_workbook_that_the_import_reads(send: Sender, kind: str) -> None:
    answer = send.ask(
        "GET", f"/excel/templates/{kind}", Accept="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    )
    assert answer.status_code == 200
    assert openpyxl.load_workbook(BytesIO(b"".join(answer.streaming_content))).sheetnames


def test_an_export_is_what_the_import_takes_back(send: Sender) -> None:
    entry = make_entry(product=make_product(cost_price=3))
    make_actual(entry, dt.date(2026, 1, 1), cost=5)
    for kind in ("customers", "products", "matrix", "users"):
        answer = send.ask("GET", f"/excel/export/{kind}?format=csv", Accept="text/csv")
        assert answer.status_code == 200, answer.content
        content = b"".join(answer.streaming_content)
        again = send(kind, content)
        assert (again.status_code, again.json()["rows_updated"]) == (201, 0), (kind, again.content)
    assert send.ask("GET", "/excel/export/actuals?since=2026-01&until=2026-01").status_code == 200
    for query in ("?format=pdf", "?colour=red", "?since=x"):
        assert send.ask("GET", f"/excel/export/actuals{query}").status_code in (400, 422)


def test_an_export_takes_the_filters_of_the_page_of_its_list(send: Sender) -> None:
    code = make_customer().customer_id
    budgets = [
        {"version": version, "customer_id": code, "period": "2026-01", "quantity": 1, "amount": 2}
        for version in ("2026", "2027")
    ]
    assert send.ask("POST", "/budget/bulk", {"items": budgets}).status_code == 200
    told = b"".join(send.ask("GET", "/excel/export/budget?format=csv&version=2027").streaming_content)
    assert (told.count(b"\n"), b"2027," in told) == (2, True)
    for query, name in (("version=none", "version"), ("since=2026-09&until=2026-08", "until"), ("group=none", "group")):
        refused = send.ask("GET", f"/excel/export/budget?{query}")
        assert (refused.status_code, [fault["pointer"] for fault in refused.json()["errors"]]) == (422, [f"?{name}"])
    refused = send.ask("GET", "/excel/export/budget?sort=colour")
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (400, "?sort")
    assert "customer" in refused.json()["errors"][0]["detail"]
    assert send.ask("GET", "/excel/export/matrix?sort=customer").status_code == 400


def test_a_rep_exports_own_rows_without_costs() -> None:
    rep = make_user("sales_rep")
    make_entry(customer=make_customer(sales_rep=rep, name="Mine"), product=make_product(cost_price="77.31"))
    make_customer(name="Foreign canary")
    program = program_of(rep)
    told = b"".join(program("GET", "/excel/export/customers?format=csv").streaming_content)
    assert b"Mine" in told
    assert b"canary" not in told
    assert b"77.31" not in b"".join(program("GET", "/excel/export/products?format=csv").streaming_content)


def test_imports_are_read_by_importers_only(send: Sender) -> None:
    run = send("customers", customers(("A", "Elm"))).json()["id"]
    viewer: Program = program_of(make_user("viewer"))
    for verb, address in (("GET", ""), ("POST", "/apply"), ("POST", "/undo")):
        assert viewer(verb, f"/excel/imports/{run}{address}").status_code == 403
    assert send.ask("GET", "/excel/imports?state=nothing").status_code == 400
    assert send.ask("GET", "/excel/imports/999999").status_code == 404
    assert Product.objects.count() == 0
