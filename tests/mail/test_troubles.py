"""Failed jobs are told to administrators, and nothing that people type reaches a header."""

import datetime as dt
from typing import Any

import pytest
from django.test import Client

from audit.context import acting
from sop_portal import conf
from sop_portal.accounts.models import User
from sop_portal.jobs import recording
from sop_portal.jobs.recording import Asked
from sop_portal.lib.jobs import SCHEDULES, Schedule
from sop_portal.mail.models import Notification, OutboxMail
from tests.factories import make_user
from tests.mail.helpers import delivered

pytestmark = pytest.mark.django_db
NEWLINES = ("\n", "\r\n", "\r", "\x0b", "\x85")


class TestAFailedJob:
    def fail(self, monkeypatch: pytest.MonkeyPatch, schedule: Schedule) -> None:
        def broken() -> None:
            raise OSError("No space left on device")

        monkeypatch.setitem(SCHEDULES, schedule.name, schedule)
        with acting("system", source="job"), pytest.raises(OSError, match="No space"):
            recording.run(schedule, Asked(), broken)

    def test_is_told_to_those_who_can_see_to_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        boss, rep = make_user("admin", time_zone="America/New_York"), make_user("sales_rep")
        make_user("admin", is_active=False)
        daily = Schedule("test_daily", "tests.daily", "Counts the stars.", "0", "9", "*")
        self.fail(monkeypatch, daily)
        (mail,) = OutboxMail.objects.filter(kind="job_failed")
        assert mail.user == boss and mail.subject == "A job failed: test_daily"
        for word in ("OSError: No space left on device", "Counts the stars.", "(New York)"):
            assert word in mail.text
        client = Client()
        client.force_login(boss)
        assert client.get(Notification.objects.get(user=boss).url).status_code == 200
        assert not Notification.objects.filter(user=rep).exists()
        self.fail(monkeypatch, daily)
        assert OutboxMail.objects.filter(kind="job_failed").count() == 2

    def test_of_every_few_minutes_is_told_once_a_day(self, monkeypatch: pytest.MonkeyPatch, at: Any) -> None:
        make_user("admin")
        often = Schedule("test_often", "tests.often", "A job of the tests.", "*", "*", "*")
        noon = dt.datetime(2026, 11, 27, 12, tzinfo=dt.UTC)
        for minutes, wanted in ((0, 1), (1, 1), (24 * 60, 2)):
            at(noon + dt.timedelta(minutes=minutes))
            self.fail(monkeypatch, often)
            assert OutboxMail.objects.filter(kind="job_failed").count() == wanted


class TestHeaders:
    """A line break in what ends up in a header is refused where it is typed, with a sentence."""

    @pytest.fixture
    def page(self) -> Client:
        client = Client()
        client.force_login(make_user("admin"))
        return client

    @pytest.mark.parametrize("key", ["from_name", "from_email", "app_name", "smtp_host"])
    @pytest.mark.parametrize("newline", NEWLINES)
    def test_of_a_setting(self, page: Client, key: str, newline: str) -> None:
        before = conf.get(key)
        value = f"portal@example.com{newline}Bcc: all@example.com"
        answer = page.post(f"/admin/conf/setting/{key}/", {"value": value})
        assert answer.status_code == 422
        (sentence,) = answer.context["form"].errors["value"]
        assert sentence.endswith(".") and ("line break" in sentence or "must be" in sentence), sentence
        assert conf.get(key) == before

    @pytest.mark.parametrize("newline", NEWLINES)
    def test_of_a_user(self, page: Client, newline: str) -> None:
        for field, value in (
            ("email", f"rosa@example.com{newline}Bcc: all@example.com"),
            ("full_name", f"Rosa{newline}Bcc: all@example.com"),
        ):
            form = {"full_name": "Rosa", "email": "rosa@example.com", "time_zone": "UTC", field: value}
            answer = page.post("/admin/accounts/user/add/", form)
            (sentence,) = answer.context["adminform"].form.errors[field]
            assert sentence.endswith("."), sentence
        assert not User.objects.filter(email__startswith="rosa").exists()

    @pytest.mark.parametrize("newline", NEWLINES)
    def test_of_an_address_that_asks_for_a_link(self, newline: str) -> None:
        rosa = make_user(email="rosa@example.com")
        answer = Client().post("/accounts/password/reset/", {"email": f"{rosa.email}{newline}Bcc: all@example.com"})
        assert answer.status_code == 422
        assert delivered() == []
