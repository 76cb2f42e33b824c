"""Two hundred submitters in several processes against the job that closes at the deadline, itself run twice at once.

One round in `make test`; CHAOS_ROUNDS says how many in `make chaos`.
"""

import datetime as dt
import multiprocessing
import os
import random
import sys
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass

import pytest
from django.db import close_old_connections, connection, connections

from audit.context import acting
from audit.models import Entry
from cycles import services
from cycles.models import Cycle
from forecasts.models import Line, Snapshot
from forecasts.services import LineRef, return_lines, submit_lines
from sop_portal.accounts.models import User
from sop_portal.lib.clock import portal_now
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

ROUNDS = int(os.environ.get("CHAOS_ROUNDS", "1"))
REPS, LINES = 20, 10
PROCESSES, THREADS = 4, 10
# Submitters come within twice this time, half of them too late.
WINDOW = dt.timedelta(seconds=3)
# Until the processes are up.
HEAD_START = dt.timedelta(seconds=1)
# Two beats, each of which ticks on until the cycle is closed.
CLOSERS = 2


@dataclass(frozen=True)
class Wish:
    """One line that is handed in so many seconds after the start."""

    line: int
    revision: int
    owner: int
    delay: float


@dataclass(frozen=True)
class Answer:
    """What came of it: the refusal, if any, and how long the answer took."""

    line: int
    refusal: str | None
    seconds: float


def _hand_in(cycle_id: int, start: float, wish: Wish) -> Answer:
    rep = User.objects.get(pk=wish.owner)
    time.sleep(max(0.0, start + wish.delay - time.time()))
    began = time.monotonic()
    refusal = None
    try:
        with acting(rep, source="web"):
            submit_lines(cycle_id, [LineRef(wish.line, wish.revision)], by=rep)
    except Conflict as problem:
        refusal = problem.detail
    finally:
        seconds = time.monotonic() - began
        connection.close()
    return Answer(wish.line, refusal, seconds)


def submitters(cycle_id: int, start: float, wishes: list[Wish]) -> list[Answer]:
    """One process with its threads."""
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(lambda wish: _hand_in(cycle_id, start, wish), wishes))


def closer(cycle_id: int) -> tuple[int, float]:
    """One process that runs the job again and again; how often it closed, and how long that run took."""
    closed, took = 0, 0.0
    until = time.monotonic() + 60
    while time.monotonic() < until and not closed and Cycle.objects.get(pk=cycle_id).is_open:
        began = time.monotonic()
        closed = services.auto_close()
        took = time.monotonic() - began
    connection.close()
    return closed, took


def play(admin: User, cycle: Cycle, dice: random.Random) -> tuple[list[Answer], float]:
    """One round; returns the answers and the seconds that closing took."""
    deadline = portal_now() + HEAD_START + WINDOW
    with acting("system", source="command"):
        Cycle.objects.untracked().filter(pk=cycle.pk).update(closes_at=deadline)
    window = WINDOW.total_seconds()
    wishes = [
        Wish(pk, revision, owner, dice.uniform(0, 2 * window))
        for pk, revision, owner in Line.objects.filter(cycle=cycle).values_list("pk", "revision", "owner")
    ]
    # A thread that waits for its moment keeps no earlier wish back.
    wishes.sort(key=lambda wish: wish.delay)
    start = time.time() + HEAD_START.total_seconds()
    # The processes start without a connection of their parent.
    connections.close_all()
    with ProcessPoolExecutor(PROCESSES + CLOSERS, multiprocessing.get_context("fork")) as pool:
        shares = [pool.submit(submitters, cycle.pk, start, wishes[n::PROCESSES]) for n in range(PROCESSES)]
        closings = [pool.submit(closer, cycle.pk) for _ in range(CLOSERS)]
        answers = [one for share in shares for one in share.result()]
        runs = [closing.result() for closing in closings]
    assert sum(closed for closed, _ in runs) == 1
    return answers, max(took for closed, took in runs if closed)


def check(cycle: Cycle, answers: list[Answer]) -> None:
    """Nobody was late, nothing acknowledged is lost, everybody else was told."""
    cycle.refresh_from_db()
    assert cycle.is_closed and len(answers) == REPS * LINES
    acknowledged = {one.line for one in answers if one.refusal is None}
    submitted = Line.objects.filter(cycle=cycle, status=Line.Status.SUBMITTED)
    assert set(submitted.values_list("pk", flat=True)) == acknowledged
    assert not submitted.filter(submitted_at__gte=cycle.closes_at).exists()
    assert not submitted.filter(submitted_at__gte=cycle.closed_at).exists()
    assert Line.objects.filter(cycle=cycle, status=Line.Status.MISSED).count() == len(answers) - len(acknowledged)
    refusals = {one.refusal for one in answers if one.refusal is not None}
    assert refusals and all(
        ("took input until" in one) or ("closed on" in one) or ("just run out" in one) for one in refusals
    )
    newest = Snapshot.objects.filter(line__cycle=cycle).order_by("line_id", "-pk").distinct("line_id")
    assert {one.line_id for one in newest if one.event == Snapshot.Event.CLOSE} == {one.line for one in answers}


def test_submitters_against_the_job_that_closes(capsys):
    admin = make_user("admin")
    group = make_group()
    products = [make_product(group=group) for _ in range(LINES)]
    for _ in range(REPS):
        customer = make_customer(sales_rep=make_user("sales_rep"))
        for product in products:
            make_actual(make_entry(customer=customer, product=product), dt.date(2026, 12, 1))
    cycle = open_cycle(by=admin)
    for line in Line.objects.filter(cycle=cycle).select_related("owner", "cycle"):
        answer(line, 5)
    dice = random.Random(5)
    seconds: list[float] = []
    closing: list[float] = []
    acknowledged = 0
    for number in range(ROUNDS):
        if number:
            _again(admin, cycle)
        answers, took = play(admin, cycle, dice)
        check(cycle, answers)
        seconds += [one.seconds for one in answers]
        closing.append(took)
        acknowledged += sum(one.refusal is None for one in answers)
    assert 0 < acknowledged < ROUNDS * REPS * LINES
    assert Entry.objects.filter(action="cycle_closed", entity_id=str(cycle.pk), actor_label="system").count() == ROUNDS
    p95 = sorted(seconds)[int(len(seconds) * 0.95)]
    with capsys.disabled():
        sys.stdout.write(
            f"\n{ROUNDS} rounds of {REPS * LINES} submitters: {acknowledged:,} in time, "
            f"{ROUNDS * REPS * LINES - acknowledged:,} told they were late, 0 late, 0 lost; answers p95 {p95:.2f} s, "
            f"closing at most {max(closing):.2f} s\n"
        )
    close_old_connections()


def _again(admin: User, cycle: Cycle) -> None:
    """Every line a draft again: missed ones by reopening, submitted ones given back."""
    with acting(admin, source="web"):
        until = portal_now() + dt.timedelta(hours=1)
        services.reopen_cycle(cycle.pk, until=until, reason="Another round.", by=admin)
        handed_in = Line.objects.filter(cycle=cycle, status=Line.Status.SUBMITTED).values_list("pk", "revision")
        return_lines(cycle.pk, [LineRef(*row) for row in handed_in], by=admin, comment="Once more.")
