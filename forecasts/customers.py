"""The list of customers in a cycle: how far each is and what its next twelve months come to."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.contrib.postgres.aggregates import ArrayAgg
from django.db.models import Count, Exists, F, OuterRef, Q, Sum, Value
from django.db.models.lookups import GreaterThan
from django.http import QueryDict

from cycles.models import Cycle
from forecasts.figures import HANDED_IN, plan_money, plan_quantity, ready
from forecasts.models import Line
from forecasts.progress import CAME_BACK
from masterdata.models import Customer
from sop_portal.lib import periods
from sop_portal.lib.measures import Part, Total, total

PAGE = 100
MAX_FIND = 60


@dataclass
class CustomerShare:
    """One customer's lines in a cycle."""

    customer: Customer
    with_forecast: int = 0
    dormant: int = 0
    ready: int = 0
    submitted: int = 0
    sent_back: int = 0
    missed: int = 0
    money: Decimal = Decimal(0)
    parts: list[Part] = field(default_factory=list)

    @property
    def total(self) -> Total:
        """What the live lines add up to."""
        return total(self.parts)

    @property
    def state(self) -> str:
        """One word for the list: what is left to do."""
        if not self.with_forecast:
            return "no forecast"
        if self.sent_back:
            return "sent back"
        if self.submitted == self.with_forecast:
            return "submitted"
        return "ready" if self.ready == self.with_forecast else "open"


def overview(user: Any, cycle: Cycle, query: QueryDict) -> dict[str, Any]:
    """The context of the list: `shares` of one page of customers, the sums over all of them, filters and pager.

    query: rep (id), find (part of a name), page.
    """
    lines = Line.objects.visible_to(user).filter(cycle=cycle)
    reps = _reps(lines) if not _own_only(user) else []
    rep = query.get("rep", "")
    if rep.isascii() and rep.isdigit() and len(rep) < 19:
        lines = lines.filter(owner=int(rep))
    else:
        rep = ""
    find = query.get("find", "").replace("\x00", "").strip()[:MAX_FIND]
    if find:
        lines = lines.filter(Q(customer__name__icontains=find) | Q(customer__customer_id__icontains=find))
    customers = Customer.objects.filter(Exists(lines.filter(customer=OuterRef("pk")))).order_by("name", "pk")
    count = customers.count()
    pages = max(1, -(-count // PAGE))
    asked = query.get("page", "")
    page = min(int(asked), pages) if asked.isascii() and asked.isdigit() and len(asked) < 9 and int(asked) > 0 else 1
    shown = list(customers.select_related("sales_rep")[(page - 1) * PAGE : page * PAGE])
    shares = {customer.pk: CustomerShare(customer) for customer in shown}
    _fill(shares, lines.filter(customer__in=shown))
    kept = QueryDict(mutable=True)
    kept.update({key: value for key, value in (("rep", rep), ("find", find)) if value})
    return {
        "shares": list(shares.values()),
        "whole": _whole(lines),
        "reps": reps,
        "rep": rep,
        "find": find,
        "count": count,
        "last_period": periods.shift(cycle.first_period, cycle.mandatory - 1),
        "pager": _pager(kept, page, pages, count),
        "one_rep": _own_only(user),
    }


def _own_only(user: Any) -> bool:
    return not (user.has_perm("forecasts.view_all_lines") or user.has_perm("forecasts.view_team_lines"))


def _reps(lines: Any) -> list[tuple[str, str]]:
    rows = (
        lines.filter(owner__isnull=False).order_by("owner__full_name", "owner").values_list("owner", "owner__full_name")
    )
    return [(str(pk), name) for pk, name in rows.distinct()]


_LIVE = Q(live=True)
# The names of the sums; "live" would hide the line's own field from the expressions after it.
_COUNTS = {
    "with_forecast": Count("pk", filter=_LIVE),
    "dormant": Count("pk", filter=~_LIVE),
    "ready": Count("pk", filter=_LIVE & ready()),
    "submitted": Count("pk", filter=_LIVE & Q(status__in=HANDED_IN)),
    "sent_back": Count("pk", filter=CAME_BACK),
    "missed": Count("pk", filter=Q(status=Line.Status.MISSED)),
    "money": Sum(plan_money(), filter=_LIVE, default=Decimal(0)),
}
# A Part per unit of measure.
_SUMS = {
    "planned": Sum(plan_quantity(), filter=_LIVE, default=Decimal(0)),
    "weight": Sum(plan_quantity() * F("product__weight"), filter=_LIVE),
    "weightless": ArrayAgg(
        "product__description", filter=_LIVE & Q(product__weight=None) & Q(GreaterThan(plan_quantity(), 0)),
        distinct=True, default=Value([]),
    ),
}  # fmt: skip


def _fill(shares: dict[int, CustomerShare], lines: Any) -> None:
    """Count and add up the lines of the shares, by unit of measure."""
    rows = lines.order_by().values("customer_id", "product__uom").annotate(**_COUNTS, **_SUMS)
    for row in rows:
        share = shares[row["customer_id"]]
        for name in _COUNTS:
            setattr(share, name, getattr(share, name) + row[name])
        if row["with_forecast"]:
            weight = Decimal(0) if row["weight"] is None and not row["weightless"] else row["weight"]
            share.parts.append(Part(row["product__uom"], row["planned"], weight, tuple(row["weightless"])))


def _whole(lines: Any) -> dict[str, Any]:
    """The sums over everything the filters leave, never over a page."""
    whole: dict[str, Any] = lines.order_by().aggregate(**_COUNTS)
    return whole | {"to_submit": whole["ready"] - whole["submitted"]}


def _pager(kept: QueryDict, page: int, pages: int, count: int) -> dict[str, str]:
    def url(number: int) -> str:
        query = kept.copy()
        query["page"] = str(number)
        return f"?{query.urlencode()}"

    return {
        "total_text": f"{count:,} customer{'' if count == 1 else 's'}",
        "previous_url": url(page - 1) if page > 1 else "",
        "next_url": url(page + 1) if page < pages else "",
    }
