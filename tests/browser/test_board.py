"""The submission board in Chromium: accessible, narrow and dark, and from a tick to a reminder with and without
JavaScript."""

import datetime as dt

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import expect

from audit.context import acting
from cycles.models import Participant
from sop_portal.mail.models import OutboxMail
from tests.browser.conftest import axe
from tests.world import decided, make_world, submitted

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
BOARD = reverse("forecasts:board")


@pytest.fixture
def world(portal):
    made = make_world(lines=3, closes_at=timezone.now() + dt.timedelta(days=3))
    submitted(made.lines)
    decided("return", made.lines[:1], made.manager)
    OutboxMail.objects.all().delete()
    return made


@pytest.mark.parametrize(("scheme", "width"), [("light", 1440), ("dark", 360)])
def test_every_tab_is_accessible_and_fits_its_window(portal, world, scheme, width):
    page = portal.page(world.admin, scheme=scheme, width=width)
    remind = f"{reverse('forecasts:remind')}?cycle={world.cycle.pk}"
    for address in (
        BOARD,
        f"{BOARD}?by=customer",
        f"{BOARD}?by=product",
        f"{BOARD}?state=approved",
        remind,
        reverse("home"),
    ):
        page.goto(address)
        assert axe(page) == [], address
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), address


def test_a_telephone_shows_how_much_of_how_much_without_scrolling(portal, world):
    """The last digits of a rep with many lines once lay beyond the edge."""
    with acting("system", source="command"):
        Participant.objects.filter(rep=world.rep).update(lines_expected=12_345)
    page = portal.page(world.admin, width=360)
    page.goto(BOARD)
    cell = page.get_by_role("cell", name="2 of 12,345").bounding_box()
    around = page.get_by_role("region", name="Submission board").bounding_box()
    assert cell["x"] + cell["width"] <= around["x"] + around["width"]


@pytest.mark.parametrize("javascript", [True, False])
def test_a_rep_is_ticked_looked_at_and_reminded(portal, world, javascript):
    page = portal.page(world.admin, javascript=javascript)
    page.goto(BOARD)
    page.get_by_role("checkbox", name="Oskar Rep").check()
    page.get_by_role("button", name="Remind the ticked…").click()
    page.wait_for_url("**/board/remind/**")
    expect(page.locator("h1")).to_contain_text("Remind one rep of what is left?")
    expect(page.locator("main")).to_contain_text("3 lines left for S&OP Jan 2027")
    page.get_by_role("button", name="Send 1 reminder").click()
    page.wait_for_url("**/board/?cycle=*")
    expect(page.locator("main")).to_contain_text("1 reminder is on the way.")
    assert [mail.user for mail in OutboxMail.objects.all()] == [world.other_rep]


def test_everybody_is_ticked_at_once_but_nobody_who_is_done(portal, world):
    submitted(world.other_lines)
    page = portal.page(world.admin)
    page.goto(BOARD)
    page.get_by_role("checkbox", name="Tick everybody of this page").check()
    page.get_by_role("button", name="Remind the ticked…").click()
    page.wait_for_url("**/board/remind/**")
    told = page.locator("main").inner_text()
    assert "Rita Rep" in told and "Oskar Rep" not in told
