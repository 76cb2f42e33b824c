"""The pages of the trail in Chromium: narrow and wide, light and dark, with and without JavaScript."""

import re

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from audit import retention
from audit.context import acting
from audit.services import Event, record_many
from tests.audit.sealed import seal_all, write
from tests.audit.test_retention import history, place
from tests.browser.conftest import axe
from tests.factories import make_user

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
__all__ = ["history", "place"]


@pytest.fixture
def claimed():
    with acting("system", source="command"):
        yield


@pytest.fixture
def trail(portal, claimed, history, place):
    """Entries of every severity, some months that left, and a tail that is not sealed."""
    record_many(
        Event(action="user_login_failed", entity_type="user", entity_id=severity, label="Somebody", severity=severity)
        for severity in ("WARNING", "ERROR", "CRITICAL")
    )
    retention.clean(who="cleanup_audit_logs")
    seal_all()
    write("tail")
    return make_user("admin", full_name="Ada Admin")


ADDRESSES = ("audit:list", "audit:critical", "audit:statistics", "audit:seal", "audit:mine")


@pytest.mark.parametrize(("scheme", "width"), [("light", 1440), ("dark", 360)])
def test_every_page_is_accessible_and_fits_its_window(portal, trail, scheme, width):
    page = portal.page(trail, scheme=scheme, width=width)
    for address in ADDRESSES:
        page.goto(reverse(address))
        assert axe(page) == [], address
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), address


def test_the_way_from_the_list_to_the_seal_needs_no_script(portal, trail):
    page = portal.page(trail, javascript=False)
    page.goto(reverse("audit:list"))
    page.get_by_role("link", name="Seal", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("for the seal")
    page.goto(reverse("audit:statistics"))
    page.get_by_role("link", name="Audit trail", exact=True).first.click()
    page.get_by_role("link", name="Critical events").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(re.compile("^Critical events: "))
