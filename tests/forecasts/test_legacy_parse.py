"""Planning workbooks of the old kind, parsed without a database: every shape and fault, by hand and by chance."""

import datetime as dt
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forecasts.excel.legacy_model import CustomerSheet
from forecasts.excel.legacy_risk import Risk, risk_class
from forecasts.excel.legacy_sheets import parse_book
from forecasts.excel.legacy_values import MonthHead, item_code, month_head
from sop_portal.lib.workbook import ErrorCell, Sheet, Workbook, read_workbook
from tests.real import REAL, needs_real_files
from tests.workbooks import (
    DIV0,
    Formula,
    Plan,
    Row,
    address,
    as_workbook,
    budget,
    grid,
    legend,
    save_ods,
    save_xlsb,
    save_xlsx,
)

NOVEMBER = dt.date(2025, 11, 1)


def parsed(plan: Plan) -> CustomerSheet:
    """The one customer's sheet that `plan` makes."""
    book = parse_book(as_workbook({plan.name: grid(plan)}, hidden=() if plan.visible else (plan.name,)))
    assert [sheet.name for sheet in book.sheets] == [plan.name], book.reports
    return book.sheets[0]


def codes(sheet: CustomerSheet) -> set[str]:
    return {warning.code for warning in sheet.warnings}


def one_warning(sheet: CustomerSheet, code: str):
    (found,) = [warning for warning in sheet.warnings if warning.code == code]
    return found


# The real files.


@needs_real_files
def test_real_workbook_of_a_rep():
    book = parse_book(read_workbook(REAL / "rep-workbook-a.xlsx"))
    assert (book.kind, book.rep_name, book.first_period) == ("rep_workbook", "Sales Rep 01", NOVEMBER)
    assert len(book.sheets) == 16
    assert (book.cells, book.volume) == (512, 75_680)
    kinds = {report.name: report.kind for report in book.reports}
    assert [kinds[name] for name in ("Budget", "Sheet1", "Summary")] == ["budget", "legend", "summary"]
    sheets = {sheet.name: sheet for sheet in book.sheets}
    assert (sheets["Alder Produce"].cells, sheets["Alder Produce"].volume) == (205, 16_870)
    below = next(item for item in sheets["Alder Produce"].items if item.code == "130041")
    assert (below.row + 1, below.volume, below.below_second_header, below.address(12)) == (232, 810, True, "S232")
    assert below.description == "Unpeeled Garlic 12 x 1LB Bag"
    assert below.volumes == [100, 100, 50, 50, 50, 50, 50, 50, 50, 50, 50, 50, 60, 50, None, None]
    drifted = sheets["Dogwood Foods"]
    assert (drifted.first_period, drifted.months, drifted.cells, drifted.volume) == (NOVEMBER, 16, 112, 9_720)
    assert {"drifting_months", "repeated_month", "unknown_risk"} <= codes(drifted)
    assert drifted.unknown_risks == ["0.55"]
    assert one_warning(drifted, "repeated_month").sentence == "Months are named twice: G7 and I7 both say Nov 2025."
    assert sheets["Pine Provisions"].live_items == []
    first = sheets["Alder Produce"].items[0]
    assert (first.code, first.group_code, first.group_name, first.risk) == ("110001", "G01", "Garlic Production", 1)
    assert first.prices == [45] * 6 + [None] * 10 and not first.live


# Shapes.


@pytest.mark.parametrize("header_row", [0, 3, 6, 14])
@pytest.mark.parametrize("first_column", [0, 1, 2])
def test_header_in_any_of_the_first_rows_and_columns(header_row, first_column):
    plan = Plan(header_row=header_row, first_column=first_column, rows=[Row(110001, "Peeled", [5] * 16, [2] * 16)])
    sheet = parsed(plan)
    assert (sheet.header_row, sheet.months, sheet.volume, sheet.first_period) == (header_row, 16, 80, NOVEMBER)
    assert sheet.items[0].prices == [2] * 16


def test_header_below_row_15_is_not_guessed():
    book = parse_book(as_workbook({"Alder": grid(Plan(header_row=15, rows=[Row(1, "x", [5] * 16)]))}))
    assert (book.kind, book.sheets) == ("unknown", [])
    assert "first 15" in book.reports[0].sentence
    assert [warning.code for warning in book.warnings] == ["unknown_sheet"]


@pytest.mark.parametrize("months", [1, 3, 12, 16, 24])
@pytest.mark.parametrize("prices", ["monthly", "single", "none"])
@pytest.mark.parametrize("titles", [True, False])
def test_number_of_months_and_prices(months, prices, titles):
    row = Row(110001, "Peeled", list(range(1, months + 1)), [2.5] * (months if prices == "monthly" else 1))
    sheet = parsed(Plan(months=months, prices=prices, titles=titles, heads="date", rows=[row]))
    assert sheet.months == months
    assert sheet.items[0].volumes == list(range(1, months + 1))
    assert sheet.items[0].prices == [None if prices == "none" else Decimal("2.5")] * months
    assert ("price_missing" in codes(sheet)) is (prices == "none")


@pytest.mark.parametrize("heads", ["date", "drift", "serial", "text", "long_text", "iso_text"])
def test_months_as_dates_serial_numbers_and_text(heads):
    sheet = parsed(Plan(heads=heads, rows=[Row(110001, "Peeled", [1] * 16, [2] * 16)]))
    assert (sheet.first_period, sheet.months) == (NOVEMBER, 16)


def test_drifting_months_count_by_position_and_it_says_so():
    plan = Plan(first=dt.date(2025, 10, 31), rows=[Row(110001, "Peeled", [1] * 16, [2] * 16)])
    sheet = parsed(plan)
    assert sheet.first_period == dt.date(2025, 10, 1)
    # 31 Oct, 30 Nov, 30 Dec, 29 Jan, 28 Feb, 30 Mar, 29 Apr ...: 30 days a step, the sixteenth is 24 Jan 2027.
    assert "drifting_months" not in codes(sheet)
    early = parsed(Plan(first=dt.date(2025, 12, 1), rows=plan.rows))
    # 1 Dec, 31 Dec, 30 Jan, 1 Mar, 31 Mar: December and March are named twice, February never.
    assert early.first_period == dt.date(2025, 12, 1) and early.items[0].volumes == [1] * 16
    assert "G7 and H7 both say Dec 2025" in one_warning(early, "repeated_month").sentence
    assert "H7 says Dec 2025 and was read as Jan 2026" in one_warning(early, "drifting_months").sentence


def test_unreadable_month_headings_are_read_by_position():
    heads = [dt.date(2025, 11, 24), DIV0, Formula("=H7+30"), "#REF!", *[dt.date(2026, 3, 24)] * 2]
    plan = Plan(months=6, volume_heads=heads, rows=[Row(110001, "Peeled", [1, 2, 3, 4, 5, 6])], prices="none")
    sheet = parsed(plan)
    assert sheet.items[0].volumes == [1, 2, 3, 4, 5, 6]
    assert "H7 as Dec 2025, I7 as Jan 2026, J7 as Feb 2026" in one_warning(sheet, "unread_month").sentence


def test_months_without_a_year_take_it_from_another_heading_or_nothing_is_taken():
    rows = [Row(110001, "Peeled", [1, 2, 3])]
    named = parsed(Plan(months=3, volume_heads=["Nov", "Dec", "Jan-26"], rows=rows, prices="none"))
    assert (named.first_period, named.items[0].volumes) == (NOVEMBER, [1, 2, 3])
    bare = Plan(months=3, volume_heads=["Nov", "Dec", "Jan"], rows=rows, prices="none")
    book = parse_book(as_workbook({"Alder": grid(bare)}))
    assert book.sheets == [] and "names a year" in book.reports[0].sentence


def test_a_month_of_history_before_the_volumes_is_no_volume():
    cells = grid(Plan(rows=[Row(110001, "Peeled", [5] * 16, [2] * 16)], first=dt.date(2025, 11, 24)))
    cells = {(row, column + (column >= 6)): value for (row, column), value in cells.items()}
    cells |= {(6, 6): dt.date(2025, 9, 23), (7, 6): 9_999}
    sheet = parse_book(as_workbook({"Alder": cells})).sheets[0]
    assert (sheet.first_period, sheet.months, sheet.volume) == (NOVEMBER, 16, 80)


def test_blocks_without_a_gap_between_them():
    months = [dt.date(2025, month, 1) for month in range(1, 13)]
    cells = {(0, 0): "Item Code", (0, 1): "Description", (1, 0): "A1", (1, 1): "Peeled"}
    for block, value in enumerate((5, 2, 10)):
        for place, month in enumerate(months):
            cells[0, 2 + block * 12 + place] = month
            cells[1, 2 + block * 12 + place] = value
    sheet = parse_book(as_workbook({"Alder": cells})).sheets[0]
    assert (sheet.months, sheet.volume, sheet.items[0].prices) == (12, 60, [2] * 12)
    assert "block_guessed" in codes(sheet)


def test_prices_without_a_title_between_two_titled_blocks():
    cells = grid(Plan(heads="date", rows=[Row(110001, "Peeled", [5] * 16, [2] * 16)]))
    del cells[3, 25]
    for month in range(16):
        cells[7, 42 + month] = 10
    sheet = parse_book(as_workbook({"Alder": cells})).sheets[0]
    assert sheet.items[0].prices == [2] * 16
    assert "block_guessed" in codes(sheet)
    del cells[3, 42], cells[3, 6]
    cells[0, 1] = "Sales forecast 2026, Alder"
    assert parse_book(as_workbook({"Alder": cells})).sheets[0].items[0].prices == [2] * 16


def test_months_after_the_total_of_the_first_twelve():
    plan = Plan(months=12, heads="date", rows=[Row(110001, "Peeled", [1] * 12)], prices="none", errors_beside=False)
    plan.titles = False
    cells = grid(plan)
    for place in range(4):
        cells[6, 19 + place] = dt.date(2026, 11 + place, 1) if place < 2 else dt.date(2027, place - 1, 1)
        cells[7, 19 + place] = 7
    sheet = parse_book(as_workbook({"Alder": cells})).sheets[0]
    assert (sheet.months, sheet.volume) == (16, 40)
    assert sheet.items[0].address(12) == "T8"


# Rows.


def test_items_below_the_second_header_count_like_the_others():
    plan = Plan(
        rows=[Row(110001, "Peeled", [5] * 16, [2] * 16)],
        below=[Row("390019.0", "Squeeze", [7] * 15, [3] * 12), Row(None, None, [0] * 15)],
        below_months=15,
    )
    sheet = parsed(plan)
    assert [(item.code, item.volume, item.below_second_header) for item in sheet.items] == [
        ("110001", 80, False), ("390019", 105, True),
    ]  # fmt: skip
    assert sheet.items[1].volumes[15] is None and sheet.items[1].prices[11:13] == [3, None]
    assert "items 390019" in one_warning(sheet, "below_second_header").sentence


def test_months_that_only_the_second_header_has_count_when_they_are_filled():
    plan = Plan(months=12, rows=[Row(1, "a", [5] * 12)], below=[Row(2, "b", [7] * 12)], prices="none", total=False)
    plan.errors_beside = False
    cells = grid(plan)
    cells[12, 18], cells[13, 18] = dt.date(2026, 11, 20), 9
    sheet = parse_book(as_workbook({"Alder": cells})).sheets[0]
    assert (sheet.months, sheet.items[1].volumes[12]) == (13, 9)
    assert sheet.items[0].volumes == [5] * 12 + [None]


def test_a_second_header_may_move_the_columns():
    cells = grid(Plan(rows=[Row(1, "a", [5] * 16, [2] * 16)]))
    for column, word in enumerate(["#", "ITEM CODE", "DESCRIPTION", *[dt.date(2025, 11, 1), dt.date(2025, 12, 1)]]):
        cells[20, column] = word
    cells |= {(21, 1): 77, (21, 2): "moved", (21, 3): 4, (21, 4): 6}
    item = parse_book(as_workbook({"Alder": cells})).sheets[0].items[1]
    assert (item.code, item.description, item.volume, item.address(1)) == ("77", "moved", 10, "E22")


def test_volume_without_an_item_code_is_left_out_by_address():
    plan = Plan(rows=[Row(1, "a", [5] * 16), Row(None, "New garlic", [None, 40, *[None] * 14]), Row(2, "b", [1] * 16)])
    sheet = parsed(plan)
    assert sheet.volume == 96
    warning = one_warning(sheet, "no_item_code")
    assert (warning.address, warning.informative) == ("Alder Produce!G9:V9", False)
    assert warning.sentence.startswith("40 cases stand in a row without an item code (New garlic) and were left out.")


@pytest.mark.parametrize("label", [None, "TOTAL", "Grand Total"])
def test_total_rows_are_not_taken(label):
    sheet = parsed(Plan(rows=[Row(1, "a", [5] * 16), Row(2, "b", [1] * 16), Row(None, label, [6] * 16, group=None)]))
    assert (sheet.volume, one_warning(sheet, "total_row").informative) == (96, True)
    assert "no_item_code" not in codes(sheet)


def test_numbers_between_the_marker_and_the_second_header_are_no_rows():
    cells = grid(Plan(rows=[Row(1, "a", [5] * 16)], below=[Row(2, "b", [1] * 16)]))
    cells[11, 6] = 45984
    sheet = parse_book(as_workbook({"Alder": cells})).sheets[0]
    assert sheet.volume == 96 and "no_item_code" not in codes(sheet)


def test_one_code_twice_is_added_up_and_both_rows_are_named():
    plan = Plan(rows=[
        Row(110001, "Peeled", [5] * 15 + [None], [None] * 8 + [2] * 8),
        Row("110001", "Other words", [1] * 14 + [None, None], [9] * 16, probability="Low"),
    ])  # fmt: skip
    (item,) = parsed(plan).items
    assert (item.volumes, item.prices) == ([6] * 14 + [5, None], [9] * 8 + [2] * 8)
    assert (item.description, item.risk, item.rows) == ("Peeled", 0, [7, 8])
    sentence = one_warning(parsed(plan), "duplicate_code").sentence
    assert "row 8" in sentence and "row 9" in sentence


def test_zeros_of_live_rows_are_answers_those_of_dormant_rows_are_dropped():
    sheet = parsed(Plan(rows=[Row(1, "a", [0, 5, None] + [0] * 13), Row(2, "b", [0] * 16, [3] * 16), Row(3, "c")]))
    live, dormant, bare = sheet.items
    assert live.volumes == [0, 5, None] + [0] * 13
    assert (dormant.live, dormant.priced, bare.live, bare.priced) == (False, True, False, False)
    assert sheet.dropped_zeros == 16
    assert "16 cells" in one_warning(sheet, "dropped_zeros").sentence
    assert one_warning(sheet, "price_without_volume").sentence.startswith("1 row has a price but no volume")


def test_a_zero_price_is_no_price():
    sheet = parsed(Plan(rows=[Row(1, "a", [5] * 16, [0, 2.00004, *[0] * 14])]))
    assert sheet.items[0].prices == [None, Decimal("2"), *[None] * 14]
    assert "in 15 of 16 months;" in one_warning(sheet, "price_missing").sentence


# Cells.


@pytest.mark.parametrize(
    ("value", "taken", "code"),
    [
        (15638.333333333334, "15638.333333", "fraction"), (0.1 + 0.2, "0.3", "fraction"), (-1e-9, "0", None),
        ("1200", "1200", "text_number"), (" 1\u00a0200 ", "1200", "text_number"), ("$40", "40", "text_number"),
        ("1,200", "1200", "ambiguous_number"), ("", None, None), (" - ", None, None),
        (DIV0, None, "error_cell"), ("#REF!", None, "error_cell"), (ErrorCell("#N/A"), None, "error_cell"),
        (-5, None, "refused_number"), (1e300, None, "refused_number"), (10_000_000, None, "refused_number"),
        ("abc", None, "refused_number"), ("-5", None, "refused_number"), (True, None, "refused_number"),
        (dt.date(2025, 11, 24), None, "refused_number"), (dt.date(1900, 4, 9), "100", "text_number"),
        (Formula("=A1"), None, "formula_without_value"), (9_999_999.99, "9999999.99", "fraction"),
    ],
)  # fmt: skip
def test_volume_cells(value, taken, code):
    plan = Plan(rows=[Row(110001, "Peeled", [3, value, *[3] * 14], [2] * 16)])
    sheet = parsed(plan)
    assert sheet.items[0].volumes[1] == (None if taken is None else Decimal(taken))
    odd = {"fraction", "text_number", "ambiguous_number", "error_cell", "refused_number", "formula_without_value"}
    assert codes(sheet) & odd == ({code} if code else set())
    if code:
        assert one_warning(sheet, code).cell == address(plan, 0, 1) == "H8"


def test_error_cells_in_prices_are_named_for_live_rows_and_counted_for_others():
    sheet = parsed(Plan(rows=[Row(1, "a", [5] * 16, [DIV0, *[2] * 15]), Row(2, "b", [0] * 16, [DIV0] * 16)]))
    assert one_warning(sheet, "error_cell").cell == "Z8"
    assert one_warning(sheet, "other_error_cells").sentence.startswith("18 error cells stand beside the plan")


def test_a_long_list_of_one_kind_keeps_every_address():
    sheet = parsed(Plan(rows=[Row(row, "a", [-1] * 16) for row in range(1, 4)]))
    found = [warning for warning in sheet.warnings if warning.code == "refused_number"]
    assert len(found) == 41
    assert found[-1].sentence.startswith("The same holds for 8 more: O10, P10,")


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (110001.0, "110001"), ("110001.0", "110001"), (" 110001\u00a0", "110001"), ("00123", "00123"), ("A-12 B", "A-12 B"),
        ("GARLIC", "GARLIC"), (110001.5, "110001.5"), (None, ""), ("", ""), ("-", ""), (0, ""), ("New", ""), ("TBD", ""),
        ("Total", ""), ("Grand total", ""), (DIV0, ""), ("#REF!", ""), (True, ""), (dt.date(2025, 1, 1), ""), (-5, ""),
        ("If you need to add new Item Codes:", ""),
        ("x" * 41, ""), ("New item boiler onions", "New item boiler onions"), ("New item", ""),
        ("New Item Codes below", ""),
    ],
)  # fmt: skip
def test_item_codes(value, code):
    assert item_code(value) == code


@pytest.mark.parametrize(
    ("text", "value", "guessed"),
    [
        ("With Sales Order - Low Risk", 0, False), ("In Customer Supply Plan - Low/Mid Risk", 1, False),
        ("Customer Forecast - Mid Risk", 2, False), ("Volume Estimated by Sales Rep (Budget)", 3, False),
        ("  customer forecast -  MID risk ", 2, False), ("Customer Fprecast - HIGH Risk", 3, True), ("Low", 0, True),
        ("low-mid", 1, True), ("Medium risk", 2, True), ("Customer Forcast", 2, True), ("Supply plan", 1, True),
        ("sales order", 0, True), ("Estimated", 3, True), ("0.55", None, False), ("45", None, False), ("?", None, False),
        ("low or high", None, False), ("maybe", None, False),
    ],
)  # fmt: skip
def test_risk_from_messy_text(text, value, guessed):
    assert risk_class(text) == Risk(value, guessed)


@pytest.mark.parametrize(
    ("heading", "month"),
    [
        (dt.date(2025, 11, 24), NOVEMBER), (dt.datetime(2025, 11, 24, 10), NOVEMBER), (45985, NOVEMBER), ("45985", NOVEMBER),
        ("Nov-25", NOVEMBER), ("nov 2025", NOVEMBER), ("November 2025", NOVEMBER), ("Nov'25", NOVEMBER), ("Nov.25", NOVEMBER),
        ("2025-11", NOVEMBER), ("2025-11-24 00:00:00", NOVEMBER), ("11/2025", NOVEMBER), ("11/24/2025", NOVEMBER),
        ("24/11/2025", NOVEMBER), ("24-Nov-25", NOVEMBER), ("Nov 24, 2025", NOVEMBER), ("2025 Nov", NOVEMBER),
        ("Q-Nov 25", NOVEMBER), ("Price Nov-25", NOVEMBER), ("Sept 2026", dt.date(2026, 9, 1)), ("dic-25", dt.date(2025, 12, 1)),
    ],
)  # fmt: skip
def test_month_headings(heading, month):
    assert month_head(heading) == MonthHead(month)


@pytest.mark.parametrize(
    "heading",
    [None, "", "TOTAL", "Price", 4.0, 16, "13/2025", True, DIV0, "Average", "Q-11", 1e300, "1985-01", "Nov 1"],
)
def test_headings_that_are_no_month(heading):
    assert month_head(heading) is None


def test_dates_of_the_1904_calendar():
    plan = Plan(heads="serial", rows=[Row(1, "a", [5] * 16)], prices="none", titles=False)
    cells = {at: value - 1462 if value == 45962 else value for at, value in grid(plan).items()}
    assert parse_book(as_workbook({"Alder": cells}, date1904=True)).sheets[0].first_period == NOVEMBER


# Books.


def test_every_sheet_is_recognised_and_said():
    plan = grid(Plan(rows=[Row(1, "a", [5] * 16, [2] * 16)]))
    book = parse_book(as_workbook({
        "Budget": budget("Rep One", ["Alder", "Birch"]), "Sheet1": legend(), "Summary": plan, "Summary MIA": plan,
        "List": plan, "Average": plan, "Alder ": plan, "New Business": plan, "New Business (2)": plan, "Empty": {},
        "Ideas": {(0, 0): "call them", (3, 3): 5}, "New Business Foods": plan,
    }))  # fmt: skip
    assert [report.kind for report in book.reports] == [
        "budget", "legend", "summary", "summary", "helper", "helper", "customer", "prospect", "prospect", "empty",
        "unknown", "customer",
    ]  # fmt: skip
    assert [report.name for report in book.reports if not report.taken] == [
        "Sheet1", "Summary", "Summary MIA", "List", "Average", "Empty", "Ideas",
    ]  # fmt: skip
    assert (book.rep_name, book.volume, book.sheets[0].customer_name) == ("Rep One", 320, "Alder")
    assert [sheet.role for sheet in book.sheets] == ["customer", "nameless", "nameless", "customer"]
    assert all(report.sentence.endswith(".") for report in book.reports)


def test_a_budget_of_several_reps_names_none():
    cells = budget("Rep One", ["Alder", "Birch"]) | {(4, 0): "Rep Two"}
    plan = grid(Plan(rows=[Row(1, "a", [5] * 16)]))
    assert parse_book(as_workbook({"Budget": cells, "Alder": plan})).rep_name is None


def test_strangers():
    stranger = parse_book(as_workbook({"Sheet1": {(0, 0): "Date", (0, 1): "Amount", (1, 1): 5}}))
    assert (stranger.kind, stranger.first_period) == ("unknown", None)
    assert stranger.sentence.startswith("This is not a rep's planning workbook")


def test_sheets_that_begin_with_another_month_or_share_a_name_are_named():
    row = Row(1, "a", [5] * 16)
    book = parse_book(as_workbook({
        "Alder": grid(Plan(rows=[row])), "alder ": grid(Plan(rows=[row])),
        "Birch": grid(Plan(rows=[row], first=dt.date(2025, 10, 20))),
    }))  # fmt: skip
    assert book.first_period == NOVEMBER and book.sheets[2].first_period == dt.date(2025, 10, 1)
    assert [(warning.code, warning.sheet) for warning in book.warnings] == [
        ("first_month_differs", "Birch"), ("same_customer", "alder "),
    ]  # fmt: skip


def test_hidden_and_unread_sheets_are_said():
    sheet = parsed(Plan(rows=[Row(1, "a", [5] * 16)], visible=False))
    assert sheet.volume == 80 and "hidden_sheet" in codes(sheet)
    book = parse_book(Workbook("xlsx", [Sheet("Chart1", unread="It is a chart or macro sheet without cells.")]))
    assert book.reports[0].sentence == "The sheet was not read. It is a chart or macro sheet without cells."


# By chance.

QUANTITIES = st.integers(0, 50_000) | st.integers(0, 9_999_999_000).map(lambda n: n / 1000)


@st.composite
def volume_cells(draw):
    """A cell of a volume block and the quantity it stands for."""
    kind = draw(st.sampled_from(["blank", "zero", "number", "number", "number", "text", "error", "bad"]))
    if kind == "blank":
        return None, None
    if kind == "zero":
        return 0, Decimal(0)
    if kind == "error":
        return draw(st.sampled_from([DIV0, ErrorCell("#REF!")])), None
    if kind == "bad":
        return draw(st.sampled_from([-3, "abc", 10**9, "1e3", "n/a"])), None
    number = draw(QUANTITIES)
    exact = Decimal(str(number))
    return (str(number) if kind == "text" else number), exact


@st.composite
def plans(draw):
    """A customer's sheet of any shape, and the quantities by item code that must come out of it."""
    months = draw(st.sampled_from([12, 16]) | st.integers(1, 24))
    expected: dict[str, list[Decimal | None]] = {}
    used = iter(draw(st.lists(st.integers(100_000, 999_999), min_size=8, max_size=8, unique=True)))

    def row() -> Row:
        number = next(used)
        code = draw(st.sampled_from([number, float(number), str(number), f"{number}.0", f"G-{number}"]))
        cells = [draw(volume_cells()) for _ in range(months)]
        expected[code if str(code).startswith("G") else str(number)] = [value for _, value in cells]
        prices = [draw(st.sampled_from([None, 0, 2, 4.75, "3.5", DIV0])) for _ in range(months)]
        return Row(code, draw(st.sampled_from([None, "Peeled", "Ñame 4x5"])), [cell for cell, _ in cells], prices,
                   probability=draw(st.sampled_from([None, "Low", 0.55, "Customer Fprecast - HIGH Risk"])))  # fmt: skip

    plan = Plan(
        name=draw(st.sampled_from(["Alder", "Juniper Trading Co. ", "O'Neil & Söhne"])),
        rows=[row() for _ in range(draw(st.integers(1, 4)))],
        below=[row() for _ in range(draw(st.integers(0, 3)))],
        first=draw(st.dates(dt.date(2020, 1, 1), dt.date(2040, 12, 28))),
        months=months,
        below_months=draw(st.integers(1, months)),
        header_row=draw(st.integers(0, 14)),
        first_column=draw(st.integers(0, 2)),
        heads=draw(st.sampled_from(["date", "drift", "serial", "text", "long_text", "iso_text"])),
        prices=draw(st.sampled_from(["monthly", "single", "none"])),
        titles=draw(st.booleans()),
        title_rows_above=draw(st.integers(1, 3)),
        total=draw(st.booleans()),
        errors_beside=draw(st.booleans()),
    )
    for place, extra in ((0, Row(None, "New, no code yet", [7] * months)), (99, Row(None, "TOTAL", [8] * months))):
        if draw(st.booleans()):
            plan.rows.insert(place, extra)
    return plan, expected


def check(book, plan, expected):
    """All that was put in came out: cell by cell, the count and the sum."""
    (sheet,) = book.sheets
    assert sheet.first_period == plan.first.replace(day=1)
    assert sheet.months == plan.months
    found = {item.code: item.volumes for item in sheet.items}
    assert found == expected
    filled = [value for values in expected.values() for value in values if value]
    assert (book.cells, book.volume) == (len(filled), sum(filled))
    assert sheet.customer_name == plan.name.strip()


@settings(max_examples=80, deadline=None)
@given(plans())
def test_whatever_is_put_in_comes_out(made):
    plan, expected = made
    check(parse_book(as_workbook({plan.name: grid(plan)})), plan, expected)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(plans(), st.sampled_from([save_xlsx, save_xlsb, save_ods]))
def test_whatever_is_put_into_a_file_comes_out(tmp_path, made, write):
    plan, expected = made
    path = write(tmp_path / "book", {"Sheet1": legend(), plan.name: grid(plan)})
    check(parse_book(read_workbook(path)), plan, expected)


WORDS = [
    "ITEM CODE", "DESCRIPTION", "Probability", "TOTAL", "#", "Price", "VOLUME FORECAST (CASES)", "PRICE FORECAST",
    "SALES FORECAST", "If you need to add new Item Codes:", "Sales Rep", "Customer", "Row Labels", "Nov-25", "Dec 2025",
    "Group - Category", "G01 - Garlic", "\x00", "=1+1", "#DIV/0!", "110001", "New Business",
]  # fmt: skip
CELLS = (
    st.sampled_from(WORDS) | st.floats(allow_nan=False, allow_infinity=False) | st.integers() | st.booleans()
    | st.dates() | st.datetimes() | st.text(max_size=8) | st.dates(dt.date(2025, 1, 1), dt.date(2026, 12, 31))
    | st.sampled_from([DIV0, Formula("=A1")])
)  # fmt: skip


@settings(max_examples=80, deadline=None)
@given(
    st.dictionaries(st.tuples(st.integers(0, 12), st.integers(0, 14)), CELLS, max_size=90),
    st.sampled_from(["Alder", "Budget", "New Business", "Consol"]),
)
def test_no_sheet_stops_the_parser(cells, name):
    cells[3, 2], cells[3, 5] = "ITEM CODE", dt.date(2025, 11, 24)
    book = parse_book(as_workbook({name: cells}))
    assert len(book.reports) == 1 and book.volume >= 0
