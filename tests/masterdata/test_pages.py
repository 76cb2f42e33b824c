"""Customers, products and their pairs: who sees which, what stands there, and that it costs the same at any size."""

import datetime as dt
from decimal import Decimal
from types import SimpleNamespace

import pytest
from django.urls import reverse

from audit.context import acting
from masterdata.models import Actual, Budget, Customer, MatrixEntry, Price, Product
from masterdata.views import listing
from tests.factories import make_actual, make_customer, make_entry, make_group, make_product, make_user
from tests.world import count_queries, make_world, next_transaction

pytestmark = pytest.mark.django_db

CUSTOMERS, PRODUCTS = reverse("masterdata:customer_list"), reverse("masterdata:product_list")
TODAY = dt.date(2026, 12, 20)
DECEMBER, YEAR_BEFORE = dt.date(2026, 12, 1), dt.date(2025, 12, 1)


@pytest.fixture(autouse=True)
def today(monkeypatch):
    monkeypatch.setattr(listing, "today", lambda: TODAY)


@pytest.fixture
def company():
    """Two reps of one manager and one of another, each with a customer; a product that costs 77.1234."""
    people = SimpleNamespace(
        manager=make_user("manager"),
        other_manager=make_user("manager"),
        viewer=make_user("viewer"),
        admin=make_user("admin"),
    )
    people.rep = make_user("sales_rep", full_name="Rita Rep", manager=people.manager)
    people.mate = make_user("sales_rep", full_name="Milo Mate", manager=people.manager)
    people.stranger = make_user("sales_rep", full_name="Sven Stranger", manager=people.other_manager)
    product = make_product(
        item_code="P-1",
        description="Peeled garlic",
        cost_price=Decimal("77.1234"),
        list_price=Decimal(120),
        weight=Decimal(2),
    )
    customers = {}
    for name, rep in (("Elm", people.rep), ("Mango", people.mate), ("Spruce", people.stranger)):
        customers[name] = make_customer(
            name=f"{name} Foods", customer_id=name.upper(), sales_rep=rep, region=f"{name}land"
        )
        entry = make_entry(customers[name], product, price="100")
        make_actual(entry, DECEMBER, 10, amount=Decimal(1000), cost=Decimal("771.234"))
        make_actual(entry, YEAR_BEFORE, 8, amount=Decimal(800), cost=Decimal("617"))
    # Something older is loaded, so that the year before is known.
    make_actual(entry, dt.date(2024, 1, 1), 0)
    return SimpleNamespace(**vars(people), product=product, customers=customers, elm=customers["Elm"])


def names(answer):
    return [one.row.name for one in answer.context["rows"]]


def open_as(client, user, address, **query):
    client.force_login(user)
    return client.get(address, query)


@pytest.mark.parametrize(
    ("who", "seen"),
    [
        ("rep", ["Elm Foods"]),
        ("stranger", ["Spruce Foods"]),
        ("manager", ["Elm Foods", "Mango Foods"]),
        ("viewer", ["Elm Foods", "Mango Foods", "Spruce Foods"]),
        ("admin", ["Elm Foods", "Mango Foods", "Spruce Foods"]),
    ],
)
def test_everybody_sees_the_customers_in_scope(client, company, who, seen):
    answer = open_as(client, getattr(company, who), CUSTOMERS)
    assert names(answer) == seen
    assert (
        answer.context["finding"]
        == f"Sales to {len(seen)} customer{'s' * (len(seen) > 1)} rose 25 % over the last 12 months"
    )
    (row, *_) = answer.context["rows"]
    assert (row.last12, row.change, row.pairs, row.sold) == (1000, Decimal("0.25"), 1, 10)


def test_filters_narrow_the_list_and_stay_in_the_address(client, company):
    extra = make_customer(name="Zebra Inc", customer_id="Z-9", sales_rep=company.rep, is_active=False, region="Elmland")
    prospect = make_customer(name="New one", sales_rep=None, is_prospect=True, corporate_group="Chain", territory="T1")
    assert names(open_as(client, company.admin, CUSTOMERS, region="Elmland")) == ["Elm Foods"]
    assert names(client.get(CUSTOMERS, {"region": "Elmland", "state": "all"})) == ["Elm Foods", extra.name]
    assert names(client.get(CUSTOMERS, {"state": "inactive"})) == [extra.name]
    assert names(client.get(CUSTOMERS, {"state": "prospect"})) == [prospect.name]
    assert names(client.get(CUSTOMERS, {"q": "go foo"})) == ["Mango Foods"]
    assert names(client.get(CUSTOMERS, {"q": "z-9", "state": "all"})) == [extra.name]
    assert names(client.get(CUSTOMERS, {"rep": str(company.mate.pk)})) == ["Mango Foods"]
    assert names(client.get(CUSTOMERS, {"rep": "none"})) == [prospect.name]
    page = client.get(CUSTOMERS, {"region": "Elmland", "sort": "-name", "size": "100"}).content.decode()
    assert 'name="sort" value="-name"' in page and "region=Elmland&amp;sort=name" in page


def test_a_filter_with_one_choice_is_not_asked_for(client, company):
    fields = open_as(client, company.rep, CUSTOMERS).context["form"].fields
    assert "rep" not in fields and "region" not in fields and "territory" not in fields
    fields = open_as(client, company.manager, CUSTOMERS).context["form"].fields
    assert [name for name, _ in fields["rep"].choices] == ["", str(company.mate.pk), str(company.rep.pk)]


@pytest.mark.parametrize(
    "query", [{"rep": "abc"}, {"rep": "1"}, {"region": "Spruceland"}, {"state": "x"}, {"q": "x" * 101}]
)
def test_a_filter_that_makes_no_sense_shows_nothing_and_says_why(client, company, query):
    answer = open_as(client, company.manager, CUSTOMERS, **query)
    assert answer.status_code == 422 and answer.context["rows"] == [] and answer.context["form"].errors


@pytest.mark.parametrize(
    "query", [{"after": "x"}, {"before": "%00"}, {"size": "9999"}, {"sort": "password"}, {"page": "-1"}]
)
@pytest.mark.parametrize("address", [CUSTOMERS, PRODUCTS])
def test_what_an_address_says_about_pages_never_breaks_them(client, company, address, query):
    assert open_as(client, company.rep, address, **query).status_code == 200


@pytest.mark.parametrize("key", ["name", "id", "region", "territory", "group"])
def test_lists_of_customers_sort_both_ways(client, company, key):
    for number in range(4):
        make_customer(
            sales_rep=company.rep, region=f"R{number % 2}", territory=f"T{-number}", corporate_group=f"G{number}"
        )
    up, down = (
        names(open_as(client, company.rep, CUSTOMERS, sort=key)),
        names(client.get(CUSTOMERS, {"sort": f"-{key}"})),
    )
    assert len(up) == 5 and down == up[::-1]


def test_a_list_goes_on_where_the_page_ended(client, company):
    for number in range(60):
        make_customer(name=f"N{number:02d}", sales_rep=company.rep)
    first = open_as(client, company.rep, CUSTOMERS)
    assert len(names(first)) == 50 and "61 customers" in first.content.decode()
    second = client.get(CUSTOMERS + first.context["pager"]["next_url"])
    assert len(set(names(first) + names(second))) == 61 and second.context["pager"]["next_url"] == ""
    assert names(client.get(CUSTOMERS + second.context["pager"]["previous_url"])) == names(first)


def test_empty_lists_say_what_to_do(client):
    assert "There are no customers yet" in open_as(client, make_user("admin"), CUSTOMERS).content.decode()
    assert "You serve no customer" in open_as(client, make_user("sales_rep"), CUSTOMERS).content.decode()
    make_customer(sales_rep=(rep := make_user("sales_rep")))
    assert "No customer fits" in open_as(client, rep, CUSTOMERS, q="nothing").content.decode()


def test_reps_see_active_products_and_those_their_customers_have(client, company):
    old, sold, foreign = (make_product(item_code=code, is_active=False) for code in ("OLD", "SOLD", "FOREIGN"))
    make_entry(company.elm, old)
    elsewhere = make_entry(company.customers["Spruce"], foreign)
    make_actual(elsewhere, DECEMBER)
    make_actual(SimpleNamespace(customer=company.elm, product=sold), DECEMBER)
    seen = {product.item_code for product in Product.objects.visible_to(company.rep)}
    assert seen == {"P-1", "OLD", "SOLD"}
    assert {product.item_code for product in Product.objects.visible_to(company.viewer)} == {*seen, "FOREIGN"}
    assert open_as(client, company.rep, reverse("masterdata:product", args=[foreign.pk])).status_code == 404
    assert client.get(reverse("masterdata:product", args=[old.pk])).status_code == 200
    codes = [one.row.item_code for one in client.get(PRODUCTS, {"state": "all"}).context["rows"]]
    assert codes == ["OLD", "P-1", "SOLD"]


def test_looking_up_the_customers_first_finds_the_same_rows(company):
    """The two ways to ask for what a person may read have one answer."""
    spruce = company.customers["Spruce"]
    for code, customer in (("OLD", company.elm), ("FOREIGN", spruce), ("BOTH", company.elm), ("BOTH2", spruce)):
        product = make_product(item_code=code, is_active=False)
        make_entry(customer, product)
        make_actual(SimpleNamespace(customer=company.customers["Mango"], product=product), DECEMBER)
    make_product(item_code="NOBODY", is_active=False)
    company.elm.replaced_by = company.customers["Mango"]
    with acting("system", source="command"):
        company.elm.save()
        for customer in company.customers.values():
            Budget.objects.create(version="AOP", customer=customer, period=DECEMBER, quantity=1, amount=1)
    for model in (Product, MatrixEntry, Budget, Actual):
        counts = set()
        for who in ("rep", "mate", "stranger", "manager", "other_manager", "viewer", "admin"):
            expected = set(model.objects.visible_to(getattr(company, who)).values_list("pk", flat=True))
            found = list(model.objects.in_scope_of(getattr(company, who)).values_list("pk", flat=True))
            assert set(found) == expected and len(found) == len(expected), (model, who)
            counts.add(len(expected))
        assert len(counts) >= 3, model


def test_figures_of_products_are_over_the_customers_in_scope(client, company):
    (mine,) = open_as(client, company.rep, PRODUCTS).context["rows"]
    (team,) = open_as(client, company.manager, PRODUCTS).context["rows"]
    (every,) = open_as(client, company.viewer, PRODUCTS).context["rows"]
    assert [(row.last12, row.sold, row.pairs) for row in (mine, team, every)] == [
        (1000, 10, 1),
        (2000, 20, 2),
        (3000, 30, 3),
    ]


def test_products_filter_by_group_and_what_is_below_it(client, company):
    top = make_group(code="TOP")
    below = make_product(
        item_code="B", group=make_group(parent=top), manufacturing_location="Miami", production_line="L1"
    )
    make_product(item_code="C", manufacturing_location="Gilroy", production_line="L2")
    codes = lambda **query: [one.row.item_code for one in client.get(PRODUCTS, query).context["rows"]]  # noqa: E731
    client.force_login(company.admin)
    assert codes(group=str(top.pk)) == ["B"] and codes(group=str(below.group_id)) == ["B"]
    assert codes(location="Gilroy") == ["C"] and codes(line="L1") == ["B"] and codes(q="garlic") != []
    assert codes(sold="on") == ["P-1"]
    for key in ("description", "code", "group", "location", "line"):
        assert codes(sort=key) == codes(sort=f"-{key}")[::-1]


PAGES = ("customer", "customer_products", "customer_history", "product", "product_customers", "product_history")


def addresses(company):
    for page in PAGES:
        row = company.elm if page.startswith("customer") else company.product
        yield reverse(f"masterdata:{page}", args=[row.pk])
    yield reverse("masterdata:pair", args=[company.elm.pk, company.product.pk])
    yield from (CUSTOMERS, PRODUCTS, reverse("masterdata:sales_history"))
    yield from (f"{reverse('masterdata:sales_history')}?by={tab}" for tab in ("customers", "products", "rows"))


@pytest.mark.parametrize(("who", "sees"), [("rep", False), ("manager", True), ("viewer", True), ("admin", True)])
def test_cost_and_margin_are_for_those_who_may_see_them(client, company, who, sees):
    with acting(company.admin, source="admin"):
        next_transaction()
        company.product.cost_price = Decimal("66.4321")
        company.product.save()
    client.force_login(getattr(company, who))
    text = ""
    for address in addresses(company):
        answer = client.get(address)
        assert answer.status_code == 200, address
        text += answer.content.decode()
    for canary in ("66.4321", "77.1234", "771.23", "Margin", "cost"):
        assert (canary.casefold() in text.casefold()) == sees, canary
    assert (
        "Cost price" in client.get(reverse("audit:history", args=["product", company.product.pk])).content.decode()
    ) == sees


def test_the_page_of_a_customer_tells_its_facts_and_figures(client, company):
    make_customer(name="Old Elm", sales_rep=company.rep, replaced_by=company.elm)
    answer = open_as(client, company.rep, reverse("masterdata:customer", args=[company.elm.pk]))
    page, picture = answer.content.decode(), answer.context["picture"]
    assert "Old Elm" in page and "Replaces" in page and "Rita Rep" in page
    assert (picture.year.amount, picture.year.before, picture.year.weight) == (1000, 800, 20)
    assert picture.plot.title == "Sales rose 25 % over the last 12 months, most of it in December"
    assert answer.context["top"][0].entry.product == company.product
    weight = client.get(answer.request["PATH_INFO"], {"show": "weight"}).context["picture"].plot
    assert weight.unit == "kg a month" and weight.title.startswith("Weight sold rose 25 %")


def test_a_successor_out_of_scope_is_not_named(client, company):
    with acting(company.admin, source="admin"):
        next_transaction()
        Customer.objects.filter(pk=company.elm.pk).update(replaced_by=company.customers["Spruce"])
    address = reverse("masterdata:customer", args=[company.elm.pk])
    page = open_as(client, company.rep, address).content.decode()
    assert "Spruce" not in page and "a customer of somebody else" in page
    for history in (
        reverse("masterdata:customer_history", args=[company.elm.pk]),
        reverse("audit:history", args=["customer", company.elm.pk]),
    ):
        assert "Spruce" not in open_as(client, company.rep, history).content.decode()
        assert "Spruce Foods" in open_as(client, company.admin, history).content.decode()
    assert "Spruce Foods" in open_as(client, company.viewer, address).content.decode()


def test_what_a_replaced_customer_bought_counts_for_its_successor(client, company):
    """Spruce belongs to a stranger; Elm took its place."""
    spruce, sales = company.customers["Spruce"], reverse("masterdata:sales_history")
    with acting(company.admin, source="admin"):
        Customer.objects.filter(pk=spruce.pk).update(replaced_by=company.elm, is_active=False)
    client.force_login(company.rep)
    (row,) = client.get(CUSTOMERS).context["rows"]
    detail = client.get(reverse("masterdata:customer", args=[company.elm.pk]))
    pair = client.get(reverse("masterdata:pair", args=[company.elm.pk, company.product.pk]))
    whole = client.get(sales)
    named = client.get(sales, {"customer": "ELM"})
    assert row.last12 == 2000
    for answer in (detail, pair):
        assert answer.context["picture"].year.amount == 2000
    assert detail.context["top"][0].share.total == 2000
    assert whole.context["totals"].amount == named.context["totals"].amount == 3600
    # Its own page stays its rep's: here it has a name but no link.
    for tab in ("customers", "rows"):
        page = client.get(sales, {"by": tab}).content.decode()
        assert "Spruce Foods" in page and reverse("masterdata:customer", args=[spruce.pk]) not in page
    client.force_login(company.viewer)
    total = lambda **query: client.get(sales, query).context["totals"].amount  # noqa: E731
    assert (total(region="Elmland"), total(region="Spruceland"), total(customer="SPRUCE")) == (3600, 0, 1800)
    assert total() == 5400 and client.get(CUSTOMERS).context["finding"].endswith("rose 25 % over the last 12 months")


def test_prices_of_the_matrix_in_force_before_and_announced(client, company):
    entry = company.elm.matrix.get()
    with acting(company.admin, source="admin"):
        for day, price in ((dt.date(2026, 12, 20), "110"), (dt.date(2026, 12, 21), "121")):
            Price.objects.create(entry=entry, valid_from=day, unit_price=Decimal(price))
    missing = make_entry(company.elm, make_product(item_code="NONE"), price=None)
    listed = make_entry(company.elm, make_product(item_code="LIST", list_price=Decimal(7)), price=None)
    answer = open_as(client, company.rep, reverse("masterdata:customer_products", args=[company.elm.pk]))
    rows = {row.entry.pk: row for row in answer.context["rows"]}
    row = rows[entry.pk]
    assert (row.price, row.since, row.previous, row.price_change) == (110, dt.date(2026, 12, 20), 100, Decimal("0.1"))
    assert row.coming == (dt.date(2026, 12, 21), 121) and row.steps[-1] == 100
    assert rows[missing.pk].price is None and rows[listed.pk].price == 7 and rows[listed.pk].is_list_price
    assert "price missing" in answer.content.decode() and "list price" in answer.content.decode()
    found = client.get(answer.request["PATH_INFO"], {"q": "peeled garlic"})
    assert {row.entry.pk for row in found.context["rows"]} == set(rows)
    assert [row.entry.pk for row in client.get(answer.request["PATH_INFO"], {"q": "p-1"}).context["rows"]] == [entry.pk]


@pytest.mark.parametrize("sort", ["name", "sold", "change"])
def test_the_matrix_sorts_by_its_figures(client, company, sort):
    for number in range(3):
        entry = make_entry(company.elm, make_product(description=f"Garlic {number}"))
        make_actual(entry, DECEMBER, number, amount=Decimal(number * 7))
        make_actual(entry, YEAR_BEFORE, 1, amount=Decimal(10))
    address = reverse("masterdata:customer_products", args=[company.elm.pk])
    keys = lambda query: [row.entry.pk for row in client.get(address, {"sort": query}).context["rows"]]  # noqa: E731
    client.force_login(company.rep)
    assert keys(sort) == keys(f"-{sort}")[::-1]


def test_the_page_of_a_pair_shows_prices_over_time(client, company):
    entry = company.elm.matrix.get()
    with acting(company.admin, source="admin"):
        Price.objects.create(entry=entry, valid_from=dt.date(2026, 6, 1), unit_price=Decimal(110))
    answer = open_as(client, company.rep, reverse("masterdata:pair", args=[company.elm.pk, company.product.pk]))
    plot = answer.context["price_plot"]
    assert plot.title == "The price rose 10.0 % since January 2020, in one step"
    assert [plot.series[0].values[number] for number in (0, -8, -7, -1)] == [100, 100, 110, 110]
    assert answer.context["changes"][0] == (dt.date(2026, 6, 1), Decimal(110))
    assert open_as(client, company.mate, answer.request["PATH_INFO"]).status_code == 404
    nothing = make_product()
    assert (
        open_as(client, company.rep, reverse("masterdata:pair", args=[company.elm.pk, nothing.pk])).status_code == 404
    )


def test_the_newest_plan_stands_after_what_was_sold(client):
    world = make_world()
    line = world.lines[0]
    client.force_login(world.rep)
    address = reverse("masterdata:pair", args=[line.customer_id, line.product_id])
    picture = client.get(address).context["picture"]
    assert picture.plan.line == line.pk and picture.plan.cycle == world.cycle
    assert [series.word for series in picture.plot.shown if series.kind != "plan"] == ["sold", "a year before"]
    assert reverse("forecasts:line", args=[line.pk]) in client.get(address).content.decode()
    whole = client.get(reverse("masterdata:customer", args=[line.customer_id])).context["picture"]
    assert whole.plan.line is None and len(whole.plan.months) == 16
    # Another rep's lines of the same product are not in the plan that a rep sees.
    product = client.get(reverse("masterdata:product", args=[line.product_id])).context["picture"]
    assert [month.quantity for month in product.plan.months] == [month.quantity for month in picture.plan.months]


def test_history_shows_changes_to_those_in_scope(client, company):
    with acting(company.admin, source="admin"):
        next_transaction()
        company.elm.region = "Moved"
        company.elm.save()
    address = reverse("masterdata:customer_history", args=[company.elm.pk])
    assert "Moved" in open_as(client, company.rep, address).content.decode()
    assert open_as(client, company.mate, address).status_code == 404
    whole = reverse("audit:history", args=["customer", company.elm.pk])
    assert open_as(client, company.rep, whole).status_code == 200
    assert open_as(client, company.mate, whole).status_code == 404


def grow(company, first, last):
    """More customers of the product, and more products of the customer, each with two months of actuals."""
    group = company.product.group
    buyers = Customer.objects.bulk_create(
        Customer(customer_id=f"G{number:04d}", name=f"Grown {number}", sales_rep=company.rep)
        for number in range(first, last)
    )
    bought = Product.objects.bulk_create(
        Product(item_code=f"G{number:04d}", description=f"Grown {number}", group=group) for number in range(first, last)
    )
    pairs = [(buyer, company.product) for buyer in buyers] + [(company.elm, product) for product in bought]
    entries = MatrixEntry.objects.bulk_create(MatrixEntry(customer=buyer, product=product) for buyer, product in pairs)
    Price.objects.bulk_create(Price(entry=entry, valid_from=YEAR_BEFORE, unit_price=9) for entry in entries)
    Actual.objects.bulk_create(
        Actual(customer=buyer, product=product, period=period, quantity=5, amount=45)
        for buyer, product in pairs
        for period in (DECEMBER, YEAR_BEFORE)
    )


def test_pages_cost_the_same_at_any_size(client, company):
    client.force_login(company.admin)
    places = list(addresses(company))
    with acting("system", source="command"):
        grow(company, 0, 10)
    for address in places:
        client.get(address)
    few = {address: count_queries(client, address) for address in places}
    with acting("system", source="command"):
        grow(company, 10, 1000)
    assert {address: count_queries(client, address) for address in places} == few
    assert max(few.values()) < 25


def test_hostile_names_stay_text(client, company):
    hostile = "<script>alert(1)</script>{{7*7}}=cmd"
    with acting(company.admin, source="admin"):
        Customer.objects.filter(pk=company.elm.pk).update(name=hostile, region=hostile, notes=hostile)
        Product.objects.filter(pk=company.product.pk).update(description=hostile, production_line=hostile)
    client.force_login(company.admin)
    for address in addresses(company):
        page = client.get(address).content.decode()
        assert "<script>alert" not in page and "49=cmd" not in page, address
