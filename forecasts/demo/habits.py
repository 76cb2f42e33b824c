"""How the reps of the demo company forecast: the good, the hopeful, the careful and the lazy."""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

from cycles.models import HORIZON, MANDATORY
from forecasts.demo.demand import Pair
from forecasts.demo.size import Calendar
from forecasts.models import QuantitySource

Cells = list[int | None]


@dataclass(frozen=True)
class Habit:
    """bias: factor on the true demand. spread: error of a whole line; wobble: of a single month.

    seasonal: whether they see the season. revises: share of lines they think through again each cycle; the rest is
    carried over and only blanks are filled. optional: whether they fill the optional months. misses: share of lines they
    never hand in. late: how near the deadline they work, 0 to 1.
    """

    bias: float
    spread: float
    wobble: float
    seasonal: bool
    revises: float
    optional: bool
    misses: float
    late: float


GOOD = Habit(bias=1.0, spread=0.05, wobble=0.04, seasonal=True, revises=0.6, optional=True, misses=0.0, late=0.3)
HOPEFUL = Habit(bias=1.22, spread=0.12, wobble=0.08, seasonal=True, revises=0.4, optional=True, misses=0.02, late=0.6)
CAREFUL = Habit(bias=0.80, spread=0.10, wobble=0.06, seasonal=True, revises=0.4, optional=False, misses=0.01, late=0.4)
LAZY = Habit(bias=1.05, spread=0.20, wobble=0.0, seasonal=False, revises=0.03, optional=False, misses=0.06, late=1.0)
COMMON = Habit(bias=1.06, spread=0.15, wobble=0.10, seasonal=True, revises=0.3, optional=True, misses=0.01, late=0.7)
HABITS = (COMMON, HOPEFUL, GOOD, LAZY, CAREFUL, COMMON, GOOD, HOPEFUL, LAZY, COMMON, CAREFUL, GOOD)

_CARRIED, _ENTERED = QuantitySource.CARRIED.value, QuantitySource.ENTERED.value


def habit_of(rep: int) -> Habit:
    return HABITS[rep % len(HABITS)]


def fill_in(
    pair: Pair,
    habit: Habit,
    carried: Sequence[int | None],
    first: int,
    calendar: Calendar,
    dice: random.Random,
    *,
    again: bool = False,
) -> dict[int, int]:
    """What a rep types into a line that starts with `carried`: position -> quantity; untouched cells are left out.

    first: the month of the first period. again: they have to think it through, since it came back.
    """
    revise = again or carried[0] is None or dice.random() < habit.revises
    reach = HORIZON if habit.optional else MANDATORY
    error = habit.bias * math.exp(dice.gauss(0, habit.spread))
    typed: dict[int, int] = {}
    for position in range(reach):
        if not revise and carried[position] is not None:
            continue
        month = first + position
        typed[position] = _rounded(_guess(pair, habit, month, calendar, dice) * error)
    return {position: quantity for position, quantity in typed.items() if quantity != carried[position]}


def _guess(pair: Pair, habit: Habit, month: int, calendar: Calendar, dice: random.Random) -> float:
    if not habit.seasonal:
        # One flat rate, and the news that a customer left comes late.
        return pair.level if month < pair.ends + 3 else 0.0
    wanted = pair.wanted(month, (calendar.first_month.month - 1 + month) % 12 + 1)
    return wanted * math.exp(dice.gauss(0, habit.wobble)) if habit.wobble else wanted


def _rounded(quantity: float) -> int:
    """People write round numbers."""
    step = 10 if quantity >= 200 else 5 if quantity >= 50 else 1
    return round(quantity / step) * step


def provenance(cells: Sequence[int | None], typed: dict[int, int], before: str = "") -> str:
    """The sixteen letters of cells of which some were typed; the others keep the letters they had, or were carried."""
    return "".join(
        "-" if quantity is None else _ENTERED if position in typed else before[position] if before else _CARRIED
        for position, quantity in enumerate(cells)
    )
