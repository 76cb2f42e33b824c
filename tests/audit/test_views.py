"""Pages of the trail: filters in the address, any depth at one price, histories for those who may read them."""

import ast
import csv
import io
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection
from django.urls import reverse

from audit.context import SOURCES, acting
from audit.filters import EntryFilter
from audit.history import history_scope
from audit.models import Entry
from audit.services import Event, record_many
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin(client):
    user = factories.make_user("admin", full_name="Ada Admin")
    client.force_login(user)
    return user


def write(count: int = 1, actor="system", source: str = "job", start: int = 0, **kw) -> None:
    kw = {"action": "customer_updated", "entity_type": "customer", "label": "Elm Supply", **kw}
    with acting(actor, source=source):
        record_many(Event(entity_id=str(start + n), **kw) for n in range(count))


def ids(response) -> list[str]:
    return [row.entry.entity_id for row in response.context["told"]]


@pytest.mark.parametrize(("role", "status"), [("sales_rep", 403), ("manager", 403), ("viewer", 403), ("admin", 200)])
@pytest.mark.parametrize("name", ["audit:list", "audit:csv"])
def test_only_admins_read_the_trail(client, role, status, name):
    client.force_login(factories.make_user(role))
    assert client.get(reverse(name)).status_code == status


@pytest.mark.parametrize("path", ["/audit/", "/audit/mine/", "/audit/entries.csv", "/audit/customer/1/"])
def test_strangers_are_sent_to_sign_in(client, path):
    response = client.get(path)
    assert response.status_code == 302
    assert response["Location"].startswith(reverse("account_login"))


def test_entries_are_told_in_words(client, admin):
    customer = factories.make_customer(name="Elm Supply", region="East")
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('audit.tx', '', true)")
    with acting(admin, source="admin", ip="10.0.0.7"):
        customer.sales_rep = admin
        customer.is_active = False
        customer.save()
    page = client.get(reverse("audit:list"), {"action": "customer_updated"}).content.decode()
    for words in ("Customer updated", "Ada Admin", "Admin · 10.0.0.7", "<del>yes</del> → <ins>no</ins>",
                  f"<ins>Ada Admin (#{admin.pk})</ins>", "Elm Supply"):  # fmt: skip
        assert words in page


def test_hostile_values_are_shown_as_text(client, admin):
    hostile = "<script>alert(1)</script>{{7*7}}"
    write(label=hostile, changes={"name": [hostile, None], hostile: [1, hostile]}, actor=None, source="web")
    for url in (reverse("audit:list"), reverse("audit:history", args=["customer", "0"])):
        page = client.get(url).content.decode()
        assert "<script>alert" not in page
        assert "&lt;script&gt;alert(1)&lt;/script&gt;{{7*7}}" in page


def test_filters(client, admin):
    other = factories.make_user("manager")
    write(1, start=1, severity="WARNING")
    write(1, start=2, actor=other, source="web", label="Oak Supply")
    write(1, start=3, action="product_created", entity_type="product", source="command")

    def found(**query) -> set[str]:
        return set(ids(client.get(reverse("audit:list"), query))) & {"1", "2", "3"}

    assert found(entity_type="customer") == {"1", "2"}
    assert found(entity_type="product") == {"3"}
    assert found(action="product_created") == {"3"}
    assert found(actor=str(other.pk), entity_type="customer") == {"2"}
    assert found(actor="system", entity_type="customer") == {"1"}
    assert found(text="oak sup") == {"2"}
    assert found(text="3", entity_type="product") == {"3"}
    assert found(severity="WARNING", entity_type="customer") == {"1"}
    assert found(source="command", entity_type="product") == {"3"}
    assert found(since="2020-01-01", until="2020-12-31") == set()
    assert found(since="2020-01-01", entity_type="product") == {"3"}


@pytest.mark.parametrize(
    "query",
    [
        {"since": "31.31.2026"},
        {"since": "2026-12-31", "until": "2026-01-01"},
        {"actor": "99999999999999999999"},
        {"action": "drop table"},
        {"text": "x" * 1000},
        {"severity": "LOUD"},
    ],
)
def test_filters_that_make_no_sense_are_named(client, admin, query):
    for name in ("audit:list", "audit:csv", "audit:mine"):
        response = client.get(reverse(name), query)
        if name == "audit:mine" and "actor" in query:
            assert response.status_code == 200
            continue
        assert response.status_code == 422
        assert b"errorlist" in response.content


@pytest.mark.parametrize("mark", ["-1", "x", "1e99", "9" * 40, "99999999999999999999-1", "20261301000000000000-1",
                                  "20261122000000000000-", "²0261122000000000000-1"])  # fmt: skip
@pytest.mark.parametrize("side", ["before", "after"])
def test_positions_that_are_none_give_the_first_page(client, admin, mark, side):
    write(1)
    response = client.get(reverse("audit:list"), {side: mark, "entity_type": "customer"})
    assert response.status_code == 200
    assert ids(response) == ["0"]


def test_paging_goes_there_and_back(client, admin):
    write(120)
    url = reverse("audit:list") + "?entity_type=customer"
    seen, pages = [], 0
    while url:
        response = client.get(url)
        seen += ids(response)
        pages += 1
        last = response
        url = response.context["pager"]["next_url"] and reverse("audit:list") + response.context["pager"]["next_url"]
    assert pages == 3
    assert seen == [str(n) for n in range(119, -1, -1)]
    back = client.get(reverse("audit:list") + last.context["pager"]["previous_url"])
    assert ids(back) == [str(n) for n in range(69, 19, -1)]
    first = client.get(reverse("audit:list") + back.context["pager"]["previous_url"])
    assert ids(first) == [str(n) for n in range(119, 69, -1)]
    assert not first.context["pager"]["previous_url"]
    assert client.get(reverse("audit:list") + "?entity_type=customer").context["pager"]["total_text"] == "120 entries"


def test_the_list_costs_the_same_for_some_and_many(client, admin):
    # More than a page; a shorter search need not be counted.
    write(60)
    client.get(reverse("audit:list"))
    counter = Counter()
    with connection.execute_wrapper(counter):
        client.get(reverse("audit:list"), {"entity_type": "customer"})
    some = counter.number
    write(200, start=60, changes={"name": ["a", "b"]})
    counter.number = 0
    with connection.execute_wrapper(counter):
        client.get(reverse("audit:list"), {"entity_type": "customer"})
    assert counter.number == some


class Counter:
    """Counts statements."""

    number = 0

    def __call__(self, execute, sql, params, many, context):
        self.number += 1
        return execute(sql, params, many, context)


def test_csv_is_exactly_the_list_and_runs_nothing(client, admin):
    write(60, label="=HYPERLINK(1)", changes={"name": ["+1", "=2"]})
    write(5, action="product_created", entity_type="product")
    response = client.get(reverse("audit:csv"), {"entity_type": "customer"})
    assert response["Content-Type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(b"".join(response.streaming_content).decode("utf-8-sig"))))
    assert [row["Id"] for row in rows] == [str(n) for n in range(59, -1, -1)]
    assert rows[0]["Name"] == "'=HYPERLINK(1)"
    assert rows[0]["Changes"] == "Name: +1 → =2"
    assert (rows[0]["Who"], rows[0]["Source"]) == ("system", "Job")


def test_my_activity_is_mine_alone(client):
    me, other = factories.make_user("sales_rep"), factories.make_user("sales_rep")
    write(1, start=1, actor=me, source="web")
    write(1, start=2, actor=other, source="web")
    client.force_login(me)
    response = client.get(reverse("audit:mine"))
    assert response.status_code == 200
    assert set(ids(response)) & {"1", "2"} == {"1"}
    assert "/audit/customer/" not in response.content.decode()


def test_history_of_an_object(client, admin):
    customer = factories.make_customer(name="Elm Supply")
    response = client.get(reverse("audit:history", args=["customer", customer.pk]))
    assert [row.action for row in response.context["told"]] == ["Customer created"]
    assert client.get(reverse("audit:history", args=["customer", "999999"])).status_code == 200
    assert client.get(reverse("audit:history", args=["nothing", "1"])).status_code == 404


def test_history_is_opened_by_the_app_that_knows_the_scope(client, monkeypatch):
    rep = factories.make_user("sales_rep")
    write(1, start=7, changes={"name": ["a", "b"], "cost_price": ["1", "2"], "cost_price 2027-01": ["3", "4"]})
    client.force_login(rep)
    url = reverse("audit:history", args=["customer", "7"])
    assert client.get(url).status_code == 404
    monkeypatch.setitem(history_scope, "customer", lambda user, pk: user == rep and pk == "8")
    assert client.get(url).status_code == 404
    monkeypatch.setitem(history_scope, "customer", lambda user, pk: {"cost_price"})
    response = client.get(url)
    assert response.status_code == 200
    assert [change for row in response.context["told"] for change in row.changes] == [("Name", "a", "b")]


def test_settings_are_told_with_their_default(client, admin):
    from sop_portal.conf import services

    with acting(admin, source="admin"):
        services.set_value("smtp_port", "25", by=admin)
    page = client.get(reverse("audit:history", args=["setting", "smtp_port"])).content.decode()
    assert "<del>587 (default)</del> → <ins>25</ins>" in page


def test_cells_are_told_with_their_month(client, admin):
    write(1, entity_type="forecast", action="forecast_updated", changes={"quantity 2027-01": ["380", "400"]})
    told = client.get(reverse("audit:history", args=["forecast", "0"])).context["told"][0]
    assert told.action == "Line updated"
    assert told.changes == [("Quantity, Jan 2027", "380", "400")]


def written() -> set[tuple[str, str]]:
    """Each action and each type of object that the code names where it writes an entry: (filter, value)."""
    found = set()
    acts = {"action": 0, "_record": 0, "_attempt": 0, "record_query": 0, "save_open": 1}
    for app in ("sop_portal", "audit", "masterdata", "cycles", "forecasts", "reports"):
        for path in Path(settings.BASE_DIR, app).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                    continue
                place = acts.get(node.func.id, len(node.args))
                parts = [("action", node.args[place])] if place < len(node.args) else []
                if node.func.id == "Event":
                    parts = [(word.arg, word.value) for word in node.keywords if word.arg in ("action", "entity_type")]
                found |= {(name, part.value) for name, part in parts if isinstance(part, ast.Constant)}
    return found


def test_whatever_is_recorded_can_be_asked_for():
    form = EntryFilter({})
    offered = {(name, value) for name in ("action", "entity_type") for value, _ in flat(form.fields[name].choices)}
    assert {("action", "cycle_reopened"), ("action", "user_login"), ("entity_type", "job_run")} <= written()
    assert written() - offered == set()
    assert {value for value, _ in form.fields["source"].choices} == {"", *SOURCES, "unattributed"}


def flat(choices) -> list[tuple[str, str]]:
    return [pair for value, words in choices for pair in (words if isinstance(words, list) else [(value, words)])]


def test_pages_only_read(client, admin):
    before = Entry.objects.count()
    for path in ("/audit/", "/audit/mine/", "/audit/entries.csv", "/audit/customer/1/"):
        assert client.post(path).status_code == 405
    assert Entry.objects.count() == before
