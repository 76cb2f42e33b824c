"""Examples of the JSON API's description: one value for each name of a field, put together to bodies and answers.

Operations that show something of their own say so where they are; all others get their example here.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from django.http import Http404
from rest_framework.exceptions import AuthenticationFailed, NotAcceptable, UnsupportedMediaType

from sop_portal.lib.api.problems import Fault, Invalid, NotAccepted, RevisionMissing, RevisionStale, body, handle
from sop_portal.lib.errors import Conflict, NotAllowed
from sop_portal.lib.ratelimit import TooMany

# Field -> a value of the field; "Component.field" where a name means something else there.
VALUES: dict[str, Any] = {
    "CustomerShape.name": "Elm Supply, Inc.",
    "CustomerShapeRequest.name": "Elm Supply, Inc.",
    "CycleBodyRequest.name": "S&OP Jan 2027",
    "CycleRow.name": "S&OP Jan 2027",
    "CycleWhole.name": "S&OP Jan 2027",
    "FindingRow.key": "without_rep",
    "FindingRow.title": "1 customer with products has no sales rep",
    "FindingRow.text": "Nobody plans them, and they are left out of the cycle.",
    "FindingThing.label": "Elm Supply, Inc.",
    "GroupShape.code": "GARLIC",
    "GroupShape.name": "Garlic",
    "BulkRemark.code": "ignored",
    "ImportFinding.code": "ignored",
    "ImportFinding.place": "Actuals",
    "ImportFinding.sentence": "These columns are not read: Warehouse.",
    "ImportRefusal.value": "12 boxes",
    "ImportRefusal.sentence": "'12 boxes' is not a quantity; write a plain number such as 1000.",
    "JobRow.name": "clear_sessions",
    "MoreTimeRequest.until": "2026-12-01T18:00:00-05:00",
    "NoticeRow.kind": "cycle_opened",
    "PatchedCustomerShapeRequest.name": "Elm Supply, Inc.",
    "PatchedCycleBodyRequest.name": "S&OP Jan 2027",
    "ProgressRow.code": "E-0107",
    "ProgressRow.name": "Sales Rep 1",
    "RiskCount.label": "low",
    "SettingRow.choices": [],
    "SettingRow.default": 60,
    "SettingRow.kind": "integer",
    "SettingRow.label": "API requests a minute",
    "SettingRow.value": 60,
    "Share.code": "C-1001",
    "Share.name": "Elm Supply, Inc.",
    "app_name": "S&OP Portal",
    "app_version": "1.0.0",
    "access": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI3In0.x4QwZ0",
    "action": "update",
    "actor": "Sales Rep 1",
    "address": "12 Harbor Street",
    "batch": 41,
    "category": "Cycle",
    "change": "0.0500",
    "change_reason": "The contract was renewed.",
    "city": "Savannah",
    "close_reason": "Everybody has handed in.",
    "comment": "Two more stores from March on.",
    "contact_email": "orders@elm.example",
    "contact_person": "Purchasing",
    "contact_phone": "+1 912 555 0100",
    "corporate_group": "Elm Group",
    "count": 1,
    "cost": "38100.00",
    "cost_price": "31.20",
    "country": "US",
    "credit_limit": "250000.00",
    "customer_id": "C-1001",
    "customer_name": "Elm Supply, Inc.",
    "deleted": False,
    "decision_comment": "Agreed with the customer.",
    "description": "Peeled garlic 4x5",
    "detail": "There is no product 999999. Check the code, or add the product first.",
    "does": "Deletes sessions that have ended.",
    "email": "rep1@example.com",
    "employee_id": "E-0107",
    "error": "",
    "file_name": "actuals.csv",
    "file_size": 48213,
    "full_name": "Sales Rep 1",
    "group_code": "GARLIC",
    "group_name": "Garlic",
    "help": "How many requests a person may make in a minute.",
    "hint": "x4Qw",
    "history": ["sales", "lines"],
    "horizon": 16,
    "item_code": "110001",
    "key": "rate_limit_requests_per_minute",
    "kind": "actuals",
    "lead_time_days": 14,
    "list_price": "55.00",
    "mandatory": 12,
    "manufacturing_location": "Savannah",
    "maximum_order_quantity": "5000",
    "minimum_order_quantity": "10",
    "name": "Nightly load",
    "new_password": "a-sturdy-lamp-41",
    "next": None,
    "note": "Counted again in the warehouse.",
    "notes": "Delivered on Tuesdays.",
    "old_password": "a-sturdy-lamp-40",
    "on_behalf_of": "",
    "override": "Sales of November come late; the owner agreed.",
    "own_price": "52.50",
    "pack_size": "4x5 LB",
    "parent_code": None,
    "payment_terms": "30 days net",
    "period": "2027-01",
    "permissions": ["forecasts.edit_own_lines"],
    "place": "Actuals!D17",
    "plan": "65100.00",
    "pointer": "/items/3/item_code",
    "postal_code": "31401",
    "previous": None,
    "price_source": "mmmmmmmmmmmmmmmm",
    "production_line": "Line 2",
    "products_without_weight": ["110002"],
    "proposed_by": None,
    "quantity": "1240",
    "quantity_source": "cccccccccccccccc",
    "reason": "The actuals of November came late.",
    "refresh": "eyJhbGciOiJIUzI1NiJ9.eyJmYW0iOiI5In0.q7LkB1",
    "region": "Southeast",
    "replaced_by": None,
    "revision": 3,
    "roles": ["sales_rep"],
    "sales_rep": "rep1@example.com",
    "sales_rep_name": "Sales Rep 1",
    "schedule": "every day at 02:10",
    "scopes": ["read", "write"],
    "settings": {"currency": "USD"},
    "share": "0.7500",
    "since": "2026-01",
    "state": "GA",
    "step": "writing",
    "short_name": "Elm Supply",
    "source": "api",
    "territory": "Coast",
    "time_zone": "America/New_York",
    "title": "Three lines wait for you",
    "token": "sop_1f6a8d2c40b94c7e9a5dx4Qw",
    "token_type": "Bearer",
    "unit_price": "52.50",
    "unit_of_measure": "CS",
    "uom": "CS",
    "uploaded_by": "Sales Rep 1",
    "until": "2026-12",
    "url": "/review/",
    "username": "rep1@example.com",
    "value": 60,
    "values": {"rate_limit_requests_per_minute": 120},
    "version": "2027",
    "words": "The contract was renewed.",
}
# What the rest is, by its type and format.
BY_FORMAT = {
    "date": "2027-01-01",
    "date-time": "2026-11-26T06:12:40.118262Z",
    "decimal": "1240.00",
    "email": "rep1@example.com",
    "uri": "https://sop.example.com/api/v1/customers?page=2",
}
BY_TYPE: dict[str, Any] = {"integer": 7, "boolean": True, "object": {}, "string": "text"}
_TYPES: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (bool, "boolean"), (int, "integer"), (str, "string"), (list, "array"), (dict, "object"), (type(None), "null"),
)  # fmt: skip

# Parameters of addresses: the part of the path before them, or any, and what they are.
PATHS = {
    "customer_id": "The customer's ID, percent-encoded.",
    "item_code": "The product's code, percent-encoded.",
    "kind": "What the file holds.",
    "key": "The name of the setting.",
    "name": "The name of the job.",
}
OF_ID = {
    "audit-logs": "What names the object: the code of a customer or product, else a number.",
    "cycles": "The cycle's number.",
    "forecasts": "The line's number.",
    "imports": "The import's number.",
    "matrix": "The number of the matrix entry.",
    "sales-history": "The number of the actual.",
    "tokens": "The token's number.",
    "users": "The user's number.",
}

_UNKNOWN = Fault("/colour", "unknown", "There is no field 'colour'.")
_REFUSED = Fault("/items/3/item_code", "refused", VALUES["detail"])
# Status -> what the handler of problems makes the answer of.
REFUSED: dict[str, Exception] = {
    "400": Invalid([_UNKNOWN]),
    "401": AuthenticationFailed("This token is not valid: it has expired, was revoked, or never was one."),
    "403": NotAllowed("Only administrators may start jobs."),
    "404": Http404(),
    "406": NotAcceptable(),
    "409": Conflict("S&OP Jan 2027 is closed; only an open cycle is refreshed."),
    "412": RevisionStale("Somebody changed this after you read it; read it again.", current={"id": 7}),
    "415": UnsupportedMediaType("text/plain"),
    "422": NotAccepted([_REFUSED]),
    "428": RevisionMissing("Say which revision you saw: If-Match with the ETag of the line, or the field revision."),
    "429": TooMany("Rate limit exceeded. Maximum 60 requests per minute allowed. Try again later.", 42),
}
# What is answered before an operation is reached: title and sentence.
BEFORE = {
    "411": (
        "Length required",
        "What was sent does not say how long it is (Transfer-Encoding), so it was not read. Nothing was saved; send it "
        "with its Content-Length.",
    ),
    "413": ("Too large", "What was sent is larger than 2.5 MB. Nothing was saved; send it in smaller parts."),
    "503": (
        "Back in a moment",
        "The portal cannot reach its database or is too busy right now. What you had saved is safe. Try again in a few "
        "seconds.",
    ),
}


def with_examples(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """The description with a summary, described addresses and an example of each body and answer."""
    components = result["components"]["schemas"]
    for status, answer in result["components"]["responses"].items():
        if "content" in answer:
            # They have one content between them.
            example = _refusal(status.removeprefix("Answer"))
            answer["content"] = {form: {**content, "example": example} for form, content in answer["content"].items()}
    for path, operations in result["paths"].items():
        for operation in operations.values():
            operation.setdefault("summary", _summary(operation["description"]))
            for parameter in operation.get("parameters", ()):
                if parameter["in"] == "path":
                    parameter.setdefault("description", _of_path(path, parameter["name"]))
            for content in _contents(operation):
                if not {"example", "examples"} & content.keys():
                    content["example"] = sample(content["schema"], components)
    return result


def sample(schema: Mapping[str, Any], components: Mapping[str, Any], name: str = "", owner: str = "") -> Any:
    """A value of `schema`; `name` is the field that it is of, `owner` the component that has the field."""
    if "$ref" in schema:
        owner = schema["$ref"].rpartition("/")[2]
        return sample(components[owner], components, name, owner)
    for wanted in (f"{owner}.{name}", name):
        if wanted in VALUES and _fits(VALUES[wanted], schema):
            return VALUES[wanted]
    if "examples" in schema:
        return schema["examples"][0]
    if "enum" in schema:
        return schema["enum"][0]
    for several in ("allOf", "oneOf", "anyOf"):
        if several in schema:
            return sample(schema[several][0], components, name, owner)
    if "properties" in schema:
        return {key: sample(part, components, key, owner) for key, part in schema["properties"].items()}
    kind = schema.get("type", "string")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "array":
        return [sample(schema["items"], components, name, owner)] * max(1, schema.get("minItems", 1))
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict) and schema["additionalProperties"]:
        return {"lines": sample(schema["additionalProperties"], components, "", owner)}
    return BY_FORMAT.get(schema.get("format", ""), BY_TYPE[kind])


def _fits(value: Any, schema: Mapping[str, Any]) -> bool:
    """Whether a value has the type that `schema` asks for, and is among its choices."""
    types = schema.get("type")
    if types is None:
        return True
    kind = next(word for known, word in _TYPES if isinstance(value, known))
    return kind in ([types] if isinstance(types, str) else types) and value in schema.get("enum", [value])


def _refusal(status: str) -> dict[str, Any]:
    if status in BEFORE:
        return body(int(status), *BEFORE[status])
    answer = handle(REFUSED[status], {})
    assert answer is not None, status
    return dict(answer.data)


def _contents(operation: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """What an operation takes and answers when all is well, as JSON."""
    wanted = [operation.get("requestBody", {})]
    wanted += [answer for status, answer in operation["responses"].items() if status < "300"]
    for part in wanted:
        for form, content in part.get("content", {}).items():
            if form == "application/json":
                yield content


def _of_path(path: str, name: str) -> str:
    if name in PATHS:
        return PATHS[name]
    parts = path.split("/")
    before = [part for part in parts[: parts.index(f"{{{name}}}")] if part in OF_ID]
    return OF_ID[before[-1]]


def _summary(text: str) -> str:
    """What an operation does, for its line in the list: its first sentence, or what of it stands before a colon or semicolon."""
    return re.split(r"\n|[.:;] ", text, maxsplit=1)[0].rstrip(".;:")
