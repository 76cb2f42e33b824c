"""The admin's pages in Chromium: what Django leaves unnamed or empty has a name there."""

import pytest
from django_celery_beat.models import PeriodicTask
from playwright.sync_api import expect

from audit.context import acting
from sop_portal.jobs import recording
from sop_portal.lib.jobs import SCHEDULES
from tests import factories
from tests.browser.conftest import axe

pytestmark = pytest.mark.browser

USER = "/admin/accounts/user/add/"


@pytest.fixture
def page(portal):
    return portal.page(factories.make_user("admin"))


def test_axe_finds_nothing_on_forms_and_lists(page):
    customer = factories.make_customer()
    with acting("system", source="job"):
        run = recording.run(SCHEDULES["clear_sessions"], recording.Asked(), lambda: 3)
    page.goto("/admin/masterdata/customer/")
    expect(page.get_by_role("link", name="not filled in")).to_have_count(2)  # its region and its territory
    addresses = (
        "/admin/masterdata/customer/",
        f"/admin/masterdata/customer/{customer.pk}/change/",
        "/admin/masterdata/delegation/add/",
        "/admin/conf/setting/",
        "/admin/conf/setting/add/",
        "/admin/conf/setting/holidays/",
        "/admin/conf/setting/allowed_file_extensions/",
        "/admin/django_celery_beat/periodictask/",
        f"/admin/django_celery_beat/periodictask/{PeriodicTask.objects.get(name='clear_sessions').pk}/change/",
        "/admin/jobs/jobrun/",
        f"/admin/jobs/jobrun/{run.pk}/change/",
        USER,
    )
    for address in addresses:
        page.goto(address)
        assert axe(page, preload=False) == [], address


def test_a_field_that_searches_says_its_name_and_what_is_chosen(page):
    factories.make_user("manager", full_name="Mona Manager")
    page.goto(USER)
    page.get_by_role("combobox", name="Manager", exact=True).press("Enter")
    page.keyboard.type("Mona")
    page.locator(".select2-results__option", has_text="Mona Manager").wait_for()
    page.keyboard.press("Enter")
    page.get_by_role("combobox", name="Manager, Mona Manager").wait_for()


def test_on_a_phone_the_buttons_of_a_list_stand_under_its_heading(portal):
    page = portal.page(factories.make_user("admin"), width=360)
    page.goto("/admin/masterdata/matrixentry/")
    heading = page.get_by_role("heading", level=1).bounding_box()
    first = page.locator(".object-tools a").first.bounding_box()
    assert first["y"] >= heading["y"] + heading["height"]
