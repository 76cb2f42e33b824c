"""Many lines of one cycle at once, all of them or none."""

from collections.abc import Sequence
from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from forecasts import services
from forecasts.api import bodies, shapes
from forecasts.api.lines import TAG, chosen_cycle
from forecasts.api.refusals import placed
from forecasts.models import Line, QuantitySource
from forecasts.services import LineRef
from sop_portal.lib.api.problems import Fault, NotAccepted, RevisionMissing
from sop_portal.lib.api.repeating import repeatable
from sop_portal.lib.api.schema import also_answers
from sop_portal.lib.api.views import ApiView

ITEMS = "/items"
DECISIONS = {
    "approve": services.approve_lines,
    "reject": services.reject_lines,
    "return": services.return_lines,
}


class BulkWrite(ApiView):
    """Cells of many lines."""

    body_limit = bodies.LARGEST_BODY

    @also_answers(412, 428)
    @extend_schema(
        operation_id="forecasts_bulk", tags=[TAG], request=shapes.BulkIn, responses={200: shapes.BulkDone},
        examples=[OpenApiExample("By customer and product", request_only=True, value={"items": [
            {"customer_id": "C-1001", "item_code": "110009", "revision": 1,
             "cells": [{"period": "2027-01", "quantity": "1200"}]}]})],
    )  # fmt: skip
    @repeatable
    def post(self, request: Request) -> Response:
        """Write cells of up to 10,000 lines of one cycle, each named by its id or by customer and product.

        One line that is refused refuses all; the errors name every such line.
        """
        reader = bodies.opened(request, ("cycle_id", "items"))
        cycle_id = reader.whole("cycle_id", bodies.LARGEST_ID)
        edits = [_edit(item, place, reader.faults) for place, item in enumerate(reader.items("items"))]
        bodies.closed(reader)
        if any(edit.revision is None for edit in edits):
            place = next(place for place, edit in enumerate(edits) if edit.revision is None)
            raise RevisionMissing(f"Item {place} does not say which revision its author saw.")
        cycle = chosen_cycle(request, cycle_id)
        ids = _line_ids(request, cycle.pk, edits)
        wanted = [edit.of(pk, edit.revision or 0) for pk, edit in zip(ids, edits, strict=True)]
        with placed(ids, ITEMS, [edit.places for edit in edits]):
            lines = services.set_cells(cycle.pk, wanted, by=request.user, source=QuantitySource.API)
        changed = sum(line.revision != edit.revision for line, edit in zip(lines, edits, strict=True))
        return Response({"count": changed, "items": _told(lines)})


def _edit(item: Any, place: int, faults: list[Fault]) -> bodies.Edit:
    reader = bodies.Reader(item, f"{ITEMS}/{place}", faults)
    reader.only(("id", "customer_id", "item_code", *bodies.EDITABLE))
    edit = reader.edit()
    edit.line_id = reader.whole("id", bodies.LARGEST_ID)
    customer, product = reader.text("customer_id", 100), reader.text("item_code", 100)
    if customer is not None and product is not None:
        edit.pair = (customer, product)
    if reader.data and (edit.line_id is None) == (edit.pair is None):
        reader.wrong("", "invalid", "Name the line by its id, or by customer_id and item_code.")
    return edit


def _line_ids(request: Request, cycle_id: int, edits: Sequence[bodies.Edit]) -> list[int]:
    """The ids of the lines, those named by their pair looked up in one query."""
    pairs = {edit.pair for edit in edits if edit.pair is not None}
    known: dict[tuple[str, str], int] = {}
    if pairs:
        found = Line.objects.visible_to(request.user).filter(
            cycle_id=cycle_id,
            customer__customer_id__in={pair[0] for pair in pairs},
            product__item_code__in={pair[1] for pair in pairs},
        )
        columns = found.order_by().values_list("customer__customer_id", "product__item_code", "pk")
        known = {(customer, product): pk for customer, product, pk in columns}
    faults = [
        Fault(
            f"{ITEMS}/{place}", "unknown",
            f"There is no line of customer {edit.pair[0]} and product {edit.pair[1]} among yours; POST /forecasts adds one.",
        )
        for place, edit in enumerate(edits)
        if edit.pair is not None and edit.pair not in known
    ]  # fmt: skip
    if faults:
        raise NotAccepted(faults)
    return [edit.line_id or known[edit.pair or ("", "")] for edit in edits]


def _refs(reader: bodies.Reader) -> list[LineRef]:
    found = []
    for place, item in enumerate(reader.items("items")):
        one = bodies.Reader(item, f"{ITEMS}/{place}", reader.faults)
        one.only(("id", "revision"))
        line_id, revision = one.whole("id", bodies.LARGEST_ID), one.whole("revision", bodies.LARGEST_REVISION)
        if one.data and line_id is None:
            one.wrong("id", "required", "id is missing.")
        found.append(LineRef(line_id or 0, revision or 0))
    bodies.closed(reader)
    for place, ref in enumerate(found):
        if not ref.revision:
            raise RevisionMissing(f"Item {place} does not say which revision its author saw.")
    return found


def _told(lines: Sequence[Line]) -> list[dict[str, Any]]:
    return [{"id": line.pk, "revision": line.revision, "status": line.status} for line in lines]


class BulkSubmit(ApiView):
    """Hand in many lines."""

    body_limit = bodies.LARGEST_BODY

    @also_answers(412, 428)
    @extend_schema(
        operation_id="forecasts_bulk_submit", tags=[TAG], request=shapes.BulkSubmit, responses={200: shapes.BulkDone}
    )
    @repeatable
    def post(self, request: Request) -> Response:
        """Hand in up to 10,000 lines of one cycle. Lines one handed in before are left as they are."""
        reader = bodies.opened(request, ("cycle_id", "items"))
        cycle_id, refs = reader.whole("cycle_id", bodies.LARGEST_ID), _refs(reader)
        cycle = chosen_cycle(request, cycle_id)
        with placed([ref.line_id for ref in refs], ITEMS):
            lines = services.submit_lines(cycle.pk, refs, by=request.user)
        return Response({"count": len(lines), "items": _told(lines)})


class BulkDecide(ApiView):
    """Decide many lines."""

    body_limit = bodies.LARGEST_BODY

    @also_answers(412, 428)
    @extend_schema(
        operation_id="forecasts_bulk_decide", tags=[TAG], request=shapes.BulkDecide, responses={200: shapes.BulkDone}
    )
    @repeatable
    def post(self, request: Request) -> Response:
        """Approve, reject or return up to 10,000 lines of one cycle, with one comment."""
        reader = bodies.opened(request, ("cycle_id", "items", "action", "comment"))
        cycle_id = reader.whole("cycle_id", bodies.LARGEST_ID)
        action, comment = reader.text("action", 20, required=True), reader.text("comment", 100_000) or ""
        if action is not None and action not in DECISIONS:
            reader.wrong("action", "invalid", f"action is one of {', '.join(DECISIONS)}.")
        refs = _refs(reader)
        cycle = chosen_cycle(request, cycle_id)
        with placed([ref.line_id for ref in refs], ITEMS):
            lines = DECISIONS[action or ""](cycle.pk, refs, by=request.user, comment=comment)
        return Response({"count": len(lines), "items": _told(lines)})
