"""Two hundred submitters and a closer at once: nobody is late, nothing acknowledged is lost, the closer gets through."""

import datetime as dt
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from audit.context import acting
from audit.models import Entry
from cycles.models import Cycle
from cycles.services import close_cycle
from forecasts.models import Line, Snapshot
from forecasts.services import LineRef, submit_lines
from sop_portal.lib.errors import Conflict
from tests.factories import (
    answer,
    make_actual,
    make_customer,
    make_entry,
    make_group,
    make_product,
    make_user,
    open_cycle,
)

pytestmark = pytest.mark.usefixtures("committed")

REPS, LINES = 20, 10
AT_ONCE = 40


def test_two_hundred_submitters_against_a_close():
    admin = make_user("admin")
    group = make_group()
    products = [make_product(group=group) for _ in range(LINES)]
    for _ in range(REPS):
        customer = make_customer(sales_rep=make_user("sales_rep"))
        for product in products:
            make_actual(make_entry(customer=customer, product=product), dt.date(2026, 12, 1))
    cycle = open_cycle(by=admin)
    lines = [answer(line, 5) for line in Line.objects.filter(cycle=cycle).select_related("owner", "cycle")]
    half_way = threading.Semaphore(0)

    def submit_one(line):
        try:
            with acting(line.owner, source="web"):
                submit_lines(cycle.pk, [LineRef(line.pk, line.revision)], by=line.owner)
            return line.pk, None
        except Conflict as refusal:
            return line.pk, refusal.detail
        finally:
            half_way.release()
            connection.close()

    def close():
        for _ in range(len(lines) // 4):
            half_way.acquire()
        try:
            with acting(admin, source="web"):
                close_cycle(cycle.pk, by=admin)
        finally:
            connection.close()

    with ThreadPoolExecutor(AT_ONCE) as submitters, ThreadPoolExecutor(1) as closer:
        closing = closer.submit(close)
        answers = list(submitters.map(submit_one, lines))
        closing.result()

    acknowledged = {pk for pk, refusal in answers if refusal is None}
    refused = [refusal for _, refusal in answers if refusal is not None]
    cycle = Cycle.objects.get(pk=cycle.pk)
    submitted = Line.objects.filter(cycle=cycle, status=Line.Status.SUBMITTED)

    assert len(answers) == 200
    assert set(submitted.values_list("pk", flat=True)) == acknowledged  # nothing lost, nothing unasked
    assert not submitted.filter(submitted_at__gte=cycle.closed_at).exists()  # nobody late
    snapshots = Snapshot.objects.filter(line__cycle=cycle, event=Snapshot.Event.SUBMIT)
    assert set(snapshots.values_list("line_id", flat=True)) == acknowledged
    assert not snapshots.filter(at__gte=cycle.closed_at).exists()
    # The closer was not starved: it got its turn while submitters were still coming, and they were told.
    assert refused
    assert all("closed on" in refusal for refusal in refused)
    missed = Line.objects.filter(cycle=cycle, status=Line.Status.MISSED)
    assert missed.count() == 200 - len(acknowledged)
    told = Entry.objects.filter(entity_type="forecast", action="forecast_submitted").values_list("entity_id", flat=True)
    assert {int(pk) for pk in told} == acknowledged


def test_two_writers_of_one_line_one_wins():
    from decimal import Decimal

    from forecasts.services import LineEdit, set_cells
    from sop_portal.lib.errors import StaleRevision

    rep, admin = make_user("sales_rep"), make_user("admin")
    entry = make_entry(customer=make_customer(sales_rep=rep))
    make_actual(entry, dt.date(2026, 12, 1))
    cycle = open_cycle(by=admin)
    line = Line.objects.get(cycle=cycle)
    together = threading.Barrier(2)

    def write(by, value):
        together.wait()
        try:
            with acting(by, source="web"):
                set_cells(cycle.pk, [LineEdit(line.pk, 1, {cycle.first_period: Decimal(value)})], by=by)
            return value
        except StaleRevision:
            return None
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        results = [job.result() for job in (pool.submit(write, rep, 1), pool.submit(write, admin, 2))]
    winners = [value for value in results if value is not None]
    line.refresh_from_db()
    assert len(winners) == 1
    assert line.quantity[0] == winners[0]
    assert line.revision == 2
