"""Several old workbooks in the browser: dropped together, names decided, applied; and all of it without scripts."""

import re

import pytest
from playwright.sync_api import expect

from forecasts.models import Line
from masterdata.models import Customer, ImportRun
from tests.browser.conftest import axe
from tests.factories import make_customer, make_user
from tests.legacy_shapes import BudgetRow, BudgetSheet, Consol, ConsolRow
from tests.workbooks import Plan, Row, grid, save_xlsx

pytestmark = pytest.mark.browser


@pytest.fixture
def workbooks(tmp_path, settings):
    settings.UPLOAD_DIR = tmp_path / "uploads"
    plan = grid(Plan(name="Alder", rows=[Row(110001, "Peeled", [5] * 16, [2] * 16)]))
    rows = [ConsolRow("Rep West", "Birch", 110001, [7] * 12, [2] * 12)]
    return [
        save_xlsx(tmp_path / "west.xlsx", {"Alder": plan, "Budget": BudgetSheet([BudgetRow("Oak", [1, 2])]).grid()}),
        save_xlsx(tmp_path / "all.xlsx", {"Consol": Consol(rows).grid()}),
    ]


def press(page, name):
    with page.expect_navigation():
        page.get_by_role("button", name=name).click()


@pytest.mark.parametrize(
    ("javascript", "scheme", "width"), [(True, "light", 1440), (True, "dark", 360), (False, "light", 1440)]
)
def test_several_workbooks_with_names_to_decide(portal, workbooks, javascript, scheme, width):
    admin, rep = make_user("admin"), make_user("sales_rep", full_name="Maria Lopez")
    make_customer(customer_id="100234", name="Alder Produce of Miami")
    page = portal.page(admin, javascript=javascript, scheme=scheme, width=width)

    def looks_well():
        assert axe(page) == [] if javascript else True
        if javascript:
            assert not page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")

    page.goto("/imports/legacy/")
    looks_well()
    page.set_input_files("input[type=file]", workbooks)
    press(page, "Upload and look")
    expect(page.get_by_role("heading", level=1)).to_contain_text("2 workbooks hold 28 cells, 164 cases")
    expect(page.locator("main")).to_contain_text("1 name cannot be placed yet (Oak)")
    looks_well()

    with page.expect_navigation():
        page.get_by_role("link", name="Who is who", exact=True).click()
    looks_well()
    page.get_by_label("What Alder is", exact=True).select_option(label="Alder Produce of Miami (100234)")
    page.get_by_label("Another customer for Oak").fill("nobody")
    page.get_by_label("Who Rep West is").select_option(label="Maria Lopez")
    press(page, "Try it out again")
    expect(page.locator("main")).to_contain_text("No customer has the ID or name “nobody”.")
    looks_well()
    # What was chosen is still there.
    expect(page.get_by_label("What Alder is", exact=True)).to_have_value("id:100234")
    page.get_by_label("Another customer for Oak").fill("100234")
    press(page, "Try it out again")
    expect(page.locator("body")).to_contain_text("tried out again with what you decided")
    assert Customer.objects.count() == 1
    press(page, re.compile("Apply, all"))
    expect(page.get_by_role("heading", level=1)).to_contain_text("2 workbooks are imported")
    expect(page.locator("main")).to_contain_text("2 budget rows")
    looks_well()
    assert set(Line.objects.values_list("customer__customer_id", flat=True)) == {"100234", "L-birch"}
    assert Line.objects.filter(owner=rep).count() == 1
    assert ImportRun.objects.get().state == ImportRun.State.APPLIED
