"""Cycles and lines against a plain Python model: whatever the order of moves, the rules hold.

The services run on real tables; `Model` is what they ought to do. After every step all of it is compared.
"""

import copy
import datetime as dt
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
from sop_portal.lib import periods
from sop_portal.lib.errors import Conflict, DomainError, NotAllowed, Refused, StaleRevision
from tests.factories import (
    FAR,
    make_actual,
    make_customer,
    make_entry,
    make_group,
    make_product,
    make_user,
)
from tests.world import next_transaction

pytestmark = pytest.mark.django_db

START = dt.date(2027, 1, 1)
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
    lines: dict[int, ModelLine] = field(default_factory=dict)
    final: dict[int, list[Decimal | None]] = field(default_factory=dict)


def carried(cycle: ModelCycle, number: int, moved: int) -> list[Decimal | None]:
    """The prefill that the newest earlier cycle gives, shifted by `moved` months."""
    source = cycle.final[number] if cycle.status == "archived" else cycle.lines[number].plan
    return [*source[moved:], *[None] * moved]


class Portal(RuleBasedStateMachine):
    """Two reps with a sold and a dormant product each, their manager, and an admin."""

    @initialize()
    def company(self) -> None:
        self.outer = transaction.atomic()
        self.outer.__enter__()
        self.people: dict[str, Any] = {"admin": make_user("admin"), "manager": make_user("manager")}
        group = make_group()
        self.entries, self.rep_of = [], {}
        for rep in (0, 1):
            self.people[f"rep{rep}"] = make_user("sales_rep", manager=self.people["manager"])
            customer = make_customer(sales_rep=self.people[f"rep{rep}"])
            for sold in (True, False):
                entry = make_entry(customer, make_product(group=group), price=PRICE)
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
        assert found == ({} if expected else changed)
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

    @precondition(lambda self: self.cycle is None or self.cycle.status != "draft")
    @rule(gap=st.sampled_from([1, 1, 1, 2]))
    def create(self, gap: int) -> None:
        first = START if self.cycle is None else periods.shift(self.cycle.first, gap)
        with acting(self.people["admin"], source="web"):
            made = cycles.create_cycle(first_period=first, closes_at=FAR, by=self.people["admin"])
        self.before = self.current
        self.model[made.pk] = ModelCycle(first)
        self.current = made.pk

    @precondition(lambda self: self.cycle is not None)
    @rule()
    def same_month_again(self) -> None:
        taken = Conflict if self.cycle.status == "archived" else Refused
        if taken is Refused:
            first = self.cycle.first
            self.act("admin", Refused, lambda by: cycles.create_cycle(first_period=first, closes_at=FAR, by=by), {})

    @precondition(lambda self: self.cycle is not None)
    @rule(who=st.sampled_from(["admin", "admin", "admin", "rep0"]))
    def open(self, who: str) -> None:
        cycle, pk = self.cycle, self.current
        others = [other for key, other in self.model.items() if key != pk and other.status == "open"]
        expected: type[DomainError] | None = None
        if who != "admin":
            expected = NotAllowed
        elif cycle.status in ("closed", "archived") or (cycle.status == "draft" and others):
            expected = Conflict
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
            live = number % 2 == 0 or any(value for value in quantity if value)
            cycle.lines[number] = ModelLine(self.rep_of[number], live, list(quantity), list(quantity))
        cycle.status = "open"
        self.expected = {rep: sum(line.live for line in cycle.lines.values() if line.rep == rep) for rep in (0, 1)}
        with acting(self.people["admin"], source="web"):
            next_transaction()
            last = Entry.objects.order_by("-id").values_list("id", flat=True).first() or 0
            cycles.open_cycle(pk, by=self.people["admin"])
        actions = sorted(Entry.objects.filter(id__gt=last).values_list("action", flat=True))
        assert actions == ["cycle_opened", *["forecast_created"] * 4, *["participant_created"] * 2]

    @precondition(lambda self: self.cycle is not None)
    @rule()
    def close(self) -> None:
        cycle, pk = self.cycle, self.current
        if cycle.status in ("draft", "archived"):
            self.act("admin", Conflict, lambda by: cycles.close_cycle(pk, by=by), {})
            return
        changed: dict[tuple[str, str], str] = {}
        if cycle.status == "open":
            changed[("cycle", str(pk))] = "cycle_closed"
            lines = self.stored()
            for number, line in cycle.lines.items():
                if line.live and line.status in (DRAFT, REJECTED):
                    line.status, line.revision = MISSED, line.revision + 1
                    changed[self.forecast(lines[number])] = "forecast_updated"
            for share in Participant.objects.filter(cycle=pk):
                rep = int(self.name_of(share.rep_id)[-1])
                if any(line.live for line in cycle.lines.values() if line.rep == rep):
                    changed[("participant", str(share.pk))] = "participant_updated"
            cycle.status = "closed"
        self.act("admin", None, lambda by: cycles.close_cycle(pk, by=by), changed)

    @precondition(lambda self: self.cycle is not None)
    @rule()
    def publish(self) -> None:
        cycle, pk = self.cycle, self.current
        if cycle.status in ("draft", "open"):
            self.act("admin", Conflict, lambda by: cycles.publish_cycle(pk, by=by), {})
            return
        changed = {("cycle", str(pk)): "cycle_archived"} if cycle.status == "closed" else {}
        if cycle.status == "closed":
            cycle.status = "archived"
            cycle.final = {number: list(line.plan) for number, line in cycle.lines.items()}
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
        elif who == "manager" or (who.startswith("rep") and who != f"rep{line.rep}"):
            expected = NotAllowed if who == "manager" else Refused
        elif line.status not in (DRAFT, REJECTED):
            expected = Refused
        elif behind:
            same = line.edited_by == who and after.quantity == line.quantity
            expected, real = (None if same else StaleRevision), False
        if expected is None and real:
            changed[self.forecast(stored)] = "forecast_updated"
            after.revision, after.status, after.edited_by = line.revision + 1, DRAFT, who
            if not line.live and any(value is not None for value in cells.values()):
                after.live = True
                self.expected[line.rep] += 1
                share = Participant.objects.get(cycle=self.current, rep=self.people[f"rep{line.rep}"])
                changed[("participant", str(share.pk))] = "participant_updated"
            cycle.lines[number] = after
        self.act(who, expected, lambda by: services.set_cells(self.current, [wanted], by=by), changed)

    def move(self, who: str, number: int, behind: int, allowed: bool, done: bool, act: Any, action: str) -> bool:
        """Try a move of one line and compare the answer. Returns whether it ought to have moved."""
        line, stored = self.cycle.lines[number], self.stored()[number]
        wanted = LineRef(stored.pk, stored.revision - behind)
        moved = False
        expected: type[DomainError] | None = None
        theirs = None if self.mine(who, line) else self.foreign(who)
        if theirs is NotAllowed:
            expected = NotAllowed
        elif done and not theirs:
            # A repeated request is no refusal, whatever happened to the cycle since.
            expected = None
        elif self.cycle.status not in self.when:
            expected = Conflict
        elif theirs:
            expected = theirs
        elif not allowed:
            expected = Refused
        elif behind:
            expected = StaleRevision
        elif self.sentence:
            expected = Refused
        else:
            moved = True
        changed = {self.forecast(stored): action} if moved else {}
        self.act(who, expected, lambda by: act(self.current, [wanted], by=by), changed)
        return moved

    def mine(self, who: str, line: ModelLine) -> bool:
        if self.deciding:
            return who in ("manager", "admin")
        return who in ("admin", f"rep{line.rep}")

    def foreign(self, who: str) -> type[DomainError]:
        """What people hear about lines that are not theirs: their own or their team's they can at least read."""
        if self.deciding:
            return NotAllowed if who == f"rep{self.line.rep}" else Refused
        return NotAllowed if who == "manager" else Refused

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

    @has_lines
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
            max_examples=30,
            stateful_step_count=25,
            deadline=None,
            derandomize=True,
            database=None,
            # Shrinking reruns the machine hundreds of times; the steps of a failure are printed as they are.
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
