"""Whatever old workbooks come together: what a trial says is what applying does, the database adds up, twice is once."""

import datetime as dt
from decimal import Decimal

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit.context import acting
from forecasts.excel.legacy_apply import apply_books
from forecasts.excel.legacy_sheets import parse_book
from forecasts.models import Line
from masterdata.models import Budget, Customer, MatrixEntry, Price, Product
from tests.factories import make_user
from tests.legacy_shapes import BudgetRow, BudgetSheet, Consol, ConsolRow, copy_of
from tests.workbooks import DIV0, Formula, Plan, Row, as_workbook, grid

pytestmark = pytest.mark.django_db
NAMES = ["Alder", "alder ", "Birch & Söhne", "Total Produce", "Cedar"]
REPS = ["Rep One", "Rep Two", None]
FIRSTS = [dt.date(2025, 10, 23), dt.date(2025, 11, 24), dt.date(2025, 11, 1)]

volumes = st.sampled_from([None, 0, 1, 5, 12.5, "7", DIV0, "abc", -3, 15638.333333333, Formula("=A1")])
prices = st.sampled_from([None, 0, 2, 2.5, "3.75", DIV0])
codes = st.sampled_from([110001, 110001.0, "110001", "110002", 110003, None, "New item onions", "TBD"])


@st.composite
def rows(draw, months=12):
    return Row(
        draw(codes), draw(st.sampled_from(["Peeled", None, "Onions"])),
        draw(st.lists(volumes, min_size=months, max_size=months)), draw(st.lists(prices, min_size=months, max_size=months)),
        probability=draw(st.sampled_from([None, "Low", "0.55"])),
    )  # fmt: skip


@st.composite
def rep_sheets(draw):
    """Customers' sheets and new business of one book, some hidden, with a budget now and then."""
    sheets, hidden = {}, []
    names = draw(
        st.lists(st.sampled_from([*NAMES, "New Business", "New Business - Oak"]), min_size=1, max_size=3, unique=True)
    )
    for name in names:
        plan = Plan(
            name=name, rows=draw(st.lists(rows(), min_size=1, max_size=3)), below=draw(st.lists(rows(), max_size=1)),
            first=draw(st.sampled_from(FIRSTS)), months=12, heads=draw(st.sampled_from(["drift", "date", "text"])),
            prices=draw(st.sampled_from(["monthly", "single", "none"])),
        )  # fmt: skip
        sheets[name] = grid(plan)
        if draw(st.booleans()):
            hidden.append(name)
    if draw(st.booleans()):
        budget = [
            BudgetRow(
                name, draw(st.lists(volumes, min_size=2, max_size=2)), draw(st.lists(volumes, min_size=2, max_size=2))
            )
            for name in draw(st.lists(st.sampled_from([*NAMES, "Nobody"]), min_size=1, max_size=3, unique=True))
        ]
        sheets["Budget"] = BudgetSheet(budget).grid()
    return sheets, hidden


@st.composite
def consolidated(draw):
    """A consolidated plan with the sheet of a rep that may differ from it."""
    found = [
        ConsolRow(
            draw(st.sampled_from(REPS)), draw(st.sampled_from([*NAMES, None])), draw(codes),
            draw(st.lists(volumes, min_size=12, max_size=12)), draw(st.lists(prices, min_size=12, max_size=12)),
        )
        for _ in range(draw(st.integers(1, 4)))
    ]  # fmt: skip
    consol = Consol(found, first=draw(st.sampled_from(FIRSTS)), heads=draw(st.sampled_from(["drift", "date"])),
                    total_row=draw(st.booleans()))  # fmt: skip
    return {"Consol": consol.grid(), "Rep One": copy_of(found[:2])}, []


def books(made):
    found = []
    for number, (sheets, hidden) in enumerate(made):
        book = parse_book(as_workbook(sheets, hidden=hidden))
        book.file = f"{number}.xlsx"
        found.append(book)
    return found


def counted():
    return [model.objects.count() for model in (Customer, Product, MatrixEntry, Price, Line, Budget)]


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(st.lists(rep_sheets() | consolidated(), min_size=1, max_size=3), st.booleans())
def test_a_trial_says_what_applying_does_and_twice_is_once(made, with_rep):
    with transaction.atomic(), acting("system", source="command"):
        rep = make_user("sales_rep", full_name="Rep One") if with_rep else None
        before = counted()
        tried = apply_books(books(made), rep=rep, by=None, dry_run=True)
        assert counted() == before
        done = apply_books(books(made), rep=rep, by=None, dry_run=False)
        assert {kind: vars(tally) for kind, tally in tried.tallies.items()} == {
            kind: vars(tally) for kind, tally in done.tallies.items()
        }
        assert [warning.sentence for warning in tried.warnings] == [warning.sentence for warning in done.warnings]
        cells = [value for line in Line.objects.all() for value in line.quantity if value]
        assert (len(cells), sum(cells, Decimal(0))) == (done.cells, done.volume)
        assert Line.objects.count() == done.lines
        budget = list(Budget.objects.values_list("quantity", "amount"))
        assert (len(budget), sum(quantity for quantity, _ in budget), sum(amount for _, amount in budget)) == (
            done.budget_rows, done.budget_quantity, done.budget_amount,
        )  # fmt: skip
        assert all(warning.sentence.endswith(".") for warning in done.warnings)
        after = counted()
        again = apply_books(books(made), rep=rep, by=None, dry_run=False)
        assert (again.changed, again.unknown, counted()) == (0, [], after)
        assert (again.cells, again.volume, again.budget_rows) == (done.cells, done.volume, done.budget_rows)
        transaction.set_rollback(True)
