"""How big the demo company is, and the months it lives in."""

import datetime as dt
import random
from dataclasses import dataclass
from functools import cached_property

from cycles.models import HORIZON
from sop_portal.lib import periods

# Above this many customers the company is a benchmark: fewer products a customer, all of them bought.
_BENCHMARK = 500


@dataclass(frozen=True)
class Size:
    """What `seed_demo` was asked for."""

    seed: int = 1
    reps: int = 12
    customers: int = 120
    products: int = 200
    months: int = 36
    cycles: int = 12

    def problem(self) -> str:
        """Why this size makes no sense, or nothing."""
        if min(self.reps, self.customers, self.products, self.months) < 1 or self.cycles < 0:
            return "Every number must be 1 or more."
        if self.customers < self.reps:
            return "Every rep needs a customer: ask for at least as many customers as reps."
        if self.products < 8:
            return "There are 8 product groups: ask for at least 8 products."
        if self.months < self.cycles + 13:
            return "Cycles need history: ask for at least 13 months more than cycles."
        return ""

    @property
    def live_pairs(self) -> int:
        """How many pairs of customer and product are bought."""
        most = self.customers * self.products // 2
        return min(most, self.customers * 10 if self.customers > _BENCHMARK else round(self.customers * 12.5))

    @property
    def dormant_pairs(self) -> int:
        """How many stand in the matrix without being bought any more, or ever."""
        return 0 if self.customers > _BENCHMARK else self.live_pairs

    def dice(self, topic: str) -> random.Random:
        """Chance for one topic; what one topic draws does not move another."""
        return random.Random(f"{self.seed}:{topic}")


@dataclass(frozen=True)
class Calendar:
    """The months of the demo: history ends with the month before `today`, the open cycle starts with the one after."""

    today: dt.date
    months: int

    @cached_property
    def first_month(self) -> dt.date:
        """The first month with actuals; months are counted from here."""
        return periods.shift(periods.first_of_month(self.today), -self.months)

    @property
    def open_period(self) -> dt.date:
        """The first period of the open cycle."""
        return periods.shift(periods.first_of_month(self.today), 1)

    @property
    def length(self) -> int:
        """How many months matter: history, the bridge month and the horizon of the open cycle."""
        return self.months + 1 + HORIZON

    def month(self, index: int) -> dt.date:
        return periods.shift(self.first_month, index)

    def index(self, period: dt.date) -> int:
        return periods.between(self.first_month, period)
