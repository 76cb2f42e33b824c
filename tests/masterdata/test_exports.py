"""Files of the lists: exactly what the list shows, only what the reader may see, and taken back without a change."""

import csv
import datetime as dt
import io
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from openpyxl import load_workbook

from audit.context import acting
from audit.models import Entry
from masterdata.imports.engine import LOADERS
from masterdata.models import Budget, Customer
from masterdata.views import listing
from tests.factories import make_actual, make_customer, make_entry, make_product, make_user
from tests.imports import counts, sentences, upload

pytestmark = pytest.mark.django_db
KINDS = ("customers", "products", "matrix", "actuals", "budget", "users")
DECEMBER = dt.date(2026, 12, 1)
HOSTILE = ("=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "'=x", "<b>&amp;</b>", 'a"b;c,d', "００７")


@pytest.fixture(autouse=True)
def surroundings(monkeypatch, settings, tmp_path):
    monkeypatch.setattr(listing, "today", lambda: dt.date(2026, 12, 20))
    settings.UPLOAD_DIR = tmp_path / "uploads"


@pytest.fixture
def admin():
    return make_user("admin")


@pytest.fixture
def rep():
    return make_user("sales_rep")


@pytest.fixture
def company(admin, rep):
    """A rep's customers with hostile names and a stranger's one, whose name is CANARY."""
    product = make_product(item_code="P-1", description="=Garlic", cost_price=Decimal("77.5"), list_price=Decimal(12))
    for number, name in enumerate((*HOSTILE, "CANARY")):
        serves = rep if name != "CANARY" else make_user("sales_rep")
        customer = make_customer(
            customer_id=f"C{number}", name=name, sales_rep=serves, region=f"R{number % 2}", notes=name
        )
        entry = make_entry(customer, product, price=str(10 + number), notes=name)
        make_actual(entry, DECEMBER, number - 3, amount=Decimal(number) / 7, cost=Decimal("66.25"))
        with acting(admin, source="web"):
            Budget.objects.create(
                version="=B",
                customer=customer,
                product=product if number % 2 else None,
                period=DECEMBER,
                quantity=1,
                amount=2,
            )
    make_product(item_code="P-2", description="Shallots", is_active=False)
    return product


def fetch(client, user, kind, form="csv", **query):
    client.force_login(user)
    answer = client.get(reverse("masterdata:export", args=[kind, form]), query)
    assert answer.status_code == 200, answer.content
    return b"".join(answer.streaming_content)


def table(content):
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))


@pytest.mark.parametrize("form", ["csv", "xlsx"])
@pytest.mark.parametrize("kind", sorted(LOADERS))
def test_what_an_admin_takes_away_comes_back_without_a_change(client, company, admin, kind, form):
    query = {"state": "all"} if kind in ("customers", "products") else {}
    run = upload(kind, fetch(client, admin, kind, form, **query), admin, f"{kind}.{form}")
    assert (run.state, sentences(run)) == ("checked", [])
    assert counts(run) == (0, 0, run.rows_read, 0) and run.rows_read > 0


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "users"])
@pytest.mark.parametrize("form", ["csv", "xlsx"])
def test_a_rep_takes_away_own_rows_without_costs(client, company, rep, kind, form):
    content = fetch(client, rep, kind, form)
    if form == "xlsx":
        rows = load_workbook(io.BytesIO(content)).active.iter_rows(values_only=True)
        content = "\n".join(";".join(map(str, row)) for row in rows).encode()
    assert b"CANARY" not in content and b"Cost" not in content and b"66.25" not in content and b"77.5" not in content
    assert content.count(b"\n") >= 1


def test_costs_go_to_those_who_may_see_them(client, company):
    viewer = make_user("viewer")
    assert {row["Cost"] for row in table(fetch(client, viewer, "actuals"))} == {"66.25"}
    assert [row["Cost Price"] for row in table(fetch(client, viewer, "products"))] == ["77.5"]


def test_users_are_for_admins_alone(client, company, rep):
    for person in (rep, make_user("manager"), make_user("viewer")):
        client.force_login(person)
        assert client.get(reverse("masterdata:export", args=["users", "csv"])).status_code == 403


def test_the_file_has_the_rows_of_the_list_in_its_order(client, company, admin):
    page = client.get(reverse("masterdata:customer_list"))
    client.force_login(admin)
    for query in ({"region": "R1"}, {"sort": "-name"}, {"sort": "region"}, {"q": "c1"}, {"state": "inactive"}):
        page = client.get(reverse("masterdata:customer_list"), query)
        listed = [one.row.customer_id for one in page.context["rows"]]
        assert [row["Customer ID"] for row in table(fetch(client, admin, "customers", **query))] == listed
        page = client.get(reverse("masterdata:sales_history"), {"by": "rows", "customer": "C1", **query})
    for query in (
        {},
        {"region": "R1"},
        {"sort": "-customer"},
        {"customer": "C2"},
        {"until": "2026-11"},
        {"sort": "period"},
    ):
        page = client.get(reverse("masterdata:sales_history"), {"by": "rows", **query})
        listed = [row.customer.customer_id for row in page.context.get("rows", [])]
        assert [row["Customer ID"] for row in table(fetch(client, admin, "actuals", **query))] == listed
    assert [row["Item Code"] for row in table(fetch(client, admin, "products", state="inactive"))] == ["P-2"]
    assert [row["Customer ID"] for row in table(fetch(client, admin, "matrix", customer="C3"))] == ["C3"]


def test_links_on_the_pages_lead_to_exactly_this_list(client, company, admin):
    client.force_login(admin)
    page = client.get(reverse("masterdata:customer_list"), {"region": "R1", "sort": "-id", "after": "x", "size": "100"})
    address = reverse("masterdata:export", args=["customers", "xlsx"])
    assert f'href="{address}?region=R1&amp;sort=-id"' in page.content.decode()
    customer = Customer.objects.get(customer_id="C3")
    page = client.get(reverse("masterdata:customer_products", args=[customer.pk]), {"q": "P-1"})
    address = reverse("masterdata:export", args=["matrix", "csv"])
    assert f'href="{address}?customer=C3&amp;product=P-1"' in page.content.decode()


def test_hostile_text_stays_text(client, company, rep):
    rows = table(fetch(client, rep, "customers", sort="id"))
    live = [row["Customer Name"] for row in rows if row["Customer Name"][0] in "=+-@"]
    assert live == [] and rows[0]["Customer Name"] == f"'{HOSTILE[0]}"
    sheet = load_workbook(io.BytesIO(fetch(client, rep, "customers", "xlsx", sort="id"))).active
    names = [row[1] for row in sheet.iter_rows(min_row=2)]
    assert [cell.value for cell in names] == list(HOSTILE) and {cell.data_type for cell in names} == {"s"}


@pytest.mark.parametrize(
    ("kind", "query"),
    [
        ("customers", {"rep": "x"}),
        ("products", {"group": "x"}),
        ("actuals", {"since": "2026-13"}),
        ("matrix", {"customer": "x" * 101}),
    ],
)
def test_a_filter_without_sense_is_refused_and_not_an_empty_file(client, company, admin, kind, query):
    client.force_login(admin)
    assert client.get(reverse("masterdata:export", args=[kind, "csv"]), query).status_code == 422


@pytest.mark.parametrize(("kind", "form"), [("legacy", "csv"), ("customers", "pdf"), ("nothing", "xlsx")])
def test_there_is_no_file_of_what_is_not_known(client, admin, kind, form):
    client.force_login(admin)
    assert client.get(f"/data/export/{kind}.{form}").status_code == 404


def test_an_empty_list_is_a_file_of_headings(client, rep):
    assert fetch(client, rep, "customers").decode("utf-8-sig").startswith("Customer ID,Customer Name,")


def test_the_trail_knows_who_took_what(client, company, rep):
    fetch(client, rep, "customers", region="R1")
    entry = Entry.objects.get(action="report_downloaded")
    assert entry.actor == rep and entry.entity_id == "customers" and entry.changes["filters"] == [None, "region=R1"]


def test_too_many_files_in_a_minute_wait(client, rep):
    client.force_login(rep)
    address = reverse("masterdata:export", args=["customers", "csv"])
    assert [client.get(address).status_code for _ in range(21)][-2:] == [200, 429]


def test_files_cost_the_same_queries_at_any_size(client, company, admin):
    def cost():
        client.force_login(admin)
        counted = []
        for kind in KINDS:
            with CaptureQueriesContext(connection) as caught:
                assert client.get(reverse("masterdata:export", args=[kind, "csv"])).status_code == 200
            counted.append(len(caught))
        return counted

    few = cost()
    for number in range(20):
        make_actual(make_entry(make_customer(name=f"More {number}"), company), DECEMBER)
        make_user("sales_rep")
    assert cost() == few
