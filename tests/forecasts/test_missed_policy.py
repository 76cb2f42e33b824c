"""What the plan uses for a missed line, by each policy, in every figure of the plan."""

import datetime as dt
from decimal import Decimal

import pytest
from django.http import QueryDict
from django.test import Client
from django.urls import reverse

from audit.context import acting
from cycles import services as cycles
from cycles.models import Cycle
from forecasts import ahead, board, compare, customers, progress, queue, submission, versus
from forecasts.excel import plan_reader
from forecasts.grid import load
from forecasts.models import Line, Snapshot
from forecasts.services.adding import add_line
from sop_portal.conf import services as settings
from tests.factories import FAR, answer, make_cycle, make_product, open_cycle, submit
from tests.world import close, lines_of, make_world, publish, submitted

pytestmark = pytest.mark.django_db

FEB, MAR = dt.date(2027, 2, 1), dt.date(2027, 3, 1)
PRICE = 10
# January plans 100 a month for both lines. In February the first is handed in with 250; the second is typed as 7, but
# never handed in: it started with 15 carried months of 100 and a blank.
HANDED_IN, SAVED, STARTED = 250, 7, 100
PLANNED = {"carry_over": STARTED, "last_saved": SAVED, "zero": 0}


def missed_world(policy: str):
    """The cycle of February, closed with one line approved and one missed."""
    world = make_world(lines=2)
    submitted(world.lines)
    close(world)
    publish(world)
    with acting(world.admin, source="web"):
        settings.set_value("missing_forecast_policy", policy, world.admin)
    world.cycle = open_cycle(make_cycle(by=world.admin, first_period=FEB), by=world.admin)
    world.lines = [line for line in lines_of(world.customer) if line.cycle_id == world.cycle.pk]
    answer(world.lines[0], HANDED_IN)
    submit(world.lines[0])
    answer(world.lines[1], SAVED)
    close(world)
    world.lines[1].refresh_from_db()
    assert world.lines[1].status == "missed" and world.lines[1].quantity[0] == SAVED
    return world


@pytest.fixture(params=PLANNED)
def policy(request):
    return request.param


@pytest.fixture
def world(policy):
    return missed_world(policy)


def own(world):
    return Line.objects.filter(cycle=world.cycle, customer=world.customer)


def twelve(policy: str) -> int:
    return 12 * PLANNED[policy]


@pytest.mark.parametrize("published", [False, True], ids=["closed", "published"])
def test_figures_of_the_cycle_itself(world, policy, published):
    if published:
        publish(world)
    handed_in, missed = 12 * HANDED_IN, twelve(policy)
    # Home
    assert progress.money(own(world)).now == (handed_in + missed) * PRICE
    # Review
    found = queue.with_money(own(world)).order_by("product__item_code")
    assert [(line.next12, line.saved12, line.money) for line in found] == [
        (handed_in, handed_in, handed_in * PRICE), (missed, 12 * SAVED, missed * PRICE)
    ]  # fmt: skip
    assert queue.totals(queue.with_money(own(world).filter(status="missed"))).money == missed * PRICE
    # List of customers
    overview = customers.overview(world.rep, world.cycle, QueryDict())
    assert overview["whole"]["money"] == (handed_in + missed) * PRICE and overview["whole"]["missed"] == 1
    assert overview["shares"][0].parts[0].quantity == handed_in + missed
    # Submission board, by rep and by product
    for tab in board.TABS:
        shown = board.read(world.manager, board.Wanted(world.cycle, tab))
        assert shown.plan.money == (handed_in + missed) * PRICE
    # Two cycles compared, over the fifteen months that both plan
    before = Cycle.objects.get(first_period=dt.date(2027, 1, 1))
    compared = compare.read(world.rep, compare.Wanted(world.cycle, before, compare.CUSTOMER))
    assert compared.total.now.money == 15 * (HANDED_IN + PLANNED[policy]) * PRICE
    # Pages of customers and products
    plan = ahead.newest_plan(world.rep, world.customer, None)
    assert [month.quantity for month in plan.months[:12]] == [HANDED_IN + PLANNED[policy]] * 12
    # Consolidated workbook, on its sheets and in its totals
    lines = {line.status: line for line in plan_reader.read_lines(world.cycle, world.rep)}
    assert lines["missed"].quantity[:12] == [PLANNED[policy]] * 12
    assert (lines["missed"].saved is not None) == (policy == "carry_over")
    (totals,) = plan_reader.read_totals(world.cycle, world.rep).by_status["missed"]
    assert totals.year_sales == missed * PRICE


def test_the_plan_of_record(world, policy):
    publish(world)
    final = Snapshot.objects.get(line=world.lines[1], event=Snapshot.Event.FINAL)
    assert final.quantity[:12] == [PLANNED[policy]] * 12 and final.status == "missed"


@pytest.mark.parametrize("published", [False, True], ids=["closed", "published"])
def test_what_the_next_cycle_starts_with_and_compares_against(world, policy, published):
    if published:
        publish(world)
    world.cycle = open_cycle(make_cycle(by=world.admin, first_period=MAR), by=world.admin)
    line = own(world).get(product=world.lines[1].product)
    planned = Decimal(PLANNED[policy])
    assert line.quantity[:12] == [planned] * 12
    earlier = versus.earlier_plans([line.pk], 12)[line.pk]
    assert (earlier.sum(earlier.quantity), earlier.money) == (12 * planned, 12 * planned * PRICE)
    answer(line, 9)
    grid = load(world.rep, world.cycle, world.customer)
    (row,) = [row for row in grid.all_rows if row.line.pk == line.pk]
    assert (row.earlier, row.change) == (12 * planned, 12 * (9 - planned))
    scope = submission.scope_of(world.rep, world.cycle, QueryDict())
    (candidate,) = [item for item in submission.summary(world.rep, scope).ready if item.line.pk == line.pk]
    assert candidate.change == 12 * (9 - planned) * PRICE


def test_an_open_cycle_with_missed_lines_counts_them_as_well(world, policy):
    """Reopened for somebody else, the missed lines of the others stand by the policy."""
    with acting(world.admin, source="web"):
        cycles.reopen_cycle(
            world.cycle.pk, until=FAR, reason="Late data.", by=world.admin, rep_ids=[world.other_rep.pk]
        )
    assert progress.money(own(world)).now == (12 * HANDED_IN + twelve(policy)) * PRICE


def test_pages_flag_what_stands_in_for_a_missed_line(world, policy):
    client = Client()
    client.force_login(world.manager)
    page = client.get(reverse("forecasts:review"), {"cycle": world.cycle.pk, "tab": "missed"}).content.decode()
    assert ("84 saved, not submitted" in page) == (policy != "last_saved")
    words = {
        "carry_over": "The plan uses what the line started with.",
        "last_saved": "The plan uses what was saved last.",
        "zero": "The plan uses zero.",
    }
    assert words[policy] in client.get(reverse("forecasts:line", args=[world.lines[1].pk])).content.decode()
    grid = client.get(reverse("forecasts:grid", args=[world.cycle.pk, world.customer.pk])).content.decode()
    assert f"One line on this page was missed: shown is what it holds. {words[policy]}" in grid
    with acting(world.admin, source="web"):
        cycles.reopen_cycle(world.cycle.pk, until=FAR, reason="Late.", by=world.admin, rep_ids=[world.other_rep.pk])
    client.force_login(world.rep)
    assert "with 1 missed line as the plan has it" in client.get(reverse("home")).content.decode()


def test_a_line_that_came_after_the_opening_started_blank():
    world = make_world(lines=1)
    with acting(world.rep, source="web"):
        added = add_line(world.cycle.pk, world.customer, make_product(list_price=PRICE), by=world.rep)
    answer(added, SAVED)
    close(world)
    added.refresh_from_db()
    assert added.status == "missed" and added.quantity[0] == SAVED
    told = {line.description: line for line in plan_reader.read_lines(world.cycle, world.rep)}[
        added.product.description
    ]
    assert told.quantity == [None] * 16 and told.saved == added.quantity
    publish(world)
    final = Snapshot.objects.get(line=added, event=Snapshot.Event.FINAL)
    assert final.quantity == [None] * 16
