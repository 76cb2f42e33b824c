"""Actuals that came late: which lines wake, which go to sleep, and whose are left alone."""

import datetime as dt

import pytest

from audit.context import acting
from audit.models import Entry
from cycles.models import Participant
from forecasts.models import Line
from forecasts.services.adding import add_line
from masterdata.models import Actual
from sop_portal.lib.errors import Conflict, NotAllowed
from tests.cycles.acts import act
from tests.factories import answer, make_product
from tests.world import SOLD, close, make_world, next_transaction, submitted

pytestmark = pytest.mark.django_db


@pytest.fixture
def world():
    """Three lines of Rita and three of Oskar, which sold last month."""
    return make_world(lines=3)


def live(line: Line) -> bool:
    line.refresh_from_db()
    return bool(line.live)


def expected(world) -> dict[int, int]:
    return dict(Participant.objects.filter(cycle=world.cycle).values_list("rep", "lines_expected"))


def forget(line: Line) -> None:
    """The sale that made `line` live turns out to be none."""
    Actual.objects.untracked().filter(customer=line.customer_id, product=line.product_id).delete()


def test_what_was_sold_wakes_and_what_was_not_goes_to_sleep(world, moved):
    asleep = world.lines[0]
    for line in world.other_lines[:2]:
        forget(line)
    forget(asleep)
    assert act("refresh_cycle", world.cycle.pk, by=world.admin).slept == 3
    assert not live(asleep) and live(world.lines[1])
    assert expected(world) == {world.rep.pk: 2, world.other_rep.pk: 1}
    Actual.objects.untracked().bulk_create(
        [Actual(customer=asleep.customer, product=asleep.product, period=SOLD, quantity=5, amount=50)]
    )
    next_transaction()
    refreshed = act("refresh_cycle", world.cycle.pk, by=world.admin)
    assert (refreshed.woken, refreshed.slept) == (1, 0) and refreshed.cycle.refreshed_at is not None
    assert live(asleep) and expected(world) == {world.rep.pk: 3, world.other_rep.pk: 1}
    assert [details for move, details in moved if move == "refresh"] == [
        {"woken": {}, "slept": {world.rep.pk: 1, world.other_rep.pk: 2}},
        {"woken": {world.rep.pk: 1}, "slept": {}},
    ]
    told = Entry.objects.filter(entity_type="forecast", entity_id=str(asleep.pk)).latest("id")
    assert told.action == "forecast_updated" and told.changes == {"live": [False, True]}
    share = Entry.objects.filter(entity_type="participant").latest("id")
    assert share.changes == {"lines_expected": [2, 3]}


def test_a_line_that_people_touched_never_goes_dormant(world):
    typed, handed_in, cleared = world.lines
    answer(typed, 0)
    submitted([handed_in])
    answer(cleared, 5)
    for line in world.lines:
        forget(line)
    assert act("refresh_cycle", world.cycle.pk, by=world.admin).slept == 0
    assert all(live(line) for line in world.lines)


def test_a_line_that_somebody_added_stays_awake_although_it_never_sold(world):
    with acting(world.rep, source="web"):
        added = add_line(world.cycle.pk, world.customer, make_product(), by=world.rep)
    assert act("refresh_cycle", world.cycle.pk, by=world.admin).slept == 0
    assert live(added) and expected(world)[world.rep.pk] == 4


def test_a_plan_that_goes_on_keeps_a_line_awake(world):
    submitted(world.lines)
    close(world)
    act("publish_cycle", world.cycle.pk, by=world.admin)
    following = act("create_cycle", first_period=dt.date(2027, 2, 1), closes_at=world.cycle.closes_at, by=world.admin)
    act("open_cycle", following.pk, by=world.admin)
    for line in world.lines:
        forget(line)
    assert act("refresh_cycle", following.pk, by=world.admin).slept == 0


def test_nothing_new_writes_nothing(world):
    next_transaction()
    last = Entry.objects.latest("id").pk
    for _ in range(2):
        refreshed = act("refresh_cycle", world.cycle.pk, by=world.admin)
        assert (refreshed.woken, refreshed.slept, refreshed.cycle.refreshed_at) == (0, 0, None)
    assert Entry.objects.latest("id").pk == last


def test_revisions_stay_so_that_whoever_types_is_not_disturbed(world):
    forget(world.lines[0])
    before = world.lines[0].revision
    act("refresh_cycle", world.cycle.pk, by=world.admin)
    world.lines[0].refresh_from_db()
    assert world.lines[0].revision == before
    answer(world.lines[0], 4)
    assert live(world.lines[0]) and expected(world)[world.rep.pk] == 3


def test_only_admins_refresh_and_only_an_open_cycle(world):
    for who in (world.rep, world.manager, world.viewer):
        with pytest.raises(NotAllowed):
            act("refresh_cycle", world.cycle.pk, by=who)
    close(world)
    with pytest.raises(Conflict, match="is closed; only an open cycle is refreshed"):
        act("refresh_cycle", world.cycle.pk, by=world.admin)
