"""Consolidated workbooks and new business, parsed without a database."""

import datetime as dt
from collections import Counter
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forecasts.excel.legacy_sheets import parse_book
from sop_portal.lib.workbook import ErrorCell, read_workbook
from tests.legacy_shapes import Consol, ConsolRow, copy_of
from tests.real import REAL, needs_real_files
from tests.workbooks import DIV0, Plan, Row, as_workbook, grid, rep_rows, save_ods, save_xlsb, save_xlsx

OCTOBER = dt.date(2025, 10, 1)


def consol_book(consol: Consol, copies=None, *, hidden=()):
    return parse_book(as_workbook({"Consol": consol.grid(), **(copies or {})}, hidden=hidden))


def warnings(book, code):
    return [warning for warning in book.all_warnings if warning.code == code]


@needs_real_files
def test_the_real_consolidated_workbook():
    workbook = read_workbook(REAL / "consolidated.xlsx")
    book = parse_book(workbook)
    assert (book.kind, book.first_period, book.cells) == ("consolidated", OCTOBER, 6_285)
    assert Counter(report.kind for report in book.reports) == {"rep_rows": 8, "pivot": 2, "consolidated": 1}
    assert [report.name for report in book.reports if report.taken] == ["Consol"]
    assert len(book.sheets) == len({sheet.customer_name for sheet in book.sheets}) == 131
    assert len({sheet.rep_name for sheet in book.sheets}) == 8
    # The sheet's own inputs, cell by cell.
    rows = next(sheet.rows for sheet in workbook.sheets if sheet.name == "Consol")[1:]
    theirs = {
        (row[1], str(row[2]).removesuffix(".0")): [value if isinstance(value, float) else 0 for value in row[5:17]]
        for row in rows
    }
    ours = {(sheet.customer_name, item.code): item for sheet in book.sheets for item in sheet.items}
    assert ours.keys() == theirs.keys() and len(ours) == 587
    for key, item in ours.items():
        for mine, their in zip(item.volumes, theirs[key], strict=True):
            assert abs(float(mine or 0) - their) <= 0.000001
    # Row 454 holds a blank instead of a number in January.
    assert ours["Fjord Supply, Inc.", "360002"].volumes[3] is None
    assert ours["Quarry Market", "150059"].prices == [65] * 12
    assert (ours["Quarry Market", "150059"].group_code, ours["Quarry Market", "150059"].risk) == ("Group 5-1", None)
    # "New item boiler onions" and two more stand where a code should be.
    assert [warning.cell for warning in warnings(book, "provisional_code")] == ["C455", "C456", "C457"]
    differ = warnings(book, "copy_differs")
    assert Counter(warning.sheet for warning in differ) == {"Sales Rep 07": 9, "Sales Rep 08": 5, "Sales Rep 06": 1}
    assert differ[0].address == "Sales Rep 06!G37"
    assert differ[0].sentence == (
        "Jade Provisions, item 520011, Oct 2025: 0 here, 1,260 in Consol!F341, which counts."
    )  # fmt: skip


@needs_real_files
def test_the_real_book_without_business_makes_no_prospect():
    book = parse_book(read_workbook(REAL / "rep-workbook-b.xlsx"))
    assert (book.kind, book.sheets, book.cells) == ("rep_workbook", [], 0)
    assert [report.kind for report in book.reports] == ["summary", "prospect"]
    assert "no prospect was made of it" in book.reports[1].sentence


def row(rep="Rep One", customer="Alder", code=110001, volumes=(5,) * 12, **kw):
    return ConsolRow(rep, customer, code, list(volumes), kw.pop("prices", [2.5] * 12), **kw)


@pytest.mark.parametrize("months", [12, 16])
@pytest.mark.parametrize("heads", ["drift", "date", "text", "serial"])
@pytest.mark.parametrize(("header_row", "first_column"), [(0, 0), (4, 1), (14, 2)])
def test_shapes(months, heads, header_row, first_column):
    consol = Consol(
        [row(volumes=range(months), prices=[3] * months), row("Rep Two", "Birch", volumes=[7] * months, prices=[3] * months)],
        months=months, heads=heads, header_row=header_row, first_column=first_column, total_row=True,
    )  # fmt: skip
    book = consol_book(consol)
    assert [(sheet.rep_name, sheet.customer_name, sheet.months, sheet.first_period) for sheet in book.sheets] == [
        ("Rep One", "Alder", months, OCTOBER), ("Rep Two", "Birch", months, OCTOBER),
    ]  # fmt: skip
    assert book.sheets[0].items[0].volumes == list(range(months))
    assert book.sheets[0].items[0].prices == [3] * months
    assert book.volume == sum(range(months)) + 7 * months
    assert {warning.code for warning in book.all_warnings} <= {
        "total_row",
        "block_guessed",
        "drifting_months",
        "repeated_month",
    }


def test_rows_that_cannot_be_placed_are_named():
    consol = Consol(
        [row(), row(code=None), row(customer=None), row(rep=None, customer="Birch"), row(code="New item onions")]
    )
    book = consol_book(consol)
    assert [(sheet.rep_name, sheet.customer_name) for sheet in book.sheets] == [("Rep One", "Alder"), (None, "Birch")]
    assert [warning.address for warning in warnings(book, "no_item_code")] == ["Consol!F3:Q3"]
    assert [warning.address for warning in warnings(book, "no_customer")] == ["Consol!F4:Q4"]
    assert [warning.address for warning in warnings(book, "provisional_code")] == ["Consol!C6"]
    assert {item.code for sheet in book.sheets for item in sheet.items} == {"110001", "New item onions"}


def test_one_customer_under_two_reps_is_said():
    book = consol_book(Consol([row(), row("Rep Two", code=110002)]))
    assert len(book.sheets) == 2
    (warning,) = warnings(book, "same_customer")
    assert warning.sentence == "Alder stands under Rep One and Rep Two: both are plans of one customer."


def test_an_item_twice_is_added_up():
    book = consol_book(Consol([row(), row(code="110001", volumes=[1] * 12)]))
    assert book.sheets[0].items[0].volumes == [6] * 12
    assert len(warnings(book, "duplicate_code")) == 1


def test_copies_are_left_and_their_differences_named():
    rows = [row(), row(code=110002), row("Rep Two", "Birch"), row("Rep Two", "Birch", 110003)]
    other = [row(volumes=[5] * 11 + [6]), row(code=110009), row(code=110002)]
    book = consol_book(Consol(rows), {"Rep One": copy_of(other), "Rep Two": copy_of(rows[2:3])})
    assert book.volume == 4 * 60
    kinds = {report.name: (report.kind, report.taken) for report in book.reports}
    assert kinds == {"Consol": ("consolidated", True), "Rep One": ("rep_rows", False), "Rep Two": ("rep_rows", False)}
    found = [(warning.address, warning.sentence) for warning in warnings(book, "copy_differs")]
    assert found == [
        ("Rep One!R1", "Alder, item 110001, Sep 2026: 6 here, 5 in Consol!Q2, which counts."),
        ("Rep One!G2:R2", "Alder, item 110009: 60 cases stand here but not in 'Consol', so they were not taken."),
        ("Rep Two", "Birch, item 110003: 60 cases in Consol!F5 do not stand on this sheet; they were taken from there."),
    ]  # fmt: skip
    assert not any(warning.informative for warning in warnings(book, "copy_differs"))


def test_a_copy_that_says_the_same_is_said_so():
    rows = [row(), row(code=110002, volumes=[0, 7] * 6)]
    book = consol_book(Consol(rows), {"Rep One": copy_of(rows)})
    assert warnings(book, "copy_differs") == []
    assert book.reports[1].sentence.endswith("they say the same. Nothing is taken from it.")


def test_copies_alone_are_left_for_want_of_months():
    book = parse_book(as_workbook({"Rep One": rep_rows()}))
    assert (book.kind, book.sheets) == ("consolidated", [])
    assert [warning.code for warning in book.warnings] == ["rep_rows_sheet"]
    assert "their months are not known" in book.reports[0].sentence


def without_rep(*rows):
    return {at: value for at, value in Consol(list(rows)).grid().items() if at[1] != 0}


def test_a_sheet_with_customers_but_no_reps_is_the_plan_of_its_name():
    sheets = {"Rep One": without_rep(row(), row(customer="Birch")), "Sheet1": without_rep(row(customer="Cedar"))}
    book = parse_book(as_workbook(sheets))
    assert [(sheet.name, sheet.rep_name, sheet.customer_name) for sheet in book.sheets] == [
        ("Rep One", "Rep One", "Alder"), ("Rep One", "Rep One", "Birch"), ("Sheet1", None, "Cedar"),
    ]  # fmt: skip


def test_what_repeats_other_sheets_of_a_book_is_not_counted_twice():
    consol = Consol([row(), row("Rep Two", "Birch")]).grid()
    # The sheets of reps stand before the consolidated plan, an old version of it is hidden.
    sheets = {
        "Rep One": without_rep(row()),
        "Consol old": consol,
        "Consol": consol,
        "Rep Three": without_rep(row(customer="Cedar")),
    }
    book = parse_book(as_workbook(sheets, hidden=("Consol old",)))
    assert [(report.name, report.taken) for report in book.reports] == [
        ("Rep One", False), ("Consol old", False), ("Consol", True), ("Rep Three", True),
    ]  # fmt: skip
    assert book.volume == 3 * 60
    plan = Plan(name="Alder", rows=[Row(110001, "Peeled", [5] * 16)])
    book = parse_book(as_workbook({"All": Consol([row()]).grid(), "Alder": grid(plan)}))
    assert (book.volume, [report.taken for report in book.reports]) == (80, [False, True])
    assert "repeat other sheets of the book" in book.reports[0].sentence


@pytest.mark.parametrize(
    ("headings", "expected"),
    [
        (["Account Manager", "Customer"], ("Rep One", "Alder")), (["Sales Person", "Client Name"], ("Rep One", "Alder")),
        (["Customer ID", "Customer Name"], ("Consol", "Alder")), (["Broker", "Customer #"], ("Rep One", "Alder")),
    ],
)  # fmt: skip
def test_headings_of_reps_and_customers(headings, expected):
    cells = Consol([row()]).grid() | {(0, at): heading for at, heading in enumerate(headings)}
    (found,) = parse_book(as_workbook({"Rep One" if expected[0] == "Rep One" else "Consol": cells})).sheets
    assert (found.rep_name or "Consol", found.customer_name) == expected


def test_a_hidden_pivot_is_left():
    pivot = {(2, 0): "Row Labels", (2, 1): "Sum of Oct-25", (2, 2): "Sum of Oct-253", (3, 0): "Rep One", (3, 1): 5.0}
    book = consol_book(Consol([row()]), {"Sheet1": pivot}, hidden=("Sheet1",))
    assert [report.kind for report in book.reports] == ["consolidated", "pivot"]


# New business.


def prospect(name, rows=None, extra=None):
    plan = Plan(name=name, rows=rows or [Row(110001, "Peeled", [5] * 16, [2] * 16)])
    return parse_book(as_workbook({name: grid(plan) | (extra or {})}))


@pytest.mark.parametrize(
    ("sheet", "role", "name"),
    [
        ("New Business", "nameless", "New Business"),
        ("New Business (2)", "nameless", "New Business (2)"),
        ("New Business - Maple Deli", "prospect", "Maple Deli"),
        ("Prospect: Oak & Co", "prospect", "Oak & Co"),
        ("New customer (Elm)", "prospect", "Elm"),
        ("New Business Foods", "customer", "New Business Foods"),
    ],
)
def test_prospects_are_named_by_their_sheet(sheet, role, name):
    (found,) = prospect(sheet).sheets
    assert (found.role, found.customer_name, found.volume) == (role, name, 80)


@pytest.mark.parametrize(
    "cells", [{(1, 2): "Customer: Maple Deli"}, {(2, 1): "Prospect name:", (2, 2): "Maple Deli"}]
)  # fmt: skip
def test_prospects_are_named_by_a_label(cells):
    (found,) = prospect("New Business", extra=cells).sheets
    assert (found.role, found.customer_name) == ("prospect", "Maple Deli")


def test_a_price_alone_makes_a_prospect_but_zeros_do_not():
    assert len(prospect("New Business", [Row(1, "a", [0] * 16, [2] * 16)]).sheets) == 1
    empty = prospect("New Business", [Row(1, "a", [0] * 16, [0] * 16)])
    assert empty.sheets == []
    assert {warning.code for warning in empty.all_warnings} >= {"dropped_zeros"}


# By chance.


@st.composite
def volume(draw):
    """A cell of a consolidated plan and the quantity it stands for."""
    kind = draw(st.sampled_from(["blank", "zero", "number", "number", "fraction", "text", "space", "error"]))
    if kind in ("blank", "space", "error"):
        return {"blank": None, "space": " ", "error": draw(st.sampled_from([DIV0, ErrorCell("#VALUE!")]))}[kind], None
    if kind == "zero":
        return 0, Decimal(0)
    number = draw(st.integers(1, 90_000)) if kind != "fraction" else draw(st.integers(1, 9_000_000)) / 1000
    return (str(number) if kind == "text" else number), Decimal(str(number))


@st.composite
def consols(draw):
    """A consolidated plan with the faults of real ones, and the quantities by rep, customer and code."""
    months = draw(st.sampled_from([12, 16]))
    rows, expected = [], {}
    pairs = st.tuples(
        st.sampled_from(["Rep One", "Rep Two"]), st.sampled_from(["Alder", "Total Produce", "O'Neil & Söhne"]),
        st.integers(100_000, 100_020),
    )  # fmt: skip
    for rep, customer, number in draw(st.lists(pairs, min_size=1, max_size=8, unique=True)):
        cells = [draw(volume()) for _ in range(months)]
        code = draw(st.sampled_from([number, float(number), str(number), f"{number} "]))
        expected[rep, customer, str(number)] = [value for _, value in cells]
        prices = [draw(st.sampled_from([None, 0, 2.5, "3.75", DIV0])) for _ in range(months)]
        rows.append(
            ConsolRow(rep, draw(st.sampled_from([customer, f"{customer} "])), code, [cell for cell, _ in cells], prices)
        )
    if draw(st.booleans()):
        without_code = ConsolRow("Rep One", "Alder", draw(st.sampled_from([None, "", 0])), [7] * months)
        rows.insert(draw(st.integers(0, len(rows))), without_code)
    consol = Consol(
        rows, months=months, first=draw(st.dates(dt.date(2020, 1, 1), dt.date(2040, 12, 28))),
        heads=draw(st.sampled_from(["drift", "date", "text", "serial"])), header_row=draw(st.integers(0, 14)),
        first_column=draw(st.integers(0, 3)), total_row=draw(st.booleans()),
    )  # fmt: skip
    return consol, expected


def check(book, consol, expected):
    found = {
        (sheet.rep_name, sheet.customer_name, item.code): item.volumes for sheet in book.sheets for item in sheet.items
    }
    assert found == expected
    assert {sheet.first_period for sheet in book.sheets} == {consol.first.replace(day=1)}
    filled = [value for values in expected.values() for value in values if value]
    assert (book.cells, book.volume) == (len(filled), sum(filled))


@settings(max_examples=120, deadline=None)
@given(consols())
def test_whatever_is_consolidated_comes_out(made):
    consol, expected = made
    check(consol_book(consol), consol, expected)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(consols(), st.sampled_from([save_xlsx, save_xlsb, save_ods]))
def test_whatever_is_consolidated_in_a_file_comes_out(tmp_path, made, write):
    consol, expected = made
    book = parse_book(read_workbook(write(tmp_path / "book", {"Consol": consol.grid()})))
    check(book, consol, expected)


@settings(max_examples=40, deadline=None)
@given(consols())
def test_a_true_copy_never_differs(made):
    consol, _ = made
    rows = [row for row in consol.rows if row.rep == "Rep One" and row.code]
    book = consol_book(consol, {"Rep One": copy_of(rows, consol.months)} if rows else {})
    codes = {str(row.code).strip().removesuffix(".0") for row in rows}
    for warning in warnings(book, "copy_differs"):
        # Only rows without a code can differ: they stand in neither.
        assert not any(code in warning.sentence for code in codes), warning
