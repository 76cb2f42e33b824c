"""Budgets, new business and consolidated plans of old workbooks in the database."""

import datetime as dt
import functools
from decimal import Decimal

import pytest

from audit.context import acting
from audit.models import Entry
from cycles.models import Cycle
from forecasts.excel.consolidated import write_workbook
from forecasts.excel.legacy_apply import apply_book
from forecasts.excel.legacy_sheets import parse_book
from forecasts.models import Line
from masterdata.models import Budget, Customer, CustomerAlias, Price, Product
from sop_portal.lib.clock import portal_now
from sop_portal.lib.workbook import read_workbook
from tests.factories import make_customer, make_user
from tests.legacy_shapes import BudgetRow, BudgetSheet, Consol, ConsolRow
from tests.real import REAL, needs_real_files
from tests.workbooks import Plan, Row, as_workbook, grid

pytestmark = pytest.mark.django_db

NOVEMBER = dt.date(2025, 11, 1)


def apply(book, **kw):
    with acting("system", source="command"):
        return apply_book(book, rep=kw.get("rep"), by=None, dry_run=kw.get("dry_run", False))


def book_of(sheets, file="plan.xlsx"):
    book = parse_book(as_workbook(sheets))
    book.file = file
    return book


def plan(name="Alder", volume=5):
    return grid(Plan(name=name, rows=[Row(110001, "Peeled", [volume] * 16, [2] * 16)]))


def codes(outcome):
    return [warning.code for warning in outcome.warnings]


# Consolidated plans.


@functools.cache
def consolidated():
    return parse_book(read_workbook(REAL / "consolidated.xlsx"))


@needs_real_files
def test_the_real_consolidated_plan_comes_in_whole_and_a_second_time_changes_nothing():
    rep = make_user("sales_rep", full_name="sales rep 05")
    outcome = apply(consolidated())
    assert (outcome.sheets, outcome.customers, outcome.lines, outcome.cells) == (1, 131, 587, 6_285)
    assert abs(outcome.volume - 2_178_410) < Decimal("0.0001")
    cycle = Cycle.objects.get()
    assert (cycle.kind, cycle.status, cycle.first_period) == ("legacy", "closed", dt.date(2025, 10, 1))
    lines = list(Line.objects.select_related("customer", "product"))
    assert abs(sum(value for line in lines for value in line.quantity if value) - 2_178_410) < Decimal("0.0001")
    # October in the admin's own pivot of the same book.
    assert abs(sum(line.quantity[0] for line in lines) - Decimal("194700.333")) < 1
    assert {line.owner for line in lines} == {None, rep}
    assert sum(1 for line in lines if line.owner == rep) == 148
    assert Customer.objects.filter(sales_rep=rep).count() > 0
    assert sorted(outcome.unknown_reps) == [f"Sales Rep 0{n}" for n in (1, 2, 3, 4, 6, 7, 8)]
    assert Product.objects.get(item_code="150059").group.code == "Group 5-1"
    assert Product.objects.get(item_code="New item shallots").description == "Shallots 1 LB 8 CT"
    assert Price.objects.filter(entry__customer__name="Quarry Market", entry__product__item_code="150059").count() == 1
    before = Entry.objects.count()
    again = apply(consolidated())
    assert (again.changed, again.unknown, Entry.objects.count()) == (0, [], before)


@needs_real_files
def test_a_reps_book_and_the_consolidated_plan_name_the_same_customers():
    apply(parse_book(read_workbook(REAL / "rep-workbook-a.xlsx")))
    outcome = apply(consolidated())
    assert Customer.objects.count() == 131 + 16 - 14
    assert Cycle.objects.filter(kind="legacy").count() == 2
    assert outcome.tallies["customers"].unchanged == 14
    assert apply(parse_book(read_workbook(REAL / "rep-workbook-a.xlsx"))).tallies["lines"].changed == 0


def test_rows_belong_to_the_reps_they_name():
    one = make_user("sales_rep", full_name="Rep One")
    rows = [
        ConsolRow("REP  ONE", "Alder", 110001, [5] * 12, [2] * 12), ConsolRow("Rep Two", "Birch", 110001, [6] * 12),
        ConsolRow(None, "Cedar", 110001, [7] * 12),
    ]  # fmt: skip
    chosen = make_user("sales_rep")
    outcome = apply(book_of({"Consol": Consol(rows).grid()}), rep=chosen)
    owners = dict(Line.objects.values_list("customer__name", "owner"))
    assert owners == {"Alder": one.pk, "Birch": None, "Cedar": chosen.pk}
    assert dict(Customer.objects.values_list("name", "sales_rep")) == owners
    assert outcome.unknown_reps == ["Rep Two"]


def test_the_portals_own_export_is_recognised_and_left(tmp_path):
    apply(book_of({"Alder": plan()}))
    viewer = make_user("viewer")
    cycle = Cycle.objects.get()
    path = tmp_path / "export.xlsx"
    with acting(viewer, source="web"), path.open("wb") as file:
        write_workbook(file, cycle, viewer, portal_now())
    workbook = read_workbook(path)
    book = parse_book(workbook)
    assert (book.kind, book.sheets) == ("portal", [])
    assert "the portal's own export" in book.sentence and "consolidated plan" in book.sentence
    without_about = workbook.sheets.pop(0)
    assert without_about.name == "About"
    assert parse_book(workbook).kind == "portal"
    assert apply(book).changed == 0


# Budgets.


def budgets():
    return {
        (row.customer.name, row.product and row.product.item_code, row.version, row.period): (row.quantity, row.amount)
        for row in Budget.objects.select_related("customer", "product")
    }


def test_a_budget_of_an_unknown_customer_is_named_by_its_cells():
    sheet = BudgetSheet([BudgetRow("Alder", [1, 2], [3, 4]), BudgetRow("Nobody Inc", [5, 6], [7, 8])])
    outcome = apply(book_of({"Alder": plan(), "Budget": sheet.grid()}))
    assert {key[0] for key in budgets()} == {"Alder"}
    (warning,) = [warning for warning in outcome.warnings if warning.code == "budget_unplaced"]
    assert warning.address == "Budget!C5"
    assert "(and D5)" in warning.sentence and "'Nobody Inc' is neither a sheet" in warning.sentence
    assert not Customer.objects.filter(name="Nobody Inc").exists()


def test_a_budget_finds_known_customers_without_a_sheet():
    make_customer(name="Nobody Inc")
    sheet = BudgetSheet([BudgetRow("nobody  inc", [5, 6], [7, 8])])
    apply(book_of({"Alder": plan(), "Budget": sheet.grid()}))
    assert budgets() == {
        ("Nobody Inc", None, "2025", NOVEMBER): (5, 7), ("Nobody Inc", None, "2025", dt.date(2025, 12, 1)): (6, 8),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("sheet", "name"),
    [
        ("Juniper Trading Company of Flor", "Juniper Trading Company of Florida, Inc."),
        ("Oak Co", "Oak/Co."),
        ("O-Neil", "O'Neil"),
    ],
)
def test_a_budget_finds_names_that_a_sheet_cannot_bear(sheet, name):
    budget = BudgetSheet([BudgetRow(name, [5, 6])])
    outcome = apply(book_of({sheet: plan(sheet), "Budget": budget.grid()}))
    assert {key[0] for key in budgets()} == {sheet}
    assert codes(outcome).count("budget_name") == 1
    assert apply(book_of({sheet: plan(sheet), "Budget": budget.grid()})).changed == 0


def test_a_budget_by_item_makes_its_products():
    sheet = BudgetSheet([BudgetRow("Alder", [1, 2], [3, 4], code=110099)], shape="items")
    apply(book_of({"Alder": plan(), "Budget": sheet.grid()}))
    assert budgets()["Alder", "110099", "2025", NOVEMBER] == (1, 3)
    assert Product.objects.get(item_code="110099").description == "Peeled"


def test_a_budget_without_sales_leaves_those_that_are_there():
    customer = make_customer(name="Alder")
    with acting("system", source="command"):
        Budget.objects.create(customer=customer, version="2025", period=NOVEMBER, quantity=1, amount=99)
    outcome = apply(book_of({"Alder": plan(), "Budget": BudgetSheet([BudgetRow("Alder", [5, 6])]).grid()}))
    assert budgets() == {
        ("Alder", None, "2025", NOVEMBER): (5, 99), ("Alder", None, "2025", dt.date(2025, 12, 1)): (6, 0),
    }  # fmt: skip
    assert (outcome.tallies["budget"].created, outcome.tallies["budget"].updated) == (1, 1)


# New business.


def test_new_business_becomes_a_prospect_of_its_rep_and_is_found_again():
    rep = make_user("sales_rep", full_name="Rep One")
    other = make_user("sales_rep", full_name="Rep Two")
    outcome = apply(book_of({"New Business": plan("New Business")}), rep=rep)
    prospect = Customer.objects.get()
    assert (prospect.customer_id, prospect.name, prospect.sales_rep) == ("NEW-00001", "New Business (Rep One)", rep)
    assert prospect.is_prospect
    assert (outcome.customers, outcome.cells, outcome.tallies["prospects"].created) == (1, 16, 1)
    assert outcome.unknown[0] == "Prospect NEW-00001 New Business (Rep One)"
    assert apply(book_of({"New Business": plan("New Business")}, "another name.xlsx"), rep=rep).changed == 0
    # The same sheet in another rep's book is another prospect.
    apply(book_of({"New Business": plan("New Business")}), rep=other)
    assert list(Customer.objects.order_by("customer_id").values_list("customer_id", "name")) == [
        ("NEW-00001", "New Business (Rep One)"), ("NEW-00002", "New Business (Rep Two)"),
    ]  # fmt: skip
    with acting("system", source="command"):
        prospect.customer_id, prospect.name, prospect.is_prospect = "100777", "Maple Deli", False
        prospect.save()
    assert apply(book_of({"New Business": plan("New Business")}), rep=rep).changed == 0
    # The code that became free is not given again: it stays a name of its customer.
    apply(book_of({"New Business (2)": plan("New Business (2)")}), rep=rep)
    assert sorted(Customer.objects.values_list("customer_id", flat=True)) == ["100777", "NEW-00002", "NEW-00003"]
    assert CustomerAlias.objects.get(key="new-00001").customer == prospect


def test_a_prospect_of_nobody_is_named_by_its_file_until_its_rep_is_known():
    apply(book_of({"New Business": plan("New Business")}, "West 2026.xlsx"))
    assert Customer.objects.get().name == "New Business (West 2026)"
    rep = make_user("sales_rep", full_name="Rep One")
    outcome = apply(book_of({"New Business": plan("New Business")}, "West 2026.xlsx"), rep=rep)
    assert Customer.objects.get().sales_rep == rep
    assert outcome.tallies["prospects"].updated == 1
    assert apply(book_of({"New Business": plan("New Business")}, "renamed.xlsx"), rep=rep).changed == 0
    # Somebody else's file of that name is somebody else's prospect.
    apply(book_of({"New Business": plan("New Business")}, "West 2026.xlsx"), rep=make_user("sales_rep"))
    assert Customer.objects.count() == 2


def test_a_named_prospect_that_is_a_customer_already_is_that_customer():
    known = make_customer(name="Maple Deli")
    apply(book_of({"New Business - Maple Deli": plan()}))
    assert Line.objects.get().customer == known
    apply(book_of({"New Business - Fir Cafe": plan()}))
    assert Customer.objects.get(is_prospect=True).name == "Fir Cafe"


def test_empty_new_business_writes_nothing_and_is_named():
    empty = grid(Plan(name="New Business", rows=[Row(110001, "Peeled", [0] * 16, [0] * 16)]))
    book = book_of({"New Business": empty})
    outcome = apply(book)
    assert (outcome.changed, Customer.objects.count(), Product.objects.count()) == (0, 0, 0)
    assert book.reports[0].sentence.startswith("A plan for new business without any volume or price")


def test_lines_of_an_earlier_import_that_change_are_named():
    apply(book_of({"Alder": plan()}))
    outcome = apply(book_of({"Alder": plan(volume=6)}))
    (warning,) = [warning for warning in outcome.warnings if warning.code == "line_changed"]
    assert warning.sentence == (
        "An earlier import wrote this line otherwise: 16 values change, 80 cases become 96."
    )  # fmt: skip
    assert warning.informative
