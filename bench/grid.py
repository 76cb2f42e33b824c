"""The grid page of a customer with 333 lines, through Django's whole stack."""

import gzip

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from bench.floors import grid_text
from bench.meter import report, take_turns
from bench.scratch import World, analyze, scratch
from cycles.models import Cycle
from forecasts.models import Line

LINES = 333


def world_of_one_grid(name: str) -> tuple[World, Cycle]:
    """One rep with one customer that buys everything, and the open cycle, carried over from a published one."""
    world = World(reps=1, customers=1, products=LINES)
    earlier = world.draft()
    world.open(earlier)
    world.answer(earlier)
    world.publish(earlier)
    cycle = world.draft()
    world.open(cycle)
    analyze(name)
    return world, cycle


def run(*, rounds: int, lines: int) -> None:
    """Print the costs, the size of the page and its queries."""
    with scratch() as name:
        world, cycle = world_of_one_grid(name)
        found = Line.objects.filter(cycle=cycle).select_related("product").order_by("product__item_code")
        rows = [(line.product.item_code, line.product.description, line.quantity) for line in found]
        client = Client(headers={"host": "localhost"})
        client.force_login(world.reps[0])
        address = reverse("forecasts:grid", args=[cycle.pk, world.customers[0].pk])

        def page(number: int) -> None:
            answer = client.get(address)
            if answer.status_code != 200:
                raise SystemExit(f"The grid answered {answer.status_code} instead of 200.")

        def floor(number: int) -> None:
            grid_text(rows)

        meters = take_turns(rounds, {"floor": floor, "ours": page})
        with CaptureQueriesContext(connection) as queries:
            body = client.get(address).content
        print(
            f"  {len(rows)} lines; {len(body) / 1000:.0f} kB, {len(gzip.compress(body, 6)) / 1000:.1f} kB compressed "
            f"(goal at most 60); {len(queries)} queries"
        )
        report(meters["ours"], meters["floor"], 3)
