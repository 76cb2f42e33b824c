"""What stands beside each row of the lists of customers and products: what it sold, month by month, for one page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.db.models import Count, Q, Sum

from masterdata import sales
from masterdata.findings import trend
from masterdata.models import Actual, CustomerSuccession, MatrixEntry, ProductSuccession
from masterdata.sales import YEAR, ZERO, Loaded
from sop_portal.lib import periods
from sop_portal.lib.keys import one_of

# Months of the small line.
LINE = 24
# Keys of the address -> the columns that order a list; the last of them is unique, none may be NULL.
CUSTOMERS = {
    "name": ("name", "pk"),
    "id": ("customer_id",),
    "region": ("region", "name", "pk"),
    "territory": ("territory", "name", "pk"),
    "group": ("corporate_group", "name", "pk"),
}
PRODUCTS = {
    "code": ("item_code",),
    "description": ("description", "pk"),
    "group": ("group__code", "item_code"),
    "location": ("manufacturing_location", "item_code"),
    "line": ("production_line", "item_code"),
}
SALES = {
    "newest": ("-period", "customer__name", "product__item_code", "pk"),
    "period": ("period", "customer__name", "product__item_code", "pk"),
    "customer": ("customer__name", "customer__pk", "product__item_code", "-period", "pk"),
    "product": ("product__item_code", "customer__name", "customer__pk", "-period", "pk"),
}
BUDGETS = {
    "customer": ("customer__name", "customer__pk", "-version", "period", "pk"),
    "version": ("version", "customer__name", "customer__pk", "period", "pk"),
    "period": ("period", "customer__name", "customer__pk", "-version", "pk"),
}
SUCCESSIONS = {"customer": CustomerSuccession, "product": ProductSuccession}


def order(sort: str, sorts: Mapping[str, Sequence[str]]) -> list[str]:
    """The columns that order a list by the key `sort` of the address, turned around when it starts with a minus.

    An unknown key is the first of `sorts`.
    """
    columns = sorts.get(sort.removeprefix("-"))
    if columns is None:
        return list(next(iter(sorts.values())))
    return [_turned(column) for column in columns] if sort.startswith("-") else list(columns)


def _turned(column: str) -> str:
    return column.removeprefix("-") if column.startswith("-") else f"-{column}"


@dataclass
class ListRow:
    """A customer or a product with its figures; amounts by month, the last one last. sold: quantity of twelve months.

    is_comparable: whether the twelve months before the last twelve are known.
    """

    row: Any
    is_comparable: bool
    amounts: list[Decimal] = field(default_factory=lambda: [ZERO] * LINE)
    sold: Decimal = ZERO
    pairs: int = 0

    @property
    def last12(self) -> Decimal:
        return sum(self.amounts[-YEAR:], ZERO)

    @property
    def change(self) -> Decimal | None:
        return sales.change(self.last12, sum(self.amounts[:-YEAR], ZERO)) if self.is_comparable else None

    @property
    def has_sales(self) -> bool:
        return any(self.amounts)


def with_figures(user: Any, page: Sequence[Any], by: str, known: Loaded) -> list[ListRow]:
    """The rows of one page with their figures, in the order of the page; the same queries for any number of them.

    by: "customer" or "product", what the rows are. Sums are over what `user` may see; what a replaced one sold counts
    for its successor, too.
    """
    last, first = known.last, periods.shift(known.last, 1 - LINE)
    rows = {row.pk: ListRow(row, known.has(LINE, last)) for row in page}
    heirs: dict[int, list[ListRow]] = {}
    for key, origins in SUCCESSIONS[by].origins(rows).items():
        for origin in origins:
            heirs.setdefault(origin, []).append(rows[key])
    sold = Actual.objects.in_scope_of(user).filter(one_of(by, heirs), period__gte=first, period__lte=last)
    for key, period, amount, quantity in (
        sold.order_by().values_list(by, "period").annotate(money=Sum("amount"), units=Sum("quantity"))
    ):
        position = periods.between(first, period)
        for row in heirs[key]:
            row.amounts[position] += amount
            if position >= LINE - YEAR:
                row.sold += quantity
    entries = MatrixEntry.objects.visible_to(user).filter(**{f"{by}__in": list(rows)}, is_active=True).order_by()
    for key, number in entries.values_list(by).annotate(number=Count("pk")):
        rows[key].pairs = number
    return list(rows.values())


def finding(user: Any, found: Any, by: str, known: Loaded, what: str) -> str:
    """How the last twelve months of all rows of a list compare with the twelve before.

    what: the sales meant ("Sales to 120 customers").
    """
    start = periods.shift(known.last, 1 - YEAR)
    keys = SUCCESSIONS[by].origins(found.order_by().values_list("pk", flat=True))
    sums = (
        Actual.objects.in_scope_of(user)
        .filter(
            one_of(by, set().union(*keys.values())),
            period__gte=periods.shift(start, -YEAR),
            period__lte=known.last,
        )
        .aggregate(
            now=Sum("amount", filter=Q(period__gte=start), default=ZERO),
            before=Sum("amount", filter=Q(period__lt=start), default=ZERO),
        )
    )
    return trend(sums["now"], sums["before"] if known.has(2 * YEAR, known.last) else None, what=what)
