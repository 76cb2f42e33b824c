"""Prices that change while a cycle is open are offered, and never overwrite what somebody entered."""

import datetime as dt
from decimal import Decimal

import pytest
import redis
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from audit.context import acting
from audit.models import Entry
from forecasts.models import KeptPrice, Line
from forecasts.services import LineEdit, set_cells
from forecasts.services.prices import leave_prices, offer, offer_lately, stale_lines_of, take_prices
from masterdata.models import MatrixEntry, Price, Product
from masterdata.notices import notices
from masterdata.prices import on_day
from sop_portal.lib.errors import Conflict, NotAllowed, StaleRevision
from tests.factories import make_actual, make_cycle, make_entry, make_product, open_cycle
from tests.world import close, decided, make_world, next_transaction, submitted

pytestmark = pytest.mark.django_db
JAN, FEB, MAR = (dt.date(2027, month, 1) for month in (1, 2, 3))


def price(entry_or_line, day, amount):
    entry = entry_or_line
    if isinstance(entry, Line):
        entry = MatrixEntry.objects.get(customer=entry.customer_id, product=entry.product_id)
    next_transaction()
    with acting("system", source="command"):
        Price.objects.update_or_create(entry=entry, valid_from=day, defaults={"unit_price": Decimal(amount)})


def take(world):
    next_transaction()
    with acting(world.admin, source="web"):
        return take_prices(world.cycle.pk, by=world.admin)


def leave(world):
    next_transaction()
    with acting(world.admin, source="web"):
        return leave_prices(world.cycle.pk, by=world.admin)


def fresh(line):
    return Line.objects.select_related("cycle", "owner").get(pk=line.pk)


def edit(world, line, quantity=None, unit_price=None):
    line = fresh(line)
    next_transaction()
    with acting(world.rep, source="web"):
        set_cells(world.cycle.pk, [LineEdit(line.pk, line.revision, quantity or {}, unit_price or {})], by=world.rep)


def test_nothing_is_offered_while_prices_are_as_they_were():
    world = make_world()
    assert not offer(world.cycle)
    assert notices(world.admin) == []
    assert not take(world)


def test_a_price_from_march_is_offered_and_taken_where_nobody_entered_one():
    world = make_world(lines=2)
    line, other = world.lines
    edit(world, line, unit_price={MAR: Decimal(9), FEB: Decimal(8)})
    price(line, MAR, "12.5")
    found = offer(world.cycle)
    # January to April of next year are 16 months; March is the rep's own.
    assert (found.lines, found.cells, found.dormant, found.handed_in) == (1, 13, 0, 0)
    assert found.sentence == "1 line of S&OP Jan 2027 uses the old price in 13 cells that nobody entered."
    (stale,) = stale_lines_of(world.cycle, 10)
    assert [(move.before, move.after, move.months) for move in stale.moves] == [
        (Decimal(10), Decimal("12.5"), "Apr 2027 to Apr 2028")
    ]
    before = fresh(line)
    with acting("system", source="command"):
        Line.objects.filter(pk=line.pk).update(confirmed_by=world.rep, confirmed_at=world.cycle.opened_at)
    done = take(world)
    assert (done.lines, done.cells) == (1, 13)
    after = fresh(line)
    assert after.unit_price == [Decimal(10), Decimal(8), Decimal(9), *[Decimal("12.5")] * 13]
    assert after.price_source == "mee" + "m" * 13
    assert (after.revision, after.edited_by, after.status) == (before.revision + 1, world.rep, "draft")
    assert (after.confirmed_by, after.confirmed_at) == (None, None)
    assert fresh(other).revision == other.revision
    entry = Entry.objects.filter(entity_type="forecast", entity_id=str(line.pk)).latest("pk")
    assert (entry.action, entry.actor_id) == ("forecast_updated", world.admin.pk)
    assert entry.changes["unit_price 2027-04"] == ["10", "12.5"] and len(entry.changes) == 13
    # The same request again is one effect.
    assert not take(world)
    assert fresh(line).revision == after.revision


def test_list_prices_and_missing_ones_are_offered_too():
    world = make_world(lines=2)
    line, other = world.lines
    with acting("system", source="command"):
        Price.objects.filter(entry__customer=world.customer).delete()
        Line.objects.filter(pk=line.pk).update(unit_price=[Decimal(7)] * 16, price_source="p" * 16)
        Line.objects.filter(pk=other.pk).update(unit_price=[None] * 16, price_source="-" * 16)
        Product.objects.update(list_price=Decimal(8))
    found = offer(world.cycle)
    assert (found.cells, found.blanks, found.what) == (32, 16, "an old price or none")
    assert found.sentence == "2 lines of S&OP Jan 2027 use the old price or none in 32 cells that nobody entered."
    take(world)
    assert [(set(one.unit_price), set(one.price_source)) for one in map(fresh, world.lines)] == [
        ({Decimal(8)}, {"p"})
    ] * 2


def test_a_price_that_its_rep_emptied_is_offered_as_missing(client):
    world = make_world(lines=1)
    edit(world, world.lines[0], unit_price=dict.fromkeys([JAN, FEB]))
    found = offer(world.cycle)
    assert (found.cells, found.blanks) == (2, 2)
    assert found.sentence == "1 line of S&OP Jan 2027 has no price in 2 cells, though there is one now."
    client.force_login(world.admin)
    page = client.get(reverse("forecasts:prices", args=[world.cycle.pk])).content.decode()
    assert "1 line has no price though there is one" in page and "old price" not in page.partition("<main")[2][:600]


def test_a_page_that_is_opened_all_day_asks_once_a_minute(
    client, django_assert_num_queries, django_capture_on_commit_callbacks
):
    world = make_world(lines=1)
    with django_capture_on_commit_callbacks(execute=True):
        assert not offer_lately(world.cycle)
    price(world.lines[0], JAN, 20)
    with django_assert_num_queries(0):
        assert not offer_lately(world.cycle)
    # Whoever changes prices is told at once, and home knows it from then on.
    with django_capture_on_commit_callbacks(execute=True):
        assert len(notices(world.admin)) == 1
    with django_assert_num_queries(0):
        assert offer_lately(world.cycle).cells == 16
    with django_capture_on_commit_callbacks(execute=True):
        take(world)
    assert not offer_lately(world.cycle)


def test_old_prices_are_counted_without_a_cache(monkeypatch):
    world = make_world(lines=1)
    price(world.lines[0], JAN, 20)

    def away(*args, **kwargs):
        raise redis.ConnectionError("away")

    monkeypatch.setattr("forecasts.services.prices.cache.get", away)
    monkeypatch.setattr("forecasts.services.prices.cache.set", away)
    assert offer_lately(world.cycle).cells == 16


def test_a_price_that_went_away_is_no_new_one():
    world = make_world(lines=1)
    with acting("system", source="command"):
        Price.objects.all().delete()
    assert not offer(world.cycle)


@pytest.mark.parametrize("letter", "ceual")
def test_what_somebody_gave_stays(letter):
    world = make_world(lines=1)
    with acting("system", source="command"):
        Line.objects.filter(pk=world.lines[0].pk).update(price_source=letter * 16)
    price(world.lines[0], JAN, 20)
    assert not offer(world.cycle)
    assert not take(world)
    assert fresh(world.lines[0]).unit_price == [Decimal(10)] * 16


def test_what_is_handed_in_stays_and_is_counted():
    world = make_world(lines=4)
    draft, sent, approved, rejected = world.lines
    submitted([sent, approved, rejected])
    decided("approve", [approved], world.manager)
    decided("reject", [rejected], world.manager)
    for line in world.lines:
        price(line, JAN, 11)
    found = offer(world.cycle)
    assert (found.lines, found.cells, found.handed_in) == (2, 32, 2)
    take(world)
    assert [fresh(line).unit_price[0] for line in world.lines] == [11, 10, 10, 11]
    # The rep still has to revise it; the price is nobody's answer.
    assert fresh(rejected).status == "rejected"
    # Once returned, it is offered.
    decided("return", [fresh(sent)], world.manager)
    assert offer(world.cycle).lines == 1
    assert draft


def test_empty_lines_follow_without_being_counted_as_work():
    world = make_world(lines=2)
    with acting("system", source="command"):
        Line.objects.filter(pk=world.lines[0].pk).update(live=False)
    price(world.lines[0], JAN, 11)
    found = offer(world.cycle)
    assert (found.lines, found.dormant, found.sentence) == (
        0, 1, "1 empty line of S&OP Jan 2027 still has the old price.",
    )  # fmt: skip
    take(world)
    assert fresh(world.lines[0]).unit_price[0] == 11 and not fresh(world.lines[0]).live


def test_after_a_reps_deadline_their_lines_are_not_offered(at):
    deadline = dt.datetime(2026, 12, 20, 18, tzinfo=dt.UTC)
    at(deadline - dt.timedelta(days=1))
    world = make_world(lines=1, closes_at=deadline)
    for line in (*world.lines, *world.other_lines):
        price(line, JAN, 11)
    with acting("system", source="command"):
        share = world.cycle.participants.get(rep=world.other_rep)
        share.deadline_extension = deadline + dt.timedelta(days=2)
        share.save()
    at(deadline + dt.timedelta(hours=1))
    assert offer(world.cycle).lines == 1
    take(world)
    assert fresh(world.lines[0]).unit_price[0] == 10
    assert fresh(world.other_lines[0]).unit_price[0] == 11


def test_left_prices_are_offered_again_when_they_change_once_more():
    world = make_world(lines=2)
    line, other = world.lines
    price(line, MAR, 11)
    assert leave(world).lines == 1
    assert not offer(world.cycle) and KeptPrice.objects.get().by == world.admin
    entry = Entry.objects.get(action="cycle_prices_left")
    assert entry.entity_id == str(world.cycle.pk) and "14 cells of 1 lines" in entry.changes["old prices"][1]
    # Another line's price is another offer; the line that was left is not in it.
    price(other, MAR, 12)
    assert (offer(world.cycle).lines, offer(world.cycle).cells) == (1, 14)
    take(world)
    assert fresh(line).unit_price == [Decimal(10)] * 16
    # From June on there is a newer price than the one that was left.
    price(line, dt.date(2027, 6, 1), 13)
    assert (offer(world.cycle).lines, offer(world.cycle).cells) == (1, 11)
    take(world)
    assert fresh(line).unit_price == [Decimal(10)] * 5 + [Decimal(13)] * 11


def test_a_stale_editor_is_told_with_the_new_prices():
    world = make_world(lines=1)
    line = world.lines[0]
    price(line, JAN, 11)
    take(world)
    with acting(world.rep, source="web"), pytest.raises(StaleRevision) as told:
        set_cells(world.cycle.pk, [LineEdit(line.pk, line.revision, {JAN: Decimal(3)})], by=world.rep)
    assert told.value.extra["stale"][0]["unit_price"] == ["11"] * 16


def test_closed_cycles_keep_their_prices_and_others_may_not_decide():
    world = make_world(lines=1)
    price(world.lines[0], JAN, 11)
    for person in (world.rep, world.manager, world.viewer):
        assert notices(person) == []
        for act in (take_prices, leave_prices):
            with acting(person, source="web"), pytest.raises(NotAllowed):
                act(world.cycle.pk, by=person)
    close(world)
    assert not offer(world.cycle) and notices(world.admin) == []
    with acting(world.admin, source="web"), pytest.raises(Conflict, match="is not open"):
        take_prices(world.cycle.pk, by=world.admin)
    assert fresh(world.lines[0]).unit_price[0] == 10


def test_the_pages_offer_it_and_do_it(client):
    world = make_world(lines=2)
    price(world.lines[0], JAN, "11.25")
    client.force_login(world.admin)
    sentence = "1 line of S&amp;OP Jan 2027 uses the old price in 16 cells that nobody entered."
    for address in (reverse("home"), reverse("cycles:detail", args=[world.cycle.pk])):
        page = client.get(address).content.decode()
        assert sentence in page and reverse("forecasts:prices", args=[world.cycle.pk]) in page
    client.force_login(world.manager)
    assert sentence not in client.get(reverse("cycles:detail", args=[world.cycle.pk])).content.decode()
    client.force_login(world.admin)
    address = reverse("forecasts:prices", args=[world.cycle.pk])
    page = client.get(address).content.decode()
    assert "Elm Supply" in page and "10.00 → <b>11.25</b>" in page and "Jan 2027 to Apr 2028" in page
    done = client.post(address, {"act": "update"}, follow=True)
    assert "1 line has the new price, in 16 cells." in done.content.decode()
    assert "Every line has the prices in force" in client.get(address).content.decode()
    price(world.lines[0], JAN, "12")
    left = client.post(address, {"act": "leave"}, follow=True).content.decode()
    assert "keep their prices" in left and sentence not in left


def test_it_costs_the_same_for_few_and_many(client):
    counts = []
    world = make_world(lines=6)
    client.force_login(world.admin)
    address = reverse("forecasts:prices", args=[world.cycle.pk])
    client.get(address)
    for lines in (world.lines[:1], world.lines[1:]):
        for line in lines:
            price(line, JAN, 11)
        with CaptureQueriesContext(connection) as caught:
            assert client.get(address).status_code == 200
        shown = len(caught)
        with CaptureQueriesContext(connection) as caught:
            take(world)
        counts.append((shown, len(caught)))
    assert counts[0] == counts[1]


def test_a_single_day_and_sixteen_months_read_prices_alike():
    """`with_price` and the tables of opening and offers say the same of each first day of a month."""
    world = make_world(lines=1)
    customer = world.customer
    cases = [
        make_entry(customer, make_product(list_price=Decimal(5)), price=None),
        make_entry(customer, make_product(list_price=Decimal(5)), price=None),
        make_entry(customer, make_product(), price=None),
        make_entry(customer, make_product(list_price=Decimal(5)), price="10"),
    ]
    for entry, day, amount in (
        (cases[0], dt.date(2027, 3, 15), 6), (cases[0], dt.date(2027, 4, 1), 7), (cases[2], MAR, 8),
        (cases[3], dt.date(2026, 12, 31), 11), (cases[3], dt.date(2028, 4, 1), 12), (cases[3], dt.date(2028, 4, 2), 13),
    ):  # fmt: skip
        price(entry, day, amount)
    for entry in cases:
        make_actual(entry, dt.date(2026, 12, 1))
    close(world)
    cycle = open_cycle(make_cycle(by=world.admin, first_period=FEB), by=world.admin)
    lines = {line.product_id: line for line in Line.objects.filter(cycle=cycle)}
    for position, period in enumerate(cycle.periods):
        for entry in MatrixEntry.objects.filter(pk__in=[case.pk for case in cases]).with_price(period):
            assert lines[entry.product_id].unit_price[position] == entry.price, (entry, period)
            assert (lines[entry.product_id].price_source[position] == "m") == (entry.own_price is not None)
            changes = list(entry.prices.order_by("valid_from").values_list("valid_from", "unit_price"))
            assert on_day(changes, entry.product.list_price, period) == (entry.price, entry.own_price is not None)
