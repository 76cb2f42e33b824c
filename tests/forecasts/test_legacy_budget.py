"""Budgets of old workbooks: real ones, every shape, and what cannot be placed by its address."""

import datetime as dt
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forecasts.excel.legacy_budget import parse_budget
from forecasts.excel.legacy_sheets import parse_book
from sop_portal.lib import periods
from sop_portal.lib.workbook import ErrorCell, read_workbook
from tests.legacy_shapes import BudgetRow, BudgetSheet
from tests.real import REAL, needs_real_files
from tests.workbooks import DIV0, Formula, Plan, Row, as_workbook, grid, save_ods, save_xlsb, save_xlsx

NOVEMBER = dt.date(2025, 11, 1)


def parsed(sheet: BudgetSheet, *, name="Budget", first=NOVEMBER, extra=None, hidden=()):
    """The budget that a sheet makes, and its sentence."""
    book = as_workbook({name: sheet.grid() | (extra or {})}, hidden=hidden)
    return parse_budget(book.sheets[0], first=first, date1904=False, decimal_mark=".")


def figures(budget):
    """Quantity and amount by customer, code and month."""
    return {
        (cell.customer_name, cell.code, periods.key(cell.period)): (cell.quantity, cell.amount) for cell in budget.cells
    }


def codes(budget):
    return {warning.code for warning in budget.warnings}


@needs_real_files
def test_the_real_budget():
    book = parse_book(read_workbook(REAL / "rep-workbook-a.xlsx"))
    (budget,) = book.budgets
    found = figures(budget)
    assert len(found) == 30
    # Added up by hand from the sheet's grand totals: 6,091 + 6,416 cases, 250,557.1 + 257,530.1 of sales.
    assert sum(quantity for quantity, _ in found.values()) == 12_507
    assert sum(amount for _, amount in found.values()) == Decimal("508087.2")
    assert found["Alder Produce", "", "2025-11"] == (1_385, 46_898)
    assert found["North Foods", "", "2025-12"] == (1_200, 24_000)
    assert found["Pine Provisions", "", "2025-11"] == (0, 0)
    assert {cell.version for cell in budget.cells} == {"2025"}
    assert {warning.code for warning in budget.warnings} == {"budget_months"}
    assert (book.cells, book.volume) == (512, 75_680)


# A pivot names what it sums up in the heading of the month, other shapes say it elsewhere.
@pytest.mark.parametrize(
    ("shape", "heads"),
    [
        ("pivot", "bare"), ("compact", "bare"),
        *((shape, heads) for shape in ("table", "two_rows") for heads in ("date", "drift", "text")),
    ],
)  # fmt: skip
@pytest.mark.parametrize("first_column", [0, 2])
def test_every_shape(shape, heads, first_column):
    sheet = BudgetSheet(
        [BudgetRow("Alder", [10, 20], [100, 200.5]), BudgetRow("Birch", [0, 5.5], [0, 50]),
         BudgetRow("Cedar", [1, 2], [3, 4], rep="Rep Two")],
        shape=shape, heads=heads, first_column=first_column, header_row=3,
    )  # fmt: skip
    budget, sentence = parsed(sheet)
    assert figures(budget) == {
        ("Alder", "", "2025-11"): (10, 100), ("Alder", "", "2025-12"): (20, Decimal("200.5")),
        ("Birch", "", "2025-11"): (0, 0), ("Birch", "", "2025-12"): (Decimal("5.5"), 50),
        ("Cedar", "", "2025-11"): (1, 3), ("Cedar", "", "2025-12"): (2, 4),
    }  # fmt: skip
    assert sentence == "Budget 2025 of 3 customers, Nov 2025 to Dec 2025: 38.5 cases and 357.5 of sales in 6 rows."


def test_items_of_a_customer():
    sheet = BudgetSheet(
        [BudgetRow("Alder", [10, 20], [1, 2], code=110001), BudgetRow("Alder", [5, 6], [3, 4], code="110002"),
         BudgetRow("Birch", [7, 8], [5, 6], code=110001)],
        shape="items",
    )  # fmt: skip
    assert figures(parsed(sheet)[0]) == {
        ("Alder", "110001", "2025-11"): (10, 1), ("Alder", "110001", "2025-12"): (20, 2),
        ("Alder", "110002", "2025-11"): (5, 3), ("Alder", "110002", "2025-12"): (6, 4),
        ("Birch", "110001", "2025-11"): (7, 5), ("Birch", "110001", "2025-12"): (8, 6),
    }  # fmt: skip


def test_equal_headings_that_excel_told_apart_are_sales():
    sheet = BudgetSheet([BudgetRow("Alder", [10, 20], [100, 200])], heads="twins")
    assert figures(parsed(sheet)[0]) == {
        ("Alder", "", "2025-11"): (10, 100), ("Alder", "", "2025-12"): (20, 200),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("first", "months", "plan", "begins"),
    [
        (dt.date(2025, 11, 1), 2, NOVEMBER, "2025-11"), (dt.date(2025, 10, 1), 3, NOVEMBER, "2025-10"),
        (dt.date(2026, 1, 1), 12, NOVEMBER, "2026-01"), (dt.date(2025, 11, 1), 12, NOVEMBER, "2025-11"),
        (dt.date(2026, 1, 1), 12, dt.date(2026, 6, 1), "2026-01"), (dt.date(2026, 1, 1), 1, dt.date(2025, 12, 1), "2026-01"),
    ],
)  # fmt: skip
def test_months_without_a_year_are_those_nearest_to_the_plan(first, months, plan, begins):
    sheet = BudgetSheet([BudgetRow("Alder", [1] * months)], first=first, months=months)
    budget, _ = parsed(sheet, first=plan)
    assert [periods.key(cell.period) for cell in budget.cells] == [
        periods.key(periods.shift(periods.parse(begins), month)) for month in range(months)
    ]
    assert codes(budget) == {"budget_months"}


@pytest.mark.parametrize(
    ("name", "title", "first", "version", "begins"),
    [
        ("Budget 2026", "", dt.date(2025, 11, 1), "2026", "2026-11"), ("2026 Budget", "", dt.date(2025, 1, 1), "2026", "2026-01"),
        ("Budget FY26", "", dt.date(2025, 11, 1), "FY26", "2026-11"), ("Budget26", "", dt.date(2025, 11, 1), "2026", "2026-11"),
        ("Budget", "BUDGET 2027 of the team", dt.date(2025, 11, 1), "2027", "2027-11"),
    ],
)  # fmt: skip
def test_a_year_that_the_sheet_names_is_its_version(name, title, first, version, begins):
    sheet = BudgetSheet([BudgetRow("Alder", [1, 2])], first=first, title=title)
    budget, _ = parsed(sheet, name=name)
    assert [cell.version for cell in budget.cells] == [version] * 2
    assert periods.key(budget.cells[0].period) == begins


def test_a_fiscal_year_begins_before_its_name():
    sheet = BudgetSheet([BudgetRow("Alder", [1] * 12)], first=dt.date(2025, 10, 1), months=12)
    budget, _ = parsed(sheet, name="Budget FY26")
    assert [periods.key(cell.period) for cell in budget.cells][::11] == ["2025-10", "2026-09"]
    assert {cell.version for cell in budget.cells} == {"FY26"}


def test_months_without_a_year_and_without_a_plan_are_left_out():
    budget, sentence = parsed(BudgetSheet([BudgetRow("Alder", [1, 2])]), first=None)
    assert (budget.cells, sentence) == ([], "Nothing of the budget could be placed.")
    (warning,) = budget.warnings
    assert (warning.code, warning.address, warning.informative) == ("budget_no_year", "Budget!C3:D3", False)


def test_figures_that_nothing_explains_are_left_out():
    budget, _ = parsed(BudgetSheet([BudgetRow("Alder", [1, 2])], shape="table", heads="date", titles=False))
    assert budget.cells == []
    (warning,) = budget.warnings
    assert (warning.code, warning.address) == ("budget_kind_unknown", "Budget!C3:D3")


def test_two_blocks_without_titles_are_cases_and_sales_and_say_so():
    sheet = BudgetSheet([BudgetRow("Alder", [1, 2], [3, 4])], shape="table", heads="date", titles=False)
    budget, _ = parsed(sheet)
    assert figures(budget) == {("Alder", "", "2025-11"): (1, 3), ("Alder", "", "2025-12"): (2, 4)}
    assert codes(budget) == {"budget_kind"}


@pytest.mark.parametrize("bad", [DIV0, ErrorCell("#REF!"), "abc", 10**12, True, Formula("=A1")])
def test_a_cell_that_is_no_number_leaves_its_month_out(bad):
    sheet = BudgetSheet([BudgetRow("Alder", [bad, 2], [100, 200]), BudgetRow("Birch", [1, 2], [3, 4])], total=False)
    budget, _ = parsed(sheet)
    assert set(figures(budget)) == {
        ("Alder", "", "2025-12"), ("Birch", "", "2025-11"), ("Birch", "", "2025-12"),
    }  # fmt: skip
    (warning,) = [warning for warning in budget.warnings if warning.code == "budget_unplaced"]
    assert warning.address == "Budget!C4"
    assert "the budget of Alder in Nov 2025 was left out" in warning.sentence


def test_text_numbers_and_blanks_are_read_as_they_are():
    budget, _ = parsed(BudgetSheet([BudgetRow("Alder", ["1234.5", None], [" 7 ", "-"])], total=False))
    assert figures(budget) == {("Alder", "", "2025-11"): (Decimal("1234.5"), 7)}
    assert [warning.address for warning in budget.warnings if warning.code == "text_number"] == [
        "Budget!C4",
        "Budget!J4",
    ]


def test_figures_of_nobody_are_named():
    budget, _ = parsed(BudgetSheet([BudgetRow("Alder", [1, 2]), BudgetRow(None, [5, 6]), BudgetRow("(blank)", [7, 8])]))
    assert {cell.customer_name for cell in budget.cells} == {"Alder"}
    assert [warning.address for warning in budget.warnings if warning.code == "budget_unplaced"] == [
        "Budget!C5:D5", "Budget!C6:D6",
    ]  # fmt: skip


def test_a_customer_called_total_is_no_sum_but_sums_are():
    rows = [BudgetRow("Total Produce", [1, 2]), BudgetRow("Alder", [3, 4])]
    cells = BudgetSheet(rows, total=False).grid() | {(5, 1): "Alder Total", (5, 2): 3.0, (5, 3): 4.0}
    book = as_workbook({"Budget": cells})
    budget, _ = parse_budget(book.sheets[0], first=NOVEMBER, date1904=False, decimal_mark=".")
    assert {cell.customer_name for cell in budget.cells} == {"Total Produce", "Alder"}


def test_a_second_pivot_of_the_same_figures_is_not_added():
    cells = BudgetSheet([BudgetRow("Alder", [1, 2])], total=False).grid()
    again = {(row, column + 6): value for (row, column), value in cells.items()}
    budget, _ = parse_budget(
        as_workbook({"Budget": cells | again}).sheets[0], first=NOVEMBER, date1904=False, decimal_mark="."
    )
    assert figures(budget) == {("Alder", "", "2025-11"): (1, None), ("Alder", "", "2025-12"): (2, None)}
    assert [warning.address for warning in budget.warnings if warning.code == "budget_repeated"] == [
        "Budget!I3",
        "Budget!J3",
    ]


def test_a_customer_in_two_rows_is_added_up_and_said():
    budget, _ = parsed(BudgetSheet([BudgetRow("Alder", [1, 2]), BudgetRow("alder", [3, 4], rep="Rep Two")]))
    assert figures(budget) == {("Alder", "", "2025-11"): (4, None), ("Alder", "", "2025-12"): (6, None)}
    assert "budget_added" in codes(budget)


def test_credits_below_zero_are_kept():
    assert figures(parsed(BudgetSheet([BudgetRow("Alder", [-1.5, 2], [-10, 3])], total=False))[0]) == {
        ("Alder", "", "2025-11"): (Decimal("-1.5"), -10), ("Alder", "", "2025-12"): (2, 3),
    }  # fmt: skip


@pytest.mark.parametrize("heading", ["Q1", "Q2 2026", "Grand Total", "Average of Q-11", "Count of Sales-11"])
def test_headings_that_are_no_month_of_a_budget(heading):
    cells = {(2, 0): "Row Labels", (2, 1): "Customer", (2, 2): heading, (3, 1): "Alder", (3, 2): 5.0}
    budget, _ = parse_budget(as_workbook({"Budget": cells}).sheets[0], first=NOVEMBER, date1904=False, decimal_mark=".")
    assert budget.cells == []
    assert [warning.code for warning in budget.warnings] == ["budget_unplaced"]


def test_a_hidden_budget_is_taken_and_said():
    budget, _ = parsed(BudgetSheet([BudgetRow("Alder", [1, 2])]), hidden=("Budget",))
    assert len(budget.cells) == 2 and "hidden_sheet" in codes(budget)


def test_only_sheets_called_budget_are_budgets():
    cells = BudgetSheet([BudgetRow("Alder", [1, 2])]).grid()
    plan = grid(Plan(rows=[Row(1, "a", [5] * 16)]))
    book = parse_book(
        as_workbook({"Alder": plan, "Budget": cells, "FY26 Budget": cells, "Budget v2": cells, "Budget Foods": plan})
    )
    assert [report.kind for report in book.reports] == ["customer", "budget", "budget", "budget", "customer"]
    assert [budget.name for budget in book.budgets] == ["Budget", "FY26 Budget", "Budget v2"]


# By chance.

NAMES = ["Alder Produce", "Birch & Söhne", "Total Produce", "O'Neil", "Cedar, Inc.", "Grand Foods"]


@st.composite
def figure(draw):
    """A cell of a budget and the figure it stands for; None for none, "bad" for one that cannot be read."""
    kind = draw(st.sampled_from(["blank", "zero", "number", "number", "number", "text", "bad"]))
    if kind == "blank":
        return None, None
    if kind == "zero":
        return 0, Decimal(0)
    if kind == "bad":
        return draw(st.sampled_from([DIV0, "abc", ErrorCell("#N/A")])), "bad"
    number = draw(st.integers(1, 9_999_999) | st.integers(1, 9_999_999).map(lambda n: n / 100))
    return (str(number) if kind == "text" else number), Decimal(str(number))


@st.composite
def budgets(draw):
    """A budget sheet of any shape, and the figures that must come out of it."""
    shape = draw(st.sampled_from(["pivot", "table", "items", "two_rows"]))
    months = draw(st.integers(1, 12))
    first = draw(st.sampled_from(periods.span(dt.date(2025, 9, 1), 6)))
    expected, rows = {}, []
    keys = draw(
        st.lists(st.tuples(st.sampled_from(NAMES), st.integers(100_000, 100_009)), min_size=1, max_size=6, unique=True)
    )
    if shape != "items":
        keys = [(name, None) for name in dict.fromkeys(name for name, _ in keys)]
    else:
        keys.sort(key=lambda key: NAMES.index(key[0]))
    for name, code in keys:
        cells = [(draw(figure()), draw(figure())) for _ in range(months)]
        for month, ((_, quantity), (_, amount)) in enumerate(cells):
            if (quantity, amount) != (None, None) and "bad" not in (quantity, amount):
                expected[name, str(code or ""), periods.key(periods.shift(first, month))] = quantity, amount
        rows.append(BudgetRow(name, [cell[0] for cell, _ in cells], [cell[0] for _, cell in cells], code=code))
    heads = "bare" if shape in ("pivot", "items") else draw(st.sampled_from(["date", "drift", "text"]))
    sheet = BudgetSheet(
        rows, first=first, months=months, shape=shape, heads=heads, header_row=draw(st.integers(1, 12)),
        first_column=draw(st.integers(0, 2)), total=draw(st.booleans()),
    )  # fmt: skip
    return sheet, expected


@settings(max_examples=120, deadline=None)
@given(budgets())
def test_whatever_is_budgeted_comes_out(made):
    sheet, expected = made
    assert figures(parsed(sheet, first=sheet.first)[0]) == expected


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(budgets(), st.sampled_from([save_xlsx, save_xlsb, save_ods]))
def test_whatever_is_budgeted_in_a_file_comes_out(tmp_path, made, write):
    sheet, expected = made
    plan = Plan(name="Alder Produce", first=sheet.first, heads="date", rows=[Row(1, "a", [5] * 16)])
    book = parse_book(read_workbook(write(tmp_path / "book", {"Alder Produce": grid(plan), "Budget": sheet.grid()})))
    assert figures(book.budgets[0]) == expected
