"""Handing in and deciding one line."""

from collections.abc import Iterable
from functools import partial
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from forecasts import services
from forecasts.api import bodies, shapes
from forecasts.api.lines import IF_MATCH, TAG, sent, stored, visible
from forecasts.api.refusals import placed
from forecasts.models import Line
from forecasts.services import Adjustment, LineRef
from sop_portal.lib.api.repeating import repeatable
from sop_portal.lib.api.schema import also_answers
from sop_portal.lib.api.views import ApiView

_COMMENT = 100_000


def _opened(request: Request, line: Line, known: Iterable[str]) -> tuple[bodies.Reader, int]:
    reader = bodies.opened(request, ("revision", *known))
    return reader, bodies.revision_of(request, reader, line)


class Act(ApiView):
    """What somebody does to one line as they saw it."""

    takes_match = ("POST",)


class LineSubmit(Act):
    """Hand in a line."""

    @also_answers(412, 428)
    @extend_schema(
        operation_id="forecasts_submit", tags=[TAG], request=shapes.Submitting, parameters=[IF_MATCH],
        responses={200: shapes.LineRow},
    )  # fmt: skip
    @repeatable
    def post(self, request: Request, pk: int) -> Response:
        """Hand in a line: every mandatory month is answered, and has a price where something is planned."""
        line = visible(request, pk)
        reader, revision = _opened(request, line, ["change_reason"])
        reason = reader.reason()
        bodies.closed(reader)
        reasons = {pk: reason} if reason is not None else None
        with placed([pk], now=partial(stored, request, pk)):
            services.submit_lines(line.cycle_id, [LineRef(pk, revision)], by=request.user, reasons=reasons)
        return sent(request, pk)


class LineRecall(Act):
    """Take back a line."""

    @also_answers(412, 428)
    @extend_schema(
        operation_id="forecasts_recall", tags=[TAG], request=shapes.Seen, parameters=[IF_MATCH],
        responses={200: shapes.LineRow},
    )  # fmt: skip
    @repeatable
    def post(self, request: Request, pk: int) -> Response:
        """Take back a line that one handed in oneself and that nobody decided."""
        line = visible(request, pk)
        reader, revision = _opened(request, line, [])
        bodies.closed(reader)
        with placed([pk], now=partial(stored, request, pk)):
            services.recall_lines(line.cycle_id, [LineRef(pk, revision)], by=request.user)
        return sent(request, pk)


def _decide(request: Request, pk: int, act: Any) -> Response:
    line = visible(request, pk)
    reader, revision = _opened(request, line, ["comment"])
    comment = reader.text("comment", _COMMENT) or ""
    bodies.closed(reader)
    with placed([pk], now=partial(stored, request, pk)):
        act(line.cycle_id, [LineRef(pk, revision)], by=request.user, comment=comment)
    return sent(request, pk)


class LineApprove(Act):
    """Accept a line."""

    @also_answers(412, 428)
    @extend_schema(
        operation_id="forecasts_approve", tags=[TAG], request=shapes.Deciding, parameters=[IF_MATCH],
        responses={200: shapes.LineRow},
    )  # fmt: skip
    @repeatable
    def post(self, request: Request, pk: int) -> Response:
        """Accept a line that somebody else handed in."""
        return _decide(request, pk, services.approve_lines)


class LineReject(Act):
    """Refuse a line."""

    @also_answers(412, 428)
    @extend_schema(
        operation_id="forecasts_reject", tags=[TAG], request=shapes.Deciding, parameters=[IF_MATCH],
        responses={200: shapes.LineRow},
    )  # fmt: skip
    @repeatable
    def post(self, request: Request, pk: int) -> Response:
        """Refuse a line with a comment, so that its owner revises it."""
        return _decide(request, pk, services.reject_lines)


class LineReturn(Act):
    """Give a line back."""

    @also_answers(412, 428)
    @extend_schema(
        operation_id="forecasts_return", tags=[TAG], request=shapes.Deciding, parameters=[IF_MATCH],
        responses={200: shapes.LineRow},
    )  # fmt: skip
    @repeatable
    def post(self, request: Request, pk: int) -> Response:
        """Give a line that was handed in or approved back to its owner, with a comment."""
        return _decide(request, pk, services.return_lines)


class LineAdjust(Act):
    """Change a line after the close."""

    @also_answers(412, 428)
    @extend_schema(
        operation_id="forecasts_adjust", tags=[TAG], request=shapes.Adjusting, parameters=[IF_MATCH],
        responses={200: shapes.LineRow},
    )  # fmt: skip
    @repeatable
    def post(self, request: Request, pk: int) -> Response:
        """Change and approve a line of a closed cycle, with a reason; what was handed in stays beside it."""
        line = visible(request, pk)
        reader, revision = _opened(request, line, ["cells", "reason"])
        quantity, price = reader.cells()
        reason = reader.text("reason", _COMMENT) or ""
        bodies.closed(reader)
        with placed([pk], cells=[reader.places], now=partial(stored, request, pk)):
            services.adjust_lines(
                line.cycle_id, [Adjustment(pk, revision, quantity, price)], by=request.user, reason=reason
            )
        return sent(request, pk)
