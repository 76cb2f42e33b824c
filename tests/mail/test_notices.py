"""Notices: the badge, the list, marking as read, each person their own; old ones go."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from audit.context import acting
from sop_portal.accounts.models import User
from sop_portal.conf.services import set_value
from sop_portal.mail import health, sending, tasks
from sop_portal.mail.models import Notification, OutboxMail
from sop_portal.mail.services import Letter, queue, queue_many
from tests.factories import make_user
from tests.world import count_queries

pytestmark = pytest.mark.django_db
KIND = "mail_stuck"
STUCK: dict[str, Any] = {"count_words": "41 mails", "since": "noon", "url": "/accounts/profile/"}
LIST = "/notices/"


@pytest.fixture
def rosa() -> User:
    return make_user("sales_rep")


@pytest.fixture
def browser(rosa: User) -> Client:
    client = Client()
    client.force_login(rosa)
    return client


def tell(user: User, *names: str) -> list[Notification]:
    queue_many(KIND, [Letter(user, f"{name}:{user.pk}", {**STUCK, "since": name}) for name in names])
    return [Notification.objects.get(key=f"{name}:{user.pk}") for name in names]


def test_the_badge_counts_what_is_not_read(browser: Client, rosa: User) -> None:
    tell(make_user(), "somebody else's")
    assert 'class="badge"' not in browser.get("/accounts/profile/").content.decode()
    tell(rosa, "one", "two")
    assert '<span class="badge">2<span class="visually-hidden"> not read' in (
        browser.get("/accounts/profile/").content.decode()
    )


def test_the_list_is_ones_own_with_links(browser: Client, rosa: User) -> None:
    tell(rosa, "<b>one", "two")
    tell(make_user(), "CANARY")
    page = browser.get(LIST).content.decode()
    assert "Two notices you have not read" in page
    assert page.index("since two") < page.index("since &lt;b&gt;one")
    assert 'href="/accounts/profile/"' in page and "CANARY" not in page


def test_one_is_marked_as_read_and_then_all(browser: Client, rosa: User) -> None:
    one = tell(rosa, "one", "two", "three")[0]
    answer = browser.post(reverse("mail:read", args=[one.pk]), {"show": "unread"}, follow=True)
    assert answer.redirect_chain[-1][0] == f"{LIST}?show=unread"
    page = answer.content.decode()
    assert "since one" not in page and "since two" in page
    one.refresh_from_db()
    first_read = one.read_at
    answer = browser.post(reverse("mail:read_all"), follow=True)
    assert "2 notices are marked as read." in answer.content.decode()
    assert not Notification.objects.visible_to(rosa).unread().exists()
    one.refresh_from_db()
    assert one.read_at == first_read
    assert "You have read all notices" in browser.get(LIST).content.decode()
    assert "Nothing new" in browser.get(f"{LIST}?show=unread").content.decode()


def test_a_script_that_marks_gets_no_page(browser: Client, rosa: User) -> None:
    (one,) = tell(rosa, "one")
    answer = browser.post(reverse("mail:read", args=[one.pk]), headers={"Sec-Fetch-Dest": "empty"})
    assert answer.status_code == 204
    assert not Notification.objects.unread().exists()


def test_those_of_others_are_not_there(browser: Client, rosa: User) -> None:
    other = make_user()
    (theirs,) = tell(other, "theirs")
    assert browser.post(reverse("mail:read", args=[theirs.pk])).status_code == 404
    browser.post(reverse("mail:read_all"))
    assert Notification.objects.visible_to(other).unread().count() == 1
    assert browser.get(LIST).status_code == 200 and browser.get(f"{LIST}?after=x&show=x").status_code == 200
    assert browser.get(reverse("mail:read_all")).status_code == 405


def test_pages_cost_the_same_with_many(browser: Client, rosa: User) -> None:
    tell(rosa, "one")
    few = count_queries(browser, LIST)
    tell(rosa, *(f"number {n}" for n in range(70)))
    many = count_queries(browser, LIST)
    assert few == many
    page = browser.get(LIST)
    assert len(page.context["rows"]) == 50
    rest = browser.get(LIST + page.context["pager"]["next_url"])
    assert len(rest.context["rows"]) == 21


def test_old_ones_go_and_what_still_waits_stays(rosa: User, at: Callable[[Any], None]) -> None:
    now = timezone.now()
    at(now - dt.timedelta(days=91))
    old, waiting = tell(rosa, "old", "waiting")
    OutboxMail.objects.filter(key=old.key).update(state="sent")
    at(now - dt.timedelta(days=89))
    (young,) = tell(rosa, "young")
    at(now)
    assert tasks.forget_old_mail() == {"notices": 2, "mails": 1}
    assert list(Notification.objects.all()) == [young]
    assert set(OutboxMail.objects.values_list("key", flat=True)) == {waiting.key, young.key}


class TestTroubles:
    def banner(self, role: str) -> str:
        client = Client()
        client.force_login(make_user(role))
        return str(client.get("/accounts/profile/").content.decode())

    def test_mail_that_is_switched_off_is_a_red_banner_for_admins(self) -> None:
        assert "Mail is off" not in self.banner("admin")
        with acting("system", source="command"):
            set_value("notification_email_enabled", False, by=None)
        assert 'banner-bad" role="alert">Mail is off' in self.banner("admin")
        assert "Mail is off" not in self.banner("sales_rep")

    def test_mail_that_is_stuck_is_shown_and_told_once_a_day(
        self, rosa: User, at: Callable[[Any], None], monkeypatch: pytest.MonkeyPatch, client: Client
    ) -> None:
        boss = make_user("admin", time_zone="America/New_York")
        noon = dt.datetime(2026, 11, 27, 17, tzinfo=dt.UTC)
        monkeypatch.setattr(sending, "claim", lambda: (None, []))
        at(noon)
        queue(KIND, rosa, key="x", context=STUCK)
        OutboxMail.objects.update(error="The mail server did not answer in time.")
        at(noon + health.LATE)
        tasks.send_outbox()
        assert health.stuck() is None and health.state() == "ok"
        for minute in (1, 2):
            at(noon + health.LATE + dt.timedelta(minutes=minute))
            tasks.send_outbox()
        (told,) = OutboxMail.objects.filter(user=boss)
        assert told.subject == "1 mail waiting to be sent since Fri 27 Nov 2026, 12:00 (New York)"
        assert "did not answer in time" in told.text
        assert Notification.objects.get(user=boss).url == "/admin/mail/outboxmail/?state__exact=pending"
        assert not OutboxMail.objects.exclude(user=rosa).exclude(user=boss).exists()
        assert "Mail is stuck: 1 mail could not be sent" in self.banner("admin")
        assert "Mail is stuck" not in self.banner("manager")
        answer = client.get("/ready").json()
        assert answer["parts"]["mail"] == "1 waiting" and answer["status"] == "degraded"
        at(noon + dt.timedelta(days=1))
        tasks.send_outbox()
        assert OutboxMail.objects.filter(user=boss).count() == 2
