"""More time: for everybody, for some, on request; and the deadline that the database guards by."""

import datetime as dt

import pytest
from django.db import IntegrityError, connection, transaction

from audit.models import Entry
from cycles.models import Cycle, ExtensionRequest, Participant
from cycles.signals import extension_asked, extension_declined
from sop_portal.lib.errors import Conflict, NotAllowed, Refused
from tests.cycles.acts import AFTER, DEADLINE, LATER, WHY, act, type_into
from tests.factories import make_user
from tests.world import close, make_world, next_transaction

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(at):
    at(DEADLINE - dt.timedelta(days=5))
    return make_world(lines=1, closes_at=DEADLINE)


def test_the_deadline_moves_for_everybody(world, at, moved):
    at(AFTER)
    with pytest.raises(Conflict, match="took input until"):
        type_into(world.lines[0])
    next_transaction()
    cycle = act("extend_cycle", world.cycle.pk, until=LATER, reason=f"  {WHY} ", by=world.admin)
    assert (cycle.closes_at, cycle.extend_reason) == (LATER, WHY)
    assert moved == [("extend", {"reps": None, "until": LATER, "was": DEADLINE, "reason": WHY})]
    type_into(world.lines[0])
    type_into(world.other_lines[0])
    entry = Entry.objects.get(action="cycle_extended")
    assert entry.entity_id == str(cycle.pk) and entry.actor_id == world.admin.pk
    assert entry.changes["extend_reason"] == ["", WHY]
    at(LATER)
    with pytest.raises(Conflict, match="took input until 22 Dec 2026 18:00"):
        type_into(world.lines[0], 8)


def test_the_deadline_moves_for_chosen_reps_alone(world, at, moved):
    at(AFTER)
    next_transaction()
    act("extend_cycle", world.cycle.pk, until=LATER, reason=WHY, by=world.admin, rep_ids=[world.rep.pk])
    assert moved == [("extend", {"reps": [world.rep.pk], "until": LATER, "was": DEADLINE, "reason": WHY})]
    type_into(world.lines[0])
    with pytest.raises(Conflict, match="took input until 20 Dec 2026 18:00"):
        type_into(world.other_lines[0])
    share = Participant.objects.get(cycle=world.cycle, rep=world.rep)
    assert (share.deadline_extension, share.extension_reason) == (LATER, WHY)
    entry = Entry.objects.get(action="cycle_extended")
    assert entry.changes["reason"] == [None, WHY]
    assert entry.changes[f"deadline of Rita Rep (#{world.rep.pk})"] == [DEADLINE.isoformat(), LATER.isoformat()]
    assert Cycle.objects.get(pk=world.cycle.pk).closes_at == DEADLINE


@pytest.mark.parametrize("chosen", [False, True])
def test_the_guard_of_the_database_knows_extensions(world, at, chosen):
    reps = [world.rep.pk] if chosen else None
    act("extend_cycle", world.cycle.pk, until=LATER, reason=WHY, by=world.admin, rep_ids=reps)

    def write_past_the_services(line):
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("UPDATE forecasts_line SET risk_class = 3 - risk_class WHERE id = %s", [line.pk])

    at(LATER - dt.timedelta(milliseconds=1))
    write_past_the_services(world.lines[0])
    if chosen:
        with pytest.raises(IntegrityError, match="takes no input"):
            write_past_the_services(world.other_lines[0])
    at(LATER)
    for line in (world.lines[0], world.other_lines[0]):
        with pytest.raises(IntegrityError, match="takes no input"):
            write_past_the_services(line)


def test_an_extension_sent_twice_is_one(world, moved):
    for reps in (None, None):
        act("extend_cycle", world.cycle.pk, until=LATER, reason=WHY, by=world.admin, rep_ids=reps)
    assert [move for move, _ in moved] == ["extend"]
    later = LATER + dt.timedelta(days=1)
    for _ in range(2):
        act("extend_cycle", world.cycle.pk, until=later, reason=WHY, by=world.admin, rep_ids=[world.rep.pk])
    assert [move for move, _ in moved] == ["extend", "extend"]


def test_what_is_no_extension_is_refused(world, at):
    def refused(match, **kw):
        with pytest.raises(Refused, match=match):
            act("extend_cycle", world.cycle.pk, **{"until": LATER, "reason": WHY, "by": world.admin, **kw})

    refused("Say why there is more time", reason="  ")
    refused("at most 300", reason="x" * 301)
    refused("U\\+202E", reason="a\u202eb")
    refused("is open until 20 Dec 2026 18:00 \\(UTC\\) already", until=DEADLINE - dt.timedelta(hours=1))
    refused("has passed; choose a deadline later than now", until=DEADLINE - dt.timedelta(days=9))
    refused("before the year", until=dt.datetime(2300, 1, 1, tzinfo=dt.UTC))
    refused("Choose at least one rep", rep_ids=[])
    refused("does not take part", rep_ids=[world.rep.pk, make_user("sales_rep").pk])
    act("extend_cycle", world.cycle.pk, until=LATER, reason=WHY, by=world.admin, rep_ids=[world.rep.pk])
    refused("Rita Rep has a later deadline already", rep_ids=[world.rep.pk], until=LATER - dt.timedelta(hours=1))
    for who in (world.rep, world.manager, world.viewer):
        with pytest.raises(NotAllowed):
            act("extend_cycle", world.cycle.pk, until=LATER, reason=WHY, by=who)
    close(world)
    with pytest.raises(Conflict, match="is closed; reopen it instead"):
        act("extend_cycle", world.cycle.pk, until=LATER, reason=WHY, by=world.admin)


# --- A rep asks -----------------------------------------------------------------------------------------------------


def test_a_rep_asks_and_an_admin_grants(world, at, moved):
    asked = []
    extension_asked.connect(lambda request, **_: asked.append(request.rep), weak=False, dispatch_uid="test")
    at(AFTER)
    request = act("ask_for_time", world.cycle.pk, until=LATER, text="I was ill.", by=world.rep)
    extension_asked.disconnect(dispatch_uid="test")
    assert asked == [world.rep] and request.is_waiting
    assert list(ExtensionRequest.objects.waiting()) == [request]
    for _ in range(2):
        granted = act("grant_request", request.pk, by=world.admin)
    assert (granted.state, granted.answered_by) == ("granted", world.admin)
    assert [details["reason"] for move, details in moved if move == "extend"] == ["I was ill."]
    assert Participant.objects.get(cycle=world.cycle, rep=world.rep).deadline_extension == LATER
    type_into(world.lines[0])
    with pytest.raises(Conflict, match="Rita Rep is granted already"):
        act("decline_request", request.pk, by=world.admin)


def test_a_request_sent_again_is_changed_and_there_is_one_at_a_time(world):
    first = act("ask_for_time", world.cycle.pk, until=LATER, by=world.rep)
    again = act("ask_for_time", world.cycle.pk, until=LATER, by=world.rep)
    other = act("ask_for_time", world.cycle.pk, until=LATER + dt.timedelta(days=1), text="Much to do.", by=world.rep)
    assert first.pk == again.pk == other.pk and ExtensionRequest.objects.count() == 1
    with pytest.raises(IntegrityError), transaction.atomic():
        ExtensionRequest.objects.bulk_create(
            [ExtensionRequest(cycle=world.cycle, rep=world.rep, wanted_until=LATER, asked_at=LATER)]
        )


def test_a_request_is_declined_with_a_word(world):
    told = []
    extension_declined.connect(lambda request, **_: told.append(request.answer), weak=False, dispatch_uid="test")
    request = act("ask_for_time", world.cycle.pk, until=LATER, by=world.rep)
    for _ in range(2):
        act("decline_request", request.pk, answer="The meeting is on Monday.", by=world.admin)
    extension_declined.disconnect(dispatch_uid="test")
    assert told == ["The meeting is on Monday."]
    with pytest.raises(Conflict, match="is declined already"):
        act("grant_request", request.pk, by=world.admin)
    assert Participant.objects.get(cycle=world.cycle, rep=world.rep).deadline_extension is None
    assert act("ask_for_time", world.cycle.pk, until=LATER, by=world.rep).pk != request.pk


def test_a_wish_that_is_fulfilled_already_is_granted_without_a_change(world, moved):
    request = act("ask_for_time", world.cycle.pk, until=LATER, by=world.rep)
    act("extend_cycle", world.cycle.pk, until=LATER + dt.timedelta(days=1), reason=WHY, by=world.admin)
    assert act("grant_request", request.pk, by=world.admin).state == "granted"
    assert [move for move, _ in moved] == ["extend"]


def test_requests_lapse_with_the_close(world):
    request = act("ask_for_time", world.cycle.pk, until=LATER, by=world.rep)
    close(world)
    request.refresh_from_db()
    assert request.state == "lapsed"
    with pytest.raises(Conflict, match="is lapsed already"):
        act("grant_request", request.pk, by=world.admin)
    with pytest.raises(Conflict, match="ask an S&OP admin whether it can be reopened"):
        act("ask_for_time", world.cycle.pk, until=LATER, by=world.rep)


def test_who_may_ask_and_for_what(world):
    with pytest.raises(NotAllowed, match="You do not take part"):
        act("ask_for_time", world.cycle.pk, until=LATER, by=world.manager)
    with pytest.raises(Refused, match="Your deadline is 20 Dec 2026 18:00 \\(UTC\\) already"):
        act("ask_for_time", world.cycle.pk, until=DEADLINE, by=world.rep)
    request = act("ask_for_time", world.cycle.pk, until=LATER, by=world.rep)
    for answered in ("grant_request", "decline_request"):
        with pytest.raises(NotAllowed):
            act(answered, request.pk, by=world.rep)
    assert list(ExtensionRequest.objects.visible_to(world.rep)) == [request]
    assert not ExtensionRequest.objects.visible_to(world.other_rep).exists()
    assert list(ExtensionRequest.objects.visible_to(world.admin)) == [request]
