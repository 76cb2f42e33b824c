"""The admin in Chromium: no breach of the content security policy, nothing that axe finds, and it works."""

import datetime as dt
from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from forecasts.models import Line
from masterdata.models import MatrixEntry, Product
from tests.browser.conftest import Portal, axe
from tests.factories import make_actual, make_customer, make_entry, make_group, make_product, make_user, open_cycle

pytestmark = pytest.mark.browser


@pytest.fixture
def world(portal: Portal) -> Any:
    admin, rep = make_user("admin"), make_user("sales_rep", full_name="Rita Rep")
    customer, group = make_customer(name="Elm Supply", sales_rep=rep), make_group(name="Garlic")
    entries = [make_entry(customer, make_product(group=group, description=f"Garlic {n}")) for n in range(3)]
    for entry in entries:
        make_actual(entry, dt.date(2026, 12, 1))
    make_product(group=group, description="Ginger")
    cycle = open_cycle(by=admin)
    return {"admin": admin, "rep": rep, "customer": customer, "entry": entries[0], "cycle": cycle}


def at(name: str, *args: Any) -> str:
    return reverse(f"admin:{name}", args=args)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_the_pages_of_admins(portal: Portal, world: Any, scheme: str) -> None:
    page = portal.page(world["admin"], scheme=scheme)
    customer, entry = world["customer"], world["entry"]
    found = {}
    for address in (
        at("index"), at("masterdata_customer_changelist"), at("masterdata_customer_change", customer.pk),
        at("masterdata_customer_matrix", customer.pk), at("masterdata_customer_copy", customer.pk),
        at("masterdata_customer_delete", customer.pk), at("masterdata_prices"),
        f"{at('masterdata_product_replace')}?ids={entry.product_id}", at("masterdata_product_change", entry.product_id),
        at("masterdata_matrixentry_changelist"), at("masterdata_matrixentry_change", entry.pk),
        at("accounts_user_changelist"), at("accounts_user_change", world["rep"].pk),
        reverse("forecasts:prices", args=[world["cycle"].pk]),
    ):  # fmt: skip
        page.goto(address)
        if problems := axe(page, preload=False):
            found[address] = problems
    assert found == {}


def test_prices_change_for_a_customer_and_the_lines_follow(portal: Portal, world: Any) -> None:
    """From the list of customers to the lines of the open cycle, without a typed address."""
    page = portal.page(world["admin"])
    page.goto(at("masterdata_customer_changelist"))
    page.check("input.action-select")
    page.select_option("select[name=action]", "change_prices")
    page.click("button[name=index]")
    page.fill("[name=percent]", "10")
    page.fill("[name=valid_from]", "2027-01-01")
    page.click("text=Preview")
    expect(page.locator("#content")).to_contain_text("3 prices would be written")
    assert axe(page, preload=False) == []
    page.click("text=Change the prices")
    page.click("text=Update or leave them")
    page.click("button:has-text('Update 3 lines')")
    expect(page.locator("#messages")).to_contain_text("3 lines have the new prices, in 48 cells.")
    assert {price for line in Line.objects.all() for price in line.unit_price} == {11}


@pytest.mark.parametrize("javascript", [True, False], ids=["scripts", "no scripts"])
def test_a_matrix_is_ticked(portal: Portal, world: Any, javascript: bool) -> None:
    page = portal.page(world["admin"], javascript=javascript)
    page.goto(at("masterdata_customer_matrix", world["customer"].pk))
    ginger = Product.objects.get(description="Ginger")
    page.check(f"#tick-{ginger.pk}")
    page.fill(f"[name=price-{ginger.pk}]", "12.5")
    page.click("input[value=Save]")
    expect(page.locator(".messagelist")).to_contain_text("1 product added, 1 price written.")
    assert MatrixEntry.objects.get(product=ginger).prices.get().unit_price == 12.5


def test_a_product_is_replaced_by_one_that_is_searched(portal: Portal, world: Any) -> None:
    page = portal.page(world["admin"])
    page.goto(at("masterdata_product_change", world["entry"].product_id))
    page.click("text=Replace by another…")
    page.click(".select2-selection")
    page.keyboard.type("Ginger")
    page.click(".select2-results__option:has-text('Ginger')")
    page.click("text=Preview")
    expect(page.locator("#content")).to_contain_text("gets 1 matrix entry")
    page.click("input[name=apply]")
    expect(page.locator(".messagelist")).to_contain_text("has taken the place of")
    assert Product.objects.get(pk=world["entry"].product_id).replaced_by == Product.objects.get(description="Ginger")
