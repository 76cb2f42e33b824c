"""What was sold, added up by the database: by month, by customer, by product, over everything the filters leave.

Quantities of different units of measure are never added: sums over several show weight and money, and name the products
whose weight is not known.
"""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.db.models import DecimalField, F, Max, Min, Q, Sum

from masterdata.models import Actual, Customer, CustomerSuccession, Product, ProductSuccession
from sop_portal.lib import periods
from sop_portal.lib.keys import one_of

YEAR = 12
ZERO = Decimal(0)
# Products without a weight that are named; more are counted.
NAMED = 3


@dataclass
class Month:
    """What was sold in one month. cost and priced are known only to those who may see costs.

    priced: the amount of the rows whose cost is known, so that a margin compares like with like.
    """

    period: dt.date
    amount: Decimal = ZERO
    weight: Decimal = ZERO
    quantities: dict[str, Decimal] = field(default_factory=dict)
    cost: Decimal = ZERO
    priced: Decimal = ZERO

    @property
    def has_rows(self) -> bool:
        """Whether there are actuals, even if they add up to nothing."""
        return bool(self.quantities)


@dataclass(frozen=True)
class Loaded:
    """The first and the last month with actuals, over the whole company: what is outside is not known, and not 0."""

    first: dt.date
    last: dt.date

    def reaches(self, month: dt.date) -> bool:
        """Whether `month` and all after it are known."""
        return self.first <= month

    def has(self, months: int, last: dt.date) -> bool:
        """Whether all of the `months` that end with `last` are known."""
        return self.reaches(periods.shift(last, 1 - months))


def loaded(today: dt.date) -> Loaded:
    """What is loaded, up to the month of `today`; the month before it while there is nothing."""
    month = periods.first_of_month(today)
    found = Actual.objects.filter(period__lte=month).aggregate(first=Min("period"), last=Max("period"))
    before = periods.shift(month, -1)
    return Loaded(found["first"] or before, found["last"] or before)


def by_month(rows: Any, first: dt.date, last: dt.date, *, with_cost: bool = False) -> list[Month]:
    """`rows` by month from `first` to `last`, months without sales included; in one query."""
    months = {period: Month(period) for period in periods.span(first, periods.between(first, last) + 1)}
    sums: dict[str, Any] = {
        "money": Sum("amount"),
        "sold": Sum("quantity"),
        "kilograms": Sum(F("quantity") * F("product__weight"), output_field=DecimalField()),
    }
    if with_cost:
        sums |= {"costs": Sum("cost"), "priced": Sum("amount", filter=Q(cost__isnull=False))}
    rows = rows.filter(period__gte=first, period__lte=last).order_by()
    for row in rows.values("period", "product__uom").annotate(**sums):
        month = months[row["period"]]
        month.amount += row["money"]
        month.weight += row["kilograms"] or ZERO
        month.quantities[row["product__uom"]] = row["sold"]
        if with_cost:
            month.cost += row["costs"] or ZERO
            month.priced += row["priced"] or ZERO
    return list(months.values())


def without_weight(rows: Any, first: dt.date, last: dt.date) -> tuple[list[str], int]:
    """Codes of the first products among `rows` whose weight is not known, and how many more there are.

    They are looked up first: asked for both at once, the database looks through all rows for each product.
    """
    weightless = dict(Product.objects.filter(weight__isnull=True).order_by().values_list("pk", "item_code"))
    sold = rows.filter(one_of("product", weightless), period__gte=first, period__lte=last)
    codes = sorted(weightless[key] for key in sold.order_by().values_list("product", flat=True).distinct())
    return codes[:NAMED], max(0, len(codes) - NAMED)


@dataclass(frozen=True)
class Totals:
    """Sums over a range of months. before: of the same months a year before, None unless all of them are known."""

    amount: Decimal
    before: Decimal | None
    weight: Decimal
    quantities: Mapping[str, Decimal]
    cost: Decimal
    priced: Decimal
    has_rows: bool

    @property
    def change(self) -> Decimal | None:
        """Against a year before, as a fraction; None when nothing was sold then."""
        return change(self.amount, self.before) if self.before is not None else None

    @property
    def one_unit(self) -> tuple[str, Decimal] | None:
        """The unit and the quantity, when there is one unit only."""
        return next(iter(self.quantities.items())) if len(self.quantities) == 1 else None

    @property
    def margin(self) -> Decimal | None:
        """(amount - cost) / amount over the rows whose cost is known, as a fraction."""
        return (self.priced - self.cost) / self.priced if self.priced > 0 else None


def totals(months: Sequence[Month], first: dt.date, last: dt.date) -> Totals:
    """The sums of `months` from `first` to `last`, compared with a year before as far as they reach back."""
    within = [month for month in months if first <= month.period <= last]
    start, end = periods.shift(first, -YEAR), periods.shift(last, -YEAR)
    year_before = [month.amount for month in months if start <= month.period <= end]
    quantities: dict[str, Decimal] = {}
    for month in within:
        for uom, quantity in month.quantities.items():
            quantities[uom] = quantities.get(uom, ZERO) + quantity
    return Totals(
        amount=sum((month.amount for month in within), ZERO),
        before=sum(year_before, ZERO) if len(year_before) == len(within) else None,
        weight=sum((month.weight for month in within), ZERO),
        quantities=quantities,
        cost=sum((month.cost for month in within), ZERO),
        priced=sum((month.priced for month in within), ZERO),
        has_rows=any(month.has_rows for month in within),
    )


def change(now: Decimal, before: Decimal) -> Decimal | None:
    """The change as a fraction of `before`; None when that was nothing, or more came back than was sold."""
    return (now - before) / before if before > 0 else None


def average(values: Sequence[Decimal], length: int) -> Decimal | None:
    """The mean of the last `length` values; None while there are fewer."""
    return sum(values[-length:], ZERO) / length if len(values) >= length else None


@dataclass(frozen=True)
class Share:
    """What one customer or product adds up to. Sums over more months than are known are None."""

    key: int
    total: Decimal = ZERO
    last6: Decimal | None = ZERO
    last12: Decimal | None = ZERO
    last24: Decimal | None = ZERO
    quantity12: Decimal = ZERO

    def __add__(self, other: "Share") -> "Share":
        """What two together come to, under the key of the first."""

        def plus(one: Decimal | None, two: Decimal | None) -> Decimal | None:
            return None if one is None or two is None else one + two

        return Share(
            self.key,
            self.total + other.total,
            plus(self.last6, other.last6),
            plus(self.last12, other.last12),
            plus(self.last24, other.last24),
            self.quantity12 + other.quantity12,
        )

    @property
    def change(self) -> Decimal | None:
        """Of the last twelve months against the twelve before."""
        if self.last12 is None or self.last24 is None:
            return None
        return change(self.last12, self.last24 - self.last12)

    @property
    def average6(self) -> Decimal | None:
        return None if self.last6 is None else self.last6 / 6

    @property
    def average12(self) -> Decimal | None:
        return None if self.last12 is None else self.last12 / 12

    @property
    def average24(self) -> Decimal | None:
        return None if self.last24 is None else self.last24 / 24


def history(user: Any, *, customer: Customer | None = None, product: Product | None = None) -> Any:
    """The actuals that `user` may see and that count for a customer, a product or (both given) the pair."""
    rows = Actual.objects.in_scope_of(user)
    if customer is not None:
        rows = rows.filter(customer__in=CustomerSuccession.origins([customer.pk])[customer.pk])
    if product is not None:
        rows = rows.filter(product__in=ProductSuccession.origins([product.pk])[product.pk])
    return rows


def shares(
    rows: Any, by: str, first: dt.date, last: dt.date, known: Loaded, *, with_quantity: bool = False
) -> list[Share]:
    """`rows` by customer or product: the range, and the 6, 12 and 24 months that end with `last`; in one query.

    with_quantity: the quantity of the last twelve months too; only where every row of a key has one unit.
    """
    reach = min(first, periods.shift(last, -23))

    def since(months: int) -> Q:
        return Q(period__gt=periods.shift(last, -months))

    sums: dict[str, Any] = {"total": Sum("amount", filter=Q(period__gte=first), default=ZERO)}
    sums |= {f"last{months}": Sum("amount", filter=since(months), default=ZERO) for months in (6, 12, 24)}
    if with_quantity:
        sums["quantity12"] = Sum("quantity", filter=since(12), default=ZERO)
    unknown = {f"last{months}": None for months in (6, 12, 24) if not known.has(months, last)}
    found = rows.filter(period__gte=reach, period__lte=last).order_by().values_list(by).annotate(**sums)
    return [Share(key, **(dict(zip(sums, values, strict=True)) | unknown)) for key, *values in found]


def things(by: str, keys: Iterable[int]) -> dict[int, Any]:
    """The customers or products of shares, whoever may read them: an actual in scope tells whose it is."""
    if by == "customer":
        return Customer.objects.select_related("sales_rep").in_bulk(keys)
    return Product.objects.select_related("group").in_bulk(keys)


def ranked(shares: Iterable[Share], sort: str, names: Mapping[int, str]) -> list[Share]:
    """Shares in the order of one of their figures, or of their names; those without a figure last."""
    word, down = sort.removeprefix("-"), sort.startswith("-")
    if word == "name":
        return sorted(shares, key=lambda share: (names.get(share.key, "").casefold(), share.key), reverse=down)
    known = [share for share in shares if getattr(share, word) is not None]
    rest = [share for share in shares if getattr(share, word) is None]
    known.sort(key=lambda share: (getattr(share, word), -share.key), reverse=down)
    return known + sorted(rest, key=lambda share: share.key)
