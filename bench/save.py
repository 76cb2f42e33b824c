"""Saving a rep's whole grid: 340 lines of sixteen cells, with revision check and audit."""

from decimal import Decimal

from audit.context import acting
from bench.floors import CELL_TABLE, upsert_cells
from bench.meter import report, take_turns
from bench.scratch import World, analyze, owner, scratch
from forecasts import services
from forecasts.models import Line

CUSTOMERS, PRODUCTS = 17, 20


def run(*, rounds: int, lines: int) -> None:
    """Print the costs; every round changes every cell."""
    with scratch() as name:
        with owner(name) as database:
            database.execute(CELL_TABLE)
        world = World(reps=1, customers=CUSTOMERS, products=PRODUCTS)
        cycle = world.draft()
        world.open(cycle)
        cycle.refresh_from_db()
        rep = world.reps[0]
        revisions = dict(Line.objects.filter(cycle=cycle).order_by("pk").values_list("pk", "revision"))
        months = cycle.periods

        turns = range(-2, rounds)
        # Quantities are what a grid changes; the row of a cell has its price beside it.
        quantities = {
            number: {line: [Decimal(1000 + line + n + number) for n in range(16)] for line in revisions}
            for number in turns
        }
        cells = len(revisions) * 16
        prices, entered, customer = [Decimal("52.25")] * cells, ["entered"] * cells, ["customer"] * cells
        flat = {
            number: [
                [line for line in revisions for _ in months],
                [month for _ in revisions for month in months],
                [quantity for line in revisions for quantity in quantities[number][line]],
                entered, prices, customer,
            ]
            for number in turns
        }  # fmt: skip
        edits = {
            number: [
                # A save that changes everything raises each revision by one.
                services.LineEdit(line, revision + number + 2, dict(zip(months, quantities[number][line], strict=True)))
                for line, revision in revisions.items()
            ]
            for number in turns
        }
        upsert_cells(flat[-2])

        def save(number: int) -> None:
            with acting(rep, source="web"):
                services.set_cells(cycle.pk, edits[number], by=rep)

        save(-2)
        analyze(name)
        meters = take_turns(rounds, {"floor": lambda number: upsert_cells(flat[number]), "ours": save})
        print(f"  {len(revisions)} lines, {cells:,} cells")
        report(meters["ours"], meters["floor"], 0.8)
