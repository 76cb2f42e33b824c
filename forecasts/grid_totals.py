"""The rows under the lines of a grid: what quantities, money and prices add up to.

`static/js/grid/totals.js` computes the same while somebody types.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from cycles.models import HORIZON
from forecasts.grid import PRICE, QUANTITY, REVENUE, Amounts, Grid, Row, next_total, shown_values
from forecasts.metrics import added, revenue
from sop_portal.lib.measures import common

UNIT, WEIGHT, MONEY = "unit", "weight", "money"
_ONE = Decimal(1)


@dataclass
class Total:
    """A row under the lines, with one figure per period.

    kind: "unit" for quantities of one unit of measure, "weight" and "money" for what lines of several units add up to,
    "price" for the average price of one unit's lines. The figures of a weight are None where no product has one.
    """

    kind: str
    unit: str
    average: Decimal | None
    last12: Decimal | None
    next12: Decimal | None
    change: Decimal | None
    cells: list[Decimal | None]


def totals(grid: Grid) -> list[Total]:
    """One total of money; one of quantity, or where units differ one of weight and one of money; an average price for
    each unit of measure. Only live rows count."""
    rows = _live(grid)
    if not rows:
        return []
    if grid.show == REVENUE:
        return [_total(MONEY, "", [(row, row, _ONE) for row in rows], REVENUE)]
    if grid.show == PRICE:
        units = sorted({row.line.product.uom for row in rows})
        return [_prices(unit, [row for row in rows if row.line.product.uom == unit]) for unit in units]
    measure = common(row.line.product.uom for row in rows)
    factors = [(row, measure.factor(row.line.product.weight)) for row in rows]
    known = [(row, row, factor) for row, factor in factors if factor is not None]
    total = _total(WEIGHT if measure.by_weight else UNIT, measure.unit, known, QUANTITY)
    if not measure.by_weight:
        return [total]
    return [total, _total(MONEY, "", [(row, row.amounts or row, _ONE) for row in rows], REVENUE)]


def weightless(grid: Grid) -> list[str]:
    """The products that the total in kilograms leaves out, since nobody knows what they weigh."""
    products = [row.line.product for row in _live(grid)]
    if grid.show != QUANTITY or not common(product.uom for product in products).by_weight:
        return []
    return sorted(product.description for product in products if product.weight is None)


def _live(grid: Grid) -> list[Row]:
    return grid.rows + [row for row in grid.dormant_rows if row.line.live]


def _total(kind: str, unit: str, parts: Sequence[tuple[Row, Row | Amounts, Decimal]], show: str) -> Total:
    """The sum of rows with the figures beside them, each times its factor."""

    def weighed(values: Iterable[tuple[Decimal | None, Decimal]]) -> Decimal | None:
        known = [value * factor for value, factor in values if value is not None]
        return sum(known, Decimal(0)) if parts else None

    shown = [(shown_values(row.line, show), factor) for row, _, factor in parts]
    changes = [(beside.change, factor) for _, beside, factor in parts if beside.change is not None]
    return Total(
        kind, unit,
        average=weighed((beside.average, factor) for _, beside, factor in parts),
        last12=weighed((beside.last12, factor) for _, beside, factor in parts),
        next12=weighed((next_total(row.line, show), factor) for row, _, factor in parts),
        change=weighed(changes) if changes else None,
        cells=[weighed((values[n], factor) for values, factor in shown) for n in range(HORIZON)],
    )  # fmt: skip


def _prices(unit: str, rows: Sequence[Row]) -> Total:
    """The average prices of lines of one unit; the figures beside them are quantities."""
    total = _total(PRICE, unit, [(row, row, _ONE) for row in rows], QUANTITY)
    money = [revenue(row.line.quantity, row.line.unit_price) for row in rows]
    total.cells = [_average_price(rows, n, added(values[n] for values in money)) for n in range(HORIZON)]
    return total


def _average_price(rows: Sequence[Row], n: int, money: Decimal) -> Decimal | None:
    """The price of month `n` over lines, weighted by their quantities; None when nothing with a price is planned."""
    quantity = added(row.line.quantity[n] for row in rows if row.line.unit_price[n] is not None)
    return money / quantity if quantity else None
