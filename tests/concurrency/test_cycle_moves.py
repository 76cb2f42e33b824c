"""Moves of cycles three times at once, and against each other: one effect, and nobody in between."""

import datetime as dt
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
from django.db import OperationalError, connection

from audit.context import acting
from audit.models import Entry
from cycles import services as cycles
from cycles.models import LOCK_CLASS, Cycle, ExtensionRequest, Participant
from cycles.signals import cycle_moved, opening_refused
from forecasts.models import Line
from forecasts.services import set_cells
from forecasts.services.values import LineEdit
from masterdata.models import MatrixEntry
from masterdata.services import assign_customers
from sop_portal import database
from sop_portal.conf import services as settings
from sop_portal.lib.clock import portal_now
from sop_portal.lib.errors import Conflict
from tests.concurrency.test_races import acts_as, at_once, made_of, refusals, world  # noqa: F401  a fixture
from tests.factories import FAR, make_actual, make_customer, make_cycle, make_entry, make_user
from tests.world import close

pytestmark = pytest.mark.usefixtures("committed")

WHY = "The price list came late."
LATER = FAR + dt.timedelta(days=1)


@pytest.fixture
def moves():
    """The moves that were announced."""
    told = []

    def listen(sender, move, **kwargs):
        told.append(move)

    cycle_moved.connect(listen)
    yield told
    cycle_moved.disconnect(listen)


def put_deadline(cycle: Cycle, at: dt.datetime) -> None:
    with acting("system", source="command"):
        Cycle.objects.untracked().filter(pk=cycle.pk).update(closes_at=at)


@pytest.mark.parametrize("chosen", [False, True])
def test_an_extension_is_one_effect(world, moves, chosen):  # noqa: F811
    reps = [world.rep.pk] if chosen else None
    act = acts_as(world.admin, cycles.extend_cycle, world.cycle.pk, until=LATER, reason=WHY, rep_ids=reps)
    assert refusals(at_once(act, act, act)) == []
    assert moves == ["extend"] and made_of("cycle", "cycle_extended") == 1


@pytest.mark.parametrize("chosen", [False, True])
def test_a_reopening_is_one_effect(world, moves, chosen):  # noqa: F811
    close(world)
    reps = [world.rep.pk] if chosen else None
    act = acts_as(world.admin, cycles.reopen_cycle, world.cycle.pk, until=LATER, reason=WHY, rep_ids=reps)
    assert refusals(at_once(act, act, act)) == []
    assert moves == ["close", "reopen"] and made_of("cycle", "cycle_reopened") == 1
    assert Cycle.objects.get().times_opened == 2
    assert set(Line.objects.filter(live=True).values_list("status", flat=True)) == {"draft"}


def test_a_refresh_is_one_effect(world, moves):  # noqa: F811
    asleep = world.dormant[0]
    make_actual(MatrixEntry.objects.get(product=asleep.product_id), dt.date(2026, 12, 1))
    act = acts_as(world.admin, cycles.refresh_cycle, world.cycle.pk)
    found = at_once(act, act, act)
    assert refusals(found) == [] and sorted(one.woken for one in found) == [0, 0, 1]
    assert Participant.objects.get().lines_expected == 3


def test_a_request_and_its_answer_are_one_effect(world, moves):  # noqa: F811
    ask = acts_as(world.rep, cycles.ask_for_time, world.cycle.pk, until=LATER)
    assert len({one.pk for one in at_once(ask, ask, ask)}) == 1
    request = ExtensionRequest.objects.get()
    grant = acts_as(world.admin, cycles.grant_request, request.pk)
    assert refusals(at_once(grant, grant, grant)) == []
    assert moves == ["extend"] and Participant.objects.get().deadline_extension == LATER


def test_a_request_that_is_granted_and_declined_at_once_has_one_answer(world):  # noqa: F811
    with acting(world.rep, source="web"):
        request = cycles.ask_for_time(world.cycle.pk, until=LATER, by=world.rep)
    grant = acts_as(world.admin, cycles.grant_request, request.pk)
    decline = acts_as(world.admin, cycles.decline_request, request.pk)
    (refusal,) = refusals(at_once(grant, decline))
    assert isinstance(refusal, Conflict) and "already" in refusal.detail
    request.refresh_from_db()
    granted = Participant.objects.get().deadline_extension == LATER
    assert request.state == ("granted" if granted else "declined")


def test_jobs_that_close_at_once_close_once(world, moves):  # noqa: F811
    put_deadline(world.cycle, portal_now())
    assert sorted(at_once(*[cycles.auto_close] * 3)) == [0, 0, 1]
    assert moves == ["close"] and made_of("cycle", "cycle_closed") == 1


def test_jobs_that_open_at_once_open_once_and_tell_once(moves):
    admin = make_user("admin")
    entry = make_entry(make_customer())
    with acting(admin, source="web"):
        settings.set_value("auto_open_cycles", True, admin)
    draft = make_cycle(by=admin, opens_at=portal_now())
    told = []

    def listen(sender, **kwargs):
        told.append(1)

    opening_refused.connect(listen)
    try:
        assert at_once(*[cycles.auto_open] * 3) == [0, 0, 0]
        assert told == [1]
        with acting("system", source="command"):
            entry.is_active = False
            entry.save()
        assert sorted(at_once(*[cycles.auto_open] * 3)) == [0, 0, 1]
    finally:
        opening_refused.disconnect(listen)
    assert moves == ["open"] and Cycle.objects.get().pk == draft.pk and told == [1]


def test_an_extension_beside_the_job_that_closes(world, moves):  # noqa: F811
    put_deadline(world.cycle, portal_now())
    extend = acts_as(world.admin, cycles.extend_cycle, world.cycle.pk, until=LATER, reason=WHY)
    answers = at_once(cycles.auto_close, extend)
    cycle = Cycle.objects.get()
    if refusals(answers):
        assert cycle.is_closed and moves == ["close"] and "reopen it instead" in refusals(answers)[0].detail
    else:
        assert cycle.is_open and moves == ["extend"] and answers[0] == 0


def test_typing_beside_a_reopening_is_taken_or_told(world):  # noqa: F811
    close(world)
    line = Line.objects.get(pk=world.live[0].pk)
    edit = LineEdit(line.pk, line.revision + 1, {world.cycle.first_period: Decimal(3)})
    reopen = acts_as(world.admin, cycles.reopen_cycle, world.cycle.pk, until=LATER, reason=WHY)
    answers = at_once(reopen, acts_as(world.rep, set_cells, world.cycle.pk, [edit]))
    line.refresh_from_db()
    assert line.status == "draft"
    typed = not refusals(answers)
    assert (line.quantity[0] == 3) == typed


def test_a_customer_given_away_beside_a_reopening_has_one_rep(world):  # noqa: F811
    close(world)
    newcomer = make_user("sales_rep", manager=world.manager)
    customer = world.live[0].customer_id
    answers = at_once(
        acts_as(world.admin, cycles.reopen_cycle, world.cycle.pk, until=LATER, reason=WHY),
        acts_as(world.admin, assign_customers, [customer], newcomer),
    )
    assert refusals(answers) == []
    assert set(Line.objects.values_list("owner", flat=True)) == {newcomer.pk}
    shares = dict(Participant.objects.values_list("rep", "lines_expected"))
    assert shares == {world.rep.pk: 0, newcomer.pk: 2}
    assert Entry.objects.filter(action="cycle_reopened").count() == 1


def until_held(*, waiting: int) -> None:
    """Wait until somebody moves a cycle, and so many wait for that."""
    with connection.cursor() as cursor:
        for _ in range(200):
            cursor.execute(
                "SELECT count(*) FILTER (WHERE granted), count(*) FILTER (WHERE NOT granted) FROM pg_locks "
                "WHERE locktype = 'advisory' AND classid = %s",
                [LOCK_CLASS],
            )
            if cursor.fetchone() == (1, waiting):
                return
            time.sleep(0.05)
    raise AssertionError(f"the cycle was not held with {waiting} waiting")


def test_who_waits_in_a_ring_is_told_to_try_again(world):  # noqa: F811
    """A customer given away while the cycle closes and the next one in the queue reopens it: both wait for the other."""
    newcomer = make_user("sales_rep", manager=world.manager)
    customer, go_on = world.live[0].customer_id, threading.Event()

    def hold(sender, move, **kwargs):
        if move == "close":
            assert go_on.wait(20)

    def run(act):
        try:
            return act()
        except OperationalError as problem:
            return database.in_the_way(problem)
        finally:
            connection.close()

    assign = acts_as(world.admin, assign_customers, [customer], newcomer)
    reopen = acts_as(world.admin, cycles.reopen_cycle, world.cycle.pk, until=LATER, reason=WHY)
    cycle_moved.connect(hold)
    try:
        with ThreadPoolExecutor(3) as pool:
            jobs = [pool.submit(run, acts_as(world.admin, cycles.close_cycle, world.cycle.pk))]
            for number, act in enumerate((reopen, assign)):
                until_held(waiting=number)
                jobs.append(pool.submit(run, act))
            until_held(waiting=2)
            go_on.set()
            answers = [job.result() for job in jobs]
    finally:
        go_on.set()
        cycle_moved.disconnect(hold)
    (told,) = refusals(answers)
    assert told.status == 409 and "nothing was saved; try again" in told.detail
    for act in (reopen, assign):
        act()
    assert set(Line.objects.values_list("owner", flat=True)) == {newcomer.pk}
    assert Cycle.objects.get().is_open and made_of("cycle", "cycle_reopened") == 1
