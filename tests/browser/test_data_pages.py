"""The data pages in Chromium: with and without JavaScript, by keyboard, narrow and wide, light and dark."""

import datetime as dt
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import expect

from audit.context import acting
from forecasts.models import Line
from masterdata.models import Budget
from sop_portal.lib import periods
from tests.browser.conftest import axe
from tests.factories import answer, make_actual, make_customer, make_entry, make_product, make_user, open_cycle
from tests.world import close, make_world, submitted

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
PATIENCE = 10_000


@pytest.fixture
def company(portal):
    """A rep whose customer bought a product in two years, and another's customer."""
    rep = make_user("sales_rep")
    customer = make_customer(name="Elm Supply, Inc.", customer_id="ELM-1", sales_rep=rep, region="South")
    product = make_product(description="Peeled garlic 4x5", item_code="P-1")
    make_customer(name="Elm of somebody else", sales_rep=make_user("sales_rep"))
    entry = make_entry(customer, product)
    months = [periods.shift(timezone.localdate().replace(day=1), -back) for back in range(1, 26)]
    for number, month in enumerate(months):
        make_actual(entry, month, 100 - number)
    with acting("system", source="command"):
        for one in (product, None):
            Budget.objects.create(
                version="2027", customer=customer, product=one, period=months[0], quantity=10, amount=1000
            )
    return SimpleNamespace(rep=rep, admin=make_user("admin"), customer=customer, product=product, last=months[0])


def addresses(company):
    customer, product = company.customer.pk, company.product.pk
    sales = reverse("masterdata:sales_history")
    return [
        reverse("masterdata:customer_list"), reverse("masterdata:product_list"), sales, f"{sales}?by=customers",
        f"{sales}?by=products", f"{sales}?by=rows", reverse("masterdata:customer", args=[customer]),
        reverse("masterdata:customer_products", args=[customer]), reverse("masterdata:customer_history", args=[customer]),
        reverse("masterdata:pair", args=[customer, product]), reverse("masterdata:product", args=[product]),
        reverse("masterdata:product_customers", args=[product]), reverse("masterdata:budget_list"), f"{reverse('search')}?q=e",
    ]  # fmt: skip


@pytest.mark.parametrize(("scheme", "width"), [("light", 1440), ("dark", 360)])
def test_every_page_is_accessible_and_fits_its_window(portal, company, scheme, width):
    page = portal.page(company.admin, scheme=scheme, width=width)
    for address in addresses(company):
        page.goto(address)
        assert axe(page) == [], address
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), address


@pytest.mark.parametrize(("scheme", "width"), [("light", 1440), ("dark", 360)])
def test_the_comparison_of_two_cycles_is_accessible_and_looks_closer(portal, scheme, width):
    world = make_world(lines=2)
    submitted(world.lines)
    close(world)
    february = open_cycle(by=world.admin, first_period=dt.date(2027, 2, 1))
    answer(Line.objects.filter(cycle=february, customer=world.customer).select_related("cycle", "owner").first(), 130)
    page = portal.page(world.admin, scheme=scheme, width=width)
    page.goto(f"{reverse('forecasts:compare')}?by=customer")
    expect(page.locator("h1")).to_contain_text(f"{february} plans 15 % more sales")
    assert axe(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.get_by_role("link", name=world.customer.label).click()
    expect(page.locator("main table").first.locator("tbody tr")).to_have_count(2)
    assert axe(page) == []
    page.get_by_role("link", name="×").click()
    expect(page.get_by_role("link", name=world.customer.label)).to_have_count(0)


def test_a_plot_is_read_by_keyboard(portal, company):
    page = portal.page(company.rep)
    page.goto(reverse("masterdata:pair", args=[company.customer.pk, company.product.pk]))
    area = page.locator("[data-plot] [data-part=area]").first
    readout = page.locator("[data-plot] [data-part=readout]").first
    area.focus()
    last = f"{company.last:%b} {company.last.year}: sold 100"
    expect(readout).to_have_text(re.compile(rf"^{re.escape(last)}"))
    page.keyboard.press("ArrowLeft")
    expect(readout).to_contain_text(": sold 99")
    page.keyboard.press("End")
    expect(readout).to_have_text(re.compile(rf"^{re.escape(last)}"))
    page.keyboard.press("Tab")
    expect(readout).to_be_hidden()
    page.get_by_text("As table").first.click()
    expect(page.locator(".plot-table[open] tbody tr").first).to_be_visible()


def test_the_search_leads_to_a_customer_by_keyboard(portal, company):
    page = portal.page(company.rep)
    page.goto(reverse("home"))
    page.keyboard.press("/")
    page.keyboard.type("elm")
    option = page.locator("#search-hits [role=option]")
    option.first.wait_for(timeout=PATIENCE)
    expect(option).to_have_count(1)
    expect(option.first).to_contain_text("Elm Supply")
    page.keyboard.press("ArrowDown")
    expect(page.locator("[data-search] input")).to_have_attribute(
        "aria-activedescendant", option.first.get_attribute("id")
    )
    assert axe(page) == []
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{reverse('masterdata:customer', args=[company.customer.pk])}", timeout=PATIENCE)


def test_the_search_closes_and_lets_slashes_be_typed(portal, company):
    page = portal.page(company.rep)
    page.goto(reverse("masterdata:customer_list"))
    page.locator("#filter_q").focus()
    page.keyboard.type("a/b")
    expect(page.locator("#filter_q")).to_have_value("a/b")
    page.keyboard.press("Control+k")
    page.keyboard.type("peeled")
    page.locator("#search-hits [role=option]").first.wait_for(timeout=PATIENCE)
    page.keyboard.press("Escape")
    expect(page.locator("#search-hits")).to_be_hidden()
    page.locator("[data-search] input").fill("peeled")
    page.locator("#search-hits [role=option]").first.click(timeout=PATIENCE)
    page.wait_for_url(f"**{reverse('masterdata:product', args=[company.product.pk])}", timeout=PATIENCE)


def test_everything_works_without_javascript(portal, company):
    page = portal.page(company.admin, javascript=False)
    page.goto(reverse("masterdata:customer_list"))
    page.locator("#filter_q").fill("elm supply")
    page.get_by_role("button", name="Filter").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    page.get_by_role("link", name="Elm Supply, Inc.").click()
    page.get_by_role("link", name="Weight").click()
    expect(page).to_have_url(re.compile("show=weight"))
    expect(page.locator("[data-plot] svg")).to_have_count(1)
    page.get_by_role("link", name="Products and prices").click()
    page.get_by_role("link", name="Peeled garlic 4x5").click()
    expect(page.locator("[data-plot]")).to_have_count(2)
    page.locator("[data-search] input").fill("ELM-1")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{reverse('masterdata:customer', args=[company.customer.pk])}", timeout=PATIENCE)


def test_a_list_is_downloaded_as_it_is_filtered(portal, company):
    page = portal.page(company.admin)
    page.goto(f"{reverse('masterdata:customer_list')}?q=elm-1")
    page.get_by_text("Download", exact=True).click()
    with page.expect_download() as waiting:
        page.get_by_role("link", name="CSV file").click()
    content = Path(waiting.value.path()).read_text(encoding="utf-8-sig").splitlines()
    assert len(content) == 2 and content[1].startswith("ELM-1,")
