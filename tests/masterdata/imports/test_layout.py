"""Finding the columns: by their headings in the first rows, mapped by hand once, never by position."""

import datetime as dt

import pytest

from audit.context import acting
from masterdata.imports import runs
from masterdata.imports.headings import remember_headings
from masterdata.models import Actual, ImportHeading
from sop_portal.lib.errors import Conflict, NotAllowed, Refused
from tests.factories import make_customer, make_entry, make_product, make_user
from tests.imports import ACTUALS, csv_bytes, imported, remarks, upload
from tests.workbooks import save_xlsx

pytestmark = pytest.mark.django_db
ROW = ("C1", "110001", dt.date(2026, 12, 1), 7, 70)


@pytest.fixture(autouse=True)
def pair(db):
    return make_entry(make_customer(customer_id="C1"), make_product(item_code="110001"))


@pytest.fixture
def book(tmp_path):
    """Make a workbook of sheets, each a list of rows."""

    def make(hidden=(), **sheets):
        grids = {
            name: {
                (at, column): value
                for at, row in enumerate(rows)
                for column, value in enumerate(row)
                if value is not None
            }
            for name, rows in sheets.items()
        }
        return save_xlsx(tmp_path / "book.xlsx", grids, hidden=hidden).read_bytes()

    return make


def reason(content, admin, name="book.xlsx", **options):
    run = upload("actuals", content, admin, name, **options)
    assert run.state == "refused"
    return run.reason


def test_headings_below_a_title_in_any_order_and_spelling(admin, book):
    content = book(
        Notes=[["How to fill this in"]],
        Data=[["Sales of 2026"], [], [None, "AMOUNT", "item_code", "Period", "customer-id", "Qty."],
              [None, 70, 110001, ROW[2], "C1", 7]],
    )  # fmt: skip
    run = imported("actuals", content, admin, "book.xlsx")
    assert run.layout["sheet"] == "Data"
    assert run.layout["header_row"] == 3
    assert run.layout["columns"] == {"customer_id": 4, "item_code": 2, "period": 3, "quantity": 5, "amount": 1}
    assert Actual.objects.get().quantity == 7


def test_a_missing_heading_lists_what_is_expected_and_what_was_found(admin, book):
    content = book(Data=[["Customer ID", "Item Code", "Period", "Pieces", "Amount"], ROW])
    assert reason(content, admin) == (
        "Row 1 of 'Data' has no column headed Quantity. Expected: Customer ID, Item Code, Period, Quantity and Amount. "
        "Found: Customer ID, Item Code, Period, Pieces, Amount. Change the headings, or say which of them is meant."
    )


def test_no_heading_at_all(admin, book):
    assert reason(book(Data=[ROW, ROW]), admin).startswith(
        "No row has the headings of actuals. Expected: Customer ID, Item Code, Period, Quantity and Amount. Found first: "
        "C1, 110001, 2026-12-01, 7, 70."
    )
    assert "Found first: nothing." in reason(book(Data=[]), admin)


def test_a_heading_that_stands_twice(admin, book):
    content = book(Data=[["Customer ID", "Item Code", "Period", "Qty", "Amount", "Volume"], (*ROW, 8)])
    assert reason(content, admin) == (
        "Quantity stands twice: D1 'Qty' and F1 'Volume'. Delete one of the two columns, or change its heading."
    )


def test_the_heading_itself_goes_before_a_word_that_often_means_the_same(admin, book):
    content = book(
        Data=[["Customer ID", "Item Code", "Period", "Units", "Amount", "Quantity"], (*ROW[:3], "CS", 70, 8)]
    )
    run = imported("actuals", content, admin, "book.xlsx")
    assert Actual.objects.get().quantity == 8
    assert run.layout["ignored"] == ["Units"]


def test_a_merged_heading(admin, book):
    content = book(Data=[["Customer ID", None, "Item Code", "Period", "Quantity", "Amount"], ("C1", "Elm", *ROW[1:])])
    assert reason(content, admin).startswith(
        "Column B has values but no heading of its own, perhaps because 'Customer ID'"
    )


def test_a_table_without_rows(admin, book):
    assert reason(book(Data=[ACTUALS]), admin) == (
        "The sheet 'Data' has headings but no rows below them; fill it and upload it again."
    )
    assert reason(csv_bytes(ACTUALS, []), admin) == (
        "The table has headings but no rows below them; fill it and upload it again."
    )


def test_two_sheets_that_hold_the_table(admin, book):
    content = book(One=[ACTUALS[:5], ROW], Two=[ACTUALS[:5], ROW])
    assert reason(content, admin) == (
        "The sheets 'One' and 'Two' each hold such a table; keep one of them in the file, or choose one."
    )
    assert reason(content, admin, sheet="Three") == "There is no sheet 'Three'; there are One, Two."
    assert imported("actuals", content, admin, "book.xlsx", sheet="Two").layout["sheet"] == "Two"


def test_hidden_sheets_are_left_and_named(admin, book):
    content = book(hidden=["Old"], Old=[ACTUALS[:5], ROW], New=[ACTUALS[:5], ROW])
    run = imported("actuals", content, admin, "book.xlsx")
    assert run.layout["sheet"] == "New"
    assert remarks(run, "hidden") == ["Hidden sheets are not read: 'Old'."]


def test_a_heading_is_mapped_once_and_remembered(admin, book):
    content = book(Data=[["Kunde", "Artikel", "Period", "Quantity", "Amount"], ROW])
    run = upload("actuals", content, admin, "book.xlsx")
    assert run.state == "refused"
    assert run.layout["missing"] == ["customer_id", "item_code"]
    assert run.layout["unknown"] == ["Kunde", "Artikel"]
    with acting(admin, source="web"):
        run = runs.map_headings(run.pk, {"Kunde": "customer_id", "Artikel": "item_code"}, by=admin)
    assert (run.state, run.rows_created) == ("checked", 1)
    imported("actuals", content, admin, "book.xlsx")
    # Another kind has words of its own.
    assert not ImportHeading.objects.exclude(kind="actuals").exists()


def test_a_column_can_be_left_out_by_hand(admin, book):
    content = book(Data=[["Customer ID", "Item Code", "Period", "Qty", "Amount", "Volume"], (*ROW, 8)])
    run = upload("actuals", content, admin, "book.xlsx")
    with acting(admin, source="web"):
        run = runs.map_headings(run.pk, {"VOLUME": ""}, by=admin)
        assert run.state == "checked"
        remember_headings("actuals", {"volume": "quantity", "qty": ""}, by=admin)
    assert {row.key: row.column for row in ImportHeading.objects.all()} == {"volume": "quantity", "qty": ""}
    imported("actuals", content, admin, "book.xlsx")
    assert Actual.objects.get().quantity == 8


def test_mappings_that_make_no_sense(admin):
    with acting(admin, source="web"), pytest.raises(Refused) as refusal:
        remember_headings("actuals", {"Kunde": "customer", "#": "quantity"}, by=admin)
    assert refusal.value.lines == {
        "Kunde": "Actuals have no column 'customer'.",
        "#": "A heading without letters or digits cannot be mapped; give it a name in the file.",
    }
    with pytest.raises(NotAllowed):
        remember_headings("actuals", {"Kunde": "customer_id"}, by=make_user("manager"))


def test_other_options_check_the_same_file_again(admin):
    content = csv_bytes(ACTUALS[:5], [("C1", "110001", "2026-12", 1, 1), ("C1", "110001", "2026-12", 2, 2)])
    run = upload("actuals", content, admin)
    assert run.rows_refused == 2
    with acting(admin, source="web"):
        run = runs.recheck_run(run.pk, by=admin, options={"sum_duplicates": True})
        assert (run.rows_refused, run.rows_created, run.problems.count()) == (0, 2, 0)
        runs.apply_run(run.pk, by=admin)
        with pytest.raises(Conflict) as refusal:
            runs.recheck_run(run.pk, by=admin)
    assert refusal.value.detail == "The file was applied, so it cannot become 'Waiting to be checked'."
