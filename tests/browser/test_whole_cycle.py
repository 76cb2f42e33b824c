"""The main job, end to end, as new users do it: import, set up, forecast, decide, close, publish, carry over."""

import datetime as dt
import io
import re
import urllib.request
from decimal import Decimal

import openpyxl
import pytest
from django.core.management import call_command
from playwright.sync_api import expect

from audit.models import Entry
from cycles.models import Cycle
from forecasts.models import Line
from masterdata.models import Customer
from sop_portal.accounts.models import User
from tests.browser.conftest import axe
from tests.workbooks import Plan, Row, grid, save_xlsx

pytestmark = pytest.mark.browser

PASSWORD = "twelve-boxes-of-garlic"


@pytest.fixture
def workbook(tmp_path):
    """A rep's old workbook: two customers, three products planned for sixteen months from next month on."""
    today = dt.date.today()
    first = dt.date(today.year + today.month // 12, today.month % 12 + 1, 1)
    rows = [
        Row(
            code="110001",
            description="Peeled garlic",
            volumes=[400] * 16,
            prices=[52] * 16,
            probability="Customer Forecast",
        ),
        Row(code="110002", description="Black garlic", volumes=[20] * 16, prices=[80] * 16),
        Row(code="110003", description="Fresh ginger", volumes=[], prices=[30] * 16),
    ]
    plans = [
        Plan(name="Elm Supply", rows=rows, first=first, heads="date"),
        Plan(name="Oak Foods", rows=rows[:1], first=first, heads="date"),
    ]
    path = tmp_path / "rep workbook.xlsx"
    save_xlsx(path, {plan.name: grid(plan) for plan in plans})
    return path


def fill(page, label, text):
    page.get_by_label(label, exact=True).first.fill(text)


def sign_in(portal, login):
    page = portal.page()
    page.goto("/")
    # The browser puts the cursor there by itself, a little after the page is there.
    expect(page.locator("[name=login]")).to_be_focused()
    page.keyboard.type(login)
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "/login" not in url)
    return page


def create_user(page, name, email, role, manager=""):
    page.goto("/admin/accounts/user/add/")
    fill(page, "Full name:", name)
    fill(page, "E-mail address:", email)
    page.get_by_label(role, exact=True).check()
    if manager:
        page.locator(".field-manager .select2-selection").focus()
        page.keyboard.press("Enter")
        page.keyboard.type(manager)
        page.locator(".select2-results__option", has_text=manager).first.wait_for()
        page.keyboard.press("Enter")
    fill(page, "Password:", PASSWORD)
    fill(page, "Password (again):", PASSWORD)
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert User.objects.filter(email=email).exists(), page.locator(".errornote, .errorlist").all_inner_texts()


def press(page, name):
    """Reach a button or link by its name and press Enter on it, as one does without a mouse."""
    found = page.get_by_role("button", name=name).or_(page.get_by_role("link", name=name)).first
    found.focus()
    with page.expect_navigation():
        page.keyboard.press("Enter")


def until(page, true):
    """Wait until the database says so: edits are saved as one goes, a little behind the typing."""
    for _ in range(100):
        if true():
            return
        page.wait_for_timeout(100)
    raise AssertionError("the edit did not reach the database in ten seconds")


def paste(page, text):
    page.evaluate("text => navigator.clipboard.writeText(text)", text)
    page.keyboard.press("Control+v")


def test_the_main_job(portal, workbook, settings, tmp_path, capsys):
    settings.UPLOAD_DIR = tmp_path / "uploads"
    settings.SITE_URL = portal.base_url

    # 1. The first admin follows the one-use link, signs in and imports the workbook.
    call_command("create_admin", "boss@example.com")
    link = re.search(r"http\S+", capsys.readouterr().out).group(0)
    page = portal.page()
    page.goto(link)
    expect(page.locator("[name=password1]")).to_be_focused()
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    with page.expect_navigation():
        page.keyboard.press("Enter")
    again = portal.page()
    again.goto(link)
    expect(again.locator("input[type=password]")).to_have_count(0)  # it works once

    admin = sign_in(portal, "boss@example.com")
    expect(admin.get_by_role("heading", level=1)).to_contain_text("five steps")
    assert axe(admin) == []
    admin.goto("/imports/legacy/")
    admin.set_input_files("input[type=file]", workbook)
    press(admin, "Upload and look")
    expect(admin.get_by_role("heading", level=1)).to_contain_text("holds 48 cells, 13,120 cases")
    assert Customer.objects.count() == 0
    assert axe(admin) == []
    press(admin, "Apply, all")
    assert Customer.objects.count() == 2
    assert sum(q for line in Line.objects.all() for q in line.quantity) == 13_120

    # 2. Users, customers to the rep, a cycle whose months are shown, opened.
    create_user(admin, "Manager One", "manager@example.com", "manager")
    create_user(admin, "Rep One", "rep@example.com", "sales_rep", manager="Manager One")
    admin.goto("/admin/masterdata/customer/")
    admin.locator("#action-toggle").check()
    admin.locator("select[name=action]").select_option(label="Assign to a sales rep")
    press(admin, "Go")
    admin.locator("select[name=rep]").select_option(label="Rep One")
    press(admin, "Assign")
    rep_user = User.objects.get(email="rep@example.com")
    assert Customer.objects.filter(sales_rep=rep_user).count() == 2

    admin.goto("/cycles/new/")
    expect(admin.locator(".months li")).to_have_count(16)
    press(admin, "Save as draft")
    press(admin, "Open")
    press(admin, "Open for input")
    cycle = Cycle.objects.get(kind="normal")
    assert cycle.is_open
    lines = {(line.customer.name, line.product.item_code): line for line in cycle.lines.all()}
    elm_garlic = lines["Elm Supply", "110001"]
    assert (elm_garlic.live, lines["Elm Supply", "110003"].live) == (True, False)
    assert elm_garlic.quantity == [Decimal(400)] * 16
    assert cycle.participants.get().lines_expected == 3

    # 3. The rep: the one next action, the grid, typing, pasting, undoing, reloading.
    rep = sign_in(portal, "rep@example.com")
    assert axe(rep) == []
    elm = Customer.objects.get(name="Elm Supply")
    rep.goto(f"/forecast/{cycle.pk}/{elm.pk}/")
    assert axe(rep) == []

    def garlic():
        return Line.objects.get(cycle=cycle, customer=elm, product__item_code="110001")

    rep.locator("td.cur").focus()
    rep.keyboard.type("480")
    rep.keyboard.press("Tab")
    paste(rep, "490\t495\r\n21\t22\r\n")
    until(rep, lambda: garlic().quantity[:3] == [480, 490, 495])
    rep.reload()
    shown = rep.locator("tr.g-row").first.locator("td.c").all_inner_texts()[:3]
    assert [text.strip() for text in shown] == ["480", "490", "495"]
    black = Line.objects.get(cycle=cycle, customer=elm, product__item_code="110002")
    assert black.quantity[:4] == [20, 21, 22, 20]
    rep.locator("td.cur").focus()
    rep.keyboard.type("7")
    rep.keyboard.press("Enter")
    until(rep, lambda: garlic().quantity[0] == 7)
    rep.keyboard.press("Control+z")
    until(rep, lambda: garlic().quantity[0] == 480)

    # It submits: a blank is named with line and month, then everything goes.
    rep.keyboard.press("Control+Home")
    rep.keyboard.press("Delete")
    until(rep, lambda: garlic().quantity[0] is None)
    rep.goto(f"/forecast/{cycle.pk}/submit/")
    expect(rep.locator("body")).to_contain_text(f"No answer for {cycle.first_period:%b %Y}.")
    press(rep, "Answer 0 for the")
    press(rep, "Submit 3 lines")
    assert Line.objects.filter(cycle=cycle, status="submitted").count() == 3
    rep.goto(f"/forecast/{cycle.pk}/{elm.pk}/")
    expect(rep.locator("tr.g-row[data-status=submitted]")).to_have_count(2)

    # 4. The manager approves one and rejects one with a comment, by keyboard; the rep revises and resubmits.
    manager = sign_in(portal, "manager@example.com")
    manager.goto("/review/")
    assert axe(manager) == []
    expect(manager.locator("tr[data-line]")).to_have_count(3)
    manager.keyboard.press("a")
    expect(manager.locator("tr[data-line]")).to_have_count(2)
    assert Line.objects.filter(cycle=cycle, status="approved").count() == 1
    manager.keyboard.press("j")
    manager.keyboard.press(" ")
    manager.keyboard.press("x")
    manager.keyboard.type("Too high after the summer.")
    manager.keyboard.press("Enter")
    expect(manager.locator("tr[data-line]")).to_have_count(1)
    rejected = Line.objects.get(cycle=cycle, status="rejected")
    assert rejected.decision_comment == "Too high after the summer."

    rep.goto("/")
    expect(rep.locator("body")).to_contain_text("Too high after the summer.")
    rep.goto(f"/forecast/{cycle.pk}/{rejected.customer_id}/")
    expect(rep.locator("body")).to_contain_text("Too high after the summer.")
    rep.locator(f"#l{rejected.pk} td.c").nth(5).click()
    rep.keyboard.type("15")
    rep.keyboard.press("Enter")
    until(rep, lambda: Line.objects.get(pk=rejected.pk).quantity[5] == 15)
    rep.goto(f"/forecast/{cycle.pk}/submit/")
    press(rep, "Submit 1 line")
    rejected.refresh_from_db()
    assert (rejected.status, rejected.quantity[5]) == ("submitted", 15)

    # 5. The consolidated workbook equals the database; closing locks the rep out, the manager still decides.
    admin.goto(f"/cycles/{cycle.pk}/")
    book = openpyxl.load_workbook(io.BytesIO(download(admin, f"{portal.base_url}/cycles/{cycle.pk}/consolidated/")))
    consol = book["Consol"]
    head = next(row for row in consol.iter_rows(values_only=True) if row and "Rep" in row)
    rows = [row for row in consol.iter_rows(values_only=True) if row and row[0] == "Rep One"]
    first_volume = next(n for n, value in enumerate(head) if isinstance(value, dt.datetime | dt.date))
    in_file = sum(Decimal(str(value)) for row in rows for value in row[first_volume : first_volume + 16])
    in_database = sum(q for line in cycle.lines.filter(live=True) for q in line.quantity)
    assert (len(rows), in_file) == (3, in_database)

    press(admin, "Close")
    press(admin, "Close")
    cycle.refresh_from_db()
    assert cycle.is_closed
    rep.goto(f"/forecast/{cycle.pk}/{rejected.customer_id}/")
    expect(rep.locator("body")).to_contain_text("closed on")
    manager.goto("/review/")
    manager.locator("tr[data-line]").first.wait_for()
    with manager.expect_navigation():
        manager.keyboard.press("a")
    assert Line.objects.filter(cycle=cycle, status="approved").count() == 2

    admin.goto(f"/cycles/{cycle.pk}/publish/")
    press(admin, "Publish")
    cycle.refresh_from_db()
    assert cycle.status == "archived"
    admin.goto("/cycles/new/")
    press(admin, "Save as draft")
    press(admin, "Open")
    press(admin, "Open for input")
    following = Cycle.objects.open().get()
    carried = following.lines.get(product=rejected.product, customer=rejected.customer)
    assert carried.quantity[4] == 15
    assert carried.quantity[15] is None

    # 6. Every act stands in the trail with who, from where, before and after.
    told = set(Entry.objects.values_list("action", "actor_label"))
    for act in (
        ("excel_imported", "boss"), ("user_created", "boss"), ("cycle_opened", "boss"), ("cycle_closed", "boss"),
        ("cycle_archived", "boss"), ("forecast_updated", "Rep One"), ("forecast_submitted", "Rep One"),
        ("forecast_approved", "Manager One"), ("forecast_rejected", "Manager One"), ("user_login", "Rep One"),
    ):  # fmt: skip
        assert act in told
    typed = Entry.objects.filter(action="forecast_updated", actor_label="Rep One").latest("at", "pk")
    assert typed.ip == "127.0.0.1"
    assert typed.source == "web"
    admin.goto("/audit/")
    assert axe(admin) == []


def download(page, url):
    """The file behind `url`, fetched with the cookies of the window."""
    cookies = "; ".join(f"{cookie['name']}={cookie['value']}" for cookie in page.context.cookies())
    with urllib.request.urlopen(urllib.request.Request(url, headers={"Cookie": cookies})) as answer:
        return answer.read()
