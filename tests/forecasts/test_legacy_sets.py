"""Many old workbooks in one run: several files, a folder, a zip; one report, one transaction."""

import json
import zipfile

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.urls import reverse

from audit.context import acting
from audit.models import Entry
from forecasts.excel.legacy_apply import apply_books
from forecasts.excel.legacy_sheets import parse_book
from forecasts.models import Line
from masterdata.models import Budget, Customer, ImportRun, Price
from sop_portal.conf.services import set_value
from tests.factories import make_user
from tests.legacy_shapes import BudgetRow, BudgetSheet, Consol, ConsolRow
from tests.real import REAL, needs_real_files
from tests.workbooks import Plan, Row, as_workbook, grid, save_xlsb, save_xlsx

pytestmark = pytest.mark.django_db


@pytest.fixture
def uploads(settings, tmp_path):
    settings.UPLOAD_DIR = tmp_path / "uploads"
    return settings.UPLOAD_DIR


@pytest.fixture
def admin(client):
    user = make_user("admin")
    client.force_login(user)
    return user


def plan(name="Alder", volume=5, price=2, code=110001):
    return grid(Plan(name=name, rows=[Row(code, "Peeled", [volume] * 16, [price] * 16)]))


def book_of(sheets, file):
    book = parse_book(as_workbook(sheets))
    book.file = file
    return book


def apply(*books, **kw):
    with acting("system", source="command"):
        return apply_books(books, rep=kw.get("rep"), by=None, dry_run=kw.get("dry_run", False))


@pytest.fixture
def books(tmp_path):
    """Two workbooks of two reps on disk, one of them binary."""
    save_xlsx(
        tmp_path / "west.xlsx", {"Alder": plan("Alder"), "Budget": BudgetSheet([BudgetRow("Alder", [1, 2])]).grid()}
    )
    save_xlsb(tmp_path / "east.xlsb", {"Birch": plan("Birch", 7)})
    return [tmp_path / "west.xlsx", tmp_path / "east.xlsb"]


def packed(path, files):
    with zipfile.ZipFile(path, "w") as archive:
        for file in files:
            archive.write(file, f"month/{file.name}")
    return path


def post(client, *paths, **data):
    files = [SimpleUploadedFile(path.name, path.read_bytes()) for path in paths]
    return client.post(reverse("forecasts:legacy_upload"), {"file": files, "rep": "", **data}, follow=True)


def run_command(capsys, *args):
    try:
        call_command("import_legacy", *map(str, args), "--json")
    except SystemExit as stop:
        assert stop.code == 1
    out = capsys.readouterr()
    return json.loads(out.out.splitlines()[-1]), out


# Pages.


@pytest.mark.parametrize("how", ["files", "zip", "zip and file"])
def test_several_workbooks_are_one_import(client, admin, uploads, books, tmp_path, how):
    if how == "files":
        page = post(client, *books)
    elif how == "zip":
        page = post(client, packed(tmp_path / "all.zip", books))
    else:
        page = post(client, packed(tmp_path / "west.zip", books[:1]), books[1])
    run = ImportRun.objects.get()
    text = page.content.decode()
    assert run.state == ImportRun.State.CHECKED
    assert "2 of 2 files were read. Together they hold 192 cases in 32 cells of 2 lines, and 2 budget rows." in text
    assert [file["file"] for file in run.control_totals["files"]] in (
        ["east.xlsb", "west.xlsx"],
        ["west.xlsx", "east.xlsb"],
    )
    assert Customer.objects.count() == 0
    assert len(list(uploads.iterdir())) == 1
    client.post(reverse("forecasts:legacy_run", args=[run.pk]))
    assert set(Line.objects.values_list("customer__name", flat=True)) == {"Alder", "Birch"}
    assert Budget.objects.count() == 2
    run.refresh_from_db()
    assert (run.state, run.applied_by) == (ImportRun.State.APPLIED, admin)
    page = client.get(reverse("forecasts:legacy_run", args=[run.pk])).content.decode()
    assert "2 customers, 2 remembered names" in page and "2 budget rows" in page
    post(client, *books)
    assert ImportRun.objects.latest("pk").control_totals["changed"] == 0


def test_a_file_that_cannot_be_read_keeps_the_others_back_until_somebody_says_so(
    client, admin, uploads, books, tmp_path
):
    bad = tmp_path / "broken.xlsx"
    bad.write_bytes(b"PK\x03\x04 cut off")
    page = post(client, *books, bad).content.decode()
    run = ImportRun.objects.get()
    assert "1 of 3 files cannot be read" in page and "Apply without it" in page
    answer = client.post(reverse("forecasts:legacy_run", args=[run.pk]))
    assert answer.status_code == 422
    assert "broken.xlsx" in answer.content.decode()
    assert Line.objects.count() == 0
    client.post(reverse("forecasts:legacy_run", args=[run.pk]), {"unread": "leave_out"})
    assert Line.objects.count() == 2


def test_files_none_of_which_can_be_read_are_refused_together(client, admin, uploads, tmp_path):
    for name in ("one.xlsx", "two.xlsx"):
        (tmp_path / name).write_bytes(b"%PDF-1.7 " + name.encode())
    page = post(client, tmp_path / "one.xlsx", tmp_path / "two.xlsx").content.decode()
    run = ImportRun.objects.get()
    assert (run.state, run.reason) == (ImportRun.State.REFUSED, "None of the 2 files could be read.")
    assert page.count("a PDF document") == 2
    assert list(uploads.iterdir()) == []


def test_files_over_the_limit_together_are_refused(client, admin, uploads, tmp_path):
    with acting(admin, source="web"):
        set_value("max_import_file_size_mb", 1, admin)
    for name in ("one.xlsx", "two.xlsx"):
        (tmp_path / name).write_bytes(b"PK\x03\x04" + bytes(600 * 1024))
    answer = post(client, tmp_path / "one.xlsx", tmp_path / "two.xlsx")
    assert answer.status_code == 413
    assert "more than 1 MB together" in answer.content.decode()
    assert (ImportRun.objects.count(), list(uploads.iterdir())) == (0, [])


@pytest.mark.parametrize("members", [[], [("notes.txt", b"nothing")]])
def test_an_archive_without_workbooks_is_refused(client, admin, uploads, tmp_path, members):
    path = tmp_path / "all.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members:
            archive.writestr(name, data)
    page = post(client, path).content.decode()
    assert "The archive holds no workbook." in page
    assert ImportRun.objects.get().state == ImportRun.State.REFUSED


def test_an_archive_inside_an_archive_is_named(client, admin, uploads, books, tmp_path):
    inner = packed(tmp_path / "inner.zip", books[:1])
    page = post(client, packed(tmp_path / "all.zip", [inner, books[1]])).content.decode()
    assert "1 of 2 files were read; 1 cannot be read." in page
    assert "It is an archive inside the archive and was not opened." in page


def test_no_file_is_asked_for(client, admin, uploads):
    answer = client.post(reverse("forecasts:legacy_upload"), {"rep": ""})
    assert answer.status_code == 422
    assert "This field is required." in answer.content.decode()


# The command.


def test_the_command_takes_files_folders_and_zips(capsys, uploads, books, tmp_path):
    folder = tmp_path / "folder"
    (folder / "deeper").mkdir(parents=True)
    save_xlsx(folder / "deeper" / "north.xlsx", {"Cedar": plan("Cedar")})
    (folder / "~$north.xlsx").write_bytes(b"lock")
    (folder / "notes.txt").write_text("nothing")
    archive = packed(tmp_path / "all.zip", books[:1])
    told, _ = run_command(capsys, folder, archive, books[1])
    assert [file["file"] for file in told["files"]] == ["north.xlsx", "west.xlsx", "east.xlsb"]
    assert [file["cells"] for file in told["files"]] == [16, 16, 16]
    assert (told["sheets"], told["customers"], told["lines"], told["cells"], told["volume"]) == (3, 3, 3, 48, 272)
    assert (told["budget_rows"], told["budget_cells"], told["budget_quantity"], told["changed"]) == (2, 2, 3, 0)
    assert {"prices", "unknown", "warnings", "changed"} <= told.keys()
    assert Line.objects.count() == 0
    done, _ = run_command(capsys, folder, archive, books[1], "--apply")
    assert done["changed"] == told["would_change"]
    assert Line.objects.count() == 3
    run = ImportRun.objects.get()
    assert (run.file_name, run.state) == ("3 workbooks", ImportRun.State.APPLIED)
    again, _ = run_command(capsys, folder, archive, books[1], "--apply")
    assert (again["changed"], again["unknown"]) == (0, 0)


def test_the_command_writes_nothing_when_one_file_cannot_be_read(capsys, uploads, books, tmp_path):
    missing = tmp_path / "gone.xlsx"
    told, out = run_command(capsys, *books, missing, "--apply")
    assert (told["changed"], Line.objects.count()) == (0, 0)
    assert told["refused"] == [
        {"file": "gone.xlsx", "sentence": "The file cannot be read: No such file or directory."}
    ]  # fmt: skip
    assert "1 of 3 files cannot be read" in out.out
    assert ImportRun.objects.count() == 0
    told, _ = run_command(capsys, *books, missing, "--apply", "--skip-unreadable")
    assert (told["lines"], Line.objects.count()) == (2, 2)


@needs_real_files
def test_the_real_folder_comes_in_as_one_run_and_a_second_time_changes_nothing(capsys, uploads):
    told, _ = run_command(capsys, REAL, "--apply")
    assert [(file["file"], file["kind"], file["cells"]) for file in told["files"]] == [
        ("consolidated.xlsx", "consolidated", 6_285), ("rep-workbook-a.xlsx", "rep_workbook", 512),
        ("rep-workbook-b.xlsx", "rep_workbook", 0),
    ]  # fmt: skip
    assert (told["cells"], told["lines"], told["budget_rows"], told["customers"]) == (6_797, 631, 30, 133)
    assert abs(told["volume"] - (2_178_410 + 75_680)) < 0.0001
    entries = Entry.objects.count()
    again, _ = run_command(capsys, REAL, "--apply")
    assert (again["changed"], again["unknown"]) == (0, 0)
    # The run itself, and that it was imported.
    assert Entry.objects.count() <= entries + 2


# Books that say different things.


def test_the_same_line_in_two_books_is_named_and_the_first_counts():
    outcome = apply(book_of({"Alder": plan(volume=5)}, "west.xlsx"), book_of({"Alder": plan(volume=6)}, "east.xlsx"))
    line = Line.objects.get()
    assert line.quantity == [5] * 16
    (warning,) = [warning for warning in outcome.warnings if warning.code == "line_in_two_files"]
    assert warning.address == "east.xlsx: Alder · 110001 Peeled"
    assert warning.sentence.startswith("96 cases here and 80 in west.xlsx, which counts; these were left out.")
    assert (outcome.lines, outcome.cells, outcome.volume) == (1, 16, 80)
    assert [(file.file, file.lines, file.volume) for file in outcome.files] == [
        ("west.xlsx", 1, 80),
        ("east.xlsx", 0, 0),
    ]
    again = apply(book_of({"Alder": plan(volume=5)}, "west.xlsx"), book_of({"Alder": plan(volume=6)}, "east.xlsx"))
    assert again.changed == 0


def test_the_same_line_with_the_same_cells_is_taken_once():
    outcome = apply(
        book_of({"Alder": plan()}, "west.xlsx"), book_of({"Alder": plan(), "Birch": plan("Birch")}, "east.xlsx")
    )
    assert outcome.lines == 2
    (warning,) = [warning for warning in outcome.warnings if warning.code == "same_in_files"]
    assert (warning.file, warning.informative) == ("east.xlsx", True)


def test_a_reps_book_counts_before_a_consolidated_one_whatever_their_order():
    rows = [ConsolRow("Rep One", "Alder", 110001, [9] * 12, [2] * 12), ConsolRow("Rep One", "Birch", 110001, [9] * 12)]
    consol = Consol(rows, first=Plan().first.replace(day=23), heads="date")
    outcome = apply(book_of({"Consol": consol.grid()}, "consol.xlsx"), book_of({"Alder": plan()}, "west.xlsx"))
    quantities = dict(Line.objects.values_list("customer__name", "quantity"))
    assert quantities["Alder"] == [5] * 16
    assert quantities["Birch"] == [9] * 12 + [None] * 4
    assert [warning.file for warning in outcome.warnings if warning.code == "line_in_two_files"] == ["consol.xlsx"]


def test_prices_and_budgets_of_two_books_that_differ_are_named():
    budget = [BudgetSheet([BudgetRow("Alder", [quantity, 2])]).grid() for quantity in (1, 9)]
    outcome = apply(
        book_of({"Alder": plan(price=2), "Budget": budget[0]}, "west.xlsx"),
        book_of({"Alder": plan(price=3, code="110001"), "Budget": budget[1]}, "east.xlsx"),
    )
    assert Price.objects.get().unit_price == 2
    assert set(Budget.objects.values_list("quantity", flat=True)) == {1, 2}
    found = {warning.code: warning for warning in outcome.warnings if warning.file == "east.xlsx"}
    assert "is 3 here and 2 in west.xlsx, which counts" in found["price_in_two_files"].sentence
    assert "stands otherwise in west.xlsx, cell C4, which counts" in found["budget_twice"].sentence
    assert not found["budget_twice"].informative


def test_the_same_file_twice_is_read_once(client, admin, uploads, books, tmp_path):
    again = tmp_path / "copy of west.xlsx"
    again.write_bytes(books[0].read_bytes())
    post(client, books[0], again)
    (first, second) = ImportRun.objects.get().control_totals["files"]
    assert (first["state"], second["state"]) == ("read", "left")
    assert second["sentence"] == "The same file as west.xlsx; it was taken once."


def test_files_of_one_name_get_labels_of_their_own(client, admin, uploads, tmp_path):
    paths = []
    for number in (1, 2):
        (tmp_path / str(number)).mkdir()
        paths.append(save_xlsx(tmp_path / str(number) / "plan.xlsx", {f"Alder {number}": plan(f"Alder {number}")}))
    post(client, *paths)
    assert [file["file"] for file in ImportRun.objects.get().control_totals["files"]] == ["plan.xlsx", "plan (2).xlsx"]


def test_a_failure_in_the_last_book_leaves_nothing_of_the_first(monkeypatch):
    from forecasts.excel import legacy_apply

    written = legacy_apply.write_plan
    later = Plan(name="Birch", rows=[Row(110001, "Peeled", [5] * 16)], first=Plan().first.replace(month=12))

    def fail(cycle, *args, **kw):
        if cycle.first_period.month == 12:
            raise RuntimeError("the last step fails")
        return written(cycle, *args, **kw)

    monkeypatch.setattr(legacy_apply, "write_plan", fail)
    with pytest.raises(RuntimeError):
        apply(book_of({"Alder": plan()}, "west.xlsx"), book_of({"Birch": grid(later)}, "east.xlsx"))
    assert (Customer.objects.count(), Line.objects.count()) == (0, 0)
