"""Cycles beside each other on one axis of months: when each took input, and when it was reviewed."""

import calendar
import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cycles.models import Cycle
from sop_portal.lib import periods

# The newest of the cycles listed; more would be a strip too thin to read.
MOST = 12


@dataclass(frozen=True)
class Span:
    """A part of a cycle's life on an axis from 0 to 100. word: what happened in it."""

    word: str
    start: float
    width: float


@dataclass(frozen=True)
class Row:
    """One cycle: the spans of its life and a sentence that says the same."""

    cycle: Cycle
    spans: Sequence[Span]
    sentence: str


@dataclass(frozen=True)
class Timeline:
    """now: where today stands on the axis, None outside it."""

    months: Sequence[dt.date]
    rows: Sequence[Row]
    now: float | None

    @property
    def marks(self) -> list[float]:
        """Where months begin, but for the first."""
        return [100 * number / len(self.months) for number in range(1, len(self.months))]


def timeline(cycles: Iterable[Cycle], zone: dt.tzinfo, now: dt.datetime) -> Timeline | None:
    """The newest of `cycles` that have a deadline; None without any."""
    shown = [cycle for cycle in cycles if cycle.kind == Cycle.Kind.NORMAL and cycle.closes_at is not None][:MOST]
    if not shown:
        return None
    lives = {cycle.pk: _life(cycle, now) for cycle in shown}
    ends = [at.astimezone(zone) for life in lives.values() for _, start, end in life for at in (start, end)]
    first = periods.first_of_month(min(ends).date())
    months = periods.span(first, periods.between(first, periods.first_of_month(max(ends).date())) + 1)

    def place(at: dt.datetime) -> float:
        local = at.astimezone(zone)
        days = calendar.monthrange(local.year, local.month)[1]
        part = (local.day - 1 + (local.hour + local.minute / 60) / 24) / days
        return 100 * (periods.between(first, periods.first_of_month(local.date())) + part) / len(months)

    rows = [
        Row(
            cycle,
            [Span(word, place(start), max(place(end) - place(start), 0.3)) for word, start, end in lives[cycle.pk]],
            "; ".join(
                f"{word} {start.astimezone(zone):%-d %b} to {end.astimezone(zone):%-d %b %Y}"
                for word, start, end in lives[cycle.pk]
            ),
        )
        for cycle in shown
    ]
    at = place(now)
    return Timeline(months, rows, at if 0 <= at <= 100 else None)


def _life(cycle: Cycle, now: dt.datetime) -> list[tuple[str, dt.datetime, dt.datetime]]:
    """What happened to a cycle from when until when, or what is planned."""
    closes_at = cycle.closes_at or now
    if cycle.status == Cycle.Status.DRAFT:
        start = cycle.opens_at or min(now, closes_at)
        return [("planned", min(start, closes_at), closes_at)]
    opened = min(cycle.opened_at or closes_at, cycle.closed_at or closes_at)
    life = [("input", opened, max(cycle.closed_at or closes_at, opened))]
    if cycle.closed_at is not None:
        life.append(("review", cycle.closed_at, max(cycle.archived_at or now, cycle.closed_at)))
    return life
