"""`manage.py import_data`: every kind, tried and applied, its exit code and its line of JSON."""

import json

import pytest
from django.core.management import CommandError, call_command

from audit.models import Entry
from masterdata.models import Actual, Budget, Customer, ImportRun, MatrixEntry, Price, Product
from sop_portal.accounts.models import User
from tests.factories import make_customer, make_product
from tests.imports import commit

pytestmark = pytest.mark.django_db

# Of each kind a file of two rows: a new one, and one of whom or what is there already.
FILES = {
    "customers": "Customer ID,Customer Name\nC1,Elm Supply East\nC2,Fir Provisions\n",
    "products": "Item Code,Description,Group Code,Unit of Measure\n110001,Garlic whole,G01,CS\n110002,Onions,G02,CS\n",
    "matrix": "Customer ID,Item Code,Unit Price,Valid From\nC1,110001,52.5,2026-01-01\nC1,110001,53,2026-07-01\n",
    "actuals": "Customer ID,Item Code,Period,Quantity,Amount\nC1,110001,2026-01,10,525\nC1,110001,2026-02,20,1050\n",
    "budget": "Version,Customer ID,Item Code,Period,Quantity,Amount\n2027,C1,110001,2027-01,10,525\n2027,C1,,2027-01,1,1\n",
    "users": "Email,Full Name,Roles\nrep1@example.com,Robin Elm,sales_rep\nrep2@example.com,Robin Fir,sales_rep\n",
}
MODELS = {
    "customers": Customer,
    "products": Product,
    "matrix": Price,
    "actuals": Actual,
    "budget": Budget,
    "users": User,
}


@pytest.fixture(autouse=True)
def world():
    make_customer(customer_id="C1", name="Elm Supply")
    make_product(item_code="110001", description="Garlic")


@pytest.fixture
def said(capsys, tmp_path):
    """Runs the command over a text; gives its exit code, what it wrote, and what it complained about."""

    def run(kind: str, text: str, *options: str, name: str = "file.csv") -> tuple[int, str, str]:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        code = 0
        try:
            call_command("import_data", kind, str(path), *options)
        except SystemExit as end:
            code = int(end.code or 0)
        commit()
        return code, *capsys.readouterr()

    return run


def stored(kind: str) -> list[tuple]:
    return list(MODELS[kind].objects.order_by("pk").values_list())


@pytest.mark.parametrize("kind", FILES)
def test_each_kind_is_tried_applied_and_the_second_time_unchanged(said, kind):
    before = stored(kind)
    code, tried, complaints = said(kind, FILES[kind], "--json")
    assert (code, complaints, stored(kind), ImportRun.objects.count()) == (0, "", before, 0)
    tried = json.loads(tried)
    assert (tried["written"], tried["run"], tried["rows"], tried["refused"], tried["errors"]) == (False, None, 2, 0, [])
    code, done, complaints = said(kind, FILES[kind], "--apply", "--json")
    assert (code, complaints) == (0, "")
    done = json.loads(done)
    run = ImportRun.objects.get()
    assert (done["written"], done["run"], run.state, run.uploaded_by) == (True, run.pk, "applied", None)
    assert (done["new"], done["changed"], done["tallies"]) == (tried["new"], tried["changed"], tried["tallies"])
    assert done["new"] + done["changed"] == 2
    assert len(set(stored(kind)) - set(before)) >= 1
    assert set(Entry.objects.filter(action="excel_imported").values_list("source", "actor_label")) == {
        ("command", "system")
    }
    after = stored(kind)
    code, again, _ = said(kind, FILES[kind], "--apply", "--json")
    again = json.loads(again)
    assert (code, again["new"], again["changed"], again["unchanged"]) == (0, 0, 0, 2)
    assert stored(kind) == after


def test_people_read_sentences(said):
    code, text, complaints = said("actuals", FILES["actuals"])
    assert (code, complaints) == (0, "")
    assert text == "2 rows: 2 new, 0 changed, 0 unchanged, 0 refused; nothing was written, use --apply.\n"
    code, text, _ = said("actuals", FILES["actuals"], "--apply")
    assert text == f"2 rows: 2 new, 0 changed, 0 unchanged, 0 refused; imported as run {ImportRun.objects.get().pk}.\n"


WRONG = FILES["actuals"] + "C9,110001,2026-03,1,1\nC1,110001,2026-04,many,1\n"


def test_one_refused_row_keeps_all_out_and_ends_with_1(said):
    code, text, complaints = said("actuals", WRONG, "--apply")
    run = ImportRun.objects.get()
    assert (code, Actual.objects.count(), run.state, run.rows_refused) == (1, 0, "checked", 2)
    assert complaints.splitlines()[0].startswith("A4: ")
    assert complaints.splitlines()[1] == "D5: 'many' is not a quantity; write a plain number such as 1000."
    assert text == (
        f"4 rows: 2 new, 0 changed, 0 unchanged, 2 refused; nothing was written. Run {run.pk} keeps the file and what "
        "is wrong with it.\n"
    )


def test_a_trial_with_refused_rows_ends_with_1_too(said):
    code, text, _ = said("actuals", WRONG, "--json")
    line = json.loads(text)
    assert (code, line["written"], line["refused"], line["error_count"]) == (1, False, 2, 2)
    assert [(error["place"], error["row"], error["column"]) for error in line["errors"]] == [
        ("A4", 4, "customer_id"),
        ("D5", 5, "quantity"),
    ]
    assert ImportRun.objects.count() == 0


def test_the_good_rows_alone_are_a_success(said):
    code, text, _ = said("actuals", WRONG, "--apply", "--only-good", "--json")
    line = json.loads(text)
    assert (code, line["written"], line["new"], line["refused"]) == (0, True, 2, 2)
    assert (Actual.objects.count(), ImportRun.objects.get().state) == (2, "applied")


@pytest.mark.parametrize(
    ("text", "name", "sentence"),
    [
        ("", "file.csv", "empty"),
        ("Colour,Size\nred,1\n", "file.csv", "headings"),
        ("Customer ID,Item Code,Period,Quantity,Amount\n", "file.csv", "no rows below"),
        ("PK\x03\x04 no archive", "file.xlsx", "not a readable workbook"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_one_sentence_and_leaves_nothing(
    said, settings, text, name, sentence
):
    for options in (["--json"], ["--apply", "--json"]):
        code, line, complaint = said("actuals", text, *options, name=name)
        line = json.loads(line)
        assert code == 1
        assert line == {"written": False, "refused": complaint.removesuffix("\n")}
        assert sentence in line["refused"] and line["refused"].endswith(".")
    assert ImportRun.objects.count() == 0
    assert not any(path.is_file() for path in settings.UPLOAD_DIR.rglob("*"))


def test_a_file_that_is_not_there_is_said_to_be(capsys, tmp_path):
    with pytest.raises(SystemExit) as end:
        call_command("import_data", "actuals", str(tmp_path / "none.csv"), "--apply")
    assert end.value.code == 1
    assert capsys.readouterr().err == "The file cannot be read: No such file or directory.\n"


def test_the_options_reach_the_import(said):
    twice = FILES["actuals"] + "C1,110001,2026-02,5,50\n"
    assert said("actuals", twice)[0] == 1
    code, text, _ = said("actuals", twice, "--sum-duplicates", "--apply", "--json")
    assert (code, json.loads(text)["totals"]["quantity"]) == (0, "35")
    assert sorted(Actual.objects.values_list("quantity", flat=True)) == [10, 25]
    decimals = "Customer ID;Item Code;Period;Quantity;Amount\nC1;110001;2026-05;1.234;1\n"
    assert json.loads(said("actuals", decimals, "--decimal-mark", ",", "--json")[1])["totals"]["quantity"] == "1234"
    assert json.loads(said("actuals", decimals, "--json")[1])["totals"]["quantity"] == "1.234"
    prices = "Customer ID,Item Code,Unit Price\nC1,110001,52.5\n"
    said("matrix", prices, "--valid-from", "2026-04-01", "--apply")
    assert [str(day) for day in Price.objects.values_list("valid_from", flat=True)] == ["2026-04-01"]
    assert MatrixEntry.objects.count() == 1


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--sum-duplicates"], "Rows of customers are not added up; only actuals and budget are."),
        (["--valid-from", "2026-01-01"], "Customers have no prices; only the pricing matrix has."),
    ],
)
def test_an_option_that_does_not_fit_is_refused(said, options, sentence):
    code, text, complaint = said("customers", FILES["customers"], *options)
    assert (code, text) == (1, "")
    assert sentence in complaint


def test_an_unknown_kind_is_refused_before_anything():
    with pytest.raises(CommandError, match="invalid choice: 'prices'"):
        call_command("import_data", "prices", "none.csv")
