"""A token is made by keyboard, copied and revoked; without JavaScript too."""

import pytest
from playwright.sync_api import expect

from sop_portal.accounts import bearer
from tests.browser.conftest import axe
from tests.factories import make_user

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

WIDER_THAN_THE_SCREEN = "() => document.documentElement.scrollWidth > document.documentElement.clientWidth"


def looked_at(page):
    assert axe(page) == []
    assert not page.evaluate(WIDER_THAN_THE_SCREEN)


@pytest.mark.parametrize(("scheme", "width"), [("light", 1440), ("dark", 360)])
def test_a_token_is_made_copied_and_revoked_by_keyboard(portal, scheme, width):
    user = make_user("sales_rep")
    page = portal.page(user, scheme=scheme, width=width)
    page.goto("/accounts/tokens/")
    looked_at(page)
    page.get_by_label("Name").focus()
    page.keyboard.type("Nightly load")
    page.keyboard.press("Tab")
    expect(page.get_by_label("Reading")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    page.keyboard.press("Enter")

    expect(page.get_by_role("heading", level=1)).to_have_text("“Nightly load” is made: copy its text now")
    looked_at(page)
    page.get_by_role("button", name="Copy").press("Enter")
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    expect(page.locator("[data-part=copied]")).to_have_text("The text of the token is copied.")
    owner, shown = bearer.whose(page.evaluate("() => navigator.clipboard.readText()"))
    assert (owner.pk, shown.scopes) == (user.pk, {"read", "write"})

    page.get_by_role("link", name="I have kept it").press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("One of your tokens is valid")
    looked_at(page)
    page.get_by_role("link", name="Revoke Nightly load").press("Enter")
    expect(page.get_by_role("button", name="Revoke the token")).to_be_visible()
    looked_at(page)
    page.get_by_role("button", name="Revoke the token").press("Enter")
    expect(page.locator("#messages")).to_have_text("“Nightly load” is revoked: it is not accepted any more.")
    looked_at(page)


def test_where_the_browser_lets_no_page_copy_the_text_is_selected(portal):
    page = portal.page(make_user("sales_rep"))
    page.goto("/accounts/tokens/")
    page.get_by_label("Name").fill("Nightly load")
    page.keyboard.press("Enter")
    copy = page.get_by_role("button", name="Copy")
    copy.wait_for()
    page.evaluate(
        "() => { navigator.clipboard.writeText = () => Promise.reject(new DOMException('', 'NotAllowedError')); }"
    )
    copy.press("Enter")
    expect(page.locator("[data-part=copied]")).to_have_text(
        "The browser does not let the page copy; the text is selected."
    )
    assert page.evaluate("() => String(getSelection())") == page.locator("[data-example] code").inner_text()


def test_it_needs_no_javascript(portal):
    user = make_user("viewer")
    page = portal.page(user, javascript=False)
    page.goto("/")
    page.locator("details.menu summary").click()
    page.get_by_role("link", name="Tokens of my programs").click()
    page.get_by_label("Name").fill("Report")
    page.get_by_role("button", name="Make the token").click()
    text = page.locator("[data-example] code").inner_text()
    owner, shown = bearer.whose(text)
    assert (owner.pk, shown.scopes) == (user.pk, {"read"})
    expect(page.get_by_role("button", name="Copy")).to_have_count(0)
    page.get_by_role("link", name="I have kept it").click()
    page.get_by_role("link", name="Revoke Report").click()
    page.get_by_role("button", name="Revoke the token").click()
    with pytest.raises(bearer.NotSignedIn):
        bearer.whose(text)
