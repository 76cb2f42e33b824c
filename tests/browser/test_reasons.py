"""Reasons of large changes in Chromium: without JavaScript, and for axe in light and dark and on a phone."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import axe
from tests.forecasts.test_reasons import make_book

pytestmark = pytest.mark.browser


def test_a_reason_is_given_without_javascript_and_kept_when_refused(portal):
    book = make_book()
    line, other = book.lines["P2"], book.lines["P5"]
    page = portal.page(book.rep, javascript=False)
    page.goto(book.url)
    page.get_by_label(f"Reason, {line.product.description}").select_option("other")
    page.get_by_label(f"In a few words, {other.product.description}").fill("Easter leaflet")
    page.get_by_role("button", name="Submit 7 lines").click()
    refused = page.get_by_label(f"In a few words, {line.product.description}")
    expect(refused).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label(f"In a few words, {other.product.description}")).to_have_value("Easter leaflet")
    refused.fill("Mill closed")
    page.get_by_role("button", name="Submit 7 lines").click()
    page.wait_for_url("**/forecast/")
    for each, told in ((line, "other: Mill closed"), (other, "other: Easter leaflet")):
        each.refresh_from_db()
        assert (each.status, each.change_reason) == ("submitted", told)
    reader = portal.page(book.manager, javascript=False)
    reader.goto("/review/")
    expect(reader.get_by_text("Mill closed")).to_be_visible()


def test_the_summary_is_accessible(portal):
    book = make_book()
    for scheme, width in (("light", 1440), ("dark", 1440), ("light", 360)):
        page = portal.page(book.rep, scheme=scheme, width=width)
        page.goto(book.url)
        page.get_by_label("Reason, Garlic P2").select_option("other")
        page.get_by_role("button", name="Submit 7 lines").click()
        page.get_by_text("Say in a few words what the other reason is.").first.wait_for()
        assert axe(page) == []
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
