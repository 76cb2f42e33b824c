"""The consolidated workbook of a published cycle, and its CSV."""

import tempfile
from itertools import groupby

from django.db import connection, transaction

from bench.floors import bare_book
from bench.meter import Meter, peak_memory, report, take_turns
from bench.scratch import analyze, scratch, sized_world
from cycles.models import MANDATORY
from forecasts.excel.consolidated import lead_texts, write_csv, write_workbook
from forecasts.excel.plan_reader import read_lines
from sop_portal.lib.clock import portal_now

_COPY = (
    "COPY (SELECT cycle_id, customer_id, product_id, status, risk_class, quantity, unit_price FROM forecasts_line "
    "WHERE cycle_id = {}) TO STDOUT CSV"
)


def run(*, rounds: int, lines: int) -> None:
    """Print the costs, what memory the book takes, and what the CSV costs beside a COPY of the bare columns."""
    rounds = min(rounds, 3)
    with scratch() as name:
        world = sized_world(lines)
        cycle = world.draft()
        world.open(cycle)
        world.answer(cycle)
        world.publish(cycle)
        cycle.refresh_from_db()
        analyze(name)
        months, before = cycle.periods, peak_memory()

        def ours(number: int) -> None:
            with tempfile.TemporaryFile() as target:
                write_workbook(target, cycle, world.admin, portal_now())

        ours(0)
        print(f"  memory grows by {peak_memory() - before:.0f} MB while the book is written")
        reps = []
        with transaction.atomic():
            for rep, found in groupby(read_lines(cycle, world.admin), key=lambda line: line.rep):
                rows = []
                for line in found:
                    volumes, prices = (
                        [float(value or 0) for value in line.quantity],
                        [float(p or 0) for p in line.unit_price],
                    )
                    sales = [float(value or 0) for value in line.sales]
                    rows.append(
                        (lead_texts(line), volumes, sum(volumes[:MANDATORY]), prices, sales, sum(sales[:MANDATORY]))
                    )
                reps.append((rep, rows))
        print(f"  {sum(len(rows) for _, rows in reps):,} lines, two rows of 59 cells each, {len(reps)} reps")

        def floor(number: int) -> None:
            with tempfile.TemporaryFile() as target:
                bare_book(target, months, reps)

        meters = take_turns(rounds, {"floor": floor, "ours": ours}, warm=0)
        report(meters["ours"], meters["floor"], 1.5)
        copied, written = Meter(), Meter()
        with tempfile.TemporaryFile() as target:
            with copied.round(), connection.cursor() as cursor, cursor.copy(_COPY.format(int(cycle.pk))) as rows_out:
                for block in rows_out:
                    target.write(block)
            with written.round():
                write_csv(target, cycle, world.admin)
        print(f"  csv    {written}\n  copy   {copied}, of the stored columns alone")
