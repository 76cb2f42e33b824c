"""Cycles and lines against a plain Python model: whatever the order of moves, the rules hold.

The services run on real tables; `Model` is what they ought to do. After every step all of it is compared.
"""

import copy
import datetime as dt
import os
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest
from django.db import Error, connection, transaction
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from audit.context import acting
from audit.models import Entry
from cycles import services as cycles
from cycles.models import Cycle, Participant
from forecasts import services
from forecasts.models import Line, Snapshot
from forecasts.services import Adjustment, LineEdit, LineRef
from masterdata.models import Actual
from masterdata.services import assign_customers
from sop_portal.lib import periods
from sop_portal.lib.errors import Conflict, DomainError, NotAllowed, Refused, StaleRevision
from tests.factories import (
    make_actual,
    make_customer,
    make_entry,
    make_group,
    make_product,
    make_user,
)
from tests.world import next_transaction

pytestmark = pytest.mark.django_db

EXAMPLES = int(os.environ.get("MACHINE_EXAMPLES", "24"))
START = dt.date(2027, 1, 1)
NOW = dt.datetime(2026, 12, 1, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
# A cycle that opens takes input for so long.
TIME = 10 * DAY
PRICE = Decimal(10)
HORIZON, MANDATORY = 16, 12
COMMENT = "Too high against last year."
DRAFT, SUBMITTED, APPROVED, REJECTED, MISSED = "draft", "submitted", "approved", "rejected", "missed"


@dataclass
class ModelLine:
    """What a line ought to look like."""

    rep: int
    live: bool
    quantity: list[Decimal | None]
    prefill: list[Decimal | None] = field(default_factory=list)
    status: str = DRAFT
    revision: int = 1
    submitted_by: str | None = None
    edited_by: str | None = None
    decided_by: str | None = None
    # Whether anybody ever edited it, handed it in or decided it.
    touched: bool = False

    @property
    def complete(self) -> bool:
        return None not in self.quantity[:MANDATORY]

    @property
    def plan(self) -> list[Decimal | None]:
        """What the published plan counts."""
        if not self.live:
            return [Decimal(0)] * HORIZON
        return self.prefill if self.status == MISSED else self.quantity


@dataclass
class ModelCycle:
    """What a cycle and its lines ought to look like; lines by the number of their product."""

    first: dt.date
    status: str = "draft"
    closes_at: dt.datetime = NOW
    lines: dict[int, ModelLine] = field(default_factory=dict)
    final: dict[int, list[Decimal | None]] = field(default_factory=dict)
    extensions: dict[int, dt.datetime] = field(default_factory=dict)

    def deadline(self, rep: int) -> dt.datetime:
        """Until when a rep may type."""
        return max(self.closes_at, self.extensions.get(rep, self.closes_at))


def carried(cycle: ModelCycle, number: int, moved: int) -> list[Decimal | None]:
    """The prefill that the newest earlier cycle gives, shifted by `moved` months."""
    source = cycle.final[number] if cycle.status == "archived" else cycle.lines[number].plan
    return [*source[moved:], *[None] * moved]


def when(*states: str) -> Any:
    """Of a rule: that the newest cycle is in one of these states."""
    return precondition(lambda self: self.cycle is not None and self.cycle.status in states)


class Portal(RuleBasedStateMachine):
    """Two reps with a sold and a dormant product each, their manager, and an admin."""

    @initialize()
    def company(self) -> None:
        self.outer = transaction.atomic()
        self.outer.__enter__()
        self.people: dict[str, Any] = {"admin": make_user("admin"), "manager": make_user("manager")}
        group = make_group()
        self.entries, self.customers, self.rep_of = [], {}, {}
        self.now = NOW
        self.set_clock()
        for rep in (0, 1):
            self.people[f"rep{rep}"] = make_user("sales_rep", manager=self.people["manager"])
            customer = make_customer(sales_rep=self.people[f"rep{rep}"])
            self.customers[rep] = customer
            for sold in (True, False):
                entry = make_entry(customer, make_product(group=group), price=PRICE)
                # Whom the customer of a product belongs to.
                self.rep_of[len(self.entries)] = rep
                self.entries.append(entry)
                if sold:
                    make_actual(entry, dt.date(2026, 12, 1))
        self.number_of = {entry.product_id: number for number, entry in enumerate(self.entries)}
        self.model: dict[int, ModelCycle] = {}
        self.current: int | None = None
        self.expected: dict[int, int] = {}
        self.snapshots: dict[int, tuple] = {}

    def teardown(self) -> None:
        if hasattr(self, "outer"):
            transaction.set_rollback(True)
            self.outer.__exit__(None, None, None)

    def set_clock(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('sop.now', %s, false)", [self.now.isoformat()])

    # How an act is tried: the services must say what the model says, and the trail one entry per changed object.

    def act(self, who: str, expected: type[DomainError] | None, do: Any, changed: dict[tuple[str, str], str]) -> None:
        """Do it as `who`. expected: the refusal, if any. changed: (entity, id) -> action, one entry each."""
        next_transaction()
        last = Entry.objects.order_by("-id").values_list("id", flat=True).first() or 0
        person = self.people[who]
        refusal = None
        with acting(person, source="web"):
            try:
                do(person)
            except DomainError as problem:
                refusal = problem
        assert (type(refusal) if refusal else None) is expected, refusal
        entries = list(Entry.objects.filter(id__gt=last))
        found = {(entry.entity_type, entry.entity_id): entry.action for entry in entries}
        assert len(entries) == len(found)
        # Shares are compared as rows, by an invariant.
        told = {key: action for key, action in found.items() if key[0] != "participant"}
        assert told == ({} if expected else {key: verb for key, verb in changed.items() if key[0] != "participant"})
        assert not expected or not found
        assert {(entry.actor_id, entry.source) for entry in entries} <= {(person.pk, "web")}

    @property
    def cycle(self) -> ModelCycle | None:
        return self.model[self.current] if self.current is not None else None

    def stored(self) -> dict[int, Line]:
        rows = Line.objects.filter(cycle_id=self.current).select_related("cycle")
        return {self.number_of[line.product_id]: line for line in rows}

    def forecast(self, line: Line) -> tuple[str, str]:
        return "forecast", str(line.pk)

    def name_of(self, pk: int | None) -> str | None:
        return next((name for name, person in self.people.items() if person.pk == pk), None)

    # Cycles

    @precondition(lambda self: self.cycle is None or self.cycle.status in ("closed", "archived"))
    @rule(gap=st.sampled_from([1, 1, 1, 2]))
    def create(self, gap: int) -> None:
        first = START if self.cycle is None else periods.shift(self.cycle.first, gap)
        with acting(self.people["admin"], source="web"):
            closes_at = self.now + TIME
            made = cycles.create_cycle(first_period=first, closes_at=closes_at, by=self.people["admin"])
        self.before = self.current
        self.model[made.pk] = ModelCycle(first, closes_at=closes_at)
        self.current = made.pk

    @precondition(lambda self: self.cycle is not None and self.cycle.status == "open")
    @rule()
    def open_another_beside_it(self) -> None:
        first, admin = periods.shift(self.cycle.first, 1), self.people["admin"]
        with acting(admin, source="web"):
            made = cycles.create_cycle(first_period=first, closes_at=self.now + TIME, by=admin)
        self.act("admin", Conflict, lambda by: cycles.open_cycle(made.pk, by=by), {})
        with acting(admin, source="web"):
            cycles.delete_cycle(made.pk, by=admin)

    @precondition(lambda self: self.cycle is not None)
    @rule(move=st.sampled_from(["open", "close", "publish", "extend", "refresh", "reopen", "create"]))
    def out_of_turn(self, move: str) -> None:
        """A move that the state of the cycle does not allow is refused and changes nothing."""
        pk, status, until = self.current, self.cycle.status, self.now + TIME
        wrong = {
            "open": ("closed", "archived"), "close": ("draft", "archived"), "publish": ("draft", "open"),
            "extend": ("draft", "closed", "archived"), "refresh": ("draft", "closed", "archived"),
            "reopen": ("draft", "archived"), "create": ("draft", "open", "closed"),
        }  # fmt: skip
        if status not in wrong[move]:
            return
        acts = {
            "open": lambda by: cycles.open_cycle(pk, by=by),
            "close": lambda by: cycles.close_cycle(pk, by=by),
            "publish": lambda by: cycles.publish_cycle(pk, by=by),
            "extend": lambda by: cycles.extend_cycle(pk, until=until, reason=COMMENT, by=by),
            "refresh": lambda by: cycles.refresh_cycle(pk, by=by),
            "reopen": lambda by: cycles.reopen_cycle(pk, until=until, reason=COMMENT, by=by),
            "create": lambda by: cycles.create_cycle(first_period=self.cycle.first, closes_at=until, by=by),
        }
        self.act("admin", Refused if move == "create" else Conflict, acts[move], {})

    @when("draft", "open")
    @rule(who=st.sampled_from(["admin", "admin", "admin", "rep0"]))
    def open(self, who: str) -> None:
        cycle, pk = self.cycle, self.current
        others = [other for key, other in self.model.items() if key != pk and other.status == "open"]
        expected: type[DomainError] | None = None
        if who != "admin":
            expected = NotAllowed
        elif cycle.status == "draft" and others:
            expected = Conflict
        elif cycle.status == "draft" and self.now >= cycle.closes_at:
            expected = Refused
        if expected or cycle.status == "open":
            self.act(who, expected, lambda by: cycles.open_cycle(pk, by=by), {})
            return
        earlier = [c for key, c in self.model.items() if key != pk and c.status in ("closed", "archived")]
        newest = max(earlier, key=lambda c: c.first, default=None)
        for number in range(len(self.entries)):
            quantity: list[Decimal | None] = [None] * HORIZON
            if newest is not None:
                moved = periods.between(newest.first, cycle.first)
                if moved < HORIZON:
                    quantity = carried(newest, number, moved)
            live = self.sold(number) or any(value for value in quantity if value)
            cycle.lines[number] = ModelLine(self.rep_of[number], live, list(quantity), list(quantity))
        cycle.status = "open"
        self.expected = dict.fromkeys(self.rep_of.values(), 0)
        for line in cycle.lines.values():
            self.expected[line.rep] += line.live
        with acting(self.people["admin"], source="web"):
            next_transaction()
            last = Entry.objects.order_by("-id").values_list("id", flat=True).first() or 0
            cycles.open_cycle(pk, by=self.people["admin"])
        actions = sorted(Entry.objects.filter(id__gt=last).values_list("action", flat=True))
        assert actions == [
            "cycle_opened", *["forecast_created"] * 4, *["participant_created"] * len(self.expected)
        ]  # fmt: skip

    @when("open")
    @rule(sure=st.sampled_from([True, False, False]))
    def close(self, sure: bool) -> None:
        """Closed by hand, not too often: most happens while a cycle is open. Repeating it changes nothing."""
        pk = self.current
        if sure:
            self.act("admin", None, lambda by: cycles.close_cycle(pk, by=by), self.closed())
            self.act("admin", None, lambda by: cycles.close_cycle(pk, by=by), {})

    def closed(self) -> dict[tuple[str, str], str]:
        """The model closes; returns what the trail has to say of it."""
        changed = {("cycle", str(self.current)): "cycle_closed"}
        stored = self.stored()
        for number, line in self.cycle.lines.items():
            if line.live and line.status in (DRAFT, REJECTED):
                line.status, line.revision = MISSED, line.revision + 1
                changed[self.forecast(stored[number])] = "forecast_updated"
        self.cycle.status = "closed"
        return changed

    @precondition(lambda self: self.cycle is not None and self.cycle.lines)
    @rule(days=st.sampled_from([1, 1, 1, 4, 11]), ticks=st.integers(0, 2))
    def time_passes(self, days: int, ticks: int) -> None:
        """The clock jumps, and the job that closes comes late, twice or not at all."""
        self.now += days * DAY
        self.set_clock()
        cycle = self.cycle
        over = cycle is not None and cycle.status == "open"
        over = over and self.now >= max([cycle.closes_at, *cycle.extensions.values()])
        for _ in range(ticks):
            changed = self.closed() if over else {}
            next_transaction()
            last = Entry.objects.order_by("-id").values_list("id", flat=True).first() or 0
            assert cycles.auto_close() == over
            entries = Entry.objects.filter(id__gt=last).exclude(entity_type="participant")
            assert {(one.entity_type, one.entity_id): one.action for one in entries} == changed
            assert {(one.actor_label, one.source) for one in entries} <= {("system", "job")}
            over = False

    @when("open")
    @rule(days=st.sampled_from([-1, 2, 5, 12]), chosen=st.sampled_from([None, None, [0], [1], [0, 1]]))
    def extend(self, days: int, chosen: list[int] | None) -> None:
        cycle, pk = self.cycle, self.current
        until = self.now + days * DAY
        expected: type[DomainError] | None = None
        changed = {("cycle", str(pk)): "cycle_extended"}
        moved: set[int] = set()
        if until <= self.now:
            expected = Refused
        elif chosen is None:
            expected = Refused if until < cycle.closes_at else None
            if until == cycle.closes_at:
                changed = {}
            elif not expected:
                cycle.closes_at = until
                moved = {0, 1}
        elif any(rep not in self.expected for rep in chosen) or any(cycle.deadline(rep) > until for rep in chosen):
            expected = Refused
        elif all(cycle.deadline(rep) == until for rep in chosen):
            changed = {}
        else:
            moved = {rep for rep in chosen if cycle.deadline(rep) != until}
            cycle.extensions |= dict.fromkeys(moved, until)
        stored = self.stored()
        for number, line in cycle.lines.items():
            if line.status == MISSED and line.rep in moved:
                # It was opened again for others only.
                line.status, line.revision = DRAFT, line.revision + 1
                changed[self.forecast(stored[number])] = "forecast_updated"
        reps = None if chosen is None else [self.people[f"rep{rep}"].pk for rep in chosen]
        self.act(
            "admin", expected,
            lambda by: cycles.extend_cycle(pk, until=until, reason=COMMENT, by=by, rep_ids=reps), changed,
        )  # fmt: skip

    @when("closed")
    @rule(chosen=st.sampled_from([None, None, [0], [1]]))
    def reopen(self, chosen: list[int] | None) -> None:
        cycle, pk = self.cycle, self.current
        until = self.now + TIME
        reps = None if chosen is None else [self.people[f"rep{rep}"].pk for rep in chosen]

        def act(by: Any) -> None:
            cycles.reopen_cycle(pk, until=until, reason=COMMENT, by=by, rep_ids=reps)

        serving = set(self.rep_of.values())
        if chosen is not None and not set(chosen) <= serving | set(self.expected):
            self.act("admin", Refused, act, {})
            return
        changed = {("cycle", str(pk)): "cycle_reopened"}
        stored = self.stored()
        if chosen is None:
            cycle.closes_at = until
        else:
            cycle.closes_at = min(cycle.closes_at, self.closed_at())
            cycle.extensions = {rep: at for rep, at in cycle.extensions.items() if at <= self.now}
            cycle.extensions |= dict.fromkeys(chosen, until)
            for rep in chosen:
                self.expected.setdefault(rep, 0)
        for number, line in cycle.lines.items():
            present = self.rep_of[number]
            if chosen is not None and present not in chosen:
                continue
            if line.status == MISSED:
                line.status, line.revision = DRAFT, line.revision + 1
                changed[self.forecast(stored[number])] = "forecast_updated"
            if line.rep != present:
                changed[self.forecast(stored[number])] = "forecast_updated"
                self.hand_over(line, present)
        cycle.status = "open"
        self.act("admin", None, act, changed)

    def closed_at(self) -> dt.datetime:
        return Cycle.objects.values_list("closed_at", flat=True).get(pk=self.current)

    def hand_over(self, line: ModelLine, rep: int) -> None:
        """A line of the open cycle gets another owner; denominators follow."""
        if line.live:
            self.expected[line.rep] -= 1
            self.expected[rep] = self.expected.get(rep, 0) + 1
        line.rep = rep

    @precondition(lambda self: self.cycle is not None and self.cycle.lines)
    @rule(customer=st.integers(0, 1), to=st.integers(0, 1))
    def reassign(self, customer: int, to: int) -> None:
        """A customer goes to another rep, and its lines of an open cycle with it."""
        row, person = self.customers[customer], self.people[f"rep{to}"]
        mine = [number for number, entry in enumerate(self.entries) if entry.customer_id == row.pk]
        changed: dict[tuple[str, str], str] = {}
        if self.rep_of[mine[0]] != to:
            changed[("customer", str(row.pk))] = "customer_updated"
            if self.cycle is not None and self.cycle.status == "open":
                stored = self.stored()
                moving = [number for number in mine if self.cycle.lines[number].rep != to]
                if moving:
                    self.expected.setdefault(to, 0)
                for number in moving:
                    changed[self.forecast(stored[number])] = "forecast_updated"
                    self.hand_over(self.cycle.lines[number], to)
            self.rep_of |= dict.fromkeys(mine, to)
        self.act("admin", None, lambda by: assign_customers([row.pk], person, by=by), changed)

    def sold(self, number: int) -> bool:
        entry = self.entries[number]
        return Actual.objects.filter(customer=entry.customer_id, product=entry.product_id).exists()

    @when("open")
    @rule(number=st.integers(0, 3), load=st.sampled_from([True, False, None]))
    def refresh(self, number: int, load: bool | None) -> None:
        """Actuals of one product come late, or turn out to be none, and the cycle is refreshed."""
        entry = self.entries[number]
        if load and not self.sold(number):
            make_actual(entry, dt.date(2026, 12, 1))
        elif load is False and Actual.objects.count() > 1:
            # The months that keep a line live end with the newest one loaded, so one actual stays.
            Actual.objects.untracked().filter(customer=entry.customer_id, product=entry.product_id).delete()
        cycle, pk = self.cycle, self.current
        changed: dict[tuple[str, str], str] = {}
        stored = self.stored()
        for key, line in cycle.lines.items():
            live = self.sold(key) or any(value for value in line.quantity if value)
            touched = line.touched
            if line.status != DRAFT or live == line.live or (not live and touched):
                continue
            line.live = live
            self.expected[line.rep] += 1 if live else -1
            changed[self.forecast(stored[key])] = "forecast_updated"
        if changed:
            changed[("cycle", str(pk))] = "cycle_updated"
        self.act("admin", None, lambda by: cycles.refresh_cycle(pk, by=by), changed)

    @when("closed")
    @rule()
    def publish(self) -> None:
        cycle, pk = self.cycle, self.current
        cycle.status = "archived"
        cycle.final = {number: list(line.plan) for number, line in cycle.lines.items()}
        for changed in ({("cycle", str(pk)): "cycle_archived"}, {}):
            self.act("admin", None, lambda by: cycles.publish_cycle(pk, by=by), changed)

    # Lines

    @precondition(lambda self: self.cycle is not None and self.cycle.lines)
    @rule(
        number=st.integers(0, 3),
        who=st.sampled_from(["rep0", "rep1", "admin", "manager"]),
        cells=st.dictionaries(
            st.integers(0, HORIZON - 1),
            st.one_of(st.none(), st.decimals(0, 999, places=2)),
            min_size=1,
            max_size=4,
        ),
        fill=st.booleans(),
        behind=st.sampled_from([0, 0, 0, 0, 1]),
    )
    def edit(self, number: int, who: str, cells: dict, fill: bool, behind: int) -> None:
        cycle, line, stored = self.cycle, self.cycle.lines[number], self.stored()[number]
        if fill:
            cells = {position: Decimal(5) for position in range(HORIZON)} | cells
        months = stored.cycle.periods
        wanted = LineEdit(stored.pk, stored.revision - behind, {months[n]: value for n, value in cells.items()})
        after = copy.deepcopy(line)
        for position, value in cells.items():
            after.quantity[position] = value
        changed: dict[tuple[str, str], str] = {}
        expected: type[DomainError] | None = None
        letters = list(stored.quantity_source)
        real = any(line.quantity[n] != value or (value is not None and letters[n] != "e") for n, value in cells.items())
        if cycle.status != "open":
            expected = Conflict
        elif not self.may_edit(who, line):
            expected = self.foreign(who, number)
        elif self.now >= cycle.deadline(line.rep):
            expected = Conflict
        elif line.status not in (DRAFT, REJECTED):
            expected = Refused
        elif behind:
            same = line.edited_by == who and after.quantity == line.quantity
            expected, real = (None if same else StaleRevision), False
        if expected is None and real:
            changed[self.forecast(stored)] = "forecast_updated"
            after.revision, after.status, after.edited_by = line.revision + 1, DRAFT, who
            after.touched = True
            if not line.live and any(value is not None for value in cells.values()):
                after.live = True
                self.expected[line.rep] += 1
            cycle.lines[number] = after
        self.act(who, expected, lambda by: services.set_cells(self.current, [wanted], by=by), changed)

    @when("open")
    @rule(number=st.integers(0, 3), value=st.integers(0, 99))
    def answer_all(self, number: int, value: int) -> None:
        """The owner answers every month, so that the line can be handed in."""
        owner = f"rep{self.cycle.lines[number].rep}"
        self.edit(number, owner, dict.fromkeys(range(HORIZON), Decimal(value)), False, 0)

    @when("open")
    @rule(number=st.integers(0, 3))
    def hand_in(self, number: int) -> None:
        """The owner answers what is missing and submits."""
        line = self.cycle.lines[number]
        if not line.live or not line.complete:
            self.answer_all(number, 5)
        self.submit(number, f"rep{self.cycle.lines[number].rep}", 0)

    def move(self, who: str, number: int, behind: int, allowed: bool, done: bool, act: Any, action: str) -> bool:
        """Try a move of one line and compare the answer. Returns whether it ought to have moved."""
        line, stored = self.cycle.lines[number], self.stored()[number]
        wanted = LineRef(stored.pk, stored.revision - behind)
        moved = False
        expected: type[DomainError] | None = None
        theirs = None if self.mine(who, line) else self.foreign(who, number)
        if theirs is NotAllowed:
            expected = NotAllowed
        elif done and not theirs:
            # A repeated request is no refusal, whatever happened to the cycle since.
            expected = None
        elif self.cycle.status not in self.when:
            expected = Conflict
        elif theirs:
            expected = theirs
        elif not self.deciding and self.now >= self.cycle.deadline(line.rep):
            expected = Conflict
        elif not allowed:
            expected = Refused
        elif behind:
            expected = StaleRevision
        elif self.sentence:
            expected = Refused
        else:
            moved = line.touched = True
        changed = {self.forecast(stored): action} if moved else {}
        self.act(who, expected, lambda by: act(self.current, [wanted], by=by), changed)
        return moved

    def mine(self, who: str, line: ModelLine) -> bool:
        return who in ("manager", "admin") if self.deciding else self.may_edit(who, line)

    def may_edit(self, who: str, line: ModelLine) -> bool:
        return who in ("admin", f"rep{line.rep}")

    def foreign(self, who: str, number: int) -> type[DomainError]:
        """What people hear about lines that are not theirs to change: those they can read are named as such."""
        line = self.cycle.lines[number]
        reads = (
            who in ("admin", "manager")
            or who == f"rep{self.rep_of[number]}"
            or line.submitted_by == who
            or (self.cycle.status == "open" and who == f"rep{line.rep}")
        )
        return NotAllowed if reads else Refused

    def prepare(self, number: int, deciding: bool, *when: str) -> ModelLine:
        self.deciding, self.when, self.line = deciding, when, self.cycle.lines[number]
        self.sentence = False
        return self.line

    has_lines = precondition(lambda self: self.cycle is not None and self.cycle.lines)
    numbers = st.integers(0, 3)
    stale = st.sampled_from([0, 0, 0, 0, 0, 1])

    @has_lines
    @rule(number=numbers, who=st.sampled_from(["rep0", "rep1", "rep1", "rep0", "admin", "manager"]), behind=stale)
    def submit(self, number: int, who: str, behind: int) -> None:
        line = self.prepare(number, False, "open")
        self.sentence = not line.live or not line.complete
        done = line.status == SUBMITTED and line.submitted_by == who
        if self.move(who, number, behind, line.status == DRAFT, done, services.submit_lines, "forecast_submitted"):
            line.status, line.revision, line.submitted_by, line.decided_by = SUBMITTED, line.revision + 1, who, None

    @has_lines
    @rule(number=numbers, who=st.sampled_from(["rep0", "rep1", "admin"]), behind=stale)
    def recall(self, number: int, who: str, behind: int) -> None:
        line = self.prepare(number, False, "open")
        self.sentence = line.submitted_by != who
        done = bool(behind) and line.status == DRAFT and line.submitted_by is None and line.decided_by is None
        if self.move(who, number, behind, line.status == SUBMITTED, done, services.recall_lines, "forecast_recalled"):
            line.touched = line.touched and bool(line.edited_by or line.decided_by)
            line.status, line.revision, line.submitted_by = DRAFT, line.revision + 1, None

    deciders = st.sampled_from(["manager", "manager", "manager", "admin", "rep0"])

    def decide(self, name: str, number: int, who: str, behind: int, allowed: set[str], status: str, *when: str) -> None:
        line = self.prepare(number, True, *when)
        self.sentence = who in (line.submitted_by, line.edited_by)
        done = line.status == status and line.decided_by == who

        def act(cycle_id: int, refs: list[LineRef], by: Any) -> None:
            getattr(services, f"{name}_lines")(cycle_id, refs, by=by, comment=COMMENT)

        past = {"approve": "approved", "reject": "rejected", "return": "returned"}[name]
        if self.move(who, number, behind, line.status in allowed, done, act, f"forecast_{past}"):
            line.status, line.revision, line.decided_by = status, line.revision + 1, who

    @has_lines
    @rule(number=numbers, who=deciders, behind=stale)
    def approve(self, number: int, who: str, behind: int) -> None:
        self.decide("approve", number, who, behind, {SUBMITTED}, APPROVED, "open", "closed")

    @has_lines
    @rule(number=numbers, who=deciders, behind=stale)
    def reject(self, number: int, who: str, behind: int) -> None:
        self.decide("reject", number, who, behind, {SUBMITTED}, REJECTED, "open")

    @has_lines
    @rule(number=numbers, who=deciders, behind=stale)
    def give_back(self, number: int, who: str, behind: int) -> None:
        self.decide("return", number, who, behind, {SUBMITTED, APPROVED}, DRAFT, "open")

    @when("closed", "archived")
    @rule(number=numbers, who=deciders, value=st.one_of(st.none(), st.decimals(0, 999, places=2)), behind=stale)
    def adjust(self, number: int, who: str, value: Decimal | None, behind: int) -> None:
        line, stored = self.prepare(number, True, "closed"), self.stored()[number]
        # Everything else is answered, so that the adjusted line is complete; None leaves a mandatory cell blank.
        months = stored.cycle.periods
        after = [value, *[Decimal(3) if cell is None else cell for cell in line.quantity[1:]]]
        wanted = Adjustment(stored.pk, stored.revision - behind, dict(zip(months, after, strict=True)))
        allowed = line.status in (SUBMITTED, APPROVED, MISSED)
        self.sentence = value is None
        done = line.status == APPROVED and line.decided_by == line.edited_by == who and after == line.quantity

        def act(cycle_id: int, refs: list[LineRef], by: Any) -> None:
            services.adjust_lines(cycle_id, [wanted], by=by, reason=COMMENT)

        if self.move(who, number, behind, allowed, done, act, "forecast_adjusted"):
            line.quantity, line.status, line.revision = after, APPROVED, line.revision + 1
            line.edited_by = line.decided_by = who

    # What must hold after every step.

    @invariant()
    def the_tables_are_what_the_model_says(self) -> None:
        if not hasattr(self, "model"):
            return
        stored = {cycle.pk: cycle for cycle in Cycle.objects.all()}
        assert {pk: cycle.status for pk, cycle in stored.items()} == {pk: c.status for pk, c in self.model.items()}
        assert sum(cycle.status == "open" for cycle in stored.values()) <= 1
        found: dict[int, dict[int, Line]] = {pk: {} for pk in self.model}
        for line in Line.objects.all():
            found[line.cycle_id][self.number_of[line.product_id]] = line
        for pk, cycle in self.model.items():
            assert found[pk].keys() == cycle.lines.keys()
            for number, wanted in cycle.lines.items():
                line = found[pk][number]
                assert (line.quantity, line.status, line.live, line.revision) == (
                    wanted.quantity, wanted.status, wanted.live, wanted.revision
                )  # fmt: skip
                names = [self.name_of(key) for key in (line.submitted_by_id, line.edited_by_id, line.decided_by_id)]
                assert names == [wanted.submitted_by, wanted.edited_by, wanted.decided_by]
                assert line.owner_id == self.people[f"rep{wanted.rep}"].pk

    @invariant()
    def denominators_count_live_lines(self) -> None:
        if not hasattr(self, "model") or self.cycle is None or not self.cycle.lines:
            return
        shares = Participant.objects.filter(cycle=self.current)
        assert {int(self.name_of(share.rep_id)[-1]): share.lines_expected for share in shares} == self.expected

    @invariant()
    def totals_are_the_sum_of_the_cells(self) -> None:
        if not hasattr(self, "model") or self.cycle is None or not self.cycle.lines:
            return
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT sum(q * p) FROM forecasts_line AS line, unnest(quantity, unit_price) AS cell(q, p) "
                "WHERE cycle_id = %s",
                [self.current],
            )
            (money,) = cursor.fetchone()
        cells = [value for line in self.cycle.lines.values() for value in line.quantity if value is not None]
        assert (money or 0) == sum(cells) * PRICE

    @invariant()
    def snapshots_only_grow(self) -> None:
        if not hasattr(self, "model"):
            return
        rows = {row[0]: row for row in Snapshot.objects.order_by("pk").values_list()}
        assert {pk: rows.get(pk) for pk in self.snapshots} == self.snapshots
        if rows and rows.keys() != self.snapshots.keys():
            for write in (Snapshot.objects.all()[:1].get().delete, lambda: Snapshot.objects.update(comment="altered")):
                with pytest.raises(Error, match="kept as they were taken"), transaction.atomic():
                    write()
        self.snapshots = rows

    @invariant()
    def the_published_plan_is_the_one_of_the_model(self) -> None:
        if not hasattr(self, "model"):
            return
        wanted = {
            (pk, number): quantity
            for pk, cycle in self.model.items()
            if cycle.status == "archived"
            for number, quantity in cycle.final.items()
        }
        finals = Snapshot.objects.filter(event=Snapshot.Event.FINAL).select_related("line")
        assert {(one.line.cycle_id, self.number_of[one.line.product_id]): one.quantity for one in finals} == wanted


def test_cycles_and_lines_keep_their_rules():
    run_state_machine_as_test(
        Portal,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=30,
            deadline=None,
            derandomize=True,
            database=None,
            # Shrinking reruns the machine hundreds of times; the steps of a failure are printed as they are.
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
