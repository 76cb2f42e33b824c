"""The review page in Chromium, by keyboard."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Portal
from tests.factories import submit
from tests.forecasts.test_reasons import make_book

pytestmark = pytest.mark.browser


def test_the_line_in_focus_never_hides_behind_the_bar_of_decisions(portal: Portal) -> None:
    book = make_book()
    for line in book.lines.values():
        submit(line, by=book.rep)
    page = portal.page(book.manager)
    page.set_viewport_size({"width": 1100, "height": 420})
    page.goto("/review/")
    covered = """() => document.activeElement.getBoundingClientRect().bottom
        - document.querySelector(".bar-actions.sticky").getBoundingClientRect().top"""
    for _ in range(len(book.lines) - 1):
        page.keyboard.press("j")
        assert page.evaluate("() => document.activeElement.matches('tr[aria-current]')")
        assert page.evaluate(covered) < 1
    # What the browser would offer there from elsewhere would cover the buttons.
    expect(page.locator("[data-review-comment]")).to_have_attribute("autocomplete", "off")
    # The boxes and links that Tab goes through likewise.
    page.locator("tr[data-line] input[type=checkbox]").first.focus()
    for _ in range(2 * len(book.lines)):
        page.keyboard.press("Tab")
        if page.evaluate("() => Boolean(document.activeElement.closest('tr[data-line]'))"):
            assert page.evaluate(covered) < 1
