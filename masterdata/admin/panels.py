"""What stands under the form of a customer or product: the matrix entries, with prices and order quantities."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Count, IntegerField, OuterRef, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone

from masterdata.models import MatrixEntry, Price

# How many entries stand under the form; the list has the rest.
SHOWN = 100


@dataclass(frozen=True)
class PanelRow:
    """One entry with the price of today and the next one known."""

    entry: Any
    next_price: Price | None


@dataclass(frozen=True)
class Panel:
    """The first entries of a customer or product. by: what the rows tell apart, "customer" or "product"."""

    by: str
    key: int
    rows: list[PanelRow]
    count: int

    @property
    def more(self) -> int:
        return self.count - len(self.rows)


def panel_of(*, customer: Any = None, product: Any = None) -> Panel:
    """The entries of one customer, or of one product; three queries whatever their number."""
    today = timezone.localdate()
    by, order = ("product", "product__item_code") if customer is not None else ("customer", "customer__name")
    fixed = {"customer": customer} if customer is not None else {"product": product}
    entries = MatrixEntry.objects.filter(**fixed)
    count = entries.count()
    rows: Any = (
        entries.with_price(today).select_related("customer", "product").order_by("-is_active", order, "pk")[:SHOWN]
    )
    shown = list(rows)
    coming = Price.objects.filter(entry__in=[entry.pk for entry in shown], valid_from__gt=today)
    following = {price.entry_id: price for price in coming.order_by("entry_id", "valid_from").distinct("entry_id")}
    return Panel(by, int(customer or product), [PanelRow(entry, following.get(entry.pk)) for entry in shown], count)


def entry_count(key: str) -> Any:
    """How many active matrix entries the outer row has, as an expression; key: "customer" or "product"."""
    entries = MatrixEntry.objects.filter(**{key: OuterRef("pk")}, is_active=True).order_by()
    counted = entries.values(key).annotate(number=Count("pk")).values("number")
    return Coalesce(Subquery(counted, output_field=IntegerField()), 0)
