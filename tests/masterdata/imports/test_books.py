"""The error workbook: what was uploaded, what is wrong with it, and that it can be uploaded again once corrected."""

import datetime as dt
import io

import pytest
from openpyxl import load_workbook

from masterdata.imports import books, files
from masterdata.imports.books import ABOUT, write_error_book
from sop_portal.lib.errors import Conflict, NotAllowed
from tests.factories import make_customer, make_product, make_user
from tests.imports import ACTUALS, csv_bytes, sentences, stored, upload, xlsx_bytes
from tests.workbooks import DIV0, Formula, save_xlsx

pytestmark = pytest.mark.django_db
FAULT = "FFFBE3E1"


@pytest.fixture(autouse=True)
def pair(db):
    return make_customer(customer_id="C1"), make_product(item_code="110001")


def book_of(run, by):
    target = io.BytesIO()
    write_error_book(target, stored(run), by=by)
    return load_workbook(io.BytesIO(target.getvalue()))


def marked(sheet) -> set[str]:
    """The addresses of the cells that are marked as refused."""
    return {cell.coordinate for row in sheet.iter_rows() for cell in row if cell.fill.fgColor.rgb == FAULT}


def test_all_rows_stand_where_they_stood_and_refused_cells_are_marked(admin, tmp_path):
    rows = [
        ("C1", "110001", dt.date(2026, 12, 1), 7, 70.5, None),
        ("C1", "999", "2026-13", "abc", 70.5, DIV0),
        ("=1+1", "110001", "2026-11", 7, Formula("=A1"), 1),
    ]
    run = upload("actuals", xlsx_bytes(ACTUALS, rows, tmp_path, sheet="Sales & more"), admin, "sales.xlsx")
    sheet = book_of(run, admin)["Sales & more"]
    assert [cell.value for cell in sheet[1]] == [*ACTUALS, "Why"]
    assert [cell.value for cell in sheet[2]] == ["C1", "110001", dt.datetime(2026, 12, 1), 7, 70.5, None, None]
    assert [cell.value for cell in sheet[3]][:6] == ["C1", "999", "2026-13", "abc", 70.5, "#DIV/0!"]
    assert [cell.value for cell in sheet[4]][:6] == ["=1+1", "110001", "2026-11", 7, None, 1]
    assert all(cell.data_type != "f" for row in sheet.iter_rows() for cell in row)
    places = {sentence.split(": ")[0].removeprefix("Sales & more!") for sentence in sentences(run)}
    assert marked(sheet) == places == {"B3", "C3", "D3", "F3", "A4", "E4"}
    why = sheet["G3"].value.split("\n")
    assert len(why) == 4 and why[0].startswith("Item Code: ") and "'2026-13' is not a month" in why[1]
    assert sheet["D3"].font.bold and sheet["G2"].value is None


def test_rows_above_the_headings_and_other_columns_are_kept(admin, tmp_path):
    cells = {
        (0, 0): "Sales of December", (2, 1): "Item Code", (2, 2): "Customer ID", (2, 3): "Remark", (2, 4): "Period",
        (2, 5): "Quantity", (2, 6): "Amount", (4, 1): "110001", (4, 2): "C9", (4, 3): "asked twice", (4, 4): "2026-12",
        (4, 5): 1, (4, 6): 2,
    }  # fmt: skip
    content = save_xlsx(tmp_path / "made.xlsx", {"S": cells}).read_bytes()
    run = upload("actuals", content, admin, "sales.xlsx")
    sheet = book_of(run, admin)["S"]
    assert sheet["A1"].value == "Sales of December"
    assert [cell.value for cell in sheet[3]] == [
        None, "Item Code", "Customer ID", "Remark", "Period", "Quantity", "Amount", "Why",
    ]  # fmt: skip
    assert sheet["D5"].value == "asked twice" and marked(sheet) == {"C5"}


def test_a_row_with_too_many_fields_shows_all_of_them(admin):
    content = b"Customer ID,Item Code,Period,Quantity,Amount\nC1,110001,2026-12,1,234,00\n'=1,110001,2026-12,1,2\n"
    run = upload("actuals", content, admin)
    sheet = book_of(run, admin)["Actuals"]
    assert [cell.value for cell in sheet[2]][:5] == ["C1", "110001", "2026-12", 1, 234]
    assert "The row has 6 fields" in sheet["F2"].value
    assert sheet["H2"].value == "00"
    assert marked(sheet) == {"A2", "B2", "C2", "D2", "E2", "H2", "A3"}
    assert sheet["A3"].value == "=1" and sheet["A3"].data_type == "s"


def test_of_a_long_file_only_the_refused_rows_are_there_and_it_says_so(admin, monkeypatch):
    monkeypatch.setattr(books, "ALL_ROWS", 3)
    rows = [("C1", "110001", f"2026-{month:02}", 1, "x" if month in (2, 4) else 2, "") for month in range(1, 5)]
    run = upload("actuals", csv_bytes(ACTUALS, rows), admin)
    book = book_of(run, admin)
    sheet = book["Actuals"]
    assert [cell.value for cell in sheet[1]] == [*ACTUALS, "Why", "Row in the file"]
    assert [(row[2].value, row[7].value) for row in sheet.iter_rows(min_row=2)] == [("2026-02", 3), ("2026-04", 5)]
    assert marked(sheet) == {"E2", "E3"}
    about = [cell.value for cell in book[ABOUT]["A"]]
    assert about[0] == "file.csv: 2 rows refused of 4" and any(
        "only the refused ones" in (text or "") for text in about
    )


def test_the_corrected_workbook_is_imported_as_it_is(admin):
    rows = [("C1", "110001", "2026-11", 1, 2, ""), ("C1", "110001", "2026-12", "one", 2, "")]
    book = book_of(upload("actuals", csv_bytes(ACTUALS, rows), admin), admin)
    book["Actuals"]["D3"] = 1
    target = io.BytesIO()
    book.save(target)
    run = upload("actuals", target.getvalue(), admin, "corrected.xlsx")
    assert (run.state, sentences(run), run.rows_created) == ("checked", [], 2)


def test_there_is_none_without_refused_rows_without_the_file_and_for_others(admin):
    good = upload("actuals", csv_bytes(ACTUALS, [("C1", "110001", "2026-11", 1, 2, "")]), admin)
    with pytest.raises(Conflict, match="nothing to correct"):
        book_of(good, admin)
    bad = upload("actuals", csv_bytes(ACTUALS, [("C1", "110001", "2026-11", 1, "x", "")]), admin)
    with pytest.raises(NotAllowed):
        book_of(bad, make_user("manager"))
    files.forget_file(bad.stored_as)
    with pytest.raises(Conflict, match="no longer kept"):
        book_of(bad, admin)
