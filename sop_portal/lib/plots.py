"""Plots of monthly values: where bars, lines and labels stand. Pure geometry; `{% plot %}` draws it.

A plot is stretched to the width there is, so its marks are shapes in a coordinate system of their own (one column a
month, 100 high), and its labels are text beside it that keeps its size. Bars start at zero.
"""

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property

from sop_portal.lib import periods

Numbers = Sequence[Decimal | None]

BAR, LINE, STEP = "bar", "line", "step"
HEIGHT = 100.0
COLUMN = 10.0
# Of a column; the rest is the gap to the next.
_BAR_WIDTH = 0.72
_TICKS = 4
# More columns than this are labelled by the year.
_MANY = 18


@dataclass(frozen=True)
class Series:
    """One kind of value by month; None leaves a gap.

    kind: the token of interface.md that colours it: actual, plan, bridge, last-year, baseline, budget, price.
    """

    kind: str
    word: str
    values: Numbers
    shape: str = BAR

    @property
    def is_empty(self) -> bool:
        return all(value is None for value in self.values)


@dataclass(frozen=True)
class Plot:
    """What one plot answers. title: the answer, as a sentence; unit: what its numbers are ("$ a month").

    write: a value as people read it in full; short: on the axis.
    """

    title: str
    unit: str
    months: Sequence[dt.date]
    series: Sequence[Series]
    write: Callable[[Decimal | None], str]
    short: Callable[[Decimal | None], str]
    note: str = ""
    # Only for lines: bars start at zero, always.
    from_zero: bool = True
    # Whether its table stands elsewhere on the page anyway.
    has_table: bool = True
    shown: list[Series] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "shown", [series for series in self.series if not series.is_empty])

    @property
    def is_empty(self) -> bool:
        return not self.shown

    @property
    def width(self) -> float:
        return COLUMN * len(self.months)

    @cached_property
    def ticks(self) -> list[Decimal]:
        """The values that have a line across the plot, the lowest first; 0 is among them unless from_zero is off."""
        values = [value for series in self.shown for value in series.values if value is not None]
        values += [Decimal(0)] if self.from_zero or not values else []
        return nice_ticks(min(values), max(values))

    def y(self, value: Decimal) -> float:
        """How far below the top a value stands."""
        low, high = self.ticks[0], self.ticks[-1]
        return round(float((high - value) / (high - low)) * HEIGHT, 2)

    def bars(self, series: Series) -> list[tuple[float, float, float, float]]:
        """(x, y, width, height) of every value, from zero."""
        found, zero, width = [], self.y(Decimal(0)), COLUMN * _BAR_WIDTH
        for number, value in enumerate(series.values):
            if value:
                y = self.y(value)
                found.append((round(number * COLUMN + (COLUMN - width) / 2, 2), min(y, zero), width, abs(zero - y)))
        return [(x, y, w, round(h, 2)) for x, y, w, h in found]

    def path(self, series: Series) -> str:
        """The line through the middles of its columns, or the steps from edge to edge; gaps stay gaps."""
        parts, pen = [], "M"
        for number, value in enumerate(series.values):
            if value is None:
                pen = "M"
                continue
            y, left = self.y(value), number * COLUMN
            if series.shape == STEP:
                parts.append(f"{pen}{left:g} {y:g}L{left + COLUMN:g} {y:g}")
            elif pen == "M" and _is_alone(series.values, number):
                # A line of one point would not be seen.
                parts.append(f"M{left + 2:g} {y:g}L{left + COLUMN - 2:g} {y:g}")
            else:
                parts.append(f"{pen}{left + COLUMN / 2:g} {y:g}")
            pen = "L"
        return "".join(parts)

    @property
    def labels(self) -> list[str]:
        """The word under each month, "" for most: every month when there are few, else the year under its January."""
        if len(self.months) <= _MANY:
            return [
                f"{month:%b}" if number and month.month > 1 else f"{month:%b %y}"
                for number, month in enumerate(self.months)
            ]
        first_years = [str(month.year) if month.month == 1 else "" for month in self.months]
        if not any(first_years[:6]):
            first_years[0] = periods.label(self.months[0])
        return first_years

    def sentence(self, number: int) -> str:
        """What stands at one month: "Dec 2026: actual $ 1,200, last year $ 1,100"."""
        told = [
            f"{series.word} {self.write(series.values[number])}"
            for series in self.shown
            if series.values[number] is not None
        ]
        return f"{periods.label(self.months[number])}: {', '.join(told) or 'nothing'}"


def _is_alone(values: Numbers, number: int) -> bool:
    return number + 1 == len(values) or values[number + 1] is None


def nice_ticks(low: Decimal, high: Decimal) -> list[Decimal]:
    """Round numbers, evenly apart, from at most `low` to at least `high`.

    >>> [int(tick) for tick in nice_ticks(Decimal(0), Decimal(1943))]
    [0, 500, 1000, 1500, 2000]
    >>> [int(tick) for tick in nice_ticks(Decimal(-30), Decimal(170))]
    [-50, 0, 50, 100, 150, 200]
    >>> [int(tick) for tick in nice_ticks(Decimal(144), Decimal(161))]
    [140, 145, 150, 155, 160, 165]
    """
    if low == high:
        low, high = min(low, Decimal(0)), max(high, Decimal(1))
    step = nice_step((high - low) / _TICKS)
    first, last = (low / step).to_integral_value("ROUND_FLOOR"), (high / step).to_integral_value("ROUND_CEILING")
    return [step * number for number in range(int(first), int(last) + 1)]


def nice_step(least: Decimal) -> Decimal:
    """The smallest of 1, 2, 2.5, 5 times a power of ten that is at least `least`.

    >>> [f"{nice_step(Decimal(text)):f}" for text in ("0.3", "1.9", "240", "486")]
    ['0.5', '2', '250', '500']
    """
    power = Decimal(1).scaleb(least.adjusted())
    for factor in (Decimal(1), Decimal(2), Decimal("2.5"), Decimal(5)):
        if power * factor >= least:
            return power * factor
    return power * 10


def price_steps(changes: Sequence[tuple[dt.date, Decimal]], months: Sequence[dt.date]) -> list[Decimal | None]:
    """The price in force in each month: that of the latest change on or before its first day.

    changes: (valid from, price), the earliest first.
    """
    found: list[Decimal | None] = []
    for month in months:
        in_force = [price for day, price in changes if day <= month]
        found.append(in_force[-1] if in_force else None)
    return found
