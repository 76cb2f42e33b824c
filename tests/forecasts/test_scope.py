"""The two ways to ask for the lines that a person may read have one answer."""

import datetime as dt
import itertools

import pytest
from django.db import transaction
from django.utils import timezone

from audit.context import acting
from forecasts.models import Line
from forecasts.services.writing import past_the_guard
from masterdata.models import Customer, Delegation
from tests.factories import make_cycle, make_user, open_cycle
from tests.world import close, make_world, publish

pytestmark = pytest.mark.django_db


def test_looking_up_the_customers_first_finds_the_same_lines() -> None:
    """Every mixture of who serves the customer, who owns the line, who submitted it, and whether the cycle is open."""
    world = make_world(lines=16)
    close(world)
    publish(world)
    open_cycle(make_cycle(by=world.admin, first_period=dt.date(2027, 2, 1)), by=world.admin)
    third = make_user("sales_rep", manager=world.other_manager)
    people = (world.rep, world.other_rep, third, None)
    lines = Line.objects.order_by("cycle", "customer", "product")
    with acting("system", source="command"), transaction.atomic(), past_the_guard():
        mixed = itertools.cycle(itertools.product(people, (None, world.rep, third)))
        for line, (owner, submitter) in zip(lines, mixed, strict=False):
            Line.objects.untracked().filter(pk=line.pk).update(owner=owner, submitted_by=submitter)
        now = timezone.now()
        span = {
            "valid_from": now - dt.timedelta(days=1),
            "valid_to": now + dt.timedelta(days=1),
            "created_by": world.admin,
        }
        Delegation.objects.create(from_user=third, to_user=world.manager, **span)
        some = Delegation.objects.create(from_user=third, to_user=world.rep, all_customers=False, **span)
        some.customers.add(world.customer, world.other_customer)
        Delegation.objects.create(
            from_user=world.rep, to_user=world.other_rep, **{**span, "valid_to": now - dt.timedelta(hours=1)}
        )
    seen = set()
    for served, other in itertools.product(people, repeat=2):
        Customer.objects.untracked().filter(pk=world.customer.pk).update(sales_rep=served)
        Customer.objects.untracked().filter(pk=world.other_customer.pk).update(sales_rep=other)
        for user in (world.rep, world.other_rep, third, world.manager, world.other_manager, world.viewer, world.admin):
            expected = set(Line.objects.visible_to(user).values_list("pk", flat=True))
            found = list(Line.objects.in_scope_of(user).values_list("pk", flat=True))
            assert set(found) == expected and len(found) == len(expected)
            seen.add((user.pk, len(expected)))
    # Neither everything nor nothing, and not always the same.
    assert len(seen) >= 15 and max(number for _, number in seen) == 64
