"""The search of the top bar: only what one may open, the code first, and nothing breaks it."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from audit.context import acting
from masterdata.models import Customer, Product
from sop_portal.search import MOST, PAGES, find
from tests.factories import make_customer, make_cycle, make_product, make_user

pytestmark = pytest.mark.django_db
SEARCH = reverse("search")


@pytest.fixture
def rep():
    return make_user("sales_rep")


def titles(user, text):
    return {group.title: [hit.title for hit in group.hits] for group in find(user, text)}


def test_hits_come_from_what_one_may_see(rep):
    make_customer(name="Garlic House", sales_rep=rep)
    make_customer(name="Garlic CANARY", sales_rep=make_user("sales_rep"))
    make_product(description="Garlic puree")
    make_product(description="Garlic of yore", is_active=False)
    assert titles(rep, "garlic") == {"Customers": ["Garlic House"], "Products": ["Garlic puree"]}
    assert titles(make_user("viewer"), "canary") == {"Customers": ["Garlic CANARY"]}
    assert len(titles(make_user("viewer"), "garlic")["Products"]) == 2


def test_the_code_comes_first_then_what_begins_so(rep):
    for code, name in (("X-1", "Has C1 inside"), ("C12", "Zoo"), ("C1", "Last by name"), ("C13", "Ant")):
        make_customer(customer_id=code, name=name, sales_rep=rep)
    assert titles(rep, "c1")["Customers"] == ["Last by name", "Ant", "Zoo", "Has C1 inside"]


def test_a_code_leads_straight_to_its_thing(client, rep):
    customer = make_customer(customer_id="C1", name="C1 and more", sales_rep=rep)
    make_customer(customer_id="C10", sales_rep=rep)
    client.force_login(rep)
    assert client.get(SEARCH, {"q": " c1 "})["Location"] == reverse("masterdata:customer", args=[customer.pk])
    only = client.get(SEARCH, {"q": "and more"})
    assert only["Location"] == reverse("masterdata:customer", args=[customer.pk])
    make_customer(name="More elms", sales_rep=rep)
    assert "Two places fit “more”" in client.get(SEARCH, {"q": "more"}).content.decode()


def test_cycles_and_pages_are_found(client):
    admin = make_user("admin")
    cycle = make_cycle(by=admin)
    assert titles(admin, cycle.name[:6])["Cycles"] == [cycle.name]
    assert titles(admin, "users")["Pages"] == ["Users"] and titles(admin, "import")["Pages"] == ["Imports"]
    rep = make_user("sales_rep")
    assert "Pages" not in titles(rep, "import") and titles(rep, "grid")["Pages"] == ["Forecast"]


@pytest.mark.parametrize("role", ["sales_rep", "manager", "viewer", "admin"])
def test_every_page_that_is_offered_opens(client, role):
    user = make_user(role)
    client.force_login(user)
    offered = [
        hit for _, title, _, _ in PAGES for group in find(user, title) for hit in group.hits if hit.title == title
    ]
    assert len(offered) >= 8
    for hit in offered:
        assert client.get(hit.url).status_code == 200, hit


def test_more_than_fit_lead_to_the_list(client, rep):
    for number in range(MOST + 1):
        make_customer(name=f"Elm {number}", sales_rep=rep)
    (group,) = find(rep, "elm")
    assert len(group.hits) == MOST and group.more == reverse("masterdata:customer_list") + "?q=elm&state=all"
    client.force_login(rep)
    assert client.get(group.more).status_code == 200
    assert group.more.replace("&", "&amp;") in client.get(SEARCH, {"q": "elm"}).content.decode()


def test_the_field_gets_options_and_never_a_redirect(client, rep):
    customer = make_customer(customer_id="C1", sales_rep=rep)
    client.force_login(rep)
    answer = client.get(SEARCH, {"q": "c1"}, headers={"HX-Request": "true"})
    page = answer.content.decode()
    assert answer.status_code == 200 and "HX-Request" in answer["Vary"] and "<html" not in page
    assert f'href="{reverse("masterdata:customer", args=[customer.pk])}"' in page and page.count('role="option"') == 1


@pytest.mark.parametrize(
    "text", ["", " ", "%", "_", "\\", "'; DROP TABLE x", "<script>alert(1)</script>", "x" * 5000, "é" * 99]
)
def test_no_words_break_it(client, rep, text):
    make_customer(name="Elm", sales_rep=rep)
    client.force_login(rep)
    answer = client.get(SEARCH, {"q": text})
    assert answer.status_code == 200 and "<script>alert" not in answer.content.decode()


def test_hostile_names_stay_text(client, rep):
    for number in range(2):
        make_customer(name=f"<script>alert({number})</script>", sales_rep=rep)
    client.force_login(rep)
    for headers in ({}, {"HX-Request": "true"}):
        page = client.get(SEARCH, {"q": "alert"}, headers=headers).content.decode()
        assert "&lt;script&gt;alert(0)" in page and "<script>alert" not in page


def test_it_costs_three_queries_at_any_size(rep):
    def cost():
        with CaptureQueriesContext(connection) as caught:
            list(find(rep, "elm"))
        return len(caught)

    rep.has_perm("x.y")
    few = cost()
    with acting("system", source="command"):
        Customer.objects.bulk_create(
            Customer(customer_id=f"E{number}", name=f"Elm {number}", sales_rep=rep) for number in range(1000)
        )
        group = make_product().group
        Product.objects.bulk_create(
            Product(item_code=f"E{number}", description=f"Elm {number}", group=group) for number in range(1000)
        )
    assert cost() == few == 3
