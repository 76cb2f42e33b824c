"""What was sold, added up over everything the filters leave: as the sales history of the pages does it."""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from masterdata import details, sales
from masterdata.api.fields import Number
from masterdata.api.filters import SalesFilters
from masterdata.api.sales import TAG
from masterdata.filters import MOST_MONTHS, MonthField
from masterdata.models import Actual
from masterdata.sales import YEAR, Loaded
from sop_portal.lib import periods
from sop_portal.lib.api.fields import MONTH
from sop_portal.lib.api.lists import filtered, refuse_unknown, whole
from sop_portal.lib.api.problems import Fault, Invalid
from sop_portal.lib.api.views import ApiView

MOST_SHARES = 1_000
_MONTHS = {
    "since": "The first month, as YYYY-MM; 36 months back if missing, as far as anything is known.",
    "until": "The last month, as YYYY-MM; the last one with actuals if missing.",
}
_PLACES = Decimal("0.000001")

PARAMETERS = [
    *(
        OpenApiParameter(name, str, description=each.extra["help_text"])
        for name, each in SalesFilters.base_filters.items()
    ),
    *(OpenApiParameter(name, MONTH, description=text) for name, text in _MONTHS.items()),
]
LIMIT = OpenApiParameter(
    "limit", {"type": "integer", "minimum": 1, "maximum": MOST_SHARES, "default": 10}, description="How many at most."
)


@dataclass(frozen=True)
class Asked:
    """What is to be added up: the rows whatever their month, and the range of months."""

    rows: Any
    first: dt.date
    last: dt.date
    known: Loaded


class Figures(ApiView):
    """Sums over actuals in scope."""

    filterset_class = SalesFilters
    more: ClassVar[Iterable[str]] = ()

    def asked(self, request: Request) -> Asked:
        """What the address asks for. Raises Invalid naming the parameter that makes no sense."""
        query, user = request.query_params, request.user
        refuse_unknown(query, [*SalesFilters.base_filters, *_MONTHS, *self.more])
        known = sales.loaded(timezone.localdate())
        usual_first, usual_last = details.usual_months(known)
        last = _month(query, "until") or usual_last
        first = _month(query, "since") or min(usual_first, last)
        if first > last:
            raise Invalid([Fault("?until", "invalid", "The last month must not be before the first one.")])
        if periods.between(first, last) >= MOST_MONTHS:
            raise Invalid([Fault("?since", "invalid", f"At most {MOST_MONTHS} months are added up.")])
        return Asked(filtered(request, Actual.objects.in_scope_of(user), self), first, last, known)


def _month(query: Mapping[str, str], name: str) -> dt.date | None:
    try:
        return MonthField(required=False).clean(query.get(name, ""))  # type: ignore[no-any-return]
    except ValidationError as refusal:
        raise Invalid([Fault(f"?{name}", "invalid", f"{name}: {' '.join(refusal.messages)}")]) from refusal


class UnitSum(serializers.Serializer):
    """A quantity in one unit; those of different units are never added."""

    uom = serializers.CharField()
    quantity = Number()


class SalesSums(serializers.Serializer):
    """What was sold within the months."""

    since = serializers.CharField(help_text="The first month.")
    until = serializers.CharField(help_text="The last month.")
    amount = Number()
    amount_year_before = Number(
        allow_null=True, help_text="Of the same months a year before; null unless all are known."
    )
    change = Number(allow_null=True, help_text="Against a year before, as a fraction; 0.1 is plus 10 %.")
    weight = Number(help_text="In kg, of the products whose weight is known.")
    quantities = UnitSum(many=True)
    cost = Number(allow_null=True, help_text="Of the rows whose cost is known. Null for those who may not see costs.")
    margin = Number(allow_null=True, help_text="Of the rows whose cost is known, as a fraction of their amount.")
    products_without_weight = serializers.ListField(child=serializers.CharField(), help_text="The first of them.")
    more_without_weight = serializers.IntegerField(help_text="How many more there are.")


class SalesMonth(serializers.Serializer):
    """What was sold in one month."""

    period = serializers.CharField(help_text="The month, as YYYY-MM.")
    amount = Number()
    amount_year_before = Number(allow_null=True)
    change = Number(allow_null=True, help_text="Against a year before, as a fraction.")
    weight = Number(help_text="In kg, of the products whose weight is known.")
    quantities = UnitSum(many=True)
    cost = Number(allow_null=True, help_text="Null for those who may not see costs.")
    average6 = Number(allow_null=True, help_text="Of the 6 months that end with it, in money.")
    average12 = Number(allow_null=True, help_text="Of the 12 months that end with it, in money.")
    average24 = Number(allow_null=True, help_text="Of the 24 months that end with it, in money.")


class SalesMonths(serializers.Serializer):
    """What was sold, month by month, the earliest first."""

    since = serializers.CharField(help_text="The first month.")
    until = serializers.CharField(help_text="The last month.")
    months: Any = SalesMonth(many=True)


class Share(serializers.Serializer):
    """What one of them adds up to."""

    code = serializers.CharField(help_text="The item code or customer ID.")
    name = serializers.CharField(help_text="The description or name.")
    amount = Number(help_text="Within the months asked for.")
    share = Number(allow_null=True, help_text="Of everything that the filters leave, as a fraction.")
    last12 = Number(
        allow_null=True, help_text="Of the 12 months that end with the last one; null unless all are known."
    )
    change = Number(allow_null=True, help_text="Of these against the 12 before, as a fraction.")


class Shares(serializers.Serializer):
    """Those with the largest amount, the largest first."""

    since = serializers.CharField(help_text="The first month.")
    until = serializers.CharField(help_text="The last month.")
    amount = Number(help_text="Of everything that the filters leave.")
    count = serializers.IntegerField(help_text="How many there are in all.")
    results = Share(many=True)


class SalesFigures(Figures):
    """Sums over all that the filters leave."""

    @extend_schema(
        operation_id="sales_history_statistics", tags=[TAG], parameters=PARAMETERS, responses={200: SalesSums}
    )
    def get(self, request: Request) -> Response:
        """What was sold within a range of months, compared with a year before."""
        asked = self.asked(request)
        with_cost = request.user.has_perm("masterdata.view_cost")  # type: ignore[union-attr]
        reach = max(periods.shift(asked.first, -YEAR), min(asked.first, asked.known.first))
        months = sales.by_month(asked.rows, reach, asked.last, with_cost=with_cost)
        sums = sales.totals(months, asked.first, asked.last)
        named, more = sales.without_weight(asked.rows, asked.first, asked.last)
        return Response(
            {
                **_range(asked),
                "amount": sums.amount,
                "amount_year_before": sums.before,
                "change": _fraction(sums.change),
                "weight": sums.weight,
                "quantities": _units(sums.quantities),
                "cost": sums.cost if with_cost else None,
                "margin": _fraction(sums.margin) if with_cost else None,
                "products_without_weight": named,
                "more_without_weight": more,
            }
        )


class SalesByMonth(Figures):
    """Sums by month."""

    @extend_schema(
        operation_id="sales_history_by_month", tags=[TAG], parameters=PARAMETERS, responses={200: SalesMonths}
    )
    def get(self, request: Request) -> Response:
        """What was sold month by month; months without sales are there with 0."""
        asked = self.asked(request)
        with_cost = request.user.has_perm("masterdata.view_cost")  # type: ignore[union-attr]
        reach = max(periods.shift(asked.first, 1 - 2 * YEAR), min(asked.first, asked.known.first))
        months = sales.by_month(asked.rows, reach, asked.last, with_cost=with_cost)
        rows = details.month_rows(months, asked.first)[::-1]
        return Response(
            {
                **_range(asked),
                "months": [
                    {
                        "period": periods.key(row["month"].period),
                        "amount": row["month"].amount,
                        "amount_year_before": row["year_before"],
                        "change": _fraction(row["change"]),
                        "weight": row["month"].weight,
                        "quantities": _units(row["month"].quantities),
                        "cost": row["month"].cost if with_cost else None,
                        **{name: _fraction(row[name]) for name in ("average6", "average12", "average24")},
                    }
                    for row in rows
                ],
            }
        )


class Top(Figures):
    """Shares of one kind, the largest first."""

    more = ("limit",)
    by: ClassVar[str]
    code: ClassVar[str]
    name: ClassVar[str]

    def answer(self, request: Request) -> Response:
        """Those with the largest amount."""
        asked = self.asked(request)
        limit = whole(request.query_params, "limit", 10, most=MOST_SHARES)
        shares = sales.shares(asked.rows, self.by, asked.first, asked.last, asked.known)
        top = sales.ranked(shares, "-total", {})[:limit]
        things = sales.things(self.by, [share.key for share in top])
        everything = sum((share.total for share in shares), sales.ZERO)
        return Response(
            {
                **_range(asked),
                "amount": everything,
                "count": len(shares),
                "results": [
                    {
                        "code": getattr(things[share.key], self.code),
                        "name": getattr(things[share.key], self.name),
                        "amount": share.total,
                        "share": _fraction(share.total / everything) if everything else None,
                        "last12": share.last12,
                        "change": _fraction(share.change),
                    }
                    for share in top
                ],
            }
        )


class TopProducts(Top):
    """Products that sold most."""

    by, code, name = "product", "item_code", "description"

    @extend_schema(
        operation_id="sales_history_top_products", tags=[TAG], parameters=[*PARAMETERS, LIMIT], responses={200: Shares}
    )
    def get(self, request: Request) -> Response:
        """The products that sold most within a range of months, by amount."""
        return self.answer(request)


class TopCustomers(Top):
    """Customers that bought most."""

    by, code, name = "customer", "customer_id", "name"

    @extend_schema(
        operation_id="sales_history_top_customers", tags=[TAG], parameters=[*PARAMETERS, LIMIT],
        responses={200: Shares},
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """The customers that bought most within a range of months, by amount."""
        return self.answer(request)


def _range(asked: Asked) -> dict[str, str]:
    return {"since": periods.key(asked.first), "until": periods.key(asked.last)}


def _units(quantities: Mapping[str, Decimal]) -> list[dict[str, Any]]:
    return [{"uom": uom, "quantity": quantity} for uom, quantity in sorted(quantities.items())]


def _fraction(value: Decimal | None) -> Decimal | None:
    """To six decimals, as far as anybody reads."""
    return None if value is None else value.quantize(_PLACES)
