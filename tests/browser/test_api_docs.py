"""The page of the API in Chromium: read, signed in to with a token and tried out, by keyboard, without a report of the
content security policy (the fixture `portal` fails on one)."""

import json
import re
from typing import Any

import pytest
from playwright.sync_api import expect

from sop_portal.accounts import bearer
from sop_portal.accounts.models import PersonalToken
from tests.browser.conftest import axe
from tests.factories import make_user

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

# How Swagger UI nests its landmarks: advice, no rule of WCAG, and out of reach.
LANDMARKS = ("landmark-main-is-top-level", "landmark-no-duplicate-main", "landmark-unique")


def opened(portal: Any, user: Any, **window: Any) -> Any:
    page = portal.page(user, **window)
    page.goto("/api/docs")
    page.locator(".opblock").first.wait_for()
    return page


def tried(page: Any, operation: str) -> Any:
    """An operation, open and ready to be asked, by keyboard alone."""
    block = page.locator(f"[id^=operations-][id$=-{operation}]")
    block.locator("button.opblock-summary-control").focus()
    page.keyboard.press("Enter")
    block.get_by_role("button", name="Try it out").focus()
    page.keyboard.press("Enter")
    return block


def executed(page: Any, block: Any) -> Any:
    """The body of the answer."""
    block.get_by_role("button", name="Execute").focus()
    page.keyboard.press("Enter")
    answer = block.locator(".live-responses-table .response-col_description .highlight-code pre").first
    answer.wait_for()
    return json.loads(answer.text_content())


@pytest.mark.parametrize(("scheme", "width"), [("light", 1440), ("dark", 360)])
def test_it_is_accessible_and_fits_its_window(portal: Any, scheme: str, width: int) -> None:
    page = opened(portal, make_user("admin"), scheme=scheme, width=width)
    executed(page, tried(page, "auth_me"))
    tried(page, "customers_create")
    page.locator(".btn.authorize").first.click()
    assert [found for found in axe(page) if not found.startswith(LANDMARKS)] == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_operations_are_tried_with_the_session_of_the_page(portal: Any) -> None:
    user = make_user("sales_rep", email="rita@example.com")
    page = opened(portal, user)
    block = tried(page, "tokens_create")
    block.get_by_label("Body of the request").fill('{"name": "from the page", "scopes": ["read"]}')
    assert executed(page, block)["name"] == "from the page"
    assert PersonalToken.objects.get(user=user).name == "from the page"


def test_operations_are_tried_with_a_token_that_is_typed(portal: Any) -> None:
    other = make_user("viewer", email="vera@example.com")
    page = opened(portal, make_user("admin", email="ada@example.com"))
    assert executed(page, tried(page, "auth_me"))["email"] == "ada@example.com"
    page.locator(".btn.authorize").first.focus()
    page.keyboard.press("Enter")
    # A session cannot be typed, so a token is all that is asked for.
    expect(page.locator(".auth-container input:visible")).to_have_count(1)
    expect(page.locator("#auth-bearer-value")).to_be_focused()
    page.keyboard.type(bearer.issue(other).access)
    page.keyboard.press("Enter")
    expect(page.locator(".modal-ux").get_by_role("button", name="Remove authorization")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator(".modal-ux")).to_have_count(0)
    expect(page.locator(".btn.authorize").first).to_be_focused()
    block = page.locator("[id$=-auth_me]")
    block.get_by_role("button", name="Execute").click()
    expect(block.locator(".live-responses-table .response-col_description .highlight-code pre").first).to_contain_text(
        "vera@example.com"
    )


def test_one_stop_of_the_keyboard_opens_an_operation(portal: Any) -> None:
    page = opened(portal, make_user("viewer"))
    first, second = (page.locator("button.opblock-summary-control").nth(number) for number in (0, 1))
    first.focus()
    for _ in range(4):
        page.keyboard.press("Tab")
        if second.evaluate("button => button === document.activeElement"):
            break
    expect(second).to_be_focused()
    page.keyboard.press("Enter")
    expect(second).to_have_attribute("aria-expanded", "true")


def test_without_a_script_it_leads_to_the_description(portal: Any) -> None:
    page = portal.page(make_user("viewer"), javascript=False)
    page.goto("/api/docs")
    page.get_by_role("link", name="the description itself").click()
    expect(page.locator("body")).to_contain_text(re.compile(r'"openapi":\s*"3\.1\.0"'))
