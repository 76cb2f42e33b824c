"""The integration guide as a page: it is read on any screen, and its examples are copied."""

import pytest
from playwright.sync_api import expect

from sop_portal.guide import rendered
from tests.browser.conftest import axe
from tests.factories import make_user

pytestmark = pytest.mark.browser

WIDER_THAN_THE_SCREEN = "() => document.documentElement.scrollWidth > document.documentElement.clientWidth"


@pytest.mark.parametrize(("scheme", "width"), [("light", 1440), ("dark", 360)])
def test_the_guide_is_read_and_copied(portal, settings, scheme, width):
    settings.SITE_URL = portal.base_url
    page = portal.page(make_user("viewer"), scheme=scheme, width=width)
    page.goto("/api/guide")
    expect(page.get_by_role("heading", level=1)).to_have_text("Integration guide")
    assert axe(page) == []
    assert not page.evaluate(WIDER_THAN_THE_SCREEN)

    examples = page.locator("[data-example]")
    every = examples.count()
    page.get_by_role("link", name="Python", exact=True).click()
    page.wait_for_url("**?in=python")
    assert 0 < examples.count() < every / 2
    assert page.get_by_text("In the shell it prints").count() > 5
    assert axe(page) == []

    first = examples.first
    first.get_by_role("button", name="Copy").click()
    expect(first.get_by_role("button", name="Copied")).to_be_visible()
    copied = page.evaluate("() => navigator.clipboard.readText()")
    assert f'API = "{portal.base_url}/api/v1"' in copied
    compile(copied, "copied", "exec")

    page.get_by_role("link", name="Limits", exact=True).click()
    expect(page.locator("#limits")).to_be_in_viewport()


def test_the_guide_needs_no_javascript(portal):
    page = portal.page(make_user("sales_rep"), javascript=False)
    page.goto("/")
    page.locator("details.menu summary").click()
    page.get_by_role("link", name="For programs: the API").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Integration guide")
    expect(page.get_by_role("button", name="Copy")).to_have_count(0)
    expect(page.get_by_role("link", name="Every operation")).to_have_attribute("href", "/api/docs")


def test_an_address_is_no_markup():
    told = rendered(("bash",), "https://x.example.com/<b>")
    assert "<b>" not in told.html
    assert "https://x.example.com/&lt;b&gt;/api/v1" in told.html
