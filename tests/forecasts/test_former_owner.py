"""A rep whose customer moved on: they read what they submitted, and what they still answer for in the open cycle."""

import datetime as dt

import pytest
from django.test import Client
from django.urls import reverse

from audit.context import acting
from forecasts.models import Line, Snapshot
from masterdata.models import Delegation
from masterdata.services import assign_customers
from tests.factories import make_cycle, make_user, open_cycle
from tests.world import close, decided, lines_of, make_world, publish, submitted

pytestmark = pytest.mark.django_db
CANARY = "CANARY decision"


@pytest.fixture
def past():
    """A published cycle of which the rep submitted the first line and missed the second; then the customer went away."""
    world = make_world(lines=2)
    world.mine, world.missed = world.lines
    submitted([world.mine])
    close(world)
    decided("approve", [world.mine], world.manager)
    publish(world)
    assign(world, world.other_rep)
    return world


def assign(world, rep):
    with acting(world.admin, source="web"):
        assign_customers([world.customer.pk], rep, by=world.admin)


def signed_in(user):
    client = Client()
    client.force_login(user)
    return client


def test_of_past_cycles_they_read_only_what_they_submitted(past):
    mine = Line.objects.filter(customer=past.customer)
    assert set(mine.visible_to(past.rep)) == {past.mine}
    assert set(mine.visible_to(past.other_rep)) == {past.mine, past.missed}
    assert set(mine.visible_to(past.manager)) == {past.mine, past.missed}
    assert set(Snapshot.objects.visible_to(past.rep).values_list("line", flat=True)) == {past.mine.pk}


def test_the_pages_say_the_same(past):
    rep = signed_in(past.rep)
    for line, status in ((past.mine, 200), (past.missed, 404)):
        assert rep.get(f"/lines/{line.pk}/").status_code == status
        assert rep.get(reverse("audit:history", args=["forecast", line.pk])).status_code == status
    grid = rep.get(f"/forecast/{past.cycle.pk}/{past.customer.pk}/").content.decode()
    assert past.mine.product.description in grid and past.missed.product.description not in grid
    plan = b"".join(rep.get(f"/cycles/{past.cycle.pk}/consolidated/?format=csv").streaming_content).decode()
    assert past.mine.product.description in plan and past.missed.product.description not in plan
    assert past.missed.product.description not in rep.get(f"/forecast/{past.cycle.pk}/submit/").content.decode()


def test_a_decision_on_what_they_no_longer_read_is_not_told_on_their_home():
    world = make_world(lines=2)
    first, second = submitted(world.lines)
    decided("return", [second], world.manager, comment=CANARY)
    with acting(world.admin, source="web"):
        Line.objects.filter(pk=second.pk).update(submitted_by=None)
    assert CANARY in signed_in(world.rep).get("/").content.decode()
    close(world)
    assign(world, world.other_rep)
    page = signed_in(world.rep).get("/")
    assert CANARY not in page.content.decode()
    assert page.context["own"]["counts"].live == 1  # the one they submitted
    assert set(Line.objects.visible_to(world.rep).filter(cycle=world.cycle)) == {first}


def test_what_they_may_still_edit_stays_in_sight():
    """Without a new rep the lines of the open cycle stay with the former one; when it closes, they are out of sight."""
    world = make_world(lines=1)
    stand_in = make_user("sales_rep")
    now = dt.datetime.now(dt.UTC)
    with acting(world.admin, source="web"):
        Delegation.objects.create(
            from_user=world.rep, to_user=stand_in, created_by=world.admin, valid_from=now - dt.timedelta(days=1),
            valid_to=now + dt.timedelta(days=1),
        )  # fmt: skip
    assign(world, None)
    for person in (world.rep, stand_in):
        editable = Line.objects.editable_by(person)
        assert set(editable) == set(editable.visible_to(person)) == set(world.lines)
        grid = signed_in(person).get(f"/forecast/{world.cycle.pk}/{world.customer.pk}/")
        assert grid.status_code == 200 and grid.context["grid"].can_edit
    close(world)
    for person in (world.rep, stand_in):
        assert not Line.objects.visible_to(person).exists()
        assert signed_in(person).get(f"/lines/{world.lines[0].pk}/").status_code == 404
        assert signed_in(person).get(f"/forecast/{world.cycle.pk}/{world.customer.pk}/").status_code == 404


def test_their_next_cycle_does_not_bring_it_back(past):
    cycle = open_cycle(make_cycle(by=past.admin, first_period=dt.date(2027, 2, 1)), by=past.admin)
    assert {line.owner for line in lines_of(past.customer) if line.cycle_id == cycle.pk} == {past.other_rep}
    assert not Line.objects.visible_to(past.rep).filter(cycle=cycle).exists()
