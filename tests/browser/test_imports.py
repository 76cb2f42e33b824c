"""Importing a file by keyboard, with and without JavaScript."""

import re

import pytest
from playwright.sync_api import expect

from masterdata.imports import worker
from masterdata.models import Actual, ImportRun
from tests.browser.conftest import axe
from tests.factories import make_customer, make_product, make_user
from tests.imports import ACTUALS, csv_bytes

pytestmark = pytest.mark.browser
GOOD = ["C1", "110001", "2026-10", "5", "50", ""]


@pytest.fixture
def world(portal, settings, tmp_path):
    settings.UPLOAD_DIR = tmp_path / "uploads"
    make_customer(customer_id="C1", name="Elm Supply")
    make_product(item_code="110001")
    return make_user("admin")


@pytest.fixture
def file(tmp_path):
    def write(rows, name="sales.csv"):
        path = tmp_path / name
        path.write_bytes(csv_bytes(ACTUALS, rows))
        return path

    return write


def send(page, address, path):
    """Choose the file and send it with Enter, as one does who never touches the mouse."""
    page.goto(address)
    page.set_input_files("input[type=file]", path)
    page.get_by_role("button", name="Upload and check").focus()
    with page.expect_navigation():
        page.keyboard.press("Enter")


def press(page, name):
    page.get_by_role("button", name=name).focus()
    with page.expect_navigation():
        page.keyboard.press("Enter")


@pytest.mark.parametrize("javascript", [True, False])
def test_upload_apply_and_undo(portal, world, file, javascript):
    page = portal.page(world, javascript=javascript)
    send(page, "/imports/", file([GOOD]))
    expect(page.locator("h1")).to_contain_text("would write 1 of its 1 actuals")
    press(page, "Apply all 1 row")
    assert Actual.objects.get().quantity == 5
    press(page, "Undo this import")
    expect(page.locator("h1")).to_contain_text("is undone")
    assert not Actual.objects.exists()


def test_a_file_dropped_anywhere_is_taken(portal, world, file):
    page = portal.page(world)
    page.goto("/imports/new/actuals/")
    text = file([GOOD]).read_text()
    page.evaluate(
        """text => { const data = new DataTransfer(); data.items.add(new File([text], "dropped.csv"));
        document.body.dispatchEvent(new DragEvent("drop", {dataTransfer: data, bubbles: true, cancelable: true})); }""",
        text,
    )
    expect(page.locator("[data-part=chosen]")).to_contain_text("dropped.csv")
    press(page, "Upload and check")
    assert ImportRun.objects.get().file_name == "dropped.csv"


def test_the_page_follows_the_worker(portal, world, file):
    for n in range(100):
        make_customer(customer_id=f"D{n}")
    rows = [[f"D{n // 24}", "110001", f"{2025 + n % 2}-{n // 2 % 12 + 1:02}", str(n), str(n), ""] for n in range(2_400)]
    page = portal.page(world)
    send(page, "/imports/", file(rows))
    expect(page.locator("#import-progress")).to_have_count(1)
    assert axe(page) == []
    assert worker.work(ImportRun.objects.get().pk) == ImportRun.State.CHECKED
    page.get_by_role("button", name=re.compile("^Apply all 2,400 rows")).wait_for()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_of_imports_breaks_the_rules_of_access(portal, world, file, scheme):
    page = portal.page(world, scheme=scheme)
    send(page, "/imports/", file([GOOD, ["C1", "110001", "2026-11", "1e3", "5", ""]]))
    expect(page.locator("h1")).to_contain_text("cannot be imported")
    assert axe(page) == []
    path = file([])
    path.write_text("Customer ID,Item Code,Period,Pieces sold,Amount\nC1,110001,2026-10,5,50\n")
    send(page, "/imports/new/actuals/", path)
    page.get_by_label("Pieces sold").wait_for()
    assert axe(page) == []
    for address in ("/imports/", "/imports/new/matrix/"):
        page.goto(address)
        assert axe(page) == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
