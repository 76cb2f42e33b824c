"""What customers of the demo company really want, and what they were sold: levels, trends, seasons, lumps, new items."""

import math
import random
from dataclasses import dataclass, field

from forecasts.demo.size import Calendar, Size
from forecasts.demo.words import FAMILIES

# Shares of the pairs that are bought.
_LUMPY, _NEW, _ENDING = 0.14, 0.06, 0.02
_CREDIT = 0.003
_LUMPS_A_YEAR = 3.5


@dataclass(slots=True)
class Pair:
    """One customer and product. Months are indexes of the demo's calendar.

    starts, ends: the first month with demand, the first without. prices: (first month, price), in their order.
    """

    customer: int
    product: int
    live: bool
    level: float = 0.0
    trend: float = 0.0
    season: tuple[float, ...] = ()
    noise: float = 0.0
    lumpy: bool = False
    starts: int = 0
    ends: int = 10_000
    # Filled when the company is written.
    entry_id: int = 0
    customer_id: int = 0
    product_id: int = 0
    rep: int = 0
    prices: list[tuple[int, float]] = field(default_factory=list)
    cost: float = 0.0

    def wanted(self, month: int, calendar_month: int) -> float:
        """The demand to expect in `month`, without chance; lumps are spread evenly."""
        if not self.starts <= month < self.ends:
            return 0.0
        return self.level * (1 + self.trend) ** ((month - 18) / 12) * self.season[calendar_month - 1]

    def sold(self, month: int, calendar_month: int, dice: random.Random) -> int:
        """What was sold in `month`: the demand with its noise, lumps and rare credits."""
        wanted = self.wanted(month, calendar_month)
        if not wanted:
            return 0
        if dice.random() < _CREDIT:
            return -max(1, round(wanted * 0.1))
        if self.lumpy:
            if dice.random() > _LUMPS_A_YEAR / 12:
                return 0
            wanted *= 12 / _LUMPS_A_YEAR
        return max(0, round(wanted * math.exp(dice.gauss(-(self.noise**2) / 2, self.noise))))

    def price(self, month: int) -> float:
        """The price in force in `month`, 0 when there is none."""
        found = 0.0
        for since, price in self.prices:
            if since <= month:
                found = price
        return found


def make_pairs(size: Size, calendar: Calendar, family_of: list[int]) -> list[Pair]:
    """The pairs of the matrix: who buys what, how much, since when, and what nobody buys any more.

    family_of: for each product the position of its group.
    """
    dice = size.dice("pairs")
    wanted = [_share(number, size.customers, size.live_pairs + size.dormant_pairs) for number in range(size.customers)]
    live_left = size.live_pairs
    pairs: list[Pair] = []
    total = sum(wanted)
    for customer, count in enumerate(wanted):
        count = min(count, size.products)
        live_count = min(count, round(live_left * count / total)) if total else 0
        total -= count
        live_left -= live_count
        scale = math.exp(dice.gauss(0, 0.7))
        for position, product in enumerate(dice.sample(range(size.products), count)):
            pair = Pair(customer, product, live=position < live_count)
            family = FAMILIES[family_of[product]]
            pair.level = max(4.0, 90 * scale * math.exp(dice.gauss(0, 0.9)))
            pair.noise = dice.uniform(0.08, 0.30)
            if pair.live:
                _live(pair, dice, calendar)
            else:
                _dormant(pair, dice)
            strength = dice.uniform(0.5, 1.3)
            pair.season = tuple(max(0.1, 1 + (factor - 1) * strength) for factor in family.season)
            pairs.append(pair)
    return pairs


def _live(pair: Pair, dice: random.Random, calendar: Calendar) -> None:
    fate = dice.random()
    pair.trend = dice.gauss(0.03, 0.10)
    if fate < _LUMPY:
        pair.lumpy = True
    elif fate < _LUMPY + _NEW:
        # Up to two months ago, so that the open cycle meets items that no cycle has planned yet.
        pair.starts = dice.randrange(max(1, calendar.months - 12), calendar.months)
        pair.trend = dice.uniform(0.1, 0.5)
    elif fate < _LUMPY + _NEW + _ENDING:
        pair.ends = dice.randrange(max(2, calendar.months - 10), calendar.months)


def _dormant(pair: Pair, dice: random.Random) -> None:
    """Never bought, or not for longer than any cycle looks back."""
    if dice.random() < 0.3:
        pair.starts, pair.ends = 0, dice.randrange(2, 9)
    else:
        pair.starts = 10_000


def _share(number: int, parts: int, total: int) -> int:
    """The n-th of `parts` whole numbers that add up to `total` and differ by 1 at most."""
    return total * (number + 1) // parts - total * number // parts
