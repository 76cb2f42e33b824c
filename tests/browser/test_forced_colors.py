"""Colours that the system chooses: what is chosen, current or refused is still to be seen where backgrounds are gone."""

from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Portal
from tests.factories import submit
from tests.forecasts.test_reasons import make_book

pytestmark = pytest.mark.browser

STYLE = """([which, property, pseudo]) => getComputedStyle(document.querySelector(which), pseudo)[property]"""


def style(page: Any, which: str, property: str, pseudo: str | None = None) -> str:
    return page.evaluate(STYLE, [which, property, pseudo])


def test_the_grid_shows_what_is_selected_and_what_is_not_accepted(portal: Portal) -> None:
    book = make_book()
    page = portal.page(book.rep, forced_colors="active")
    page.goto(f"/forecast/{book.cycle.pk}/{book.lines['P2'].customer_id}/")
    page.locator("td.cur").click()
    page.keyboard.type("1e3")
    page.keyboard.press("Tab")
    page.locator("td.bad").wait_for()
    assert style(page, "td.bad", "textDecorationStyle") == "wavy"
    page.keyboard.press("Shift+ArrowRight")
    plain = style(page, "td.c:not(.sel, .cur)", "backgroundColor")
    expect(page.locator("td.sel:not(.cur)")).not_to_have_css("background-color", plain)
    current, other = (
        style(page, f".segmented > {which}", "backgroundColor") for which in ("[aria-current]", "a:not([aria-current])")
    )
    assert current != other


def test_where_one_is_shows_in_the_bar_in_the_menu_in_the_queue_and_in_the_search(portal: Portal) -> None:
    book = make_book()
    for line in book.lines.values():
        submit(line, by=book.rep)
    page = portal.page(book.manager, forced_colors="active")
    page.goto("/review/")
    page.keyboard.press("j")
    assert style(page, "tr[data-line][aria-current]", "outlineStyle") == "solid"
    assert style(page, "tr[data-line]:not([aria-current])", "outlineStyle") == "none"
    current, other = (
        style(page, f".places a{which}", "borderBottomColor") for which in ("[aria-current]", ":not([aria-current])")
    )
    assert current != other
    # A triangle: its sides have no colour.
    assert style(page, ".menu > summary", "borderLeftColor", "::after") == "rgba(0, 0, 0, 0)"
    page.keyboard.type("/garlic")
    page.locator(".search-hits [role=option]").first.wait_for()
    page.keyboard.press("ArrowDown")
    plain = style(page, ".search-hits [role=option]:not([aria-selected=true])", "backgroundColor")
    expect(page.locator(".search-hits [aria-selected=true]")).not_to_have_css("background-color", plain)
