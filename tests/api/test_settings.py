"""Settings by the API."""

from typing import Any

import pytest

from audit.models import Entry
from sop_portal import conf
from sop_portal.conf.models import Setting
from sop_portal.conf.registry import REGISTRY
from tests.api.helpers import Program, program_of
from tests.factories import make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin() -> Program:
    return program_of(make_user("admin"))


def test_public_settings_are_everybodys() -> None:
    told = Program()("GET", "/settings/public").json()
    assert told.keys() == {spec.key for spec in REGISTRY.values() if spec.public}
    assert (told["currency"], told["horizon_months"]) == ("USD", 16)
    assert "smtp_host" not in told


def test_a_setting_is_changed_and_reset(admin: Program) -> None:
    before = admin("GET", "/settings/currency").json()
    assert (before["value"], before["default"], before["is_changed"]) == ("USD", "USD", False)
    changed = admin("PUT", "/settings/currency", {"value": "EUR"})
    assert (changed.status_code, changed.json()["is_changed"], conf.get("currency")) == (200, True, "EUR")
    assert Program()("GET", "/settings/public").json()["currency"] == "EUR"
    assert Entry.objects.filter(action="setting_created", entity_id="currency").exists()
    assert admin("DELETE", "/settings/currency").status_code == 204
    assert conf.get("currency") == "USD"
    assert admin("GET", "/settings/nothing").status_code == 404


@pytest.mark.parametrize(
    ("key", "body", "status"),
    [
        ("currency", {"value": "euro"}, 422),
        ("currency", {"value": None}, 422),
        ("currency", {}, 400),
        ("currency", {"value": "EUR", "default": "EUR"}, 400),
        ("session_timeout_minutes", {"value": 4}, 422),
        ("session_timeout_minutes", {"value": 10.5}, 422),
        ("smtp_host", {"value": "mail.example.com\nBcc: x"}, 422),
        ("app_version", {"value": "9"}, 422),
    ],
)
def test_a_value_that_does_not_fit_is_named(admin: Program, key: str, body: Any, status: int) -> None:
    answered = admin("PUT", f"/settings/{key}", body)
    assert answered.status_code == status
    assert answered.json()["errors"][0]["pointer"] in ("/value", "/default")
    assert not Setting.objects.exists()


def test_several_are_changed_or_none(admin: Program) -> None:
    refused = admin("PATCH", "/settings", {"values": {"currency": "EUR", "smtp_port": 0, "nothing": 1}})
    assert refused.status_code == 422
    assert [fault["pointer"] for fault in refused.json()["errors"]] == ["/values/nothing", "/values/smtp_port"]
    assert conf.get("currency") == "USD"
    changed = admin(
        "PATCH", "/settings", {"values": {"currency": "EUR", "risk_weights": {"0": 1, "1": 0.5, "2": 0.5, "3": 0}}}
    )
    assert [row["value"] for row in changed.json()["results"]] == ["EUR", {"0": 1.0, "1": 0.5, "2": 0.5, "3": 0.0}]


def test_one_of_ones_own(admin: Program) -> None:
    body = {"key": "cost_centre", "category": "GENERAL", "kind": "text", "label": "Cost centre", "value": "4711"}
    made = admin("POST", "/settings", body)
    assert (made.status_code, made.json()["own"], made.json()["value"]) == (201, True, "4711")
    taken = admin("POST", "/settings", body)
    assert (taken.status_code, taken.json()["errors"][0]["pointer"]) == (422, "/key")
    assert admin("PUT", "/settings/cost_centre", {"value": "4712"}).json()["value"] == "4712"
    assert "cost_centre" in {row["key"] for row in admin("GET", "/settings").json()["results"]}
    assert admin("DELETE", "/settings/cost_centre").status_code == 204
    assert admin("GET", "/settings/cost_centre").status_code == 404


def test_a_setting_is_changed_as_its_author_saw_it(admin: Program) -> None:
    address = "/settings/rate_limit_requests_per_minute"
    seen = admin("GET", address)
    changed = admin("PUT", address, {"value": 90}, If_Match=seen["ETag"])
    assert (changed.status_code, changed.json()["value"]) == (200, 90)
    assert changed["ETag"] == admin("GET", address)["ETag"] != seen["ETag"]
    # Another process may have changed it within the second in which this one remembers.
    Setting.objects.filter(key="rate_limit_requests_per_minute").update(value=120)
    stale = admin("PUT", address, {"value": 100}, If_Match=changed["ETag"])
    assert (stale.status_code, stale.json()["current"]["value"]) == (412, 120)
    assert admin("DELETE", address, If_Match=changed["ETag"]).status_code == 412
    assert Setting.objects.get(key="rate_limit_requests_per_minute").value == 120
    assert admin("DELETE", address, If_Match=admin("GET", address)["ETag"]).status_code == 204
    assert not Setting.objects.exists()
