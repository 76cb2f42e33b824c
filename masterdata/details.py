"""What the pages of a customer, a product and a pair of both show: figures, plots, and the matrix with its prices."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from masterdata import drawing, sales
from masterdata.ahead import Plan, newest_plan
from masterdata.models import Customer, CustomerSuccession, MatrixEntry, Price, Product, ProductSuccession
from masterdata.prices import on_day
from masterdata.sales import YEAR, Loaded, Month, Share, Totals
from sop_portal.lib import periods
from sop_portal.lib.plots import Plot, price_steps

# Months of actuals that a page draws.
SHOWN = 36
# The plot of prices reaches as far ahead as prices are announced, at most so many months.
_PRICES_AHEAD = 12

CUSTOMER, PRODUCT = "customer", "product"


def usual_months(known: Loaded) -> tuple[dt.date, dt.date]:
    """The first and the last month of the sales history unless somebody asks for others."""
    return max(known.first, periods.shift(known.last, 1 - SHOWN)), known.last


@dataclass(frozen=True)
class Picture:
    """What was sold: the last twelve months in figures, 36 months as a plot with the plan after them."""

    known: Loaded
    year: Totals
    average6: Decimal | None
    average12: Decimal | None
    average24: Decimal | None
    plan: Plan | None
    plan_year: Decimal | None
    plot: Plot
    show: str
    shows: Sequence[str]
    without_weight: Sequence[str]
    more_without_weight: int

    @property
    def plan_change(self) -> Decimal | None:
        """What the plan's twelve months come to against the last twelve sold, in money."""
        return None if self.plan_year is None else sales.change(self.plan_year, self.year.amount)


def picture(
    user: Any, today: dt.date, *, show: str, customer: Customer | None = None, product: Product | None = None
) -> Picture:
    """The sales of a customer, a product, or the pair, as `user` may see them; costs only with the permission."""
    rows = sales.history(user, customer=customer, product=product)
    known = sales.loaded(today)
    last = known.last
    first = max(periods.shift(last, 1 - SHOWN - YEAR), min(known.first, periods.shift(last, 1 - SHOWN)))
    with_cost = user.has_perm("masterdata.view_cost")
    months = sales.by_month(rows, first, last, with_cost=with_cost)
    year = sales.totals(months, periods.shift(last, 1 - YEAR), last)
    amounts = [month.amount for month in months]
    plan = newest_plan(user, customer=customer, product=product)
    # A product has one unit, so its quantity can be shown; a customer's products weigh something together.
    shows = (drawing.MONEY, drawing.QUANTITY if product is not None else drawing.WEIGHT)
    show = show if show in shows else shows[0]
    named, more = ([], 0) if product is not None else sales.without_weight(rows, first, last)
    return Picture(
        known=known,
        year=year,
        average6=sales.average(amounts, 6),
        average12=sales.average(amounts, 12),
        average24=sales.average(amounts, 24),
        plan=plan,
        plan_year=_year_of(plan),
        plot=drawing.sales_plot(months, SHOWN, show=show, uom=product.uom if product else "", plan=plan),
        show=show,
        shows=shows,
        without_weight=named,
        more_without_weight=more,
    )


def _year_of(plan: Plan | None) -> Decimal | None:
    if plan is None:
        return None
    return sum((month.amount for month in plan.months[:YEAR] if month.amount is not None), Decimal(0))


@dataclass
class MatrixRow:
    """One pair of the matrix with its price and what it sold. steps: the price in force by month, for the small line."""

    entry: MatrixEntry
    share: Share
    price: Decimal | None = None
    since: dt.date | None = None
    previous: Decimal | None = None
    coming: tuple[dt.date, Decimal] | None = None
    is_list_price: bool = False
    steps: Sequence[Decimal | None] = field(default_factory=list)

    @property
    def price_change(self) -> Decimal | None:
        """Of the price in force against the one before it, as a fraction."""
        if self.price is None or not self.previous:
            return None
        return (self.price - self.previous) / self.previous


# Sort key of the address -> the figure of the share, or the name.
SORTS = {"name": "name", "sold": "total", "change": "change"}


def matrix(entries: Any, rows: Any, by: str, known: Loaded, *, sort: str = "-sold") -> list[MatrixRow]:
    """The pairs in `entries`, which differ in `by` (customer or product), with what they sold; in three queries.

    rows: the actuals in scope that count for the same customer or product. What a replaced one sold counts for its
    successor, too.
    """
    found = {getattr(entry, f"{by}_id"): entry for entry in entries.select_related("product", "customer__sales_rep")}
    own = {
        share.key: share
        for share in sales.shares(rows, by, periods.shift(known.last, 1 - YEAR), known.last, known, with_quantity=True)
    }
    succession = ProductSuccession if by == PRODUCT else CustomerSuccession
    sold = {
        key: sum((own[origin] for origin in origins if origin in own), Share(key))
        for key, origins in succession.origins(found).items()
    }
    word = SORTS.get(sort.removeprefix("-"))
    if word is None:
        sort, word = "-sold", SORTS["sold"]
    names = {key: _name(getattr(entry, by)) for key, entry in found.items()}
    direction = "-" if sort.startswith("-") else ""
    shares = sales.ranked(sold.values(), f"{direction}{word}", names)
    return [MatrixRow(found[share.key], share) for share in shares]


def _name(row: Customer | Product) -> str:
    return row.name if isinstance(row, Customer) else row.description


def add_prices(rows: Sequence[MatrixRow], today: dt.date) -> None:
    """Fill in the prices of a page of rows, in one query."""
    prices = changes_of([row.entry.pk for row in rows])
    first = periods.shift(periods.first_of_month(today), 1 - SHOWN)
    months = periods.span(first, SHOWN)
    for row in rows:
        changes = prices.get(row.entry.pk, [])
        in_force = [change for change in changes if change[0] <= today]
        later = [change for change in changes if change[0] > today]
        row.coming = later[0] if later else None
        row.steps = price_steps(changes, months)
        row.price, is_own = on_day(changes, row.entry.product.list_price, today)
        row.is_list_price = not is_own
        if is_own:
            row.since = in_force[-1][0]
            row.previous = in_force[-2][1] if len(in_force) > 1 else None


def changes_of(entries: Sequence[int]) -> Mapping[int, list[tuple[dt.date, Decimal]]]:
    """(valid from, price) of each matrix entry, the earliest first."""
    found: dict[int, list[tuple[dt.date, Decimal]]] = {}
    prices = Price.objects.filter(entry__in=entries).order_by("entry", "valid_from")
    for entry, day, price in prices.values_list("entry", "valid_from", "unit_price"):
        found.setdefault(entry, []).append((day, price))
    return found


def price_plot(entry: MatrixEntry, changes: Sequence[tuple[dt.date, Decimal]], today: dt.date) -> Plot:
    """The prices of one pair over 36 months, and those announced."""
    month = periods.first_of_month(today)
    last = max([month, *(periods.first_of_month(day) for day, _ in changes)])
    last = min(last, periods.shift(month, _PRICES_AHEAD))
    return drawing.price_plot(changes, entry.product.list_price, periods.shift(month, 1 - SHOWN), last)


def month_rows(months: Sequence[Month], first: dt.date) -> list[dict[str, Any]]:
    """The months from `first` on as the table of the sales history has them, the newest first.

    Averages are of the 6, 12 and 24 months that end with each, None where `months` do not reach back far enough.
    """
    amounts = [month.amount for month in months]
    before = {month.period: month.amount for month in months}
    found = []
    for number, month in enumerate(months):
        if month.period < first:
            continue
        year_before = before.get(periods.shift(month.period, -YEAR))
        found.append({
            "month": month,
            "year_before": year_before,
            "change": sales.change(month.amount, year_before) if year_before is not None else None,
            "unit": next(iter(month.quantities.items())) if len(month.quantities) == 1 else None,
            "average6": sales.average(amounts[: number + 1], 6),
            "average12": sales.average(amounts[: number + 1], 12),
            "average24": sales.average(amounts[: number + 1], 24),
        })  # fmt: skip
    return found[::-1]
