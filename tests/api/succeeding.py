"""For each operation of the API that needs more than an address, a request that succeeds in the company of `fuzzed`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from schemathesis.transport.serialization import Binary

from masterdata.models import ImportRun, MatrixEntry
from sop_portal.accounts import bearer
from sop_portal.accounts.tokens import password_link
from tests.factories import PASSWORD, make_product
from tests.imports import ACTUALS, csv_bytes
from tests.world import SOLD, close

LATER = "2031-05-06T07:08:09Z"
NEXT_PASSWORD = "a long walk round the lake"


@dataclass(frozen=True)
class Request:
    """place: what stands in its address. body: as JSON, or the fields of a form. before: what has to have happened."""

    place: Mapping[str, Any] = field(default_factory=dict)
    body: Any = None
    before: Callable[[], None] = lambda: None


def succeeding(world: Any, *, added: Any, applied: ImportRun, refused: ImportRun, book: bytes) -> dict[str, Request]:
    """Operation -> a request; `added` is a line that was added after the opening, `book` an old planning workbook."""
    untouched, handed_in, approved, _, answered = world.lines
    months = [period.isoformat()[:7] for period in world.cycle.periods]
    cells = [{"period": month, "quantity": "12.5", "unit_price": "3.1415"} for month in months]
    customer, other = world.customer.customer_id, world.other_customer.customer_id
    product, new = untouched.product, make_product(item_code="NOT/YET SOLD").item_code
    entry = MatrixEntry.objects.get(customer=world.customer, product=product)
    sale = {"customer_id": customer, "item_code": "P0", "period": "2026-10", "quantity": "5", "amount": "50"}
    body_of_product = {
        "item_code": "P0", "description": "Garlic", "group_code": product.group.code, "uom": "CS", "list_price": "5",
    }  # fmt: skip

    def of_line(line: Any, **body: Any) -> Request:
        return Request({"id": line.pk}, {"revision": line.revision, **body})

    def refs(*lines: Any, **body: Any) -> Request:
        named = [{"id": line.pk, "revision": line.revision} for line in lines]
        return Request(body={"cycle_id": world.cycle.pk, "items": named, **body})

    def items(*rows: Any) -> Request:
        return Request(body={"items": list(rows)})

    key = password_link(world.rep).rstrip("/").rpartition("/")[2]
    bearer_of_rep = bearer.issue(world.rep).refresh
    cycle, closed = {"id": world.cycle.pk}, {"id": world.closed.pk}
    return {
        "GET /audit-logs/entity/{entity_type}/{entity_id}": Request({"entity_type": "customer", "entity_id": customer}),
        "GET /cycles/{id}/preflight": Request({"id": world.draft.pk}),
        "GET /excel/export/{kind}": Request({"kind": "actuals"}),
        "GET /excel/imports/{id}/errors": Request({"id": refused.pk}),
        "GET /excel/templates/{kind}": Request({"kind": "actuals"}),
        "POST /auth/change-password": Request(body={"old_password": PASSWORD, "new_password": NEXT_PASSWORD}),
        "POST /auth/login": Request(body={"username": world.rep.email, "password": PASSWORD}),
        "POST /auth/logout": Request(body={"refresh": bearer_of_rep}),
        "POST /auth/password-reset": Request(body={"email": world.rep.email}),
        "POST /auth/password-reset/confirm": Request(body={"key": key, "new_password": NEXT_PASSWORD}),
        "POST /auth/refresh": Request(body={"refresh": bearer_of_rep}),
        "POST /budget/bulk": items({"version": "2027", **sale}),
        "POST /customers": Request(body={"customer_id": "NEW/1 2", "name": "Oak Foods"}),
        "POST /customers/bulk": items({"customer_id": customer, "name": "Elm"}, {"customer_id": "NEW", "name": "New"}),
        "PUT /customers/{customer_id}": Request({"customer_id": customer}, {"customer_id": customer, "name": "Elm"}),
        "PATCH /customers/{customer_id}": Request({"customer_id": customer}, {"region": "North"}),
        "POST /cycles": Request(body={"first_period": "2027-03", "closes_at": LATER}),
        "PUT /cycles/{id}": Request({"id": world.draft.pk}, {"first_period": "2027-03", "closes_at": LATER}),
        "PATCH /cycles/{id}": Request({"id": world.draft.pk}, {"closes_at": LATER}),
        "DELETE /cycles/{id}": Request({"id": world.draft.pk}),
        "POST /cycles/{id}/archive": Request(closed),
        "POST /cycles/{id}/close": Request(cycle, {"reason": "Everybody has handed in."}),
        "POST /cycles/{id}/extend": Request(cycle, {"until": LATER, "reason": "Actuals came late."}),
        "POST /cycles/{id}/open": Request({"id": world.draft.pk}, {"override": "It has to be."}, partial(close, world)),
        "POST /cycles/{id}/refresh": Request(cycle),
        "POST /cycles/{id}/remind": Request(cycle, {"reps": [world.rep.pk]}),
        "POST /cycles/{id}/reopen": Request(
            cycle, {"until": LATER, "reason": "Actuals came late."}, partial(close, world)
        ),
        "POST /excel/import/{kind}": Request(
            {"kind": "actuals"}, {"file": Binary(csv_bytes(ACTUALS, [[customer, "P0", "2026-10", 7, 70, 40]]))}
        ),
        "POST /excel/import/legacy-workbook": Request(body={"file": [Binary(book)], "rep": world.rep.email}),
        "POST /excel/imports/{id}/apply": Request({"id": refused.pk}, {"only_good": True}),
        "POST /excel/imports/{id}/undo": Request({"id": applied.pk}),
        "POST /forecasts": Request(body={"customer_id": customer, "item_code": new}),
        "POST /forecasts/bulk": items(
            {"customer_id": customer, "item_code": "P0", "revision": untouched.revision, "cells": cells[:2]},
            {"id": answered.pk, "revision": answered.revision, "cells": cells},
        ),
        "POST /forecasts/bulk-submit": refs(answered),
        "POST /forecasts/bulk-decide": refs(handed_in, action="reject", comment="Too high."),
        "PUT /forecasts/{id}": of_line(untouched, cells=cells),
        "PATCH /forecasts/{id}": of_line(untouched, cells=cells[:1]),
        "DELETE /forecasts/{id}": Request({"id": added.pk}),
        "POST /forecasts/{id}/adjust": of_line(world.closed_lines[0], cells=cells[:1], reason="Agreed in the meeting."),
        "POST /forecasts/{id}/approve": of_line(handed_in),
        "POST /forecasts/{id}/recall": of_line(handed_in),
        "POST /forecasts/{id}/reject": of_line(handed_in, comment="Too high."),
        "POST /forecasts/{id}/return": of_line(approved, comment="Once more."),
        "POST /forecasts/{id}/submit": of_line(answered, change_reason={"why": "promotion", "words": "Spring."}),
        "POST /jobs/{name}/run": Request({"name": "clear_sessions"}),
        "POST /matrix": Request(body={"customer_id": customer, "item_code": new}),
        "POST /matrix/bulk": items(
            {"customer_id": other, "item_code": new, "unit_price": "3.5", "valid_from": "2027-01-01"}
        ),
        "PUT /matrix/{id}": Request(
            {"id": entry.pk}, {"customer_id": customer, "item_code": "P0", "notes": "Tuesdays."}
        ),
        "PATCH /matrix/{id}": Request({"id": entry.pk}, {"lead_time_days": 14}),
        "POST /matrix/{id}/prices": Request({"id": entry.pk}, {"valid_from": "2027-05-01", "unit_price": "12"}),
        "POST /products": Request(body={**body_of_product, "item_code": "NEW/1 2"}),
        "POST /products/bulk": items(body_of_product, {**body_of_product, "item_code": "NEW/1 2"}),
        "PUT /products/{item_code}": Request({"item_code": "P0"}, body_of_product),
        "PATCH /products/{item_code}": Request({"item_code": "P0"}, {"weight": "9.07"}),
        "DELETE /products/{item_code}": Request({"item_code": new}),
        "POST /sales-history": Request(body=sale),
        "POST /sales-history/bulk": items(sale, {**sale, "period": SOLD.isoformat()[:7], "cost": "3"}),
        "PUT /sales-history/{id}": Request({"id": world.actual.pk}, {**sale, "period": f"{SOLD:%Y-%m}"}),
        "PATCH /sales-history/{id}": Request({"id": world.actual.pk}, {"quantity": "17"}),
        "POST /settings": Request(
            body={"key": "cost_centre", "category": "GENERAL", "kind": "text", "label": "Centre", "value": "1"}
        ),
        "PATCH /settings": Request(body={"values": {"rate_limit_requests_per_minute": 9_000}}),
        "PUT /settings/{key}": Request({"key": "rate_limit_requests_per_minute"}, {"value": 9_000}),
        "DELETE /settings/{key}": Request({"key": "of_the_company"}),
        "POST /tokens": Request(body={"name": "Weekly load", "scopes": ["read"], "days": 30}),
        "POST /users": Request(body={"email": "new@example.com", "full_name": "New Rep", "roles": ["sales_rep"]}),
        "PUT /users/{id}": Request(
            {"id": world.viewer.pk},
            {"email": "vera@example.com", "full_name": "Vera", "roles": ["viewer"], "time_zone": "America/New_York"},
        ),
        "PATCH /users/{id}": Request({"id": world.viewer.pk}, {"employee_id": "E-0107"}),
        "POST /users/{id}/deactivate": Request({"id": world.viewer.pk}),
    }
