"""History follows a replaced product or customer: into the prefill, and into what stands beside the cells."""

import datetime as dt
from decimal import Decimal

import pytest

from audit.context import acting
from cycles import services as cycles
from cycles.models import Participant
from forecasts import grid, history, queue
from forecasts.models import Line
from forecasts.services import LineEdit, set_cells
from masterdata.models import Customer, Product
from masterdata.services import replace
from tests.factories import (
    answer,
    make_actual,
    make_customer,
    make_cycle,
    make_entry,
    make_product,
    make_user,
    open_cycle,
    submit,
)
from tests.world import next_transaction

pytestmark = pytest.mark.django_db
DEC, JAN, FEB = dt.date(2026, 12, 1), dt.date(2027, 1, 1), dt.date(2027, 2, 1)


@pytest.fixture
def admin():
    return make_user("admin")


@pytest.fixture
def rep():
    return make_user("sales_rep")


def put(successor, *old, by):
    next_transaction()
    with acting(by, source="admin"):
        replace(type(successor), [row.pk for row in old], successor.pk, prices_from=JAN, by=by)


def published(entries, admin, quantities, prices=None):
    """A cycle whose lines of `entries` were submitted with these quantities, as the plan of record."""
    cycle = open_cycle(by=admin)
    for entry, quantity in zip(entries, quantities, strict=True):
        line = Line.objects.select_related("cycle", "owner").get(customer=entry.customer, product=entry.product)
        answer(line, quantity)
        for price in prices or []:
            line.refresh_from_db()
            with acting(line.owner, source="web"):
                edit = LineEdit(line.pk, line.revision, {}, {period: Decimal(price) for period in cycle.periods})
                set_cells(cycle.pk, [edit], by=line.owner)
        submit(line)
    with acting(admin, source="web"):
        cycles.close_cycle(cycle.pk, by=admin)
        cycles.publish_cycle(cycle.pk, by=admin)
    return cycle


def following(admin):
    return open_cycle(make_cycle(by=admin, first_period=FEB), by=admin)


def test_the_successor_of_a_product_starts_with_its_plan_and_is_live(admin, rep):
    customer = make_customer(sales_rep=rep)
    old = make_entry(customer, make_product(), price="10")
    make_actual(old, DEC, 70)
    published([old], admin, [7], prices=["11"])
    new = make_product(list_price=Decimal(99))
    put(new, old.product, by=admin)
    cycle = following(admin)
    line = Line.objects.get(cycle=cycle)
    assert (line.product, line.live, line.owner) == (new, True, rep)
    assert line.quantity == [Decimal(7)] * 15 + [None] and line.quantity_source == "c" * 15 + "-"
    # The price that somebody typed was one of the old product; the new one has that of the matrix.
    assert line.unit_price == [Decimal(10)] * 16 and line.price_source == "m" * 16
    assert Participant.objects.get(cycle=cycle).lines_expected == 1
    (row,) = grid.load(rep, cycle, customer).rows
    assert row.last12 == 70
    line.cycle = cycle
    story = history.story(line, rep)
    assert story.cells[10].last_year == 70  # December 2027 against December 2026
    assert queue.history([line.pk], cycle)[line.pk][-1] == 70


def test_both_had_a_plan_the_successor_starts_with_the_sum(admin, rep):
    customer = make_customer(sales_rep=rep)
    old, new = (make_entry(customer, make_product()) for _ in range(2))
    make_actual(old, DEC, 70)
    make_actual(new, DEC, 5)
    published([old, new], admin, [7, 2], prices=["11"])
    put(new.product, old.product, by=admin)
    cycle = following(admin)
    line = Line.objects.get(cycle=cycle)
    assert line.product == new.product and line.quantity == [Decimal(9)] * 15 + [None]
    # What somebody typed for the product itself is carried as ever.
    assert line.unit_price[0] == 11 and line.price_source == "c" * 15 + "m"
    assert grid.load(rep, cycle, customer).rows[0].last12 == 75


def test_the_successor_of_a_customer_keeps_what_was_typed(admin, rep):
    product, other_rep = make_product(), make_user("sales_rep")
    old = make_entry(make_customer(sales_rep=other_rep), product)
    make_actual(old, DEC)
    published([old], admin, [7], prices=["11"])
    new = make_customer(sales_rep=rep)
    put(new, old.customer, by=admin)
    line = Line.objects.get(cycle=following(admin))
    assert (line.customer, line.owner, line.quantity[0], line.unit_price[0]) == (new, rep, 7, 11)


def test_lines_of_an_open_cycle_stay_until_the_next_one(admin, rep):
    customer = make_customer(sales_rep=rep)
    old = make_entry(customer, make_product())
    make_actual(old, DEC)
    cycle = open_cycle(by=admin)
    put(make_product(), old.product, by=admin)
    line = Line.objects.select_related("cycle", "owner").get(cycle=cycle)
    assert line.product == old.product
    submit(answer(line, 4))


def test_a_replaced_product_that_is_still_sold_starts_blank(admin, rep):
    """Its history is counted once, for its successor; who types makes it live."""
    customer = make_customer(sales_rep=rep)
    old = make_entry(customer, make_product())
    make_actual(old, DEC)
    new = make_product()
    put(new, old.product, by=admin)
    with acting("system", source="command"):
        Product.objects.filter(pk=old.product_id).update(is_active=True)
    cycle = open_cycle(by=admin)
    lines = {line.product: line for line in Line.objects.filter(cycle=cycle)}
    assert (lines[new].live, lines[old.product].live) == (True, False)
    # What it sold itself is still shown beside it.
    shown = grid.load(rep, cycle, customer, dormant=True)
    assert {row.line.product: row.last12 for row in shown.all_rows} == {new: 100, old.product: 100}


def test_the_sum_stays_within_what_a_cell_may_hold(admin, rep):
    customers = [make_customer(sales_rep=rep) for _ in range(3)]
    product = make_product()
    entries = [make_entry(customer, product) for customer in customers]
    for entry in entries:
        make_actual(entry, DEC)
    published(entries, admin, ["9999999.99"] * 3)
    put(customers[0], *customers[1:], by=admin)
    line = Line.objects.get(cycle=following(admin))
    assert line.quantity[0] == Decimal("9999999.99")
    assert Customer.objects.filter(is_active=True).count() == 1
