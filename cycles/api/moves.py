"""The moves of a cycle, each once: repeated it changes nothing."""

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from cycles import services
from cycles.api import shapes
from cycles.api.cycles import TAG, visible
from cycles.models import Cycle
from sop_portal.lib.api.repeating import repeatable
from sop_portal.lib.api.schema import also_answers
from sop_portal.lib.api.shapes import read
from sop_portal.lib.api.views import ApiView
from sop_portal.lib.errors import Conflict


class Refreshed(serializers.Serializer):
    """What late actuals changed."""

    woken = serializers.IntegerField(help_text="Lines that are live now, because something was sold.")
    slept = serializers.IntegerField(help_text="Lines that are dormant now and that nobody had touched.")


class CyclePreflight(ApiView):
    """What stands in the way."""

    @also_answers(409)
    @extend_schema(operation_id="cycles_preflight", tags=[TAG], responses={200: shapes.PreflightRow})
    def get(self, request: Request, pk: int) -> Response:
        """What is to be mended before a draft is opened: red keeps it shut, unless a reason is given, amber does not."""
        cycle = visible(request, pk)
        services.require_mover(request.user)
        if cycle.status != Cycle.Status.DRAFT:
            raise Conflict(f"{cycle} has been opened; pre-flight looks at drafts.")
        found = services.preflight(cycle)
        names = ("key", "level", "title", "text", "count", "final")
        findings = [
            {
                **{name: getattr(finding, name) for name in names},
                "rows": [{"label": row.label, "note": row.note} for row in finding.rows],
            }
            for finding in found.findings
        ]
        return Response({"may_open": not found.red, "findings": findings})


class CycleOpen(ApiView):
    """Open a cycle."""

    @extend_schema(operation_id="cycles_open", tags=[TAG], request=shapes.Opening, responses={200: shapes.CycleWhole})
    @repeatable
    def post(self, request: Request, pk: int) -> Response:
        """Open a draft for input: lines are made and prefilled, and the participants are told."""
        visible(request, pk)
        services.require_mover(request.user)
        override = read(shapes.Opening, request.data).get("override", "")
        return Response(shapes.whole(services.open_cycle(pk, by=request.user, override=override)))


class CycleClose(ApiView):
    """Close a cycle."""

    @extend_schema(operation_id="cycles_close", tags=[TAG], request=shapes.Closing, responses={200: shapes.CycleWhole})
    @repeatable
    def post(self, request: Request, pk: int) -> Response:
        """Close the open cycle for input before its deadline. Lines that were not handed in are missed."""
        visible(request, pk)
        services.require_mover(request.user)
        reason = read(shapes.Closing, request.data).get("reason", "")
        return Response(shapes.whole(services.close_cycle(pk, by=request.user, reason=reason)))


class CycleExtend(ApiView):
    """More time."""

    @extend_schema(
        operation_id="cycles_extend", tags=[TAG], request=shapes.MoreTime, responses={200: shapes.CycleWhole}
    )
    @repeatable
    def post(self, request: Request, pk: int) -> Response:
        """Move the deadline of the open cycle, for everybody or for chosen reps, who are told."""
        visible(request, pk)
        services.require_mover(request.user)
        return Response(shapes.whole(services.extend_cycle(pk, **read(shapes.MoreTime, request.data), by=request.user)))


class CycleReopen(ApiView):
    """Open a closed cycle again."""

    @extend_schema(
        operation_id="cycles_reopen", tags=[TAG], request=shapes.MoreTime, responses={200: shapes.CycleWhole}
    )
    @repeatable
    def post(self, request: Request, pk: int) -> Response:
        """Take input to the latest closed cycle again, from everybody or from chosen reps."""
        visible(request, pk)
        services.require_mover(request.user)
        return Response(shapes.whole(services.reopen_cycle(pk, **read(shapes.MoreTime, request.data), by=request.user)))


class CycleRefresh(ApiView):
    """Look at the actuals again."""

    @extend_schema(operation_id="cycles_refresh", tags=[TAG], request=None, responses={200: Refreshed})
    @repeatable
    def post(self, request: Request, pk: int) -> Response:
        """Work out again which lines of the open cycle are live, after actuals that came late."""
        visible(request, pk)
        done = services.refresh_cycle(pk, by=request.user)
        return Response({"woken": done.woken, "slept": done.slept})


class CycleArchive(ApiView):
    """Publish the plan."""

    @extend_schema(operation_id="cycles_archive", tags=[TAG], request=None, responses={200: shapes.CycleWhole})
    @repeatable
    def post(self, request: Request, pk: int) -> Response:
        """Publish a closed cycle as the plan of record, read-only for ever; undecided lines are taken as they are."""
        visible(request, pk)
        return Response(shapes.whole(services.publish_cycle(pk, by=request.user)))
