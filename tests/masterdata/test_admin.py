"""Master data, cycles and lines in the admin: who enters, what is refused, what only shows."""

import datetime as dt

import pytest
from django.apps import apps
from django.contrib import admin
from django.urls import reverse

from audit.models import Entry
from masterdata.models import Actual, Customer, Delegation, MatrixEntry, Product, ProductGroup
from tests.factories import make_actual, make_customer, make_entry, make_group, make_product, make_user
from tests.world import count_queries, make_world, next_transaction

pytestmark = pytest.mark.django_db
EDITED = ("productgroup", "product", "customer", "matrixentry", "actual", "budget", "delegation")
NO_ALIASES = {"aliases-TOTAL_FORMS": "0", "aliases-INITIAL_FORMS": "0"}
SHOWN = ("masterdata_importrun", "cycles_cycle", "forecasts_line")


def page(name, *args):
    return reverse(f"admin:{name}", args=args)


@pytest.fixture
def boss(client):
    user = make_user("admin")
    client.force_login(user)
    return user


@pytest.mark.parametrize("name", [*(f"masterdata_{model}" for model in EDITED), *SHOWN])
@pytest.mark.parametrize("role", ["admin", "manager", "sales_rep", "viewer"])
def test_only_admins_enter(client, name, role):
    client.force_login(make_user(role))
    assert client.get(page(f"{name}_changelist"), follow=True).status_code == (200 if role == "admin" else 403)


@pytest.mark.parametrize("name", SHOWN)
def test_what_moves_in_the_portal_is_only_shown(client, boss, name):
    world = make_world(lines=1)
    assert client.get(page(f"{name}_add")).status_code == 403
    if name == "masterdata_importrun":
        return
    row = world.cycle if name == "cycles_cycle" else world.lines[0]
    shown = client.get(page(f"{name}_change", row.pk))
    assert shown.status_code == 200 and b'name="_save"' not in shown.content
    assert client.post(page(f"{name}_change", row.pk), {"name": "x", "status": "approved"}).status_code == 403
    assert client.post(page(f"{name}_delete", row.pk), {"post": "yes"}).status_code == 403


@pytest.mark.parametrize("search", ["Elm", "P0", "\x27; DROP", "%"])
@pytest.mark.parametrize("model", ["productgroup", "product", "customer", "matrixentry", "actual", "delegation"])
def test_lists_are_searched(client, boss, model, search):
    make_actual(make_entry(make_customer(name="Elm"), make_product(item_code="P0")), dt.date(2026, 12, 1))
    assert client.get(page(f"masterdata_{model}_changelist"), {"q": search}).status_code == 200


@pytest.mark.parametrize("model", ["customer", "matrixentry", "product", "actual"])
def test_lists_cost_the_same_with_more_rows(client, boss, model):
    def add():
        entry = make_entry(make_customer(sales_rep=rep), make_product(group=group))
        make_actual(entry, dt.date(2026, 12, 1))

    rep, group = make_user("sales_rep"), make_group()
    address = page(f"masterdata_{model}_changelist")
    add()
    client.get(address)
    few = count_queries(client, address)
    for _ in range(4):
        add()
    assert count_queries(client, address) == few


def test_customers_without_a_rep_are_found(client, boss):
    mine, nobodys = make_customer(sales_rep=make_user("sales_rep")), make_customer()
    answer = client.get(page("masterdata_customer_changelist"), {"rep": "none"})
    assert list(answer.context["cl"].result_list) == [nobodys]
    answer = client.get(page("masterdata_customer_changelist"), {"rep": str(mine.sales_rep_id)})
    assert list(answer.context["cl"].result_list) == [mine]


def test_chosen_customers_are_assigned_after_a_question(client, boss):
    rep = make_user("sales_rep", full_name="Rita Rep")
    chosen, other = [make_customer(), make_customer()], make_customer()
    data = {"action": "assign", "_selected_action": [customer.pk for customer in chosen]}
    asked = client.post(page("masterdata_customer_changelist"), data)
    assert asked.status_code == 200 and "Rita Rep" in asked.content.decode()
    assert not Customer.objects.filter(sales_rep=rep).exists()
    next_transaction()
    done = client.post(page("masterdata_customer_changelist"), {**data, "rep": rep.pk, "assign": "Assign"}, follow=True)
    assert "2 customers assigned to Rita Rep." in done.content.decode()
    assert set(Customer.objects.filter(sales_rep=rep)) == set(chosen)
    other.refresh_from_db()
    assert other.sales_rep is None
    entry = Entry.objects.filter(entity_type="customer", entity_id=str(chosen[0].pk)).latest("pk")
    assert (entry.source, entry.actor_id) == ("admin", boss.pk)


def test_nobody_but_reps_is_offered_or_taken(client, boss):
    viewer, customer = make_user("viewer"), make_customer()
    data = {"action": "assign", "_selected_action": [customer.pk], "rep": viewer.pk, "assign": "Assign"}
    assert "Select a valid choice" in client.post(page("masterdata_customer_changelist"), data).content.decode()
    form = {"customer_id": customer.customer_id, "name": "Elm", "sales_rep": viewer.pk, "is_active": "on"}
    refused = client.post(page("masterdata_customer_change", customer.pk), form | NO_ALIASES)
    assert "is not an active sales rep" in refused.content.decode()
    customer.refresh_from_db()
    assert customer.sales_rep is None


def test_another_rep_on_the_customers_page_is_one_entry(client, boss):
    rep, customer = make_user("sales_rep"), make_customer(name="Elm")
    form = {"customer_id": customer.customer_id, "name": "Elm Supply", "sales_rep": rep.pk, "is_active": "on"}
    assert client.post(page("masterdata_customer_change", customer.pk), form | NO_ALIASES).status_code == 302
    customer.refresh_from_db()
    assert (customer.name, customer.sales_rep) == ("Elm Supply", rep)


def test_a_name_from_old_workbooks_stands_for_one_customer(client, boss):
    elm, fir = make_customer(name="Elm"), make_customer(name="Fir")

    def name(customer):
        form = {"customer_id": customer.customer_id, "name": customer.name, "is_active": "on"}
        aliases = {"aliases-TOTAL_FORMS": "1", "aliases-INITIAL_FORMS": "0", "aliases-0-name": " Elm  SUPPLY"}
        return client.post(page("masterdata_customer_change", customer.pk), form | aliases)

    assert name(elm).status_code == 302
    assert elm.aliases.get().key == "elm supply"
    refused = name(fir)
    assert "Workbooks already use this name for Elm; remove it there first." in refused.content.decode()


def test_rows_that_make_no_sense_are_refused_with_a_sentence(client, boss):
    group, customer, product = make_group(), make_customer(), make_product()
    negative = {"item_code": "X", "description": "x", "group": group.pk, "uom": "CS", "list_price": "-1"}
    assert "Must be 0 or more." in client.post(page("masterdata_product_add"), negative).content.decode()
    twice = {"item_code": product.item_code, "description": "x", "group": group.pk, "uom": "CS"}
    assert "already exists" in client.post(page("masterdata_product_add"), twice).content.decode()
    crossed = {
        "customer": customer.pk, "product": product.pk, "minimum_order_quantity": "5", "maximum_order_quantity": "4",
        "prices-TOTAL_FORMS": "0", "prices-INITIAL_FORMS": "0",
    }  # fmt: skip
    assert "below the minimum" in client.post(page("masterdata_matrixentry_add"), crossed).content.decode()
    late = {"customer": customer.pk, "product": product.pk, "period": "2026-12-02", "quantity": "1", "amount": "1"}
    assert "first day of its month" in client.post(page("masterdata_actual_add"), late).content.decode()
    assert not Actual.objects.exists() and not MatrixEntry.objects.exists() and Product.objects.count() == 1


def test_an_entry_is_saved_with_its_prices(client, boss):
    customer, product = make_customer(), make_product()
    form = {
        "customer": customer.pk, "product": product.pk, "is_active": "on",
        "prices-TOTAL_FORMS": "2", "prices-INITIAL_FORMS": "0",
        "prices-0-valid_from": "2027-01-01", "prices-0-unit_price": "12.5",
        "prices-1-valid_from": "2027-06-01", "prices-1-unit_price": "13",
    }  # fmt: skip
    ancient = client.post(page("masterdata_matrixentry_add"), form | {"prices-1-valid_from": "1900-06-01"})
    assert "Enter a day from 2000 to 2199." in ancient.content.decode() and not MatrixEntry.objects.exists()
    assert client.post(page("masterdata_matrixentry_add"), form).status_code == 302
    assert MatrixEntry.objects.get().prices.count() == 2
    grid = page("masterdata_customer_matrix", customer.pk)
    refused = client.post(grid, {"valid_from": "1900-06-01", "seen_on": "2027-01-01"})
    assert refused.status_code == 422 and "Enter a day from 2000 to 2199." in refused.content.decode()


def test_what_is_in_use_is_deactivated_instead_of_deleted(client, boss):
    world = make_world(lines=1)
    address = page("masterdata_customer_delete", world.customer.pk)
    asked = client.get(address).content.decode()
    assert "Elm Supply, Inc.: actuals, lines" in asked and "will be deactivated instead" in asked
    done = client.post(address, {"post": "yes"}, follow=True).content.decode()
    assert "Elm Supply, Inc. has a history (actuals, lines), so it is deactivated instead." in done
    assert not Customer.objects.get(pk=world.customer.pk).is_active
    group = ProductGroup.objects.first()
    client.post(page("masterdata_productgroup_delete", group.pk), {"post": "yes"})
    assert ProductGroup.objects.filter(pk=group.pk).exists()
    slip = make_customer(name="A slip")
    done = client.post(page("masterdata_customer_delete", slip.pk), {"post": "yes"}, follow=True)
    assert "A slip deleted." in done.content.decode() and not Customer.objects.filter(pk=slip.pk).exists()


def test_a_delegation_tells_who_made_it(client, boss):
    form = {
        "from_user": make_user("sales_rep").pk, "to_user": make_user("sales_rep").pk, "all_customers": "on",
        "valid_from_0": "2027-01-01", "valid_from_1": "00:00:00", "valid_to_0": "2027-02-01", "valid_to_1": "00:00:00",
    }  # fmt: skip
    assert client.post(page("masterdata_delegation_add"), form).status_code == 302
    assert Delegation.objects.get().created_by == boss


def test_periods_are_filtered_by_the_last_36_months(client, boss):
    entry = make_entry()
    kept, _ = make_actual(entry, dt.date(2026, 12, 1)), make_actual(entry, dt.date(2026, 11, 1))
    answer = client.get(page("masterdata_actual_changelist"), {"period": "2026-12"})
    assert list(answer.context["cl"].result_list) == [kept]
    assert client.get(page("masterdata_actual_changelist"), {"period": "never"}).status_code in (200, 302)


def test_every_model_of_master_data_is_registered():
    shown = {model._meta.model_name for model in admin.site._registry if model._meta.app_label == "masterdata"}
    every = {model._meta.model_name for model in apps.get_app_config("masterdata").get_models()}
    # Prices stand on their entry, aliases on their customer; the history of actuals is kept by the database, what
    # belongs to an import is shown on its page; who counts for whom is a view.
    of_imports = {"importprogress", "importproblem", "importchange"}
    views = {"productsuccession", "customersuccession"}
    assert every - shown == {"price", "customeralias", "actualrevision", *of_imports, *views}
