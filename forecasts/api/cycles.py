"""What a cycle's lines say of it: progress, figures, the plan as a file, and reminding those who are late."""

import uuid
from typing import Any

from django.db.models import Count
from django.http import FileResponse
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from cycles.models import Cycle
from forecasts import board
from forecasts.excel.download import consolidated_plan
from forecasts.models import Line
from forecasts.services import reminding
from sop_portal.lib.api.fields import UsersField
from sop_portal.lib.api.lists import refuse_unknown
from sop_portal.lib.api.problems import Fault, Invalid
from sop_portal.lib.api.repeating import repeatable
from sop_portal.lib.api.schema import also_answers
from sop_portal.lib.api.shapes import Shape, read
from sop_portal.lib.api.views import ApiView, FileView
from sop_portal.lib.downloads import TYPES
from sop_portal.lib.errors import Conflict

TAG = "Cycles"
TABS = OpenApiParameter("by", str, enum=board.TABS, description="What a row is; rep unless it is given.")
# Counts of a row, in the order of the way a line takes.
COUNTS = ("live", "ready", "blocked", "came_back", "draft", "submitted", "approved", "rejected", "missed")


class ProgressRow(serializers.Serializer):
    """One rep, customer or product."""

    id = serializers.IntegerField()
    code = serializers.CharField(help_text="Customer ID or item code; empty for a rep.")
    name = serializers.CharField()
    state = serializers.ChoiceField(board.State.choices)
    expected = serializers.IntegerField(help_text="Lines that count: the denominator.")
    handed_in = serializers.IntegerField()
    share = serializers.DecimalField(max_digits=7, decimal_places=4, help_text="Handed in of those expected, 0 to 1.")
    counts = serializers.DictField(child=serializers.IntegerField())
    plan = serializers.DecimalField(max_digits=24, decimal_places=4, help_text="Money of the mandatory months.")
    change = serializers.DecimalField(
        max_digits=12, decimal_places=4, allow_null=True, help_text="Against the last plan, over the months both cover."
    )
    deadline = serializers.DateTimeField(allow_null=True)
    last_seen_at = serializers.DateTimeField(allow_null=True)


class Progress(serializers.Serializer):
    """How far a cycle is, for the lines that one may see."""

    cycle_id = serializers.IntegerField()
    by = serializers.ChoiceField(board.TABS)
    expected = serializers.IntegerField()
    handed_in = serializers.IntegerField()
    share = serializers.DecimalField(max_digits=7, decimal_places=4)
    rows = ProgressRow(many=True)


class Statistics(serializers.Serializer):
    """A cycle in numbers, for the lines that one may see."""

    cycle_id = serializers.IntegerField()
    lines = serializers.IntegerField(help_text="Live and dormant ones.")
    live = serializers.IntegerField()
    dormant = serializers.IntegerField()
    customers = serializers.IntegerField(help_text="Customers with a live line.")
    products = serializers.IntegerField(help_text="Products with a live line.")
    reps = serializers.IntegerField(help_text="Owners of live lines.")
    by_status = serializers.DictField(child=serializers.IntegerField(), help_text="Live lines by status.")


class Reminding(Shape):
    """Whom to remind."""

    reps = UsersField(help_text="Users; everybody in scope unless it is given.")


class Reminded(serializers.Serializer):
    """What came of it."""

    mails = serializers.IntegerField()


class CycleProgress(ApiView):
    """How far everybody is."""

    @also_answers(409)
    @extend_schema(operation_id="cycles_progress", tags=[TAG], parameters=[TABS], responses={200: Progress})
    def get(self, request: Request, pk: int) -> Response:
        """The submission board: a row per rep, customer or product, those who never started included."""
        refuse_unknown(request.query_params, ("by",))
        cycle = opened(request, pk)
        by = request.query_params.get("by", board.REP)
        if by not in board.TABS:
            raise Invalid([Fault("?by", "invalid", f"by is one of {', '.join(board.TABS)}.")])
        found = board.read(request.user, board.Wanted(cycle=cycle, tab=by))
        return Response(
            {
                "cycle_id": cycle.pk,
                "by": by,
                "expected": found.expected,
                "handed_in": found.counts.handed_in,
                "share": _ratio(found.share),
                "rows": [_row(row) for row in found.rows],
            }
        )


def _row(row: board.Row) -> dict[str, Any]:
    return {
        "id": row.key,
        "code": row.code,
        "name": row.name,
        "state": row.state,
        "expected": row.expected,
        "handed_in": row.counts.handed_in,
        "share": _ratio(row.share),
        "counts": {name: getattr(row.counts, name) for name in COUNTS},
        "plan": f"{row.plan.money:.4f}",
        "change": None if row.plan.change is None else _ratio(row.plan.change),
        "deadline": row.deadline,
        "last_seen_at": row.last_seen,
    }


def _ratio(value: Any) -> str:
    return f"{value:.4f}"


class CycleStatistics(ApiView):
    """A cycle in numbers."""

    @also_answers(409)
    @extend_schema(operation_id="cycles_statistics", tags=[TAG], responses={200: Statistics})
    def get(self, request: Request, pk: int) -> Response:
        """How many lines a cycle has, and where they stand."""
        cycle = opened(request, pk)
        lines = Line.objects.visible_to(request.user).filter(cycle=cycle)
        total = lines.count()
        told = lines.live().aggregate(
            live=Count("pk"),
            customers=Count("customer", distinct=True),
            products=Count("product", distinct=True),
            reps=Count("owner", distinct=True),
        )
        found = dict(lines.live().order_by().values_list("status").annotate(Count("pk")))
        return Response(
            {
                "cycle_id": cycle.pk,
                "lines": total,
                "dormant": total - told["live"],
                **told,
                "by_status": {status: found.get(status, 0) for status in Line.Status.values},
            }
        )


class CycleConsolidated(FileView):
    """The plan as a file."""

    @also_answers(409, 422)
    @extend_schema(
        operation_id="cycles_consolidated", tags=[TAG],
        parameters=[OpenApiParameter("format", str, enum=list(TYPES), default="xlsx", description="The form of the file.")],
        responses={(200, media_type): OpenApiTypes.BINARY for media_type in TYPES.values()},
    )  # fmt: skip
    def get(self, request: Request, pk: int) -> FileResponse:
        """The consolidated workbook, or its rows as CSV: INTERIM until the plan is published, FINAL from then on."""
        refuse_unknown(request.query_params, ("format",))
        return consolidated_plan(request._request, opened(request, pk), request.query_params.get("format", "xlsx"))


class CycleRemind(ApiView):
    """Chase those who are late."""

    @extend_schema(operation_id="cycles_remind", tags=[TAG], request=Reminding, responses={200: Reminded})
    @repeatable
    def post(self, request: Request, pk: int) -> Response:
        """Mail a reminder to reps with lines that are not handed in: to those chosen, or to everybody in scope."""
        cycle = opened(request, pk)
        reps = read(Reminding, request.data).get("reps")
        # A repeated request with the same Idempotency-Key is answered before it comes here.
        return Response({"mails": reminding.remind(cycle.pk, reps, press=uuid.uuid4().hex, by=request.user)})


def opened(request: Request, pk: int) -> Cycle:
    """A cycle that has lines. Raises Http404, Conflict for a draft."""
    cycle: Cycle = get_object_or_404(Cycle.objects.visible_to(request.user), pk=pk)
    if cycle.status == Cycle.Status.DRAFT:
        raise Conflict(f"{cycle} is not open yet, so it has no lines.")
    return cycle
