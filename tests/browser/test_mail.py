"""Notices and the outbox in Chromium: with and without scripts, nothing that axe finds, mails in light and dark."""

import time

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from sop_portal.mail.models import Notification, OutboxMail
from sop_portal.mail.services import Letter, queue_many
from tests.browser.conftest import axe
from tests.factories import make_user

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
STUCK = {"count_words": "41 mails", "url": "/accounts/profile/"}


def tell(user, *names):
    queue_many("mail_stuck", [Letter(user, f"{name}:{user.pk}", {**STUCK, "since": name}) for name in names])


def until(true):
    for _ in range(100):
        if true():
            return
        time.sleep(0.1)
    raise AssertionError("it did not happen in ten seconds")


@pytest.mark.parametrize(("scheme", "width"), [("light", 1440), ("dark", 360)])
def test_every_page_is_accessible_and_fits_its_window(portal, scheme, width):
    boss = make_user("admin")
    tell(boss, "noon", "a very long name " * 8)
    mail = OutboxMail.objects.first()
    notices = [reverse("mail:notices"), f"{reverse('mail:notices')}?show=unread"]
    outbox = [
        reverse("admin:mail_outboxmail_changelist"), reverse("admin:mail_outboxmail_change", args=[mail.pk]),
        reverse("admin:mail_test"), reverse("admin:mail_kinds"), reverse("admin:mail_kind", args=["welcome"]),
    ]  # fmt: skip
    page = portal.page(boss, scheme=scheme, width=width)
    for address in notices:
        page.goto(address)
        assert axe(page) == [], address
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), address
    for address in outbox:
        page.goto(address)
        assert axe(page, preload=False) == [], address


def test_following_a_notice_marks_it_as_read(portal):
    rosa = make_user("sales_rep")
    tell(rosa, "noon")
    page = portal.page(rosa)
    page.goto("/notices/")
    page.get_by_role("link", name="41 mails").click()
    page.wait_for_url("**/accounts/profile/")
    until(lambda: not Notification.objects.unread().exists())


def test_without_scripts_buttons_do_it(portal):
    rosa = make_user("sales_rep")
    tell(rosa, "morning", "noon")
    page = portal.page(rosa, javascript=False)
    page.goto("/notices/")
    page.get_by_role("button", name="Mark as read: 41 mails waiting to be sent since noon").click()
    expect(page.locator(".topbar-notices .badge")).to_have_text("1 not read")
    page.get_by_role("button", name="Mark all as read").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("You have read all notices")
    assert not Notification.objects.unread().exists()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_mail_is_shown_as_it_looks(portal, scheme):
    """The preview runs nothing and fetches nothing; its colours follow the reader's."""
    boss = make_user("admin")
    tell(boss, "noon")
    page = portal.page(boss, scheme=scheme)
    page.goto(reverse("admin:mail_outboxmail_change", args=[OutboxMail.objects.get().pk]))
    frame = page.frame_locator("iframe.mail-html")
    expect(frame.get_by_role("link", name="Open the outbox")).to_be_visible()
    ground = {"light": "rgb(255, 255, 255)", "dark": "rgb(24, 29, 27)"}[scheme]
    expect(frame.locator(".column")).to_have_css("background-color", ground)
