"""Pages of the admin that ask first and then call a service: replace, copy, change prices, the matrix of a customer."""

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from audit.context import acting
from masterdata.models import Customer, MatrixEntry, Price, Product
from sop_portal.accounts.admin_trail import TrailHistory
from sop_portal.accounts.models import User
from tests.factories import make_customer, make_entry, make_group, make_product, make_user
from tests.world import count_queries, make_world, next_transaction

pytestmark = pytest.mark.django_db
DAY = "2027-03-01"


@pytest.fixture
def boss(client: Client) -> User:
    user = make_user("admin")
    client.force_login(user)
    return user


def page(name: str, *args: Any) -> str:
    return reverse(f"admin:masterdata_{name}", args=args)


def text(answer: Any) -> str:
    return answer.content.decode()


def act(client: Client, model: str, action: str, *rows: Any, **more: Any) -> str:
    next_transaction()
    chosen = {"action": action, "_selected_action": [row.pk for row in rows], **more}
    return text(client.post(page(f"{model}_changelist"), chosen, follow=True))


class TestReplace:
    def test_a_product_is_replaced_after_a_preview(self, client: Client, boss: User) -> None:
        old, new = make_product(item_code="OLD"), make_product(item_code="NEW")
        make_entry(make_customer(name="Elm"), old)
        asked = client.post(page("product_changelist"), {"action": "replace", "_selected_action": [old.pk]})
        address = asked["Location"]
        assert address == f"{page('product_replace')}?ids={old.pk}"
        values = {"successor": new.pk, "prices_from": DAY}
        seen = text(client.post(address, values | {"preview": "Preview"}))
        assert "becomes inactive; its history counts for" in seen and "gets 1 matrix entry with 1 price" in seen
        assert Product.objects.get(pk=old.pk).is_active
        next_transaction()
        done = text(client.post(address, values | {"apply": "Replace"}, follow=True))
        assert f"{new} has taken the place of {old} and got 1 matrix entry." in done
        assert Product.objects.get(pk=old.pk).replaced_by == new
        assert f"{old} stands for itself again and is active." in act(client, "product", "take_back", old)
        assert "None of them was replaced." in act(client, "product", "take_back", old)

    def test_what_the_service_refuses_stands_beside_the_field(self, client: Client, boss: User) -> None:
        old, other = make_customer(name="Elm"), make_customer(name="Fir", is_active=False)
        address = f"{page('customer_replace')}?ids={old.pk}"
        refused = client.post(address, {"successor": other.pk, "apply": "Replace"})
        assert refused.status_code == 422 and "Fir is inactive; activate it first" in text(refused)
        empty = client.post(address, {"preview": "Preview"})
        assert empty.status_code == 422 and "This field is required." in text(empty)

    def test_addresses_that_name_nothing(self, client: Client, boss: User) -> None:
        for ids in ("", "x,-1", "9" * 30, "1,,2"):
            assert client.get(page("product_replace"), {"ids": ids}).status_code == 200


class TestCopy:
    def test_a_matrix_is_copied_after_a_preview(self, client: Client, boss: User) -> None:
        elm, fir, group = make_customer(name="Elm"), make_customer(name="Fir"), make_group()
        both = make_product(group=group)
        make_entry(elm, make_product(group=group, description="Only Elm buys it"))
        make_entry(elm, both)
        make_entry(fir, both)
        address = page("customer_copy", elm.pk)
        assert client.get(address).status_code == 200
        seen = text(client.post(address, {"customer": fir.pk, "prices_from": "", "preview": "Preview"}))
        assert "1 new matrix entry without prices of their own" in seen and "1 exists already and stays" in seen
        assert "Only Elm buys it" in seen and MatrixEntry.objects.filter(customer=fir).count() == 1
        done = text(client.post(address, {"customer": fir.pk, "prices_from": DAY, "apply": "Copy"}, follow=True))
        assert "Fir got 1 matrix entry of Elm." in done
        assert MatrixEntry.objects.filter(customer=fir).count() == 2
        refused = client.post(address, {"customer": elm.pk, "apply": "Copy"})
        assert refused.status_code == 422 and "Choose another customer" in text(refused)
        assert client.get(page("customer_copy", 10**9)).status_code == 404


class TestPrices:
    def values(self, **more: Any) -> dict[str, Any]:
        return {"percent": "10", "amount": "", "valid_from": DAY, "group": "", **more}

    def test_prices_change_after_a_preview_and_the_open_cycle_is_told(self, client: Client, boss: User) -> None:
        world = make_world(lines=2)
        address = page("prices")
        chosen = {"action": "change_prices", "_selected_action": [world.customer.pk]}
        act_address = client.post(page("customer_changelist"), chosen)["Location"]
        assert act_address == f"{address}?customers={world.customer.pk}"
        assert "Elm Supply" in text(client.get(act_address))
        values = self.values(customers=[world.customer.pk])
        seen = client.post(address, values | {"preview": "Preview"})
        assert "2 prices would be written" in text(seen) and "<b>11.00</b>" in text(seen)
        fingerprint = seen.context["form"]["seen"].value()
        assert len(fingerprint) == 32 and not Price.objects.filter(valid_from=DAY).exists()
        next_transaction()
        done = text(client.post(address, values | {"apply": "Change", "seen": fingerprint}, follow=True))
        assert "2 prices from 1 Mar 2027 written." in done
        assert "2 lines of S&amp;OP Jan 2027 use the old price in 28 cells that nobody entered." in done
        assert reverse("forecasts:prices", args=[world.cycle.pk]) in done
        again = text(client.post(address, values | {"apply": "Change", "seen": fingerprint}, follow=True))
        assert "was there already; nothing was changed" in again
        assert Price.objects.filter(valid_from=DAY).count() == 2

    def test_what_makes_no_sense_or_moved_is_refused_in_place(self, client: Client, boss: User) -> None:
        entry = make_entry(price="1")
        refused = client.post(page("prices"), self.values(amount="1", preview="x", customers=[entry.customer_id]))
        assert refused.status_code == 422 and "one of the two" in text(refused)
        nobody = client.post(page("prices"), self.values(preview="x"))
        assert nobody.status_code == 422 and "Choose a product group, customers, or both" in text(nobody)
        moved = self.values(customers=[entry.customer_id], apply="x", seen="0" * 32)
        stale = client.post(page("prices"), moved)
        assert stale.status_code == 409 and "Prices were changed since you looked" in text(stale)
        below = client.post(
            page("prices"), self.values(percent="", amount="-2", preview="x", customers=[entry.customer_id])
        )
        assert below.status_code == 422 and "A price must be from 0 to" in text(below)
        assert Price.objects.count() == 1

    def test_a_group_leads_there(self, client: Client, boss: User) -> None:
        group = make_group()
        chosen = {"action": "change_prices", "_selected_action": [group.pk]}
        assert client.post(page("productgroup_changelist"), chosen)["Location"] == f"{page('prices')}?group={group.pk}"
        assert "Choose one group" in act(client, "productgroup", "change_prices", group, make_group())

    def test_a_price_typed_on_its_entry_is_told_too(self, client: Client, boss: User) -> None:
        world = make_world(lines=1)
        entry = MatrixEntry.objects.get(customer=world.customer)
        form = {
            "customer": entry.customer_id, "product": entry.product_id, "is_active": "on",
            "prices-TOTAL_FORMS": "2", "prices-INITIAL_FORMS": "1", "prices-0-id": entry.prices.get().pk,
            "prices-0-valid_from": "2020-01-01", "prices-0-unit_price": "10", "prices-0-entry": entry.pk,
            "prices-1-valid_from": DAY, "prices-1-unit_price": "12", "prices-1-entry": entry.pk,
        }  # fmt: skip
        done = text(client.post(page("matrixentry_change", entry.pk), form, follow=True))
        assert "1 line of S&amp;OP Jan 2027 uses the old price in 14 cells" in done


class TestMatrixGrid:
    def sent(self, *rows: tuple[Product, str, bool, str, str, str], **more: str) -> dict[str, str]:
        values = {"valid_from": DAY, "seen_on": "2027-01-01"}
        for product, seen, ticked, price, low, high in rows:
            values |= {f"seen-{product.pk}": seen, f"price-{product.pk}": price}
            values |= {f"low-{product.pk}": low, f"high-{product.pk}": high}
            if ticked:
                values[f"tick-{product.pk}"] = "on"
        return values | more

    def test_products_are_ticked_in_one_form(self, client: Client, boss: User) -> None:
        customer, group = make_customer(name="Elm"), make_group()
        new, bought = (make_product(group=group, description=name) for name in ("New one", "Bought one"))
        make_entry(customer, bought, price="10", minimum_order_quantity=Decimal("2.5"))
        address = page("customer_matrix", customer.pk)
        shown = text(client.get(address))
        assert f'name="seen-{bought.pk}" value="1|10|2.5|"' in shown and f'name="seen-{new.pk}" value="0|||"' in shown
        assert shown.index("Bought one") < shown.index("New one")
        rows = ((new, "0|||", True, "1,234.50", "3", "9"), (bought, "1|10|2.5|", False, "10.00", "2.5", ""))
        done = client.post(address, self.sent(*rows), follow=True)
        assert "1 product added, 1 entry changed, 1 price written." in text(done)
        made = MatrixEntry.objects.get(product=new)
        assert (made.is_active, made.minimum_order_quantity, made.maximum_order_quantity) == (True, 3, 9)
        assert made.prices.get().unit_price == Decimal("1234.5") and made.prices.get().valid_from == dt.date(2027, 3, 1)
        assert not MatrixEntry.objects.get(product=bought).is_active
        assert "Nothing was different" in text(client.post(address, self.sent(), follow=True))

    def test_a_refused_form_comes_back_as_it_was_typed(self, client: Client, boss: User) -> None:
        customer, group = make_customer(), make_group()
        good, bad, crossed = (make_product(group=group) for _ in range(3))
        address = page("customer_matrix", customer.pk)
        rows = ((good, "0|||", True, "5", "", ""), (bad, "0|||", True, "1e3", "", ""))
        refused = client.post(address, self.sent(*rows))
        assert refused.status_code == 422 and "&#x27;1e3&#x27; is not a number" in text(refused)
        assert f'name="price-{good.pk}" value="5"' in text(refused) and not MatrixEntry.objects.exists()
        rows = ((good, "0|||", True, "5", "", ""), (crossed, "0|||", True, "", "5", "4"))
        refused = client.post(address, self.sent(*rows))
        assert refused.status_code == 422 and "below the minimum" in text(refused) and not MatrixEntry.objects.exists()
        no_day = client.post(address, self.sent((good, "0|||", True, "5", "", ""), valid_from="soon"))
        assert no_day.status_code == 422 and "Enter a valid date." in text(no_day)
        for seen in ("", "1|2", "x|||", "1|a||", "1|NaN||", "1|sNaN||", "1|1e999999999||", "1|Infinity||"):
            assert client.post(address, self.sent((good, seen, True, "5", "", ""))).status_code in (409, 422), seen
        assert not MatrixEntry.objects.exists()

    def test_somebody_elses_change_is_told(self, client: Client, boss: User) -> None:
        entry = make_entry(make_customer(), make_product(item_code="P1"), price="10")
        address = page("customer_matrix", entry.customer_id)
        stale = client.post(address, self.sent((entry.product, "1|10|7|", True, "12", "7", "")))
        assert stale.status_code == 409 and "Somebody else changed P1" in text(stale)

    def test_the_list_is_filtered(self, client: Client, boss: User) -> None:
        customer, above = make_customer(), make_group()
        group, other = make_group(parent=above), make_group()
        bought = make_product(group=group, description="Bought")
        make_entry(customer, bought)
        make_product(group=other, description="Another")
        make_product(group=other, description="Gone", is_active=False)
        address = page("customer_matrix", customer.pk)
        for query, wanted in (
            ({}, {"Bought", "Another"}), ({"find": "another"}, {"Another"}), ({"group": above.pk}, {"Bought"}),
            ({"show": "bought"}, {"Bought"}), ({"show": "other"}, {"Another"}), ({"find": "%"}, set()),
            ({"group": "x", "show": "x", "page": "-1"}, {"Bought", "Another"}),
        ):  # fmt: skip
            rows = client.get(address, query).context["rows"]
            assert {row.product.description for row in rows} == wanted, query

    def test_others_do_not_enter(self, client: Client) -> None:
        entry = make_entry()
        for role in ("sales_rep", "manager", "viewer"):
            client.force_login(make_user(role))
            for address in (
                page("customer_matrix", entry.customer_id), page("customer_copy", entry.customer_id), page("prices"),
                page("product_replace"),
            ):  # fmt: skip
                assert client.get(address, follow=True).status_code == 403, (role, address)


class TestSwitches:
    @pytest.mark.parametrize("model", ["customer", "product", "matrixentry"])
    def test_rows_are_switched(self, client: Client, boss: User, model: str) -> None:
        make: Any = {"customer": make_customer, "product": make_product, "matrixentry": make_entry}[model]
        rows = [make(), make()]
        words = {"customer": "customers", "product": "products", "matrixentry": "matrix entries"}[model]
        assert f"2 {words} deactivated." in act(client, model, "deactivate", *rows)
        assert f"2 {words} activated." in act(client, model, "activate", *rows)
        assert "delete_selected" not in text(client.get(page(f"{model}_changelist")))

    def test_many_are_deleted_or_deactivated_after_a_question(self, client: Client, boss: User) -> None:
        world, slip = make_world(lines=1), make_customer(name="A slip")
        asked = act(client, "customer", "remove", world.customer, slip)
        assert "1 without a history will be deleted" in asked and "1 with a history will be deactivated" in asked
        assert Customer.objects.filter(pk=slip.pk).exists()
        done = act(client, "customer", "remove", world.customer, slip, confirmed="Delete and deactivate")
        assert "A slip deleted." in done and "so it is deactivated instead." in done


def test_no_more_are_chosen_than_an_address_holds(client: Client, boss: User) -> None:
    with acting("system", source="command"):
        rows = Customer.objects.untracked().bulk_create(
            Customer(customer_id=f"B{n}", name=f"Buyer {n}") for n in range(301)
        )
    for action in ("replace", "change_prices"):
        assert "Choose at most 300 customers at a time for this; 301 are chosen." in act(
            client, "customer", action, *rows
        )


class TestFiles:
    def test_lists_lead_to_files_in_and_out(self, client: Client, boss: User) -> None:
        for model, kind in (
            ("masterdata_customer", "customers"), ("masterdata_product", "products"), ("masterdata_matrixentry", "matrix"),
            ("masterdata_actual", "actuals"), ("masterdata_budget", "budget"), ("accounts_user", "users"),
        ):  # fmt: skip
            shown = text(client.get(reverse(f"admin:{model}_changelist")))
            assert f'href="{reverse("masterdata:import_start", args=[kind])}"' in shown, model
            assert "Export xlsx" in shown, model

    def test_a_file_holds_exactly_the_list(self, client: Client, boss: User) -> None:
        rep = make_user("sales_rep")
        make_customer(customer_id="C1", name="Elm", sales_rep=rep, region="East")
        make_customer(customer_id="C2", name="Elm too", region="West")
        make_customer(customer_id="C3", name="Fir", sales_rep=rep)
        query = {"q": "Elm", "rep": str(rep.pk)}
        shown = text(client.get(page("customer_changelist"), query))
        address = f"{page('customer_export', 'csv')}?q=Elm&amp;rep={rep.pk}"
        assert f'href="{address}"' in shown
        answer = client.get(address.replace("&amp;", "&"))
        lines = b"".join(answer.streaming_content).decode("utf-8-sig").splitlines()
        assert len(lines) == 2 and lines[1].startswith("C1,")
        assert client.get(page("customer_export", "pdf")).status_code == 404
        client.force_login(make_user("viewer"))
        assert client.get(page("customer_export", "csv"), follow=True).status_code == 403

    def test_a_file_of_users_holds_exactly_the_list(self, client: Client, boss: User) -> None:
        rep = make_user("sales_rep", full_name="Robin Elm")
        make_user("sales_rep", full_name="Robin Fir", is_active=False)
        make_user("manager", full_name="Rowan Oak")
        query = {"q": "Robin", "is_active__exact": "1"}
        shown = text(client.get(reverse("admin:accounts_user_changelist"), query))
        address = reverse("masterdata:export", args=["users", "csv"])
        assert f'href="{address}?q=Robin&amp;is_active__exact=1"' in shown
        answer = client.get(address, query)
        lines = b"".join(answer.streaming_content).decode("utf-8-sig").splitlines()
        assert len(lines) == 2 and lines[1].startswith(rep.email)
        # Without a filter it is everybody.
        assert len(b"".join(client.get(address).streaming_content).splitlines()) == 1 + User.objects.count()

    @pytest.mark.parametrize("query", ["is_active__exact=maybe", "password__startswith=a", "nonsense=1"])
    def test_a_filter_without_sense_is_refused(self, client: Client, boss: User, query: str) -> None:
        for address in (reverse("masterdata:export", args=["users", "csv"]), page("customer_export", "csv")):
            assert client.get(f"{address}?{query}").status_code == 422

    @pytest.mark.parametrize("form", ["xlsx", "csv"])
    def test_every_kind_comes_out_in_both_forms(self, client: Client, boss: User, form: str) -> None:
        world = make_world(lines=1)
        for model in ("customer", "product", "matrixentry", "actual", "budget"):
            answer = client.get(page(f"{model}_export", form), {"q": "Elm"})
            assert answer.status_code == 200 and b"".join(answer.streaming_content), model
        assert world.customer


def test_every_object_links_its_history_in_the_trail(client: Client, boss: User) -> None:
    world = make_world(lines=1)
    entry = MatrixEntry.objects.first()
    assert entry is not None
    for model, entity, row in (
        ("masterdata_customer", "customer", world.customer), ("masterdata_product", "product", entry.product),
        ("masterdata_matrixentry", "matrix", entry), ("masterdata_productgroup", "product_group", entry.product.group),
        ("cycles_cycle", "cycle", world.cycle), ("forecasts_line", "forecast", world.lines[0]),
        ("accounts_user", "user", world.rep),
    ):  # fmt: skip
        trail = reverse("audit:history", args=[entity, row.pk])
        shown = text(client.get(reverse(f"admin:{model}_change", args=[row.pk])))
        assert f'href="{trail}"' in shown, model
        assert client.get(reverse(f"admin:{model}_history", args=[row.pk]))["Location"] == trail
        assert client.get(trail).status_code == 200


def test_every_form_of_master_data_shows_the_trails_history() -> None:
    for model, page_of in admin.site._registry.items():
        if model._meta.app_label in ("masterdata", "cycles", "forecasts", "accounts"):
            assert isinstance(page_of, TrailHistory), model


class TestManyRows:
    """Two thousand customers: lists and forms cost as many queries as with two."""

    @pytest.fixture
    def company(self, boss: User) -> None:
        with acting("system", source="command"):
            reps = [make_user("sales_rep") for _ in range(3)]
            group = make_group()
            customers = Customer.objects.untracked().bulk_create(
                Customer(customer_id=f"B{n:05d}", name=f"Buyer {n}", sales_rep=reps[n % 3], region=f"R{n % 4}")
                for n in range(2_000)
            )
            products = Product.objects.untracked().bulk_create(
                Product(item_code=f"Q{n:04d}", description=f"Product {n}", group=group) for n in range(300)
            )
            entries = MatrixEntry.objects.untracked().bulk_create(
                MatrixEntry(customer=customer, product=products[(n * 7 + k) % 300])
                for n, customer in enumerate(customers)
                for k in range(3)
            )
            entries += MatrixEntry.objects.untracked().bulk_create(
                MatrixEntry(customer=customers[0], product=product) for product in products[10:]
            )
            Price.objects.untracked().bulk_create(
                Price(entry=entry, valid_from=dt.date(2026, 1, 1), unit_price=5) for entry in entries
            )

    def costs(self, client: Client, customer: Customer, product: Product) -> dict[str, int]:
        addresses = {
            name: page(name)
            for name in (
                "customer_changelist",
                "product_changelist",
                "matrixentry_changelist",
                "productgroup_changelist",
            )
        }
        addresses |= {
            "customer": page("customer_change", customer.pk), "product": page("product_change", product.pk),
            "grid": page("customer_matrix", customer.pk), "search": f"{page('customer_changelist')}?q=Buyer",
            "entries of one": f"{page('matrixentry_changelist')}?customer__id__exact={customer.pk}",
        }  # fmt: skip
        for address in addresses.values():
            client.get(address)
        return {name: count_queries(client, address) for name, address in addresses.items()}

    def test_lists_and_forms_cost_the_same(self, client: Client, boss: User, request: pytest.FixtureRequest) -> None:
        rep = make_user("sales_rep")
        few = [make_entry(make_customer(sales_rep=rep, name=f"Buyer {n}"), make_product()) for n in range(2)]
        before = self.costs(client, few[0].customer, few[0].product)
        request.getfixturevalue("company")
        many = MatrixEntry.objects.select_related("customer", "product").get(
            customer__customer_id="B00000", product__item_code="Q0100"
        )
        after = self.costs(client, many.customer, many.product)
        assert after == before
        assert max(after.values()) < 40
