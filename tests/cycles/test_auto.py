"""The jobs that open and close cycles: when, when not, how often, and what admins hear."""

import datetime as dt

import pytest

from audit.context import acting
from audit.models import Entry
from cycles import services
from cycles.models import Cycle, Participant
from cycles.signals import opening_refused
from sop_portal.conf import services as settings
from tests.cycles.acts import AFTER, BEFORE, DEADLINE, LATER, WHY, act, type_into
from tests.factories import make_customer, make_cycle, make_entry, make_user
from tests.world import make_world, next_transaction, submitted

pytestmark = pytest.mark.django_db

OPENS = dt.datetime(2026, 12, 1, 9, tzinfo=dt.UTC)


@pytest.fixture
def world(at):
    at(BEFORE)
    return make_world(lines=2, closes_at=DEADLINE)


def change(key: str, value: object, admin) -> None:
    with acting(admin, source="web"):
        settings.set_value(key, value, admin)


def test_the_job_closes_once_the_deadline_has_passed(world, at, moved):
    submitted(world.lines[:1])
    assert services.auto_close() == 0
    at(DEADLINE)
    next_transaction()
    assert [services.auto_close() for _ in range(3)] == [1, 0, 0]
    world.cycle.refresh_from_db()
    assert world.cycle.is_closed and (world.cycle.closed_at, world.cycle.close_reason) == (
        DEADLINE,
        "The deadline has passed.",
    )
    assert moved == [
        (
            "close",
            {
                "reason": "The deadline has passed.",
                "missed": {world.rep.pk: 1, world.other_rep.pk: 2},
                "late": {world.rep.pk, world.other_rep.pk},
            },
        )
    ]
    entry = Entry.objects.get(action="cycle_closed")
    assert (entry.actor_id, entry.actor_label, entry.source) == (None, "system", "job")
    assert Participant.objects.get(rep=world.rep).counts_at_close == {"submitted": 1, "missed": 1}


def test_every_extension_has_to_pass(world, at):
    act("extend_cycle", world.cycle.pk, until=LATER, reason=WHY, by=world.admin, rep_ids=[world.rep.pk])
    at(AFTER)
    assert services.auto_close() == 0
    type_into(world.lines[0])
    at(LATER - dt.timedelta(milliseconds=1))
    assert services.auto_close() == 0
    at(LATER)
    assert services.auto_close() == 1


def test_the_setting_keeps_the_job_from_closing(world, at):
    change("auto_close_cycles", False, world.admin)
    at(LATER)
    assert services.auto_close() == 0
    change("auto_close_cycles", True, world.admin)
    assert services.auto_close() == 1


def test_a_job_that_comes_days_late_closes_all_the_same(world, at):
    at(DEADLINE + dt.timedelta(days=9))
    assert services.auto_close() == 1


def test_a_cycle_reopened_for_some_is_closed_after_their_time(world, at):
    at(DEADLINE)
    services.auto_close()
    act("reopen_cycle", world.cycle.pk, until=LATER, reason=WHY, by=world.admin, rep_ids=[world.rep.pk])
    assert services.auto_close() == 0
    at(LATER)
    assert services.auto_close() == 1


# --- Opening --------------------------------------------------------------------------------------------------------


@pytest.fixture
def draft(at):
    at(OPENS - dt.timedelta(hours=2))
    admin = make_user("admin")
    make_entry(make_customer(sales_rep=make_user("sales_rep")))
    change("auto_open_cycles", True, admin)
    return make_cycle(by=admin, opens_at=OPENS, closes_at=DEADLINE)


@pytest.fixture
def told():
    sentences = []

    def listen(sender, cycle, sentence, **kwargs):
        sentences.append(sentence)

    opening_refused.connect(listen)
    yield sentences
    opening_refused.disconnect(listen)


def test_the_job_opens_at_the_planned_time(draft, at, told):
    assert services.auto_open() == 0
    at(OPENS)
    assert [services.auto_open() for _ in range(3)] == [1, 0, 0]
    draft.refresh_from_db()
    assert draft.is_open and draft.opened_at == OPENS and draft.lines.count() == 1
    assert told == []


def test_the_setting_has_to_ask_for_it(draft, at):
    change("auto_open_cycles", False, draft.created_by)
    at(OPENS)
    assert services.auto_open() == 0


def test_a_draft_without_a_planned_time_waits_for_somebody(draft, at):
    make_cycle(by=draft.created_by, first_period=dt.date(2027, 2, 1), closes_at=DEADLINE)
    at(OPENS)
    assert services.auto_open() == 1
    assert Cycle.objects.open().get() == draft


def test_red_findings_are_told_once_and_not_each_hour(draft, at, told):
    entry = make_entry(make_customer(name="Nobody Serves Me"))
    at(OPENS)
    for hours in range(3):
        at(OPENS + dt.timedelta(hours=hours))
        assert services.auto_open() == 0
    assert told == ["1 customer with products has no sales rep. Mend that first, or say why S&OP Jan 2027 is opened all "
                    "the same."]  # fmt: skip
    draft.refresh_from_db()
    assert draft.status == "draft" and draft.opening_refused_at == OPENS
    with acting(draft.created_by, source="web"):
        services.update_cycle(
            draft.pk, first_period=draft.first_period, opens_at=OPENS, closes_at=LATER, by=draft.created_by
        )
    assert services.auto_open() == 0 and len(told) == 2
    with acting("system", source="command"):
        entry.is_active = False
        entry.save()
    assert services.auto_open() == 1 and len(told) == 2
    draft.refresh_from_db()
    assert draft.opening_refused_at is None


def test_a_job_that_comes_after_the_deadline_opens_nothing_and_says_so(draft, at, told):
    at(DEADLINE)
    assert services.auto_open() == 0
    assert told == ["The deadline of this cycle has passed; edit it before opening."]


def test_a_second_draft_waits_for_the_first_to_close(draft, at, told):
    following = make_cycle(by=draft.created_by, first_period=dt.date(2027, 2, 1), opens_at=OPENS, closes_at=LATER)
    at(OPENS)
    assert services.auto_open() == 1 and Cycle.objects.open().get() == draft
    assert told == ["S&OP Jan 2027 is still open; close it before opening S&OP Feb 2027."]
    at(DEADLINE)
    assert services.auto_close() == 1 and services.auto_open() == 1
    assert Cycle.objects.open().get() == following
