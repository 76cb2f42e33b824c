"""Opening a cycle: lines made, prefilled from the published plan, copied, and written into the trail."""

from bench.floors import insert_shifted
from bench.meter import Meter, report
from bench.scratch import analyze, scratch, sized_world
from cycles.models import Cycle
from forecasts.models import Line
from sop_portal.lib import periods

# One to warm up and three that count: every round leaves a cycle behind.
ROUNDS = 4


def run(*, rounds: int, lines: int) -> None:
    """Print the costs; each round opens the month after the one before."""
    floor, ours = Meter(), Meter()
    with scratch() as name:
        world = sized_world(lines)
        cycle = world.draft()
        world.open(cycle)
        for number in range(ROUNDS):
            world.answer(cycle)
            world.publish(cycle)
            # A draft that nobody opens, far away from the real ones; its lines are no carry-over for anybody.
            far = periods.shift(world.first_period, 100 + number)
            (placeholder,) = Cycle.objects.untracked().bulk_create([Cycle(first_period=far, closes_at=cycle.closes_at)])
            following = world.draft()
            analyze(name)
            with (floor if number else Meter()).round():
                insert_shifted(placeholder.pk, cycle.pk)
            with (ours if number else Meter()).round():
                world.open(following)
            cycle = following
        print(f"  {Line.objects.filter(cycle=cycle).count():,} lines")
        report(ours, floor, 2.0)
