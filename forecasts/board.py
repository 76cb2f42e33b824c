"""The submission board: how far each participant of a cycle is, or each of their customers or products.

Every row counts against the lines that are expected: `Participant.lines_expected` for a rep, which opening froze and
each line that became live or moved since has changed; the live lines for a customer or a product. All of them are the
lines of the participants that the reader may see, so the three tabs add up to the same.
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, field
from decimal import Decimal
from typing import Any

from django.db import connection, models
from django.db.models import Count, Q

from cycles import standing
from cycles.models import MANDATORY, Cycle, Participant
from forecasts.models import Line, QuantitySource, Snapshot
from forecasts.plan import PLAN_CELLS
from forecasts.progress import COUNTS
from masterdata.models import Customer, Product
from sop_portal.lib.clock import portal_now
from sop_portal.lib.keys import among

REP, CUSTOMER, PRODUCT = "rep", "customer", "product"
TABS = (REP, CUSTOMER, PRODUCT)
# A submitted line is odd when its money is further than this from what the last cycle planned for the same months.
ODD = Decimal("0.5")


class State(models.TextChoices):
    """Where a row stands, from the one who needs chasing most to the one who is done."""

    NOT_SEEN = "not_seen", "not seen"
    LATE = "late", "late"
    RETURNED = "returned", "returned"
    SEEN = "seen", "seen"
    NOT_STARTED = "not_started", "not started"
    IN_WORK = "in_work", "in work"
    SUBMITTED = "submitted", "submitted"
    APPROVED = "approved", "approved"
    NOTHING = "nothing", "nothing expected"


# States in which the rep has something to hand in.
_ORDER = {state: number for number, state in enumerate(State)}


@dataclass(frozen=True)
class Plan:
    """Revenue of the mandatory months, and the same over the months that the plan before covered, now and then.

    odd: how many submitted lines are far off that, and by how much money together, up or down.
    """

    money: Decimal = Decimal(0)
    covered: Decimal = Decimal(0)
    before: Decimal = Decimal(0)
    odd: int = 0
    odd_money: Decimal = Decimal(0)

    @property
    def change(self) -> Decimal | None:
        """The change against the last cycle as a fraction; None when that planned nothing here."""
        return (self.covered - self.before) / self.before if self.before else None

    def __add__(self, other: "Plan") -> "Plan":
        return Plan(*(mine + theirs for mine, theirs in zip(astuple(self), astuple(other), strict=True)))


@dataclass(frozen=True)
class Row:
    """One participant, customer or product."""

    key: int
    name: str
    code: str
    expected: int
    counts: standing.Counts
    plan: Plan
    state: State
    participant: Participant | None = None
    deadline: dt.datetime | None = None

    @property
    def share(self) -> Decimal:
        """Handed in of what is expected, as a fraction; 0 for who never started."""
        return Decimal(self.counts.handed_in) / self.expected if self.expected else Decimal(0)

    @property
    def may_be_reminded(self) -> bool:
        """Whether there is something to hand in and time to do it."""
        return bool(self.counts.to_do) and self.state != State.LATE

    @property
    def bar_label(self) -> str:
        """The bar in words."""
        return f"{self.name}: {self.counts.handed_in:,} of {self.expected:,} lines handed in"

    @property
    def last_seen(self) -> dt.datetime | None:
        return self.participant.last_seen_at if self.participant else None

    @property
    def manager(self) -> str:
        return str(self.participant.rep.manager or "") if self.participant else ""


@dataclass(frozen=True)
class Wanted:
    """What a person wants to see; comes from the address."""

    cycle: Cycle
    tab: str = REP
    state: str = ""
    manager: int | None = None
    rep: int | None = None
    find: str = ""
    sort: str = ""

    @property
    def is_narrowed(self) -> bool:
        return bool(self.state or self.manager or self.rep or self.find)


@dataclass(frozen=True)
class Board:
    """The rows wanted, and what all of them add up to. participants: those of the reader's scope, unfiltered."""

    cycle: Cycle
    rows: Sequence[Row]
    participants: Sequence[Participant]
    expected: int = 0
    counts: standing.Counts = field(default_factory=standing.Counts)
    plan: Plan = field(default_factory=Plan)
    states: dict[str, int] = field(default_factory=dict)

    @property
    def share(self) -> Decimal:
        """Handed in of what is expected, as a fraction."""
        return Decimal(self.counts.handed_in) / self.expected if self.expected else Decimal(0)


def may_read(user: Any) -> bool:
    """Whether `user` sees more than the own share."""
    return bool(user.has_perm("masterdata.view_team_customers") or user.has_perm("masterdata.view_all_customers"))


def cycles(user: Any) -> Any:
    """The cycles that have a board, the newest first."""
    return (
        Cycle.objects.visible_to(user).filter(kind=Cycle.Kind.NORMAL).exclude(status=Cycle.Status.DRAFT)
        .order_by("-first_period", "-pk")
    )  # fmt: skip


def read(user: Any, wanted: Wanted) -> Board:
    """The board as `user` may see it, in a number of queries that does not depend on its size."""
    people = list(
        Participant.objects.visible_to(user).filter(cycle=wanted.cycle)
        .select_related("rep", "rep__manager").order_by("rep__full_name", "pk")
    )  # fmt: skip
    chosen = [
        one for one in people
        if wanted.rep in (None, one.rep_id) and wanted.manager in (None, one.rep.manager_id)
    ]  # fmt: skip
    rows = _rows(wanted, chosen, _readable(user, wanted))
    if wanted.find:
        text = wanted.find.casefold()
        rows = [row for row in rows if text in row.name.casefold() or text in row.code.casefold()]
    states = {state.value: sum(row.state == state for row in rows) for state in State}
    if wanted.state:
        rows = [row for row in rows if row.state == wanted.state]
    return Board(
        cycle=wanted.cycle,
        rows=sorted(rows, key=_sort_key(wanted.sort), reverse=wanted.sort.startswith("-")),
        participants=people,
        expected=sum(row.expected for row in rows),
        counts=standing.total(row.counts for row in rows),
        plan=sum((row.plan for row in rows), Plan()),
        states=states,
    )


_COLUMN = {REP: "owner_id", CUSTOMER: "customer_id", PRODUCT: "product_id"}


def _readable(user: Any, wanted: Wanted) -> list[int] | None:
    """The lines whose customers and products a rep may read; None for all of the share.

    What stood in the name of a rep whose customer moved on counts for them, but is nothing they may look at any more.
    """
    if wanted.tab == REP or may_read(user):
        return None
    return list(Line.objects.visible_to(user).live().filter(cycle=wanted.cycle).order_by().values_list("pk", flat=True))


def _rows(wanted: Wanted, people: Sequence[Participant], readable: list[int] | None) -> list[Row]:
    work = _work(wanted, people, readable, portal_now())
    plans = _plans(wanted, people, readable)
    if wanted.tab == REP:
        return [
            _rep_row(wanted.cycle, one, work.get(one.rep_id, _Work()), plans.get(one.rep_id, Plan())) for one in people
        ]
    names = _names(wanted.tab, work)
    return [
        Row(
            key=key,
            name=names[key][0],
            code=names[key][1],
            expected=found.counts.live,
            counts=found.counts,
            plan=plans.get(key, Plan()),
            state=_state(found, State.NOT_STARTED),
        )
        for key, found in work.items()
    ]


@dataclass(frozen=True)
class _Work:
    """The live lines of a row. touched: that somebody typed into or confirmed; late: not handed in, and past the
    deadline that applies to their owner."""

    counts: standing.Counts = field(default_factory=standing.Counts)
    touched: int = 0
    late: int = 0


def _rep_row(cycle: Cycle, one: Participant, work: _Work, plan: Plan) -> Row:
    return Row(
        key=one.rep_id,
        name=one.rep.full_name,
        code=one.rep.employee_id or "",
        expected=one.lines_expected,
        counts=work.counts,
        plan=plan,
        state=_state(work, State.SEEN if one.first_seen_at else State.NOT_SEEN),
        participant=one,
        deadline=cycle.deadline_with(one.deadline_extension),
    )


def _state(work: _Work, untouched: State) -> State:
    """Where lines stand together. Late goes before returned: the deadline has passed, whatever else is to do."""
    counts = work.counts
    if not counts.live:
        return State.NOTHING
    if counts.missed or work.late:
        return State.LATE
    if not counts.to_do:
        return State.SUBMITTED if counts.submitted else State.APPROVED
    if counts.came_back:
        return State.RETURNED
    return State.IN_WORK if counts.handed_in or work.touched else untouched


def _work(
    wanted: Wanted, people: Sequence[Participant], readable: list[int] | None, now: dt.datetime
) -> dict[int, _Work]:
    """Key -> how far its lines are; one query."""
    column = _COLUMN[wanted.tab]
    too_late = [
        one.rep_id for one in people
        if (deadline := wanted.cycle.deadline_with(one.deadline_extension)) is not None and now >= deadline
    ]  # fmt: skip
    rows: Any = (
        Line.objects.live().filter(cycle=wanted.cycle, owner__in=[one.rep_id for one in people]).order_by()
        .values(column)
        .annotate(
            **COUNTS,
            touched=Count("pk", filter=Q(edited_by__isnull=False) | Q(confirmed_by__isnull=False)),
            late=Count("pk", filter=Q(owner__in=too_late, status__in=Line.INPUT)),
        )
    )  # fmt: skip
    if readable is not None:
        rows = rows.filter(pk__in=among(readable))
    found = {}
    for row in rows:
        key, touched, late = row.pop(column), row.pop("touched"), row.pop("late")
        found[key] = _Work(standing.Counts(**row), touched, late)
    return found


_ODD = "line.status = 'submitted' AND before > 0 AND abs(covered - before) > %(odd)s * before"
# The plan as every figure of the portal counts it, beside what the plan before gave the line when its cycle opened.
# "Covered" are the months that it reached, as in the grid's "vs last cycle".
_PLANS = f"""
SELECT line.{{column}}, sum(figure.money), sum(figure.covered), sum(figure.before),
       count(*) FILTER (WHERE {_ODD}), coalesce(sum(abs(covered - before)) FILTER (WHERE {_ODD}), 0)
  FROM forecasts_line AS line {PLAN_CELLS}
  LEFT JOIN LATERAL (
      SELECT quantity, unit_price, quantity_source FROM forecasts_snapshot
       WHERE line_id = line.id AND event = '{Snapshot.Event.OPEN.value}' ORDER BY id DESC LIMIT 1
  ) AS started ON true
 CROSS JOIN LATERAL (
      SELECT coalesce(sum(q * p), 0) AS money,
             coalesce(sum(q * p) FILTER (WHERE source = '{QuantitySource.CARRIED.value}'), 0) AS covered,
             coalesce(sum(old_q * old_p) FILTER (WHERE source = '{QuantitySource.CARRIED.value}'), 0) AS before
        FROM unnest((plan.quantity)[1:{MANDATORY}], (plan.unit_price)[1:{MANDATORY}],
                    (started.quantity)[1:{MANDATORY}], (started.unit_price)[1:{MANDATORY}],
                    string_to_array(left(started.quantity_source, {MANDATORY}), NULL))
             AS cell(q, p, old_q, old_p, source)
 ) AS figure
 WHERE line.cycle_id = %(cycle)s AND line.live AND line.owner_id = ANY(%(reps)s)
   AND (%(readable)s::bigint[] IS NULL OR line.id = ANY(%(readable)s::bigint[]))
 GROUP BY 1
"""


def _plans(wanted: Wanted, people: Sequence[Participant], readable: list[int] | None) -> dict[int, Plan]:
    """Key -> what is planned there; one query."""
    with connection.cursor() as cursor:
        # The column is one of the three words above, never input.
        cursor.execute(
            _PLANS.format(column=_COLUMN[wanted.tab]),
            {"cycle": wanted.cycle.pk, "reps": [one.rep_id for one in people], "odd": ODD, "readable": readable},
        )
        return {key: Plan(*sums) for key, *sums in cursor.fetchall()}


def _names(tab: str, keys: Iterable[int]) -> dict[int, tuple[str, str]]:
    """Key -> name and code of customers or products; one query."""
    if tab == CUSTOMER:
        found: Any = Customer.objects.filter(pk__in=list(keys)).values_list("pk", "name", "customer_id")
    else:
        found = Product.objects.filter(pk__in=list(keys)).values_list("pk", "description", "item_code")
    return {key: (name, code) for key, name, code in found}


SORTS = {
    "name": lambda row: (row.name.casefold(), row.code),
    "state": lambda row: (-_ORDER[row.state], row.name.casefold()),
    "share": lambda row: (row.share, row.name.casefold()),
    "expected": lambda row: (row.expected, row.name.casefold()),
    "returned": lambda row: (row.counts.came_back, row.name.casefold()),
    "plan": lambda row: (row.plan.money, row.name.casefold()),
    "change": lambda row: (row.plan.change is not None, row.plan.change or Decimal(0), row.name.casefold()),
    "seen": lambda row: (row.last_seen is not None, row.last_seen or dt.datetime.min.replace(tzinfo=dt.UTC), row.name),
}


def _sort_key(sort: str) -> Any:
    """Without a choice: who is done first, then by how far they are, as one reads down to those who need chasing."""
    return SORTS.get(sort.removeprefix("-"), lambda row: (-row.share, -row.counts.approved, row.name.casefold()))
