"""Changing settings: validated with sentences, permitted, audited; the table keeps what differs."""

import pytest

from audit.context import acting
from audit.models import Entry
from sop_portal import conf
from sop_portal.conf import services
from sop_portal.conf.models import Setting
from sop_portal.lib.errors import NotAllowed, Refused
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def admin():
    user = factories.make_user("admin")
    with acting(user, source="admin"):
        yield user


@pytest.mark.parametrize(
    ("key", "raw", "value"),
    [
        ("app_name", "  Plan  ", "Plan"),
        ("company_name", "", ""),
        ("currency", "eur", "EUR"),
        ("business_time_zone", "America/New_York", "America/New_York"),
        ("missing_forecast_policy", "zero", "zero"),
        ("risk_weights", {"0": "1", "1": "0.8", "2": 0.5, "3": 0}, {"0": 1.0, "1": 0.8, "2": 0.5, "3": 0.0}),
        ("session_timeout_minutes", "30", 30),
        ("max_import_file_size_mb", 20, 20),
        ("from_email", "plan@example.com", "plan@example.com"),
        ("smtp_host", "smtp.example.com", "smtp.example.com"),
        ("smtp_port", "25", 25),
        ("enable_audit_logging", "no", False),
    ],
)
def test_values_are_typed(admin, key, raw, value):
    assert services.set_value(key, raw, by=admin) == value
    assert conf.get(key) == value
    assert type(conf.get(key)) is type(value)


@pytest.mark.parametrize(
    ("key", "raw", "sentence"),
    [
        ("app_name", "", "Name of the portal must not be empty."),
        ("app_name", "x" * 201, "Name of the portal may have up to 200 characters, not 201."),
        ("app_name", "a\nb", "Name of the portal must not contain line breaks or invisible characters."),
        ("app_name", 7, "Name of the portal must be text."),
        ("currency", "dollar", "Currency must be a code of three letters such as USD."),
        (
            "business_time_zone",
            "Mars/Base",
            "Business time zone must be the name of a time zone such as America/New_York.",
        ),
        ("missing_forecast_policy", "guess", "Plan of a missed line must be one of carry_over, last_saved, zero."),
        ("session_timeout_minutes", "4", "must be a whole number from 5 to 720, not 4."),
        ("session_timeout_minutes", "1e3", "must be a whole number from 5 to 720."),
        ("session_timeout_minutes", "٣٠", "must be a whole number from 5 to 720."),
        ("session_timeout_minutes", True, "must be a whole number from 5 to 720."),
        ("session_timeout_minutes", 30.0, "must be a whole number from 5 to 720."),
        ("session_timeout_minutes", None, "must be a whole number from 5 to 720."),
        ("risk_weights", {"0": 1}, "must give each risk class 0, 1, 2 and 3 a weight from 0 to 1."),
        ("risk_weights", {"0": 1, "1": 1, "2": 1, "3": float("nan")}, "a weight from 0 to 1."),
        ("risk_weights", {"0": 1, "1": 0.5, "2": 0.7, "3": 0}, "a riskier class cannot weigh more"),
        ("from_email", "nobody", "Sender address must be an e-mail address such as noreply@example.com."),
        ("smtp_host", "https://x", "Mail server must be the name of a server such as smtp.example.com."),
        ("enable_audit_logging", "maybe", "Audit trail must be yes or no."),
        ("app_version", "9", "Version cannot be changed while the portal runs."),
        ("horizon_months", 12, "Horizon cannot be changed while the portal runs."),
        ("no_such", 1, "There is no setting 'no_such'."),
    ],
)
def test_values_that_do_not_fit_are_refused_with_a_sentence(admin, key, raw, sentence):
    with pytest.raises(Refused) as refusal:
        services.set_value(key, raw, by=admin)
    assert sentence in refusal.value.lines[key]
    assert not Setting.objects.exists()


@pytest.mark.parametrize("role", ["sales_rep", "manager", "viewer"])
def test_only_admins_change_settings(role):
    with pytest.raises(NotAllowed):
        services.set_value("currency", "EUR", by=factories.make_user(role))
    with pytest.raises(NotAllowed):
        services.reset("currency", by=factories.make_user(role))


def entries() -> list[tuple]:
    found = Entry.objects.filter(entity_type="setting", entity_id="currency").order_by("id")
    return [(entry.action, entry.changes) for entry in found]


def test_changes_are_audited_and_only_differences_are_stored(admin, committed_steps):
    services.set_value("currency", "EUR", by=admin)
    committed_steps()
    services.set_value("currency", "CHF", by=admin)
    committed_steps()
    services.set_value("currency", "CHF", by=admin)
    committed_steps()
    assert services.reset("currency", by=admin) == "USD"
    committed_steps()
    services.set_value("currency", "USD", by=admin)
    assert entries() == [
        ("setting_created", {"value": [None, "EUR"]}),
        ("setting_updated", {"value": ["EUR", "CHF"]}),
        ("setting_deleted", {"value": ["CHF", None]}),
    ]
    assert not Setting.objects.exists()
    entry = Entry.objects.filter(entity_type="setting").first()
    assert (entry.actor_id, entry.source, entry.severity) == (admin.pk, "admin", "WARNING")


@pytest.fixture
def committed_steps():
    """Make the trail believe that a new transaction begins."""
    from django.db import connection

    def renew() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('audit.tx', '', true)")

    return renew
