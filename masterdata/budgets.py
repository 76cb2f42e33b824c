"""What budgets add up to, version by version: two versions of one year are never added."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.contrib.postgres.aggregates import ArrayAgg
from django.db.models import Count, F, Max, Min, Q, Sum

from masterdata.drawing import money_compact
from sop_portal.lib import measures, periods

ZERO = Decimal(0)


@dataclass(frozen=True)
class Version:
    """The sums of one version. quantity: over the rows that name a product; `whole`: rows for a customer as a whole."""

    name: str
    rows: int
    whole: int
    amount: Decimal
    quantity: measures.Total
    first: dt.date
    last: dt.date

    @property
    def months(self) -> str:
        """ "Jan 2027 to Dec 2027"."""
        first, last = periods.label(self.first), periods.label(self.last)
        return first if first == last else f"{first} to {last}"


def versions(rows: Any) -> list[Version]:
    """What `rows` add up to by version, the newest name first, in one query."""
    found = (
        rows.order_by()
        .values("version", "product__uom")
        .annotate(
            rows=Count("pk"),
            money=Sum("amount"),
            units=Sum("quantity"),
            weight=Sum(F("quantity") * F("product__weight")),
            weightless=ArrayAgg(
                "product__item_code",
                filter=Q(product__weight=None) & ~Q(quantity=0) & Q(product__isnull=False),
                distinct=True,
                default=[],
            ),
            first=Min("period"),
            last=Max("period"),
        )
    )
    by_name: dict[str, list[Any]] = {}
    for part in found:
        by_name.setdefault(part["version"], []).append(part)
    return [_version(name, by_name[name]) for name in sorted(by_name, reverse=True)]


def _version(name: str, parts: Sequence[Any]) -> Version:
    named = [part for part in parts if part["product__uom"] is not None]
    return Version(
        name=name,
        rows=sum(part["rows"] for part in parts),
        whole=sum(part["rows"] for part in parts if part["product__uom"] is None),
        amount=sum((part["money"] for part in parts), ZERO),
        quantity=measures.total(
            measures.Part(part["product__uom"], part["units"], part["weight"], tuple(part["weightless"]))
            for part in named
        ),
        first=min(part["first"] for part in parts),
        last=max(part["last"] for part in parts),
    )


def finding(found: Sequence[Version]) -> str:
    """The newest version in a sentence."""
    if not found:
        return ""
    newest = found[0]
    more = f", the newest of {len(found)} versions" if len(found) > 1 else ""
    return f"Budget {newest.name} comes to {money_compact(newest.amount)} from {newest.months}{more}"
