"""The open cycle of the demo company, half done: every act goes through the services, as the person who does it."""

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from audit.context import acting
from cycles import services as cycle_services
from cycles.models import Cycle
from cycles.seen import mark_seen
from forecasts import services
from forecasts.demo.company import Company
from forecasts.demo.habits import fill_in, habit_of
from forecasts.demo.words import REASONS, REJECTIONS, RETURNS
from forecasts.models import Line
from forecasts.reasons import Reason
from sop_portal.accounts.models import User

# How far each rep has come; the pattern repeats.
WORKING, WAITING, APPROVED, REJECTED, IDLE = "working", "waiting", "approved", "rejected", "idle"
PROGRESS = (
    WORKING, WAITING, APPROVED, REJECTED, IDLE, WAITING, WORKING, APPROVED, IDLE, WAITING, WORKING, IDLE,
)  # fmt: skip
_DAYS_LEFT = 4
_REASON = Reason.kept(next(reason for reason in REASONS if reason))


def open_present(company: Company) -> Cycle:
    """Create and open the cycle of the coming month, and let the reps come as far as `PROGRESS` says."""
    with acting(company.admin, source="command"):
        draft = cycle_services.create_cycle(
            first_period=company.calendar.open_period, closes_at=deadline(company.calendar.today), by=company.admin
        )
        cycle = cycle_services.open_cycle(draft.pk, by=company.admin)
    for number, rep in enumerate(company.reps):
        progress = PROGRESS[number % len(PROGRESS)]
        if progress == IDLE and number % 2:
            # Looked and left it at that.
            mark_seen(cycle, rep)
        elif progress != IDLE:
            _Rep(company, cycle, number, rep).work(progress)
    return cycle


def deadline(today: dt.date) -> dt.datetime:
    """Some working days ahead, at six in the evening."""
    day, left = today, _DAYS_LEFT
    while left:
        day += dt.timedelta(days=1)
        left -= day.weekday() < 5
    return cycle_services.localize(dt.datetime.combine(day, dt.time(18)))


class _Rep:
    """One rep at work in the open cycle."""

    def __init__(self, company: Company, cycle: Cycle, number: int, rep: User) -> None:
        self.company, self.cycle, self.number, self.rep = company, cycle, number, rep
        self.dice = company.size.dice(f"open {number}")
        self.pair_of = {(pair.customer_id, pair.product_id): pair for pair in company.pairs if pair.rep == number}
        lines = Line.objects.live().filter(cycle=cycle, owner=rep).select_related("customer", "product")
        self.lines = list(lines.order_by("customer__name", "product__item_code"))

    def work(self, progress: str) -> None:
        """Type, hand in, and have it decided, as far as `progress` says."""
        mark_seen(self.cycle, self.rep)
        part = len(self.lines) // 2 if progress == WORKING else len(self.lines)
        written = self._type(self.lines[:part])
        ready = [line for line in written if not services.problems(line)]
        if progress == WORKING:
            ready = ready[: len(ready) // 2]
        self._submit(ready)
        manager = self.rep.manager or self.company.admin
        with acting(manager, source="command"):
            if progress == APPROVED:
                services.approve_lines(self.cycle.pk, _refs(ready), by=manager)
            elif progress == REJECTED:
                third = len(ready) // 3
                services.approve_lines(self.cycle.pk, _refs(ready[:third]), by=manager, comment="Agreed.")
                services.reject_lines(self.cycle.pk, _refs(ready[-3:]), by=manager, comment=REJECTIONS[0])
                services.return_lines(self.cycle.pk, _refs(ready[third : third + 1]), by=manager, comment=RETURNS[0])

    def _type(self, lines: Sequence[Line]) -> list[Line]:
        """Fill the blanks and revise some lines; returns all of `lines` as they stand then."""
        habit, calendar = habit_of(self.number), self.company.calendar
        months = self.cycle.periods
        first = calendar.index(months[0])
        edits = []
        for line in lines:
            pair = self.pair_of[line.customer_id, line.product_id]
            carried = [None if quantity is None else int(quantity) for quantity in line.quantity]
            typed = fill_in(pair, habit, carried, first, calendar, self.dice)
            if typed:
                quantity = {months[position]: Decimal(value) for position, value in typed.items()}
                edits.append(services.LineEdit(line.pk, line.revision, quantity))
        with acting(self.rep, source="command"):
            written = {line.pk: line for line in services.set_cells(self.cycle.pk, edits, by=self.rep)}
        return [written.get(line.pk, line) for line in lines]

    def _submit(self, lines: Sequence[Line]) -> None:
        """Hand in, some with a reason."""
        if not lines:
            return
        with acting(self.rep, source="command"):
            told = {line.pk: _REASON for line in lines[:2]}
            services.submit_lines(self.cycle.pk, _refs(lines[:2]), by=self.rep, reasons=told)
            services.submit_lines(self.cycle.pk, _refs(lines[2:]), by=self.rep)
        submitted: dict[Any, int] = dict(
            Line.objects.filter(pk__in=[line.pk for line in lines]).values_list("pk", "revision")
        )
        for line in lines:
            line.revision = submitted[line.pk]


def _refs(lines: Sequence[Line]) -> list[services.LineRef]:
    return [services.LineRef(line.pk, line.revision) for line in lines]
