"""The list of budgets: who sees what, filters, sums by version, and the file of the same list."""

import csv
import datetime as dt
import io
from decimal import Decimal
from types import SimpleNamespace

import pytest
from django.urls import reverse

from audit.context import acting
from masterdata.models import Budget
from tests.factories import make_customer, make_group, make_product, make_user
from tests.world import count_queries

pytestmark = pytest.mark.django_db
BUDGETS = reverse("masterdata:budget_list")
JAN, FEB, DEC = dt.date(2027, 1, 1), dt.date(2027, 2, 1), dt.date(2026, 12, 1)


def budget(customer, product, period, quantity, amount, version="2027"):
    with acting("system", source="command"):
        return Budget.objects.create(
            version=version, customer=customer, product=product, period=period, quantity=quantity, amount=amount
        )


@pytest.fixture
def company():
    """Two reps with a customer each; products in cases of 2 kg and in pieces of unknown weight."""
    manager = make_user("manager")
    rep, mate = make_user("sales_rep", manager=manager), make_user("sales_rep", manager=make_user("manager"))
    elm = make_customer(customer_id="C1", name="Elm", sales_rep=rep, region="East")
    fir = make_customer(customer_id="C2", name="Fir", sales_rep=mate, region="West")
    garlic = make_product(item_code="P1", description="Garlic", uom="CS", weight=Decimal(2))
    knife = make_product(
        item_code="P2", description="Knife", uom="EA", weight=None, group=make_group(code="G9", name="Tools")
    )
    budget(elm, garlic, JAN, 10, 100)
    budget(elm, garlic, FEB, 20, 200)
    budget(elm, knife, JAN, 5, 50)
    budget(elm, None, JAN, 0, 1000)
    budget(fir, garlic, JAN, 7, 70)
    budget(elm, garlic, DEC, 3, 30, version="2026")
    return SimpleNamespace(
        rep=rep, mate=mate, manager=manager, elm=elm, fir=fir, garlic=garlic, knife=knife,
        admin=make_user("admin"), viewer=make_user("viewer"),
    )  # fmt: skip


def listed(client, **query):
    answer = client.get(BUDGETS, query)
    assert answer.status_code == 200
    return [
        (row.version, row.customer.customer_id, row.product and row.product.item_code, row.period, row.amount)
        for row in answer.context["rows"]
    ]


def test_each_sees_the_budgets_of_customers_in_scope(client, company):
    for person, customers in ((company.rep, {"C1"}), (company.mate, {"C2"}), (company.manager, {"C1"}),
                              (company.viewer, {"C1", "C2"}), (company.admin, {"C1", "C2"})):  # fmt: skip
        client.force_login(person)
        assert {row[1] for row in listed(client)} == customers


def test_versions_are_summed_apart_and_units_by_the_common_rule(client, company):
    client.force_login(company.admin)
    page = client.get(BUDGETS)
    newest, older = page.context["versions"]
    # 10 + 20 + 7 cases of 2 kg; the knives' weight is not known.
    assert (newest.name, newest.rows, newest.whole, newest.amount) == ("2027", 5, 1, 1420)
    assert (newest.quantity.unit, newest.quantity.quantity, newest.quantity.weightless) == ("kg", 74, ("P2",))
    assert (older.name, older.quantity.unit, older.quantity.quantity, older.months) == ("2026", "CS", 3, "Dec 2026")
    text = page.content.decode()
    assert "Budget 2027 comes to" in text and "from Jan 2027 to Feb 2027, the newest of 2 versions" in text
    assert "the customer as a whole" in text and "74 kg without P2; 1 row for customers as a whole" in text


@pytest.mark.parametrize(
    ("query", "amounts"),
    [
        ({"version": "2026"}, {30}),
        ({"customer": "fir"}, {70}),
        ({"product": "knife"}, {50}),
        ({"region": "West"}, {70}),
        ({"since": "2027-02"}, {200}),
        ({"until": "2026-12"}, {30}),
        ({"since": "2027-01", "until": "2027-01", "product": "P1"}, {100, 70}),
        ({"customer": "nobody"}, set()),
    ],
)
def test_filters_narrow_the_list_and_its_file_alike(client, company, query, amounts):
    client.force_login(company.admin)
    assert {int(row[-1]) for row in listed(client, **query)} == amounts
    answer = client.get(reverse("masterdata:export", args=["budget", "csv"]), query)
    rows = csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode("utf-8-sig")))
    assert {int(Decimal(row["Amount"])) for row in rows} == amounts


def test_rep_and_group_are_filters_too(client, company):
    client.force_login(company.admin)
    assert {row[1] for row in listed(client, rep=company.mate.pk)} == {"C2"}
    assert {row[2] for row in listed(client, group=company.knife.group_id)} == {"P2"}


def test_orders_are_those_of_the_file(client, company):
    client.force_login(company.admin)
    for sort in ("", "customer", "-customer", "version", "-version", "period", "-period"):
        rows = listed(client, sort=sort)
        answer = client.get(reverse("masterdata:export", args=["budget", "csv"]), {"sort": sort})
        file = csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode("utf-8-sig")))
        assert [(row["Version"], row["Customer ID"], row["Item Code"] or None) for row in file] == [
            row[:3] for row in rows
        ]


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"since": "2027-02", "until": "2027-01"}, "The last month must not be before the first one."),
        ({"since": "soon"}, "Write the month as year and month, such as 2026-11."),
        ({"version": "1999"}, "Select a valid choice."),
    ],
)
def test_filters_without_sense_are_refused_by_page_and_file(client, company, query, sentence):
    client.force_login(company.admin)
    answer = client.get(BUDGETS, query)
    assert answer.status_code == 422 and sentence in answer.content.decode()
    assert client.get(reverse("masterdata:export", args=["budget", "csv"]), query).status_code == 422


def test_an_empty_list_says_where_budgets_come_from(client, db):
    client.force_login(make_user("admin"))
    assert "Import a budget" in client.get(BUDGETS).content.decode()
    client.force_login(make_user("sales_rep"))
    page = client.get(BUDGETS).content.decode()
    assert "There is no budget yet" in page and "Import a budget" not in page


def test_it_costs_the_same_for_few_and_many(client, company):
    client.force_login(company.admin)
    client.get(BUDGETS)
    few = count_queries(client, BUDGETS)
    for number in range(40):
        customer = make_customer(customer_id=f"X{number}", name=f"More {number}", sales_rep=company.rep)
        budget(customer, company.garlic, JAN, 1, 1, version=f"V{number % 3}")
    assert count_queries(client, BUDGETS) == few
