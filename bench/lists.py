"""GET /api/v1/forecasts: 50 and 1,000 lines of a cycle, its first page and its last, beside two programs without Django.

All answer with the same JSON, which is checked. Ours is a whole request, from its token through every middleware; the
floor asks as many questions of the database, the rival only those it needs, and neither checks who they are asked by.
"""

import gc
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import orjson
import psycopg
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from audit.context import acting
from bench.lists_bare import Bare
from bench.meter import Meter, report, take_turns
from bench.scratch import analyze, app_url, scratch, sized_world
from sop_portal.accounts import bearer
from sop_portal.accounts.models import User
from sop_portal.conf.services import set_value

# Rows of a page -> how often it is asked for in a turn, and how many turns each round has: they are short, so that all of
# them meet the same moments of a busy machine.
TURNS = {50: (5, 10), 1_000: (1, 10)}
GOALS = {50: 4, 1_000: 1.6}
LAST = 1.5
Ask = Callable[[int, int], bytes]


def portal(user: User, cycle_id: int) -> Ask:
    """The portal, asked by `user`."""
    headers: Any = {"Authorization": f"Bearer {bearer.issue(user).access}"}
    client = Client(SERVER_NAME="localhost")

    def ask(page: int, size: int) -> bytes:
        address = f"/api/v1/forecasts?cycle_id={cycle_id}&page_size={size}&page={page}"
        answer = client.get(address, headers=headers)
        assert answer.status_code == 200, answer.content
        return answer.content

    return ask


def measured(rounds: int, asks: dict[str, tuple[Ask, int]], size: int, backends: Iterable[int]) -> dict[str, Meter]:
    """What one request costs of each. asks: name -> who is asked, and for which page."""

    times, turns = TURNS[size]

    def again(ask: Ask, page: int) -> Callable[[int], None]:
        def work(number: int) -> None:
            for _ in range(times):
                ask(page, size)

        return work

    works = {name: again(*asked) for name, asked in asks.items()}
    meters = take_turns(rounds * turns, works, backends=backends)
    return {name: meter.shared_by(times) for name, meter in meters.items()}


def agree(asks: Iterable[Ask], size: int) -> None:
    """Stop unless all of them send the same."""
    first, *others = (orjson.loads(ask(1, size)) for ask in asks)
    assert len(first["results"]) == size
    assert all(other == first for other in others), "They do not answer alike."


@contextmanager
def rival_of(url: str, cycle_id: int) -> Iterator[Any]:
    """The program by FastAPI; None when it is not installed."""
    try:
        from bench.lists_rival import Rival
    except ImportError as missing:
        print(f"  {missing.name} is not installed, so nothing is measured side by side: make venv-bench")
        yield None
    else:
        with closing(Rival(url, cycle_id)) as rival:
            yield rival


@contextmanager
def collector_of_each() -> Iterator[None]:
    """Keep the garbage collector from going through everything of Django's for what the others make."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def queries_of(ask: Ask, size: int) -> int:
    """How many statements a page takes."""
    # The settings are read again every few seconds; not within what is counted.
    ask(1, size)
    with CaptureQueriesContext(connection) as asked:
        ask(1, size)
    return len(asked)


def compare(rounds: int, size: int, pages: int, ours: Ask, floor: Bare, rival: Any) -> None:
    """Print what the first page of `size` lines costs of each, and what the last of `pages` costs of ours."""
    backends = [floor.connection.info.backend_pid, *([rival.backend] if rival else [])]
    asks: dict[str, tuple[Ask, int]] = {
        "floor": (floor, 1),
        "ours": (ours, 1),
        **({"rival": (rival, 1)} if rival else {}),
    }
    agree((ask for ask, _ in asks.values()), size)
    queries = queries_of(ours, size)
    assert queries == Bare.QUERIES, f"The floor sends {Bare.QUERIES} statements, ours {queries}."
    print(f"  {size:,} lines, {len(ours(1, size)) / 1000:.0f} kB, {queries} queries each")
    meters = measured(rounds, asks, size, backends)
    report(meters["ours"], meters["floor"], GOALS[size])
    if rival:
        goal = " (goal at most 1)" if size == max(GOALS) else ""
        print(f"  FastAPI, asyncpg and pydantic, {rival.QUERIES} queries\n  rival  {meters['rival']}")
        print(f"  ratio  {meters['ours'].cpu / meters['rival'].cpu:.2f} of CPU{goal}", flush=True)
    ends = measured(rounds, {"first": (ours, 1), "last": (ours, pages)}, size, [])
    print(f"  first  {ends['first']}\n  last   {ends['last']}")
    print(f"  ratio  {ends['last'].cpu / ends['first'].cpu:.2f} of CPU (goal at most {LAST})", flush=True)


def run(*, rounds: int, lines: int) -> None:
    """Print what one request costs, the database included."""
    with scratch() as name:
        world = sized_world(lines)
        with acting("system", source="command"):
            set_value("rate_limit_requests_per_minute", 10_000, by=None)
        cycle = world.draft()
        world.open(cycle)
        world.answer(cycle)
        analyze(name)
        ours, url = portal(world.admin, cycle.pk), app_url(name)
        with (
            psycopg.connect(url, autocommit=True) as driver,
            rival_of(url, cycle.pk) as rival,
            collector_of_each(),
        ):
            for size in GOALS:
                compare(rounds, size, -(-lines // size), ours, Bare(driver, cycle.pk, world.admin.pk), rival)
