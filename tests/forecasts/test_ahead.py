"""The newest plan beside what was sold: of the lines one may read, as its cycle counts them."""

import datetime as dt
from decimal import Decimal

import pytest

from audit.context import acting
from cycles import services as cycle_services
from forecasts.ahead import newest_plan
from masterdata import drawing
from masterdata.sales import Month
from sop_portal.lib import periods
from tests.factories import answer, make_cycle, make_user, open_cycle
from tests.world import close, lines_of, make_world, publish

pytestmark = pytest.mark.django_db


@pytest.fixture
def world():
    """Two lines a rep; the rep's are answered with 5 and 7 a month at a price of 10."""
    world = make_world()
    for line, quantity in zip(world.lines, (5, 7), strict=True):
        answer(line, quantity)
    return world


def test_the_plan_of_the_open_cycle_by_month(world):
    line = world.lines[0]
    pair = newest_plan(world.rep, line.customer, line.product)
    assert (pair.cycle, pair.line) == (world.cycle, line.pk)
    assert [month.period for month in pair.months] == world.cycle.periods
    assert {(month.quantity, month.amount) for month in pair.months} == {(5, 50)}
    whole = newest_plan(world.rep, line.customer, None)
    assert whole.line is None and {month.amount for month in whole.months} == {120}


def test_only_the_lines_one_may_read_are_in_it(world):
    product = world.lines[0].product
    for line in world.other_lines:
        answer(line, 100)
    assert newest_plan(world.rep, None, product).months[0].quantity == 5
    assert newest_plan(world.viewer, None, product).months[0].quantity == 105
    assert newest_plan(make_user("sales_rep"), None, product) is None


def test_missed_lines_count_as_the_plan_has_them(world):
    """Closing without handing in: the plan falls back on the prefill, which is blank."""
    close(world)
    assert newest_plan(world.rep, world.customer, None).months[0].amount is None
    publish(world)
    assert newest_plan(world.rep, world.customer, None).cycle == world.cycle


def test_a_draft_is_no_plan(world):
    later = make_cycle(by=world.admin, first_period=dt.date(2027, 2, 1))
    assert newest_plan(world.rep, world.customer, None).cycle == world.cycle != later


def test_the_months_before_stand_as_the_cycle_before_planned_them(world):
    close(world)
    publish(world)
    later = open_cycle(make_cycle(by=world.admin, first_period=dt.date(2027, 3, 1)), by=world.admin)
    for line in lines_of(world.customer):
        if line.cycle_id == later.pk:
            answer(line, 9)
    found = newest_plan(world.rep, world.customer, None)
    assert (found.cycle, found.earlier) == (later, world.cycle)
    assert [month.period for month in found.bridge] == periods.span(dt.date(2027, 1, 1), 2)


def test_a_plot_draws_them_between_what_was_sold_and_the_plan(world):
    with acting(world.admin, source="web"):
        cycle_services.close_cycle(world.cycle.pk, by=world.admin)
    later = open_cycle(make_cycle(by=world.admin, first_period=dt.date(2027, 3, 1)), by=world.admin)
    for line in lines_of(world.customer):
        if line.cycle_id == later.pk:
            answer(line, 9)
    plan = newest_plan(world.rep, world.customer, world.lines[0].product)
    sold = [
        Month(period, amount=Decimal(1), quantities={"CS": Decimal(3)})
        for period in periods.span(dt.date(2026, 1, 1), 12)
    ]
    plot = drawing.sales_plot(sold, 12, show=drawing.QUANTITY, uom="CS", plan=plan)
    words = {series.word: series for series in plot.series}
    assert list(words) == ["sold", str(world.cycle), str(later), "a year before"]
    assert len(plot.months) == 12 + 2 + 16 and plot.months[-1] == later.periods[-1]
    assert words["sold"].values[11:13] == [Decimal(3), None]
    assert words[str(later)].values[13:15] == [None, 9] and words["a year before"].values[12] == 3
