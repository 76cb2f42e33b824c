"""A closed cycle that takes input again: whose lines, until when, and what stands in the way."""

import datetime as dt

import pytest

from audit.context import acting
from audit.models import Entry
from cycles.models import Participant
from forecasts.models import Line
from masterdata.services import assign_customers
from sop_portal.lib.errors import Conflict, NotAllowed, Refused
from tests.cycles.acts import AFTER, DEADLINE, LATER, WHY, act, type_into
from tests.factories import make_user
from tests.world import close, lines_of, make_world, next_transaction, submitted

pytestmark = pytest.mark.django_db


def status_of(lines: list[Line]) -> list[str]:
    """As `lines` are ordered: opening numbers them as it finds them."""
    now = Line.objects.in_bulk([line.pk for line in lines])
    return [now[line.pk].status for line in lines]


@pytest.fixture
def closed(at):
    """Rita has a submitted and a missed line, Oskar two missed ones; the cycle closed at its deadline."""
    at(DEADLINE - dt.timedelta(days=5))
    world = make_world(lines=2, closes_at=DEADLINE)
    submitted(world.lines[:1])
    at(AFTER)
    close(world)
    return world


def test_reopening_for_everybody_makes_drafts_of_what_was_missed(closed, at, moved):
    next_transaction()
    cycle = act("reopen_cycle", closed.cycle.pk, until=LATER, reason=WHY, by=closed.admin)
    assert cycle.is_open and (cycle.closes_at, cycle.times_opened, cycle.closed_at) == (LATER, 2, None)
    assert status_of(closed.lines) == ["submitted", "draft"] and status_of(closed.other_lines) == ["draft", "draft"]
    (move,) = moved
    assert move == ("reopen", {
        "reps": None, "until": LATER, "was": DEADLINE, "reason": WHY,
        "reopened": {closed.rep.pk: 1, closed.other_rep.pk: 2},
    })  # fmt: skip
    type_into(closed.other_lines[0])
    entry = Entry.objects.get(action="cycle_reopened")
    assert entry.changes["reopen_reason"] == ["", WHY] and entry.changes["status"] == ["closed", "open"]
    assert not Participant.objects.exclude(counts_at_close={}).exists()
    again = act("reopen_cycle", closed.cycle.pk, until=LATER, reason=WHY, by=closed.admin)
    assert again.times_opened == 2 and len(moved) == 1


def test_reopening_for_chosen_reps_lets_nobody_else_in(closed, at, moved):
    cycle = act(
        "reopen_cycle", closed.cycle.pk, until=LATER, reason=WHY, by=closed.admin, rep_ids=[closed.other_rep.pk]
    )
    assert cycle.is_open and cycle.closes_at == DEADLINE
    assert status_of(closed.lines) == ["submitted", "missed"] and status_of(closed.other_lines) == ["draft", "draft"]
    type_into(closed.other_lines[0])
    with pytest.raises(Conflict, match="took input until"):
        type_into(closed.lines[1])
    for _ in range(2):
        act("reopen_cycle", cycle.pk, until=LATER, reason=WHY, by=closed.admin, rep_ids=[closed.other_rep.pk])
    assert len(moved) == 1


def test_who_gets_more_time_in_a_cycle_reopened_for_others_answers_what_they_missed(closed):
    act("reopen_cycle", closed.cycle.pk, until=LATER, reason=WHY, by=closed.admin, rep_ids=[closed.other_rep.pk])
    next_transaction()
    act("extend_cycle", closed.cycle.pk, until=LATER, reason=WHY, by=closed.admin, rep_ids=[closed.rep.pk])
    assert status_of(closed.lines) == ["submitted", "draft"]
    told = Entry.objects.filter(entity_type="forecast", entity_id=str(closed.lines[1].pk)).latest("id")
    assert told.changes == {"status": ["missed", "draft"]}
    type_into(closed.lines[1])


def test_so_does_everybody_when_it_is_extended_for_all(closed):
    act("reopen_cycle", closed.cycle.pk, until=LATER, reason=WHY, by=closed.admin, rep_ids=[closed.rep.pk])
    assert status_of(closed.other_lines) == ["missed", "missed"]
    act("extend_cycle", closed.cycle.pk, until=LATER, reason=WHY, by=closed.admin)
    assert status_of(closed.other_lines) == ["draft", "draft"]


def test_a_deadline_ahead_ends_for_those_who_are_not_chosen(at):
    at(DEADLINE - dt.timedelta(days=5))
    world = make_world(lines=1, closes_at=DEADLINE)
    act("extend_cycle", world.cycle.pk, until=LATER, reason=WHY, by=world.admin, rep_ids=[world.rep.pk])
    close(world)
    cycle = act("reopen_cycle", world.cycle.pk, until=LATER, reason=WHY, by=world.admin, rep_ids=[world.other_rep.pk])
    assert cycle.closes_at == world.cycle.closed_at
    assert Participant.objects.get(cycle=cycle, rep=world.rep).deadline_extension is None
    type_into(world.other_lines[0])
    with pytest.raises(Conflict, match="took input until"):
        type_into(world.lines[0])


def test_missed_lines_of_a_customer_who_moved_on_go_to_the_present_rep(closed):
    newcomer = make_user("sales_rep", full_name="Nora Newcomer", manager=closed.manager)
    with acting(closed.admin, source="web"):
        assign_customers([closed.customer.pk], newcomer, by=closed.admin)
    act("reopen_cycle", closed.cycle.pk, until=LATER, reason=WHY, by=closed.admin, rep_ids=[newcomer.pk])
    lines = lines_of(closed.customer)
    assert [(line.status, line.owner) for line in lines] == [("submitted", newcomer), ("draft", newcomer)]
    shares = dict(Participant.objects.filter(cycle=closed.cycle).values_list("rep", "lines_expected"))
    assert shares == {closed.rep.pk: 0, closed.other_rep.pk: 2, newcomer.pk: 2}
    type_into(lines[1])
    assert status_of(closed.other_lines) == ["missed", "missed"]


def test_a_missed_line_that_comes_to_a_rep_with_time_is_a_draft_again(closed):
    act("reopen_cycle", closed.cycle.pk, until=LATER, reason=WHY, by=closed.admin, rep_ids=[closed.other_rep.pk])
    assert status_of(closed.lines) == ["submitted", "missed"]
    next_transaction()
    with acting(closed.admin, source="web"):
        assign_customers([closed.customer.pk], closed.other_rep, by=closed.admin)
    assert status_of(closed.lines) == ["submitted", "draft"]
    told = Entry.objects.filter(entity_type="forecast", entity_id=str(closed.lines[1].pk)).latest("id")
    assert told.changes["status"] == ["missed", "draft"] and "owner" in told.changes
    line = lines_of(closed.customer)[1]
    assert line.owner == closed.other_rep
    type_into(line)


def test_a_missed_line_that_comes_to_a_rep_without_time_stays_missed(closed):
    newcomer = make_user("sales_rep", manager=closed.manager)
    act("reopen_cycle", closed.cycle.pk, until=LATER, reason=WHY, by=closed.admin, rep_ids=[closed.other_rep.pk])
    with acting(closed.admin, source="web"):
        assign_customers([closed.customer.pk], newcomer, by=closed.admin)
    assert status_of(closed.lines) == ["submitted", "missed"]


def test_what_cannot_be_reopened(closed, at):
    def refused(kind, match, **kw):
        with pytest.raises(kind, match=match):
            act("reopen_cycle", closed.cycle.pk, **{"until": LATER, "reason": WHY, "by": closed.admin, **kw})

    refused(Refused, "Say why it is reopened", reason="")
    refused(Refused, "has passed", until=DEADLINE)
    refused(Refused, "Choose at least one rep", rep_ids=[])
    refused(Refused, "neither takes part", rep_ids=[make_user("sales_rep").pk])
    for who in (closed.rep, closed.manager):
        refused(NotAllowed, "S&OP admin", by=who)
    draft = act("create_cycle", first_period=dt.date(2027, 2, 1), closes_at=LATER, by=closed.admin)
    act("open_cycle", draft.pk, by=closed.admin)
    refused(Conflict, "S&OP Feb 2027 is still open; close it before reopening S&OP Jan 2027")
    act("close_cycle", draft.pk, by=closed.admin)
    refused(Conflict, "S&OP Feb 2027 came after S&OP Jan 2027; only the latest cycle is reopened")
    act("publish_cycle", draft.pk, by=closed.admin)
    refused(Conflict, "came after")


def test_an_archived_or_open_cycle_is_not_reopened(closed):
    cycle = act("reopen_cycle", closed.cycle.pk, until=LATER, reason=WHY, by=closed.admin)
    with pytest.raises(Conflict, match="only a closed cycle is reopened"):
        act("reopen_cycle", cycle.pk, until=LATER, reason="Another reason.", by=closed.admin)
    act("close_cycle", cycle.pk, by=closed.admin)
    act("publish_cycle", cycle.pk, by=closed.admin)
    with pytest.raises(Conflict, match="is published; only a closed cycle is reopened"):
        act("reopen_cycle", cycle.pk, until=LATER, reason=WHY, by=closed.admin)
