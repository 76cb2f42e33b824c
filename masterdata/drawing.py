"""Plots of what was sold and planned, and of prices over time."""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

from masterdata.ahead import Plan, PlanMonth
from masterdata.findings import extremes, trend, where
from masterdata.sales import YEAR, ZERO, Month
from sop_portal import conf
from sop_portal.accounts import formats
from sop_portal.lib import periods
from sop_portal.lib.plots import LINE, STEP, Numbers, Plot, Series, price_steps

MONEY, WEIGHT, QUANTITY = "money", "weight", "quantity"
_WHAT = {MONEY: "Sales", WEIGHT: "Weight sold", QUANTITY: "Quantity sold"}


def _value(show: str) -> Callable[[Month], Decimal]:
    """How one month reads in money, in weight, or in its only unit."""
    if show == QUANTITY:
        return lambda month: next(iter(month.quantities.values()), ZERO)
    return lambda month: month.weight if show == WEIGHT else month.amount


def money0(value: Decimal | None) -> str:
    """An amount without cents, in the portal's currency."""
    return formats.money(value, str(conf.get("currency")), 0)


def money_compact(value: Decimal | None) -> str:
    """A large amount in the portal's currency."""
    return formats.money_compact(value, str(conf.get("currency")))


def _unit(show: str, uom: str) -> str:
    currency = str(conf.get("currency"))
    words = {MONEY: formats.SYMBOLS.get(currency, currency), WEIGHT: "kg"}
    return f"{words.get(show, uom)} a month"


def sales_plot(
    months: Sequence[Month],
    length: int,
    *,
    show: str = MONEY,
    uom: str = "",
    plan: Plan | None = None,
    of_range: bool = False,
    has_table: bool = True,
) -> Plot:
    """The last `length` of `months` as bars, the year before as a line where it is known, and the plan after them.

    Months between the two, of which nothing is loaded yet, stand as the plan before had them.

    of_range: the title tells of all months shown, and not how the last twelve compare.
    """
    value = _value(show)
    known = {month.period: value(month) for month in months}
    shown = [month.period for month in months[-length:]]
    ahead, bridge = (_ahead(plan.months, show), _ahead(plan.bridge, show)) if plan else ({}, {})
    last = shown[-1]
    # Up to the last month of the plan; what was sold since then counts more than what was planned.
    future = [period for period in ahead if period > last]
    if future:
        shown += periods.span(periods.shift(last, 1), periods.between(last, max(future)))
    year_before: Numbers = [known.get(periods.shift(period, -YEAR)) for period in shown]
    series = [
        Series("actual", "sold", [known.get(period) for period in shown]),
        Series("bridge", str(plan.earlier or "") if plan else "", [_after(bridge, period, last) for period in shown]),
        Series("plan", str(plan.cycle) if plan else "", [_after(ahead, period, last) for period in shown]),
        Series("last-year", "a year before", year_before, LINE),
    ]
    values = [value(month) for month in months]
    write = money0 if show == MONEY else formats.qty
    finding = sales_finding(values, months, show)
    if of_range:
        unit = "kg" if show == WEIGHT else uom

        def short(value: Decimal) -> str:
            return money_compact(value) if show == MONEY else f"{formats.compact(value)} {unit}"

        finding = extremes(months[-length:], values[-length:], short) or finding
    return Plot(finding, _unit(show, uom), shown, series, write, formats.compact, has_table=has_table)


def sales_finding(values: Sequence[Decimal], months: Sequence[Month], show: str = MONEY) -> str:
    """What the last twelve months say beside the twelve before."""
    now = sum(values[-YEAR:], ZERO)
    before = sum(values[-2 * YEAR : -YEAR], ZERO) if len(values) >= 2 * YEAR else None
    return trend(now, before, what=_WHAT[show]) + where(values, months)


def _ahead(months: Sequence[PlanMonth], show: str) -> dict[dt.date, Decimal | None]:
    """A plan in money or quantity; it has no weight."""
    if show == WEIGHT:
        return {}
    return {month.period: month.amount if show == MONEY else month.quantity for month in months}


def _after(planned: Mapping[dt.date, Decimal | None], period: dt.date, last: dt.date) -> Decimal | None:
    """What is planned for a month after the last one sold; before that sales count more."""
    return planned.get(period) if period > last else None


def price_plot(
    changes: Sequence[tuple[dt.date, Decimal]], list_price: Decimal | None, first: dt.date, last: dt.date
) -> Plot:
    """The customer's price by month, and the list price of today beside it. changes: the earliest first."""
    months = periods.span(first, periods.between(first, last) + 1)
    currency = str(conf.get("currency"))

    def write(value: Decimal | None) -> str:
        return f"{formats.SYMBOLS.get(currency, currency)} {formats.price(value)}" if value is not None else ""

    series = [
        Series("price", "price in force", price_steps(changes, months), STEP),
        Series("list-price", "list price today", [list_price] * len(months), STEP),
    ]
    unit = f"{formats.SYMBOLS.get(currency, currency)} a unit"
    return Plot(price_finding(changes), unit, months, series, write, formats.price, from_zero=False)


def price_finding(changes: Sequence[tuple[dt.date, Decimal]]) -> str:
    """How the price moved from the first that is known to the last.

    >>> price_finding([(dt.date(2025, 1, 1), Decimal(50)), (dt.date(2026, 1, 1), Decimal(52))])
    'The price rose 4.0 % since January 2025, in one step'
    """
    if not changes:
        return "No price of this customer's own"
    steps = [
        (day, price) for number, (day, price) in enumerate(changes) if not number or changes[number - 1][1] != price
    ]
    if len(steps) == 1:
        return f"One price since {periods.long_label(steps[0][0])}"
    first, last = steps[0], steps[-1]
    count = len(steps) - 1
    told = f"in {formats.words(count)} step{'' if count == 1 else 's'}"
    if not first[1] or first[1] == last[1]:
        return f"The price changed {told} since {periods.long_label(first[0])}"
    moved = (last[1] - first[1]) / first[1]
    word = "rose" if moved > 0 else "fell"
    return f"The price {word} {formats.percent(abs(moved))} since {periods.long_label(first[0])}, {told}"
