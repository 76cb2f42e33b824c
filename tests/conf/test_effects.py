"""Every setting has an effect that is tested: here those that show on pages, in mails and in workbooks.

The settings of one part of the portal are tested with that part; `ELSEWHERE` says where, and a setting that stands
nowhere fails.
"""

import io
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from django.test import Client

from audit.context import acting
from forecasts.excel.consolidated import write_workbook
from sop_portal.accounts import mail
from sop_portal.conf.registry import REGISTRY
from sop_portal.conf.services import set_value
from sop_portal.lib.clock import portal_now
from sop_portal.mail.models import OutboxMail
from sop_portal.mail.services import written
from sop_portal.mail.wire import sender
from tests.factories import make_line, make_user

pytestmark = pytest.mark.django_db

ELSEWHERE = {
    "business_time_zone": "tests/cycles/test_deadlines.py",
    "missing_forecast_policy": "tests/forecasts/test_missed_policy.py",
    "auto_close_cycles": "tests/cycles/test_auto.py",
    "auto_open_cycles": "tests/cycles/test_auto.py",
    "holidays": "tests/cycles/test_deadlines.py",
    "reminder_days_before_close": "tests/forecasts/test_reminders.py",
    "notification_email_enabled": "tests/mail/test_queue.py",
    "smtp_host": "tests/mail/smtp.py",
    "smtp_port": "tests/mail/smtp.py",
    "session_timeout_minutes": "tests/accounts/test_sign_in.py",
    "rate_limit_requests_per_minute": "tests/api/test_framework.py",
    "enable_audit_logging": "tests/audit/test_context.py",
    "audit_log_retention_days": "tests/audit/test_retention.py",
    "audit_archive": "tests/audit/test_retention.py",
    "max_file_upload_size_mb": "tests/masterdata/imports/test_upload_settings.py",
    "allowed_file_extensions": "tests/masterdata/imports/test_upload_settings.py",
    "cleanup_temp_files_days": "tests/jobs/test_cleaning.py",
    "max_import_file_size_mb": "tests/masterdata/imports/test_upload_settings.py",
    "demo_company": "tests/forecasts/test_demo.py",
}
HERE = {"app_name", "company_name", "currency", "risk_weights", "from_name", "from_email"}
# Nobody can change them: they say what is so.
FIXED = {"app_version", "horizon_months", "mandatory_months"}


def change(key: str, value: Any) -> None:
    with acting("system", source="command"):
        set_value(key, value, by=None)


def page(address: str, role: str = "admin") -> str:
    client = Client()
    client.force_login(make_user(role), backend="sop_portal.accounts.backends.EmailOrUsernameBackend")
    return client.get(address).content.decode()


def test_every_setting_is_tested_somewhere() -> None:
    assert REGISTRY.keys() == ELSEWHERE.keys() | HERE | FIXED
    assert {key for key, spec in REGISTRY.items() if not spec.editable} == FIXED
    root = Path(__file__).parents[2]
    assert [key for key, file in ELSEWHERE.items() if f'"{key}"' not in (root / file).read_text(encoding="utf-8")] == []


def test_the_names_stand_on_pages_and_in_mails() -> None:
    change("app_name", "Planwerk")
    change("company_name", "Elm & Sons")
    assert "Planwerk</title>" in page("/")
    assert "Elm &amp; Sons" in Client().get("/accounts/login/").content.decode()
    with acting("system", source="command"):
        mail.send_password_links([make_user()], welcome=True)
    letter = OutboxMail.objects.get(kind="welcome")
    assert letter.subject == "Your account in Planwerk"
    assert "Planwerk" in written(letter).text


def test_amounts_are_in_the_currency() -> None:
    line = make_line()
    assert "$" in page(f"/lines/{line.pk}/")
    change("currency", "EUR")
    shown = page(f"/lines/{line.pk}/")
    assert "€" in shown
    assert "$" not in shown.partition("<main")[2]


def test_mails_come_from_the_sender_that_is_set() -> None:
    change("from_name", "Planning office")
    change("from_email", "planning@example.com")
    assert sender() == "Planning office <planning@example.com>"


def test_the_workbook_weighs_lines_by_their_risk() -> None:
    change("risk_weights", {"0": 1, "1": 0.8, "2": 0.5, "3": 0.25})
    line = make_line()
    target = io.BytesIO()
    write_workbook(target, line.cycle, make_user("admin"), portal_now())
    about = openpyxl.load_workbook(target)["About"]
    texts = [str(cell.value) for row in about.iter_rows() for cell in row if cell.value is not None]
    assert any("0.25" in text for text in texts), texts
