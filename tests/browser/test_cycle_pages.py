"""Pages of cycles in Chromium: accessible, narrow and dark, and a rep's request for more time in two clicks, with and
without JavaScript."""

import datetime as dt

import pytest
from django.urls import reverse
from django.utils import timezone

from cycles.models import ExtensionRequest, Participant
from tests.browser.conftest import axe
from tests.cycles.acts import act
from tests.factories import make_customer, make_cycle, make_entry, make_user
from tests.world import close, make_world, submitted

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


@pytest.fixture
def world(portal):
    made = make_world(lines=2, closes_at=timezone.now() + dt.timedelta(days=2))
    submitted(made.lines[:1])
    return made


@pytest.mark.parametrize(("scheme", "width"), [("light", 1440), ("dark", 360)])
def test_every_page_is_accessible_and_fits_its_window(portal, world, scheme, width):
    draft = make_cycle(by=world.admin, first_period=dt.date(2027, 2, 1), opens_at=timezone.now())
    make_entry(make_customer(name="Nobody Serves Me"))
    make_user("sales_rep", full_name="Ida Idle")
    act("ask_for_time", world.cycle.pk, until=world.cycle.closes_at + dt.timedelta(days=1), by=world.rep)

    def check(person, *names: str) -> None:
        page = portal.page(person, scheme=scheme, width=width)
        for name, *args in (name.split() for name in names):
            address = reverse(name, args=args)
            page.goto(address)
            assert axe(page) == [], address
            assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), address

    opened, planned = world.cycle.pk, draft.pk
    check(
        world.admin, "cycles:list", f"cycles:detail {opened}", f"cycles:extend {opened}", f"cycles:refresh {opened}",
        f"cycles:detail {planned}", f"cycles:edit {planned}", f"cycles:preflight {planned}", f"cycles:open {planned}",
    )  # fmt: skip
    check(world.rep, "home", f"cycles:ask {opened}")
    close(world)
    check(world.admin, f"cycles:detail {opened}", f"cycles:reopen {opened}")


@pytest.mark.parametrize("javascript", [True, False])
def test_more_time_takes_one_click_of_the_rep_and_one_of_the_admin(portal, world, javascript):
    rep, admin = (portal.page(who, javascript=javascript) for who in (world.rep, world.admin))
    rep.goto("/")
    rep.get_by_role("button", name="Ask for more time until").click()
    rep.get_by_text("an S&OP admin has not answered yet").wait_for()
    admin.goto("/")
    admin.get_by_role("link", name="Grant or decline").click()
    admin.get_by_role("button", name="Grant").click()
    admin.get_by_text("Rita Rep has more time now.").wait_for()
    rep.reload()
    rep.get_by_text("You have more time").wait_for()
    wanted = ExtensionRequest.objects.get()
    assert Participant.objects.get(rep=world.rep).deadline_extension == wanted.wanted_until > world.cycle.closes_at
