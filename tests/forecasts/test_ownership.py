"""Lines that follow their customer to another rep."""

import datetime as dt
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit.context import acting
from audit.models import Entry
from cycles.models import Participant
from forecasts.models import Line, Snapshot
from forecasts.services import LineEdit, recall_lines, set_cells, submit_lines
from masterdata.services import assign_customers, what_follows
from sop_portal.lib.errors import NotAllowed, Refused
from tests.factories import answer, make_customer, make_entry, make_user, ref, submit
from tests.world import close, decided, lines_of, make_world, next_transaction, publish, submitted

pytestmark = pytest.mark.django_db
JAN = dt.date(2027, 1, 1)


def assign(world, rep, *customers):
    next_transaction()
    with acting(world.admin, source="web"):
        assign_customers([customer.pk for customer in customers or [world.customer]], rep, by=world.admin)


def expected(world):
    return dict(Participant.objects.filter(cycle=world.cycle).values_list("rep", "lines_expected"))


def test_all_lines_of_the_open_cycle_go_whatever_their_status():
    world = make_world(lines=4)
    entry = make_entry(world.customer)  # outside the cycle, since that is open already
    _draft, handed_in, approved, rejected = world.lines
    submitted([handed_in, approved, rejected])
    decided("approve", [approved], world.manager)
    decided("reject", [rejected], world.manager)
    before = {line.pk: (line.status, line.revision, line.submitted_by_id) for line in lines_of(world.customer)}
    assign(world, world.other_rep)
    after = lines_of(world.customer)
    assert {line.owner for line in after} == {world.other_rep}
    assert {line.pk: (line.status, line.revision, line.submitted_by_id) for line in after} == before
    assert {line.status for line in after} == {"draft", "submitted", "approved", "rejected"}
    assert not Line.objects.filter(product=entry.product).exists()
    # The copies of what was handed in keep the owner of that moment: credit stays.
    assert set(Snapshot.objects.filter(line__in=after).values_list("owner", flat=True)) == {world.rep.pk}


def test_the_denominators_follow_and_stand_in_the_trail():
    world = make_world(lines=3)
    assert expected(world) == {world.rep.pk: 3, world.other_rep.pk: 3}
    assign(world, world.other_rep)
    assert expected(world) == {world.rep.pk: 0, world.other_rep.pk: 6}
    for rep, pair in ((world.rep, [3, 0]), (world.other_rep, [3, 6])):
        share = Participant.objects.get(cycle=world.cycle, rep=rep)
        entry = Entry.objects.filter(entity_type="participant", entity_id=str(share.pk)).latest("pk")
        assert (entry.action, entry.changes) == ("participant_updated", {"lines_expected": pair})
    entry = Entry.objects.filter(entity_type="forecast", entity_id=str(world.lines[0].pk)).latest("pk")
    assert entry.action == "forecast_updated" and entry.actor_id == world.admin.pk
    assert entry.label == "Elm Supply, Inc. · P0 Garlic 0"
    assert entry.changes == {"owner": [f"Rita Rep (#{world.rep.pk})", f"Oskar Rep (#{world.other_rep.pk})"]}


def test_a_rep_who_took_no_part_does_now_and_dormant_lines_do_not_count():
    world = make_world(lines=2)
    make_dormant = Line.objects.filter(pk=world.lines[0].pk)
    with acting("system", source="command"):
        make_dormant.update(live=False)
    newcomer = make_user("sales_rep", full_name="Nora New")
    assign(world, newcomer)
    assert expected(world)[newcomer.pk] == 1
    assert {line.owner for line in lines_of(world.customer)} == {newcomer}
    share = Participant.objects.get(cycle=world.cycle, rep=newcomer)
    entry = Entry.objects.get(entity_type="participant", entity_id=str(share.pk))
    assert entry.action == "participant_created" and entry.changes == {
        "cycle": [None, f"S&OP Jan 2027 (#{world.cycle.pk})"],
        "rep": [None, f"Nora New (#{newcomer.pk})"],
        "lines_expected": [None, 1],
    }
    # From here a woken line counts for the new rep.
    answer(Line.objects.select_related("cycle", "owner").get(pk=world.lines[0].pk), 5)
    assert expected(world)[newcomer.pk] == 2


def test_the_new_rep_types_and_submits_and_the_former_one_is_told():
    world = make_world(lines=2)
    handed_in, line = world.lines
    submitted([handed_in])
    edit = [LineEdit(line.pk, line.revision, {JAN: Decimal(5)})]
    assign(world, world.other_rep)
    with acting(world.rep, source="web"):
        with pytest.raises(Refused, match="no such line among yours"):
            set_cells(world.cycle.pk, edit, by=world.rep)
        with pytest.raises(NotAllowed):
            recall_lines(world.cycle.pk, [ref(handed_in)], by=world.rep)
    with acting(world.other_rep, source="web"):
        set_cells(world.cycle.pk, edit, by=world.other_rep)
        # What somebody else handed in is theirs to recall; the new rep's manager returns it.
        with pytest.raises(Refused, match="submitted by somebody else"):
            recall_lines(world.cycle.pk, [ref(handed_in)], by=world.other_rep)
    decided("return", [handed_in], world.other_manager)
    line = answer(Line.objects.select_related("cycle", "owner").get(pk=line.pk), 7)
    with acting(world.other_rep, source="web"):
        submit_lines(world.cycle.pk, [ref(handed_in), ref(line)], by=world.other_rep)


def test_customers_given_to_nobody_leave_their_open_lines_with_the_former_rep():
    world = make_world(lines=2)
    assign(world, None)
    assert {line.owner for line in lines_of(world.customer)} == {world.rep}
    assert expected(world)[world.rep.pk] == 2
    assert Line.objects.editable_by(world.rep).filter(customer=world.customer).count() == 2
    # Once they have a rep again, the lines go there.
    assign(world, world.other_rep)
    assert {line.owner for line in lines_of(world.customer)} == {world.other_rep}
    assert expected(world) == {world.rep.pk: 0, world.other_rep.pk: 4}


@pytest.mark.parametrize("end", ["close", "publish"])
def test_what_is_closed_stays_with_whoever_planned_it(end):
    world = make_world(lines=1)
    submitted(world.lines)
    close(world)
    if end == "publish":
        publish(world)
    assign(world, world.other_rep)
    assert {line.owner for line in lines_of(world.customer)} == {world.rep}
    assert what_follows([world.customer.pk]) == []
    # The new rep reads all of it, the former one what was theirs.
    assert Line.objects.visible_to(world.other_rep).filter(customer=world.customer).exists()
    assert Line.objects.visible_to(world.rep).filter(customer=world.customer).exists()


def test_lines_go_after_the_deadline_too(at):
    world = make_world(lines=1)
    at(world.cycle.closes_at + dt.timedelta(hours=1))
    assign(world, world.other_rep)
    assert lines_of(world.customer)[0].owner == world.other_rep


def test_the_page_says_beforehand_what_would_go():
    world = make_world(lines=3)
    assert what_follows([world.customer.pk]) == [
        "3 live lines of S&OP Jan 2027 go with them. Closed cycles stay with whoever planned them."
    ]
    submit(answer(world.lines[0], 5))
    (sentence,) = what_follows([world.customer.pk, world.other_customer.pk])
    assert sentence.startswith("6 live lines of S&OP Jan 2027 go with them, 1 of them handed in already.")
    assert what_follows([make_customer().pk]) == []


def test_it_costs_the_same_for_few_and_many_lines():
    world = make_world(lines=8)
    counts = []
    for customers in ([world.customer], [world.customer, world.other_customer]):
        newcomer = make_user("sales_rep")
        with CaptureQueriesContext(connection) as caught:
            assign(world, newcomer, *customers)
        counts.append(len(caught))
        assert Line.objects.filter(owner=newcomer).count() == 8 * len(customers)
    assert counts[0] == counts[1]
