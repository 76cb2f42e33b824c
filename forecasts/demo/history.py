"""Three years of the demo company: sales month by month, and between them the cycles that were planned and published."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from django.db import connection

from audit.context import action
from cycles.models import MANDATORY, Cycle, Participant
from cycles.services import COPIED_SETTINGS, business_zone
from forecasts.demo.acts import ADJUST, APPROVE, EDIT, REJECT, RETURN, SUBMIT, Act, perform
from forecasts.demo.company import Company
from forecasts.demo.demand import Pair
from forecasts.demo.habits import Cells, Habit, fill_in, habit_of, provenance
from forecasts.demo.load import copy_rows, keys_checked_meanwhile, record_load
from forecasts.demo.words import ADJUSTMENTS, APPROVALS, REASONS, REJECTIONS, RETURNS
from forecasts.models import Snapshot
from forecasts.services.opening import close_lines, publish_lines, seed_lines
from masterdata.models import Actual, Price
from masterdata.upserts import next_batch
from sop_portal import conf
from sop_portal.lib import periods

# The last cycles, whose lines include the dormant pairs.
_DORMANT_SINCE = 2
# Shares of the lines that were handed in.
_REJECTED, _RETURNED, _UNDECIDED, _ADJUSTED = 0.03, 0.01, 0.02, 0.02
# Of the missed lines: those that were typed but not handed in, and those that the meeting set.
_TYPED, _SET = 0.5, 0.3
# Months that an adjustment moves.
_NEAR = 6
_RISK_CLASSES = (0, 1, 1, 2, 2, 2, 2, 3, 3, 3)


def write_history(company: Company) -> None:
    """Load the actuals in the order in which they came, and between them plan and publish each past cycle."""
    size, calendar = company.size, company.calendar
    known = 0
    for number in range(size.cycles):
        if number == size.cycles - _DORMANT_SINCE:
            company.list_dormant()
        first = calendar.index(calendar.open_period) - size.cycles + number
        # A cycle opens in the month before its first period, when the sales of the month before that are in.
        _load_actuals(company, known, first - 1)
        known = first - 1
        company.announce_prices(known)
        _Round(company, first, number).play()
    _load_actuals(company, known, size.months)
    company.announce_prices(size.months)
    if size.cycles < _DORMANT_SINCE:
        company.list_dormant()


def _load_actuals(company: Company, first: int, until: int) -> None:
    """Load the actuals of the months from `first` up to, not including, `until` as one batch."""
    if first >= until:
        return
    calendar = company.calendar
    batch = next_batch()
    months = [(calendar.month(index), index) for index in range(first, until)]
    sums: dict[str, Any] = {"quantity": 0.0, "amount": 0.0}

    def rows() -> Iterator[tuple[Any, ...]]:
        for period, index in months:
            dice = company.size.dice(f"actuals {index}")
            for pair in company.pairs:
                quantity = pair.sold(index, period.month, dice)
                if quantity:
                    price = pair.price(index) or pair.cost / 0.7
                    amount = round(quantity * price * dice.choice((1.0, 1.0, 1.0, 0.99, 0.98)), 2)
                    sums["quantity"] += quantity
                    sums["amount"] += amount
                    yield pair.customer_id, pair.product_id, period, quantity, amount, round(quantity * pair.cost, 2)

    count = copy_rows(Actual, ("customer_id", "product_id", "period", "quantity", "amount", "cost"), rows())
    last = periods.label(months[-1][0])
    span = last if len(months) == 1 else f"{periods.label(months[0][0])} to {last}"
    record_load("actual", f"batch-{batch}", f"{count:,} actuals, {span}", rows=count, **sums)


class _Round:
    """One past cycle, from its opening to its publication."""

    def __init__(self, company: Company, first: int, number: int) -> None:
        self.company, self.first = company, first
        self.dice = company.size.dice(f"cycle {number}")
        period = company.calendar.month(first)
        before = periods.shift(period, -1)
        self.opened = _local(before, 9, 9)
        self.deadline = _local(before, 25, 18)
        self.closed = self.deadline + dt.timedelta(minutes=3)
        self.published = _local(before, 28, 11)
        self.pair_of = {(pair.customer_id, pair.product_id): pair for pair in company.pairs}
        self.cycle = Cycle(
            first_period=period, opens_at=self.opened, closes_at=self.deadline, opened_at=self.opened,
            status=Cycle.Status.OPEN, times_opened=1, created_by=company.admin,
            settings={key: conf.get(key) for key in COPIED_SETTINGS},
        )  # fmt: skip
        # Each cycle somebody is away and hands in little.
        self.away = self.dice.randrange(company.size.reps)

    def play(self) -> None:
        """Open, let the reps work and the managers decide, close, settle the rest, publish."""
        company, cycle = self.company, self.cycle
        cycle.clean()
        with action("cycle_archived"):
            cycle.save()
        seed_lines(cycle, by=company.admin, now=self.opened, details={})
        Participant.objects.filter(cycle=cycle).update(
            first_seen_at=self.opened + dt.timedelta(hours=3), last_seen_at=self.closed - dt.timedelta(hours=3)
        )
        live = self._live_lines()
        with keys_checked_meanwhile(Snapshot, Actual, Price):
            stories = [self._story(*row) for row in live]
        perform([before for before, _ in stories])
        cycle.status, cycle.closed_at = Cycle.Status.CLOSED, self.closed
        cycle.save(update_fields=["status", "closed_at"])
        close_lines(cycle, by=None, now=self.closed, details={})
        perform([after for _, after in stories])
        cycle.status, cycle.archived_at = Cycle.Status.ARCHIVED, self.published
        cycle.save(update_fields=["status", "archived_at"])
        publish_lines(cycle, by=company.admin, now=self.published, details={})

    def _live_lines(self) -> list[tuple[int, Pair, Cells, bool]]:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT id, customer_id, product_id, quantity::int[], risk_is_default FROM forecasts_line "
                "WHERE cycle_id = %s AND live ORDER BY customer_id, product_id",
                [self.cycle.pk],
            )
            return [
                (pk, self.pair_of[customer, product], cells, default)
                for pk, customer, product, cells, default in cursor.fetchall()
            ]

    def _story(self, line_id: int, pair: Pair, carried: Cells, risk_open: bool) -> tuple[list[Act], list[Act]]:
        """What happened to one line before and after the cycle closed."""
        dice, habit = self.dice, habit_of(pair.rep)
        rep = self.company.reps[pair.rep]
        manager = rep.manager_id or self.company.admin.pk
        typed = fill_in(pair, habit, carried, self.first, self.company.calendar, dice)
        cells = _with(carried, typed)
        first = Act(
            line_id, SUBMIT, self._handed_in(habit), rep.pk, cells, provenance(cells, typed),
            dice.choice(_RISK_CLASSES) if risk_open else None, bool(typed), dice.choice(REASONS),
        )  # fmt: skip
        misses = 0.35 if pair.rep == self.away else habit.misses
        if None in cells[:MANDATORY] or dice.random() < misses:
            before = [replace(first, kind=EDIT, comment="")] if typed and dice.random() < _TYPED else []
            stands = (
                before[0] if before else replace(first, cells=carried, sources=provenance(carried, {}), risk_class=None)
            )
            after = [self._adjustment(stands, manager)] if dice.random() < _SET else []
            return before, after
        before = [first]
        fate = dice.random()
        if fate < _REJECTED + _RETURNED:
            self._second_try(before, pair, manager, fate < _REJECTED)
        after = []
        if dice.random() >= _UNDECIDED:
            decided = before[-1].at + dt.timedelta(hours=dice.randrange(2, 40))
            approval = before[-1].then(APPROVE, decided, manager, dice.choice(APPROVALS))
            (before if decided < self.closed else after).append(approval)
        if dice.random() < _ADJUSTED:
            after.append(self._adjustment(before[-1], manager))
        return before, after

    def _handed_in(self, habit: Habit) -> dt.datetime:
        """When a line was handed in: some days after the opening, or on the last day."""
        days = (self.deadline - self.opened).days - 1
        share = self.dice.uniform(habit.late * 0.7, 0.3 + habit.late * 0.7)
        at = self.opened + dt.timedelta(days=days * min(1.0, share), minutes=self.dice.randrange(60))
        return min(at, self.deadline - dt.timedelta(minutes=5))

    def _second_try(self, before: list[Act], pair: Pair, manager: int, rejected: bool) -> None:
        """The line comes back and is handed in again, if there is time."""
        dice, first = self.dice, before[-1]
        back = first.at + dt.timedelta(hours=dice.randrange(2, 20))
        again = back + dt.timedelta(hours=dice.randrange(2, 20))
        if again >= self.deadline:
            return
        if rejected:
            before.append(first.then(REJECT, back, manager, dice.choice(REJECTIONS)))
        else:
            before.append(first.then(APPROVE, back - dt.timedelta(hours=1), manager))
            before.append(first.then(RETURN, back, manager, dice.choice(RETURNS)))
        habit, calendar = habit_of(pair.rep), self.company.calendar
        typed = fill_in(pair, habit, first.cells, self.first, calendar, dice, again=True)
        cells = _with(first.cells, typed)
        sources = provenance(cells, typed, first.sources)
        before.append(
            replace(first.then(SUBMIT, again, first.actor_id), cells=cells, sources=sources, typed=bool(typed))
        )

    def _adjustment(self, stands: Act, manager: int) -> Act:
        """What the meeting made of a line: the near months moved a little, blanks set to 0."""
        factor = self.dice.choice((0.85, 0.9, 0.95, 1.1))
        moved = {
            position: round((quantity or 0) * (factor if position < _NEAR else 1))
            for position, quantity in enumerate(stands.cells[:MANDATORY])
        }
        moved = {position: quantity for position, quantity in moved.items() if quantity != stands.cells[position]}
        cells = _with(stands.cells, moved)
        at = self.closed + dt.timedelta(hours=self.dice.randrange(12, 40))
        adjustment = stands.then(ADJUST, at, manager, self.dice.choice(ADJUSTMENTS))
        return replace(adjustment, cells=cells, sources=provenance(cells, moved, stands.sources), typed=True)


def _with(cells: Cells, typed: dict[int, int]) -> Cells:
    return [typed.get(position, quantity) for position, quantity in enumerate(cells)]


def _local(month: dt.date, day: int, hour: int) -> dt.datetime:
    """The working day at or before the `day` of `month`, at `hour` in the business time zone."""
    date = month.replace(day=day)
    while date.weekday() >= 5:
        date -= dt.timedelta(days=1)
    return dt.datetime.combine(date, dt.time(hour), business_zone())
