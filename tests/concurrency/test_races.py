"""Two at once, with real commits: one effect, nothing lost, nothing partial."""

import datetime as dt
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from django.db import OperationalError, connection

from audit.context import acting
from audit.models import Entry
from cycles import services as cycles
from cycles.models import Cycle, Participant
from forecasts import services
from forecasts.excel import legacy_runs, legacy_work
from forecasts.excel.legacy_apply import apply_book
from forecasts.excel.legacy_sheets import parse_book
from forecasts.models import Line, Snapshot
from forecasts.services import Adjustment, LineEdit, LineRef
from forecasts.services.prices import take_prices
from masterdata.models import Customer, CustomerAlias, ImportRun, MatrixEntry, Price, Product
from masterdata.services import assign_customers
from sop_portal.lib.errors import Conflict, DomainError, StaleRevision
from tests.factories import (
    answer,
    make_actual,
    make_customer,
    make_cycle,
    make_entry,
    make_group,
    make_product,
    make_user,
    open_cycle,
    ref,
    submit,
)
from tests.workbooks import Plan, Row, as_workbook, grid

pytestmark = pytest.mark.usefixtures("committed")

JAN = dt.date(2027, 1, 1)
FEB = dt.date(2027, 2, 1)


def at_once(*acts: Callable[[], Any]) -> list[Any]:
    """Run the acts in a thread and connection each, started together; a refusal is an answer."""
    together = threading.Barrier(len(acts))

    def run(act: Callable[[], Any]) -> Any:
        try:
            connection.ensure_connection()
            together.wait()
            return act()
        except DomainError as refusal:
            return refusal
        finally:
            connection.close()

    with ThreadPoolExecutor(len(acts)) as pool:
        return [job.result() for job in [pool.submit(run, act) for act in acts]]


def acts_as(person: Any, do: Callable[..., Any], *args: Any, **kw: Any) -> Callable[[], Any]:
    def act() -> Any:
        with acting(person, source="web"):
            return do(*args, by=person, **kw)

    return act


def refusals(answers: list[Any]) -> list[DomainError]:
    return [answer for answer in answers if isinstance(answer, DomainError)]


def made_of(entity: str, action: str) -> int:
    return Entry.objects.filter(entity_type=entity, action=action).count()


@pytest.fixture
def world() -> SimpleNamespace:
    """An open cycle with one rep, two live and six dormant lines."""
    manager = make_user("manager")
    world = SimpleNamespace(manager=manager, admin=make_user("admin"), rep=make_user("sales_rep", manager=manager))
    customer, group = make_customer(sales_rep=world.rep), make_group()
    entries = [make_entry(customer, make_product(group=group)) for _ in range(8)]
    for entry in entries[:2]:
        make_actual(entry, dt.date(2026, 12, 1))
    world.cycle = open_cycle(by=world.admin)
    lines = Line.objects.filter(cycle=world.cycle).select_related("cycle", "owner").order_by("pk")
    world.live = [answer(line, 5) for line in lines if line.live]
    world.dormant = [line for line in lines if not line.live]
    assert (len(world.live), len(world.dormant)) == (2, 6)
    return world


def book():
    rows = [Row(code=f"11000{n}", description=f"Garlic {n}", volumes=[5, n, 7], prices=[10, 11, 12]) for n in range(3)]
    plans = [Plan(name=name, rows=rows) for name in ("Elm Supply", "Fir Provisions")]
    return parse_book(as_workbook({plan.name: grid(plan) for plan in plans}))


def imported() -> dict[str, int]:
    models = (Customer, CustomerAlias, Product, MatrixEntry, Price)
    rows = {model.__name__: model.objects.count() for model in models}
    legacy = Line.objects.filter(cycle__kind="legacy")
    return rows | {
        "lines": legacy.count(),
        "snapshots": Snapshot.objects.filter(line__in=legacy).count(),
        "cycles": Cycle.objects.filter(kind="legacy").count(),
    }


ONE_BOOK = {
    "Customer": 2, "CustomerAlias": 2, "Product": 3, "MatrixEntry": 6, "Price": 18, "lines": 6, "snapshots": 6,
    "cycles": 1,
}  # fmt: skip


def test_two_imports_of_one_workbook_are_one_effect():
    admin = make_user("admin")
    outcomes = at_once(*[acts_as(admin, apply_book, book(), rep=None, dry_run=False) for _ in range(2)])
    assert imported() == ONE_BOOK
    assert sorted(outcome.changed > 0 for outcome in outcomes) == [False, True]
    assert made_of("forecast", "forecast_created") == 6
    assert made_of("customer", "customer_created") == 2


def test_two_appliers_of_one_upload_are_one_effect(monkeypatch, settings, tmp_path):
    settings.UPLOAD_DIR = tmp_path
    monkeypatch.setattr(legacy_work, "read_book", lambda path: book())
    admin = make_user("admin")
    with acting(admin, source="web"):
        run = legacy_runs.check_upload("plan.xlsx", [b"the file"], rep=None, by=admin)
    assert imported() == dict.fromkeys(ONE_BOOK, 0)
    assert refusals(at_once(*[acts_as(admin, legacy_runs.apply_run, run.pk) for _ in range(3)])) == []
    assert imported() == ONE_BOOK
    assert made_of("import", "excel_imported") == 1
    assert ImportRun.objects.get().rows_created == ImportRun.objects.get().control_totals["changed"]


def test_two_cycles_opened_at_once():
    admin = make_user("admin")
    entry = make_entry(make_customer(sales_rep=make_user("sales_rep")))
    make_actual(entry, dt.date(2026, 12, 1))
    drafts = [make_cycle(by=admin, first_period=first) for first in (JAN, FEB)]
    answers = at_once(*[acts_as(admin, cycles.open_cycle, draft.pk) for draft in drafts])
    (refusal,) = refusals(answers)
    assert isinstance(refusal, Conflict)
    opened = Cycle.objects.get(status="open")
    assert Line.objects.count() == 1 and Line.objects.get().cycle_id == opened.pk
    assert Participant.objects.count() == Snapshot.objects.count() == 1
    assert made_of("cycle", "cycle_opened") == 1


def test_one_cycle_opened_twice_is_one_effect():
    admin = make_user("admin")
    make_actual(make_entry(make_customer(sales_rep=make_user("sales_rep"))), dt.date(2026, 12, 1))
    draft = make_cycle(by=admin)
    assert refusals(at_once(*[acts_as(admin, cycles.open_cycle, draft.pk) for _ in range(3)])) == []
    assert (Line.objects.count(), Snapshot.objects.count(), made_of("cycle", "cycle_opened")) == (1, 1, 1)


def test_opening_beside_an_import_sees_all_of_it_or_nothing():
    """Customers of the book belong to a rep, so that its lines appear in a cycle that opens after it."""
    admin, rep = make_user("admin"), make_user("sales_rep")
    draft = make_cycle(by=admin, first_period=dt.date(2025, 12, 1))
    answers = at_once(
        acts_as(admin, cycles.open_cycle, draft.pk),
        acts_as(admin, apply_book, book(), rep=rep, dry_run=False),
    )
    assert refusals(answers) == []
    assert imported() | {"lines": 6} == ONE_BOOK
    lines = Line.objects.filter(cycle=draft)
    assert lines.count() in (0, 6)
    # The carried plan comes with them: December of the book is the first month of the cycle, volumes 0, 1 and 2.
    assert sorted(line.quantity[0] for line in lines) in ([], [0, 0, 1, 1, 2, 2])
    assert Participant.objects.filter(cycle=draft).count() == (1 if lines else 0)


def test_approve_against_recall(world):
    line = submit(world.live[0])
    answers = at_once(
        acts_as(world.manager, services.approve_lines, world.cycle.pk, [ref(line)]),
        acts_as(world.rep, services.recall_lines, world.cycle.pk, [LineRef(line.pk, line.revision)]),
    )
    assert len(refusals(answers)) == 1
    before = line.revision
    line.refresh_from_db()
    recalled = made_of("forecast", "forecast_recalled")
    assert line.status == ("draft" if recalled else "approved")
    assert made_of("forecast", "forecast_approved") + recalled == 1
    assert line.revision == before + 1
    assert Snapshot.objects.filter(line=line, event="approve").count() == 1 - recalled


def test_submitting_twice_is_one_effect(world):
    wanted = [ref(line) for line in world.live]
    again = wanted[::-1]
    submits = [acts_as(world.rep, services.submit_lines, world.cycle.pk, refs) for refs in (wanted, again, wanted)]
    assert refusals(at_once(*submits)) == []
    for line in world.live:
        before = line.revision
        line.refresh_from_db()
        assert (line.status, line.revision) == ("submitted", before + 1)
    assert Snapshot.objects.filter(event="submit").count() == 2
    assert made_of("forecast", "forecast_submitted") == 2


def test_every_dormant_line_that_wakes_is_counted_once(world):
    """Six edits at once wake the six dormant lines of one rep; half of them are by an admin."""
    edits = [
        acts_as(
            world.rep if n % 2 else world.admin,
            services.set_cells,
            world.cycle.pk,
            [LineEdit(line.pk, line.revision, {JAN: Decimal(n + 1)})],
        )
        for n, line in enumerate(world.dormant)
    ]
    assert refusals(at_once(*edits)) == []
    share = Participant.objects.get(cycle=world.cycle)
    assert share.lines_expected == Line.objects.filter(cycle=world.cycle, live=True).count() == 8
    steps = Entry.objects.filter(entity_type="participant", action="participant_updated").order_by("id")
    seen = sorted(entry.changes["lines_expected"] for entry in steps)
    assert seen == [[n, n + 1] for n in range(2, 8)]


def test_publishing_against_adjusting(world):
    """The plan of record holds the adjusted cells, or the adjustment is refused; nothing in between."""
    submit(world.live[0])
    with acting(world.admin, source="web"):
        cycles.close_cycle(world.cycle.pk, by=world.admin)
    line = world.live[0]
    wanted = [Adjustment(line.pk, ref(line).revision, {JAN: Decimal(9)})]
    answers = at_once(
        acts_as(world.admin, cycles.publish_cycle, world.cycle.pk),
        acts_as(world.manager, services.adjust_lines, world.cycle.pk, wanted, reason="Supply is short."),
    )
    line.refresh_from_db()
    final = Snapshot.objects.get(line=line, event="final")
    assert Cycle.objects.get(pk=world.cycle.pk).status == "archived"
    assert final.quantity == line.quantity
    assert (line.quantity[0], line.status) == ((5, "submitted") if refusals(answers) else (9, "approved"))


def given_away(world):
    """What holds after every race: lines, customer and denominators tell of the same rep."""
    customer = Customer.objects.get()
    owners = set(Line.objects.filter(cycle=world.cycle).values_list("owner", flat=True))
    shares = dict(Participant.objects.filter(cycle=world.cycle).values_list("rep", "lines_expected"))
    live = Line.objects.filter(cycle=world.cycle, live=True).count()
    return customer.sales_rep_id, owners, {rep: lines for rep, lines in shares.items() if lines}, live


@pytest.mark.parametrize("turn", range(3))
def test_a_customer_given_away_against_saves_of_the_former_rep(world, turn):
    """Each save is kept whole, before the lines went, or refused; woken lines count for whoever owns them in the end."""
    other = make_user("sales_rep")
    lines = [*world.live, *world.dormant]
    saves = [
        acts_as(world.rep, services.set_cells, world.cycle.pk, [LineEdit(line.pk, line.revision, {JAN: Decimal(n)})])
        for n, line in enumerate(lines, start=11)
    ]
    give = acts_as(world.admin, assign_customers, [Customer.objects.get().pk], other)
    answers = at_once(*saves[:4], give, *saves[4:])
    refused = refusals(answers)
    assert all("no such line among yours" in refusal.detail for refusal in refused)
    kept = [n for n, line in enumerate(lines, start=11) if Line.objects.get(pk=line.pk).quantity[0] == n]
    assert len(kept) == len(saves) - len(refused)
    rep, owners, shares, live = given_away(world)
    assert (rep, owners, shares) == (other.pk, {other.pk}, {other.pk: live})


def test_two_admins_give_one_customer_to_two_reps(world):
    reps = [make_user("sales_rep") for _ in range(2)]
    customer = Customer.objects.get()
    answers = at_once(*[acts_as(world.admin, assign_customers, [customer.pk], rep) for rep in reps])
    assert refusals(answers) == []
    rep, owners, shares, live = given_away(world)
    assert rep in {rep.pk for rep in reps}
    assert (owners, shares) == ({rep}, {rep: live})


def test_two_customers_swapped_between_reps_at_once():
    """Both need both denominators; neither waits for the other for ever."""
    admin, reps = make_user("admin"), [make_user("sales_rep") for _ in range(2)]
    entries = [make_entry(make_customer(sales_rep=rep)) for rep in reps for _ in range(2)]
    for entry in entries:
        make_actual(entry, dt.date(2026, 12, 1))
    cycle = open_cycle(by=admin)
    customers = [entry.customer for entry in entries]
    swap = [
        acts_as(admin, assign_customers, [customer.pk], reps[0] if customer.sales_rep_id == reps[1].pk else reps[1])
        for customer in customers
    ]
    assert refusals(at_once(*swap)) == []
    for line in Line.objects.select_related("customer"):
        assert line.owner_id == line.customer.sales_rep_id
    assert set(Participant.objects.filter(cycle=cycle).values_list("lines_expected", flat=True)) == {2}


@pytest.mark.parametrize("turn", range(3))
def test_a_customer_given_away_while_the_cycle_closes(world, turn):
    """The lines went before the cycle closed, and the counts kept at closing say so, or they stay for ever."""
    other = make_user("sales_rep")
    give = acts_as(world.admin, assign_customers, [Customer.objects.get().pk], other)
    close = acts_as(world.admin, cycles.close_cycle, world.cycle.pk)
    assert refusals(at_once(*((give, close) if turn % 2 else (close, give)))) == []
    rep, owners, shares, live = given_away(world)
    assert rep == other.pk
    (owner,) = owners
    assert owner in (world.rep.pk, other.pk) and shares == {owner: live}
    counts = Participant.objects.get(cycle=world.cycle, rep=owner).counts_at_close
    assert counts == {"missed": live}


@pytest.mark.parametrize("turn", range(3))
def test_new_prices_taken_over_while_the_rep_saves(world, turn):
    """Whoever is second: a save is refused with the new prices, or the prices come to what was saved; never a loss."""
    with acting("system", source="command"):
        Price.objects.update(unit_price=Decimal(12))
    saves = [
        acts_as(world.rep, services.set_cells, world.cycle.pk, [LineEdit(line.pk, line.revision, {JAN: Decimal(77)})])
        for line in world.live
    ]
    take = acts_as(world.admin, take_prices, world.cycle.pk)
    answers = at_once(*((take, *saves) if turn % 2 else (*saves, take)))
    refused = refusals(answers)
    assert all(isinstance(refusal, StaleRevision) for refusal in refused)
    lines = [Line.objects.get(pk=line.pk) for line in world.live]
    assert all(line.unit_price == [Decimal(12)] * 16 for line in lines)
    assert sum(line.quantity[0] == 77 for line in lines) == len(saves) - len(refused)
    for line, before in zip(lines, world.live, strict=True):
        assert line.revision == before.revision + 1 + (line.quantity[0] == 77)


@pytest.mark.parametrize("turn", range(3))
def test_new_prices_taken_over_while_the_cycle_closes(world, turn):
    """All lines have them and the copies at closing too, or none has."""
    with acting("system", source="command"):
        Price.objects.update(unit_price=Decimal(12))
    take, close = (
        acts_as(world.admin, take_prices, world.cycle.pk),
        acts_as(world.admin, cycles.close_cycle, world.cycle.pk),
    )
    refused = refusals(at_once(*((take, close) if turn % 2 else (close, take))))
    price = Decimal(10) if refused else Decimal(12)
    assert {one for line in Line.objects.filter(cycle=world.cycle) for one in line.unit_price} == {price}
    assert {one for copy in Snapshot.objects.filter(event="close") for one in copy.unit_price} == {price}


def test_new_prices_taken_over_twice_at_once(world):
    with acting("system", source="command"):
        Price.objects.update(unit_price=Decimal(12))
    done = at_once(*[acts_as(world.admin, take_prices, world.cycle.pk) for _ in range(3)])
    assert sorted(one.cells for one in done) == [0, 0, 32]
    assert {line.revision for line in Line.objects.filter(pk__in=[line.pk for line in world.live])} == {3}


@pytest.mark.parametrize("turn", range(6))
def test_a_customer_given_away_while_a_cycle_opens(turn):
    """Whoever comes first, every line of the new cycle belongs to the customer's rep."""
    admin, other = make_user("admin"), make_user("sales_rep")
    customers = [make_customer(sales_rep=make_user("sales_rep")) for _ in range(5)]
    for customer in customers:
        make_actual(make_entry(customer), dt.date(2026, 12, 1))
    draft = make_cycle(by=admin)
    give = acts_as(admin, assign_customers, [customer.pk for customer in customers[1:4]], other)
    opened = acts_as(admin, cycles.open_cycle, draft.pk)
    assert refusals(at_once(*((give, opened) if turn % 2 else (opened, give)))) == []
    lines = list(Line.objects.filter(cycle=draft).select_related("customer"))
    assert len(lines) == 5
    assert all(line.owner_id == line.customer.sales_rep_id for line in lines)
    shares = dict(Participant.objects.filter(cycle=draft).values_list("rep", "lines_expected"))
    assert shares[other.pk] == 3 and sum(shares.values()) == 5


@contextmanager
def killed_at(fragment: str) -> Iterator[list[str]]:
    """Kill this thread's database backend when a statement that holds `fragment` is about to run."""
    killed: list[str] = []

    def kill(execute: Callable, sql: str, params: Any, many: bool, context: dict) -> Any:
        if fragment in sql and not killed:
            killed.append(sql)
            backend = connection.connection.info.backend_pid
            with psycopg.connect(**connection.get_connection_params(), autocommit=True) as other:
                other.execute("SELECT pg_terminate_backend(%s, 5000)", [backend])
        return execute(sql, params, many, context)

    connection.ensure_connection()
    with connection.execute_wrapper(kill):
        yield killed


def everything() -> dict[str, tuple[int, str]]:
    """Number and checksum of the rows of every table that a kill could leave half written."""
    ours = ("audit_entry", "cycles_", "forecasts_", "masterdata_")
    found = {}
    with connection.cursor() as cursor:
        for table in (name for name in connection.introspection.table_names(cursor) if name.startswith(ours)):
            name = connection.ops.quote_name(table)
            cursor.execute(f"SELECT count(*), md5(string_agg(r::text, '|' ORDER BY r::text)) FROM {name} AS r")
            found[table] = cursor.fetchone()
    return found


def _killed(do: Callable[[], Any], fragment: str) -> None:
    """`do` loses its backend half way, leaves nothing, and succeeds when it is tried again."""
    before = everything()
    with killed_at(fragment) as killed, pytest.raises(OperationalError):
        do()
    assert killed
    connection.close()
    assert everything() == before
    do()
    assert everything() != before


@pytest.mark.parametrize("fragment", ["forecasts_snapshot", "cycles_participant", "audit_entry"])
def test_a_backend_killed_while_a_cycle_opens_leaves_nothing(fragment):
    admin = make_user("admin")
    make_actual(make_entry(make_customer(sales_rep=make_user("sales_rep"))), dt.date(2026, 12, 1))
    draft = make_cycle(by=admin)
    _killed(acts_as(admin, cycles.open_cycle, draft.pk), f"INSERT INTO {fragment}")


@pytest.mark.parametrize("fragment", ["INSERT INTO forecasts_snapshot", 'UPDATE "cycles_participant"'])
def test_a_backend_killed_while_a_cycle_closes_leaves_nothing(world, fragment):
    submit(world.live[0])
    _killed(acts_as(world.admin, cycles.close_cycle, world.cycle.pk), fragment)


@pytest.mark.parametrize("table", ["masterdata_price", "forecasts_line", "forecasts_snapshot"])
def test_a_backend_killed_in_the_middle_of_an_import_leaves_nothing(table):
    admin = make_user("admin")
    fragment = f'INSERT INTO "{table}"' if table != "forecasts_snapshot" else f"INSERT INTO {table}"
    _killed(acts_as(admin, apply_book, book(), rep=None, dry_run=False), fragment)
    assert imported() == ONE_BOOK


def test_a_backend_killed_after_the_cells_are_written_leaves_nothing(world):
    edit = [LineEdit(line.pk, line.revision, {JAN: Decimal(1)}) for line in (*world.live, world.dormant[0])]
    _killed(acts_as(world.rep, services.set_cells, world.cycle.pk, edit), "INSERT INTO audit_entry")
    assert Participant.objects.get(cycle=world.cycle).lines_expected == 3
