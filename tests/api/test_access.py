"""Every operation of the API, for every kind of person and verb. A new route without a line here fails.

What a person may read of a list is tested with the list; here it is whether the operation opens at all.
"""

from typing import Any

import pytest

from audit.context import acting
from sop_portal.conf.services import set_value
from tests.api.helpers import API, Program, program_of
from tests.factories import make_user
from tests.test_access import fingerprint, routes

VERBS = ("GET", "POST", "PUT", "PATCH", "DELETE")
# Whoever is not signed in, and each role.
WHO = ("anonymous", "rep", "manager", "viewer", "admin")
ROLES = {"rep": "sales_rep", "manager": "manager", "viewer": "viewer", "admin": "admin"}

# Route -> verb -> what an empty request is answered, in the order of WHO. A verb that is not named is not served (405).
EVERYBODY = (400,) * 5
SIGNED_IN = (401, 200, 200, 200, 200)
OWN_ACT = (401, 400, 400, 400, 400)
MISSING = (401, 404, 404, 404, 404)
ADDS = (401, 403, 403, 403, 400)
MISSING_ROW = dict.fromkeys(("GET", "PUT", "PATCH", "DELETE"), MISSING)
MATRIX: dict[str, dict[str, tuple[int, ...]]] = {
    "auth-login": {"POST": EVERYBODY},
    "auth-refresh": {"POST": EVERYBODY},
    "auth-logout": {"POST": (401, 204, 204, 204, 204)},
    "auth-me": {"GET": SIGNED_IN},
    "auth-change-password": {"POST": OWN_ACT},
    "auth-password-reset": {"POST": EVERYBODY},
    "auth-password-reset-confirm": {"POST": EVERYBODY},
    "users": {"GET": SIGNED_IN, "POST": (401, 403, 403, 403, 400)},
    "user": dict.fromkeys(("GET", "PUT", "PATCH", "DELETE"), MISSING),
    **{f"user-{act}": {"POST": MISSING} for act in ("activate", "deactivate", "unlock")},
    "cycles": {"GET": SIGNED_IN, "POST": (401, 403, 403, 403, 400)},
    "cycle-active": {"GET": MISSING},
    "cycle": dict.fromkeys(("GET", "PUT", "PATCH", "DELETE"), MISSING),
    **{
        f"cycle-{act}": {"POST": MISSING}
        for act in ("open", "close", "extend", "reopen", "refresh", "archive", "remind")
    },
    **{f"cycle-{part}": {"GET": MISSING} for part in ("preflight", "progress", "statistics", "consolidated")},
    "forecasts": {"GET": SIGNED_IN, "POST": OWN_ACT},
    "forecasts-bulk": {"POST": OWN_ACT},
    "forecasts-bulk-submit": {"POST": OWN_ACT},
    "forecasts-bulk-decide": {"POST": OWN_ACT},
    "forecast": dict.fromkeys(("GET", "PUT", "PATCH", "DELETE"), MISSING),
    "forecast-history": {"GET": MISSING},
    **{f"forecast-{act}": {"POST": MISSING} for act in ("submit", "recall", "approve", "reject", "return", "adjust")},
    "settings-public": {"GET": (200,) * 5},
    "settings": {
        "GET": (401, 403, 403, 403, 200),
        "POST": (401, 403, 403, 403, 400),
        "PATCH": (401, 403, 403, 403, 400),
    },
    "setting": dict.fromkeys(("GET", "PUT", "DELETE"), (401, 403, 403, 403, 404)),
    "notifications": {"GET": SIGNED_IN},
    "jobs": {"GET": (401, 403, 403, 403, 200)},
    "job-run": {"POST": (401, 403, 403, 403, 404)},
    "tokens": {"GET": SIGNED_IN, "POST": OWN_ACT},
    "token": {"DELETE": MISSING},
    "customers": {"GET": SIGNED_IN, "POST": ADDS},
    "customers-bulk": {"POST": ADDS},
    "customer-statistics": {"GET": SIGNED_IN},
    "customer": MISSING_ROW,
    "products": {"GET": SIGNED_IN, "POST": ADDS},
    "products-bulk": {"POST": ADDS},
    "product-statistics": {"GET": SIGNED_IN},
    "product": MISSING_ROW,
    "product-groups": {"GET": SIGNED_IN},
    "customer-products": {"GET": MISSING},
    "customer-sales": {"GET": MISSING},
    "matrix": {"GET": SIGNED_IN, "POST": ADDS},
    "matrix-bulk": {"POST": ADDS},
    "matrix-entry": MISSING_ROW,
    "matrix-prices": {"GET": MISSING, "POST": MISSING},
    "sales-history": {"GET": SIGNED_IN, "POST": ADDS},
    "sales-history-bulk": {"POST": ADDS},
    **{f"sales-{sums}": {"GET": SIGNED_IN} for sums in ("statistics", "by-month", "top-products", "top-customers")},
    "actual": MISSING_ROW,
    "budget": {"GET": SIGNED_IN},
    "budget-bulk": {"POST": ADDS},
    "excel-import": {"POST": MISSING},
    "excel-import-legacy-workbook": {"POST": (401, 403, 403, 403, 415)},
    "excel-imports": {"GET": (401, 403, 403, 403, 200)},
    "excel-run": {"GET": (401, 403, 403, 403, 404)},
    "excel-errors": {"GET": (401, 403, 403, 403, 404)},
    "excel-apply": {"POST": (401, 403, 403, 403, 404)},
    "excel-undo": {"POST": (401, 403, 403, 403, 404)},
    "excel-template": {"GET": MISSING},
    "excel-export": {"GET": MISSING},
    **{f"audit-{part}": {"GET": (401, 403, 403, 403, 200)} for part in ("logs", "critical-events", "statistics")},
    "audit-my-activity": {"GET": SIGNED_IN},
    "audit-entity": {"GET": MISSING},
}
# What stands in the addresses of single things: things that do not exist.
PARTS = {
    "<int:pk>": "99999999", "<slug:name>": "no_such_thing", "<slug:key>": "no_such_thing",
    "<slug:kind>": "no-such-kind", "<slug:entity_type>": "no_such_kind", "<code:entity_id>": "no/such%20code",
    "<code:customer_id>": "no/such%20code", "<code:item_code>": "no/such%20code",
}  # fmt: skip

pytestmark = pytest.mark.django_db


def addresses() -> dict[str, str]:
    found = {}
    for name, pattern in routes():
        if name.startswith("api:"):
            address = pattern.removeprefix("api/v1").rstrip("/")
            for part, value in PARTS.items():
                address = address.replace(part, value)
            found[name.removeprefix("api:")] = address
    return found


def test_every_operation_has_a_line() -> None:
    assert addresses().keys() == MATRIX.keys()


@pytest.mark.parametrize("who", WHO)
def test_every_verb_answers_as_the_matrix_says(who: str) -> None:
    user = make_user(ROLES[who]) if who in ROLES else None
    with acting("system", source="command"):
        set_value("rate_limit_requests_per_minute", 10_000, by=None)
    before = fingerprint()
    wrong: dict[tuple[str, str], Any] = {}
    for name, address in addresses().items():
        for verb in VERBS:
            expected = MATRIX[name][verb][WHO.index(who)] if verb in MATRIX[name] else 405
            if user is None and expected == 405 and 401 in {row[0] for row in MATRIX[name].values()}:
                expected = 401
            # Each asks anew: signing out ends what it was asked with.
            program = program_of(user) if user else Program()
            answer = program(verb, address, None if verb == "GET" else {})
            if answer.status_code != expected:
                wrong[verb, f"{API}{address}"] = (answer.status_code, expected)
    assert wrong == {}
    left = {"accounts_tokenfamily", "accounts_user"}
    assert [row for row in fingerprint() if row[0] not in left] == [row for row in before if row[0] not in left]
