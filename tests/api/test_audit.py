"""The trail by the API: the scope, filters and search of its pages, at one price at any depth."""

import datetime as dt
import zoneinfo
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from audit import search
from audit.context import acting
from audit.models import Entry
from audit.services import Event, record_many
from masterdata.models import Customer
from sop_portal.accounts.models import User
from tests import factories
from tests.api.helpers import API, Program, program_of
from tests.audit.sealed import seal_all
from tests.conftest import owner_connection
from tests.world import make_world

pytestmark = pytest.mark.django_db
LOGS = "/audit-logs"


@pytest.fixture
def world() -> SimpleNamespace:
    return make_world()


@pytest.fixture
def admin() -> Program:
    return program_of(factories.make_user("admin", full_name="Ada Admin"))


def write(count: int = 1, actor: Any = "system", source: str = "job", start: int = 0, **kw: Any) -> None:
    """Entries about things of one transaction."""
    kw = {"action": "customer_updated", "entity_type": "customer", "label": "Elm Supply", **kw}
    with acting(actor, source=source):
        record_many(Event(entity_id=str(start + n), **kw) for n in range(count))


def next_transaction() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('audit.tx', '', true)")


def ids(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.content
    return [row["entity_id"] for row in answer.json()["results"]]


def below(address: str) -> str:
    """An address of an answer, as a program asks for it."""
    return address.partition(API)[2]


def every_page(program: Program, address: str) -> list[int]:
    """The entries of all pages, by their numbers."""
    found: list[int] = []
    while address:
        page = program("GET", address).json()
        found += [row["id"] for row in page["results"]]
        assert page["next"] is None or below(page["next"]) != address
        address = below(page["next"] or "")
    return found


def refused(answer: Any, name: str) -> str:
    """The sentence about the parameter that a problem names."""
    assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")
    (fault,) = answer.json()["errors"]
    assert fault["pointer"] == f"?{name}"
    assert fault["detail"] in answer.json()["detail"]
    return str(fault["detail"])


class TestScope:
    @pytest.mark.parametrize("part", ["", "/critical-events", "/statistics"])
    def test_only_those_who_may_read_the_trail_read_it(self, world: SimpleNamespace, part: str) -> None:
        for user in (world.rep, world.manager, world.other_rep, world.other_manager, world.viewer):
            answer = program_of(user)("GET", f"{LOGS}{part}")
            assert answer.status_code == 403
            assert "/audit-logs/my-activity" in answer.json()["detail"]
        assert program_of(world.admin)("GET", f"{LOGS}{part}").status_code == 200

    def test_it_hangs_on_the_permission_not_on_the_role(self) -> None:
        user = factories.make_user("viewer")
        with acting("system", source="command"):
            user.user_permissions.add(Permission.objects.get(codename="view_entry"))
        assert program_of(user)("GET", LOGS).status_code == 200

    def test_everybody_reads_their_own_acts_alone(self, world: SimpleNamespace) -> None:
        people = (world.rep, world.other_rep, world.manager, world.viewer, world.admin)
        for number, user in enumerate(people, start=1000):
            write(start=number, actor=user, source="web")
        for number, user in enumerate(people, start=1000):
            page = program_of(user)("GET", f"{LOGS}/my-activity").json()
            assert {row["actor_id"] for row in page["results"]} == {user.pk}
            assert str(number) in {row["entity_id"] for row in page["results"]}

    def test_the_history_of_a_line_is_read_by_those_who_see_it(self, world: SimpleNamespace) -> None:
        line = world.lines[0]
        write(start=line.pk, entity_type="forecast", action="forecast_adjusted", label="CANARY")
        address = f"{LOGS}/entity/forecast/{line.pk}"
        missing = program_of(world.rep)("GET", f"{LOGS}/entity/forecast/99999999")
        for user in (world.rep, world.manager, world.viewer, world.admin):
            assert "forecast_adjusted" in {row["action"] for row in program_of(user)("GET", address).json()["results"]}
        for user in (world.other_rep, world.other_manager):
            answer = program_of(user)("GET", address)
            assert (answer.status_code, answer.content) == (404, missing.content)

    def test_histories_that_no_app_opened_are_for_those_who_read_the_trail(self, world: SimpleNamespace) -> None:
        address = f"{LOGS}/entity/user/{world.rep.pk}"
        for user in (world.rep, world.manager, world.viewer):
            assert program_of(user)("GET", address).status_code == 404
        assert program_of(world.admin)("GET", address).status_code == 200

    def test_who_sees_a_history_but_not_the_trail_sees_no_addresses(self, world: SimpleNamespace) -> None:
        next_transaction()
        with acting(world.admin, source="web", ip="192.0.2.7", user_agent="planner/1.4", request_id="abc"):
            record_many([Event(action="forecast_adjusted", entity_type="forecast", entity_id=str(world.lines[0].pk))])
        address = f"{LOGS}/entity/forecast/{world.lines[0].pk}"
        origin = ("ip", "user_agent", "request_id")
        seen = program_of(world.admin)("GET", address).json()["results"][0]
        assert [seen[name] for name in origin] == ["192.0.2.7", "planner/1.4", "abc"]
        hidden = program_of(world.rep)("GET", address).json()["results"][0]
        assert hidden == {**seen, **dict.fromkeys(origin)}

    def test_what_somebody_may_not_see_of_an_object_is_not_in_its_history(self, world: SimpleNamespace) -> None:
        product = world.lines[0].product
        next_transaction()
        write(start=product.pk, entity_type="product", action="product_updated",
              changes={"description": ["old", "new"], "cost_price": ["1.11", "2.22"]})  # fmt: skip
        for user, names in ((world.rep, {"description"}), (world.viewer, {"description", "cost_price"})):
            answer = program_of(user)("GET", f"{LOGS}/entity/product/{product.item_code}")
            assert answer.json()["results"][0]["changes"].keys() == names

    def test_a_token_that_may_not_read_reads_nothing(self, world: SimpleNamespace) -> None:
        made = program_of(world.admin)("POST", "/tokens", {"name": "writer", "scopes": ["write"]}).json()
        assert Program(made["token"])("GET", LOGS).status_code == 403


class TestHistory:
    def test_of_a_customer_by_its_code_and_by_the_id_of_its_entries(self, admin: Program) -> None:
        for code in ("A/B 7", "C%41", "Ü-1", "12"):
            customer = factories.make_customer(customer_id=code)
            by_code = admin("GET", f"{LOGS}/entity/customer/{quote(code, safe='')}")
            assert [row["action"] for row in by_code.json()["results"]] == ["customer_created"]
            assert admin("GET", f"{LOGS}/entity/customer/{customer.pk}?by=id").json() == by_code.json()
            assert admin("GET", f"{LOGS}/entity/customer/{quote(code, safe='')}/").json() == by_code.json()

    def test_a_code_that_is_the_id_of_another_customer_is_a_code(self, admin: Program) -> None:
        first = factories.make_customer(name="First")
        factories.make_customer(customer_id=str(first.pk), name="Second")
        (row,) = admin("GET", f"{LOGS}/entity/customer/{first.pk}").json()["results"]
        assert "Second" in row["label"]
        assert admin("GET", f"{LOGS}/entity/customer/nothing").status_code == 404

    def test_of_what_was_deleted(self, admin: Program) -> None:
        customer = factories.make_customer()
        key = customer.pk
        with acting("system", source="command"):
            Customer.objects.filter(pk=key).delete()
        address = f"{LOGS}/entity/customer/{key}?by=id"
        assert "customer_deleted" in {row["action"] for row in admin("GET", address).json()["results"]}
        rep = program_of(factories.make_user("sales_rep"))
        assert rep("GET", address).status_code == 404

    def test_by_takes_two_words_and_codes_only_where_there_are_some(self, admin: Program) -> None:
        assert refused(admin("GET", f"{LOGS}/entity/customer/1?by=name"), "by") == "by is code or id."
        assert "no business codes" in refused(admin("GET", f"{LOGS}/entity/forecast/1?by=code"), "by")
        assert refused(admin("GET", f"{LOGS}/entity/forecast/1?action=x"), "action")

    def test_is_paged(self, admin: Program) -> None:
        for number in range(5):
            next_transaction()
            write(start=7, entity_type="cycle", action="cycle_updated", changes={"name": [number, number + 1]})
        found = every_page(admin, f"{LOGS}/entity/cycle/7?page_size=2")
        assert found == sorted(found, reverse=True)
        assert len(found) == 5
        first = admin("GET", f"{LOGS}/entity/cycle/7?page_size=2").json()
        assert (first["count"], first["results"][0]["changes"]) == (5, {"name": [4, 5]})

    def test_of_a_kind_that_never_was(self, admin: Program) -> None:
        assert admin("GET", f"{LOGS}/entity/nothing/1").status_code == 404
        assert ids(admin("GET", f"{LOGS}/entity/cycle/99999999")) == []


class TestFilters:
    @pytest.fixture
    def entries(self) -> User:
        other = factories.make_user("manager")
        write(start=1, severity="WARNING")
        write(start=2, actor=other, source="web", label="Oak Supply")
        write(start=3, action="product_created", entity_type="product", source="command")
        return other

    def test_each_is_that_of_the_page(self, admin: Program, entries: User, client: Client) -> None:
        client.force_login(User.objects.get(full_name="Ada Admin"))
        for query, wanted in (
            ("entity_type=customer", {"1", "2"}), ("entity_type=product", {"3"}), ("action=product_created", {"3"}),
            (f"actor={entries.pk}", {"2"}), ("actor=system&entity_type=customer", {"1"}), ("search=oak sup", {"2"}),
            ("search=3&entity_type=product", {"3"}), ("severity=WARNING&entity_type=customer", {"1"}),
            ("source=command&entity_type=product", {"3"}), ("since=2020-01-01&until=2020-12-31", set()),
            ("since=2020-01-01&entity_type=product", {"3"}), ("search=nothing like it", set()),
        ):  # fmt: skip
            found = admin("GET", f"{LOGS}?{query}").json()["results"]
            assert {row["entity_id"] for row in found} & {"1", "2", "3"} == wanted, query
            page = client.get(f"{reverse('audit:list')}?{query.replace('search=', 'text=')}")
            assert [row.entry.pk for row in page.context["told"]] == [row["id"] for row in found], query

    def test_of_the_grave_ones_and_of_own_acts(self, admin: Program, entries: User) -> None:
        write(start=8, severity="CRITICAL")
        write(start=9, severity="ERROR", entity_type="product", action="product_updated")
        grave = admin("GET", f"{LOGS}/critical-events").json()["results"]
        assert {row["severity"] for row in grave} == {"WARNING", "ERROR", "CRITICAL"}
        assert {row["entity_id"] for row in grave if row["entity_type"] in ("customer", "product")} == {"1", "8", "9"}
        assert ids(admin("GET", f"{LOGS}/critical-events?severity=CRITICAL")) == ["8"]
        assert ids(admin("GET", f"{LOGS}/critical-events?entity_type=product")) == ["9"]
        own = program_of(entries)
        assert ids(own("GET", f"{LOGS}/my-activity?entity_type=customer")) == ["2"]
        assert ids(own("GET", f"{LOGS}/my-activity?entity_type=product")) == []

    @pytest.mark.parametrize(
        ("query", "name", "words"),
        [
            ("since=31.12.2026", "since", "written as 2026-11-27"),
            ("since=2026-1-2", "since", "written as 2026-11-27"),
            ("until=11/27/2026", "until", "written as 2026-11-27"),
            ("until=2026-02-30", "until", "valid date"),
            ("since=2026-12-31&until=2026-01-01", "until", "must not be before the first"),
            ("actor=99999999999999999999", "actor", "99999999999999999999"),
            ("action=drop table", "action", "drop table"),
            ("entity_type=nothing", "entity_type", "nothing"),
            ("severity=LOUD", "severity", "LOUD"),
            ("source=pigeon", "source", "pigeon"),
            (f"search={'x' * 201}", "search", "200"),
            ("text=elm", "text", "no parameter 'text'"),
            ("ordering=at", "ordering", "no parameter 'ordering'"),
            ("page=2", "page", "no parameter 'page'"),
            ("page_size=0", "page_size", "from 1 to 1,000"),
            ("page_size=1001", "page_size", "from 1 to 1,000"),
        ],
    )
    def test_what_makes_no_sense_is_named(self, admin: Program, query: str, name: str, words: str) -> None:
        for part in ("", "/critical-events"):
            assert words in refused(admin("GET", f"{LOGS}{part}?{query}"), name)
        refused(admin("GET", f"{LOGS}/my-activity?{query}"), name)

    def test_days_are_those_of_the_account_with_a_token_as_with_a_session(self, client: Client) -> None:
        user = factories.make_user("admin", time_zone="Pacific/Auckland")
        client.force_login(user)
        with connection.cursor() as cursor:
            cursor.execute("SELECT max(at) FROM audit_entry")
            (at,) = cursor.fetchone()
        there = at.astimezone(zoneinfo.ZoneInfo("Pacific/Auckland")).date()
        for day, is_found in (
            (there, True),
            (there - dt.timedelta(days=1), False),
            (there + dt.timedelta(days=1), False),
        ):
            query = f"{LOGS}?since={day}&until={day}&search={user.pk}"
            assert bool(ids(program_of(user)("GET", query))) is is_found
            assert bool(client.get(f"{API}{query}").json()["results"]) is is_found


class TestCursor:
    @pytest.mark.parametrize("cursor", [
        "x", "before", "before-", "before-1", "after-x-1", "20261122000000000000-1", "sideways-20261122000000000000-1",
        "before-20261301000000000000-1", "before-20261122000000000000-", "before-20261122000000000000-" + "9" * 19,
        "before-%C2%B20261122000000000000-1", "before-20261122000000000000--1", "Before-20261122000000000000-1",
    ])  # fmt: skip
    @pytest.mark.parametrize("part", ["", "/my-activity", "/critical-events", "/entity/cycle/7"])
    def test_what_is_none_is_refused(self, admin: Program, part: str, cursor: str) -> None:
        assert "copied from next or previous" in refused(admin("GET", f"{LOGS}{part}?cursor={cursor}"), "cursor")

    def test_goes_through_entries_of_one_time_there_and_back(self, admin: Program) -> None:
        write(130)
        assert Entry.objects.filter(entity_type="customer").values("at").distinct().count() == 1
        address = f"{LOGS}?action=customer_updated&page_size=40"
        seen, pages = [], []
        while address:
            pages.append(admin("GET", address))
            seen += ids(pages[-1])
            address = below(pages[-1].json()["next"] or "")
        assert seen == [str(n) for n in range(129, -1, -1)]
        assert [len(ids(page)) for page in pages] == [40, 40, 40, 10]
        # Of what the words of sealing find only the first page knows how many there are.
        assert [page.json()["count"] for page in pages] == [130, None, None, None]
        back = pages[-1]
        for page in reversed(pages[:-1]):
            back = admin("GET", below(back.json()["previous"]))
            assert ids(back) == ids(page)
        assert back.json()["previous"] is None

    def test_what_is_written_meanwhile_moves_nothing(self, admin: Program) -> None:
        write(6)
        address = f"{LOGS}?action=customer_updated&page_size=3"
        first = admin("GET", address).json()
        next_transaction()
        write(5, start=100)
        assert ids(admin("GET", below(first["next"]))) == ["2", "1", "0"]
        assert ids(admin("GET", below(admin("GET", below(first["next"])).json()["previous"]))) == ["5", "4", "3"]

    def test_keeps_the_filters_and_is_an_address_of_this_portal(self, admin: Program) -> None:
        write(3, label="Müller & Söhne")
        first = admin("GET", f"{LOGS}?search=m%C3%BCller+%26&page_size=2").json()
        assert first["next"].startswith(f"http://testserver{API}{LOGS}?")
        assert len(admin("GET", below(first["next"])).json()["results"]) == 1

    def test_a_page_that_one_holds_already_is_not_sent_again(self, admin: Program) -> None:
        write(3)
        address = f"{LOGS}?action=customer_updated"
        assert admin("GET", address, If_None_Match=admin("GET", address)["ETag"]).status_code == 304


def test_entries_are_sent_as_they_were_recorded(admin: Program) -> None:
    actor = factories.make_user("admin", full_name="Otto Other")
    hostile = "<script>alert(1)</script>\n=1+1"
    with acting(actor, source="api", ip="2001:db8::1", user_agent="planner/1.4", request_id="r-77"):
        record_many([
            Event(action="cycle_updated", entity_type="cycle", entity_id="77", label=hostile, severity="ERROR",
                  changes={"name": ["a", hostile], "quantity 2027-01": [None, "1.50"], "flags": [[], {"x": True}]}),
        ])  # fmt: skip
    (row,) = admin("GET", f"{LOGS}?entity_type=cycle").json()["results"]
    entry = Entry.objects.get(entity_id="77", entity_type="cycle")
    assert row == {
        "id": entry.pk, "at": entry.at.isoformat().replace("+00:00", "Z"), "actor_id": actor.pk, "actor": "Otto Other",
        "on_behalf_of_id": None, "on_behalf_of": "", "action": "cycle_updated", "entity_type": "cycle",
        "entity_id": "77", "label": hostile, "severity": "ERROR", "source": "api", "ip": "2001:db8::1",
        "user_agent": "planner/1.4", "request_id": "r-77",
        "changes": {"name": ["a", hostile], "quantity 2027-01": [None, "1.50"], "flags": [[], {"x": True}]},
    }  # fmt: skip


def test_figures_add_up_and_have_the_names_of_the_trail(admin: Program) -> None:
    write(7, severity="WARNING", source="excel")
    write(2, start=50, action="product_created", entity_type="product")
    for number in range(20):
        write(start=number, entity_type=f"kind{number}", action=f"kind{number}_made")
    answer = admin("GET", f"{LOGS}/statistics").json()
    assert answer["total"] == Entry.objects.count()
    assert answer["grave"] == answer["severities"]["WARNING"] == Entry.objects.grave().count() >= 7
    assert sum(answer["severities"].values()) == sum(row["entries"] for row in answer["days"]) == answer["total"]
    for name in ("actors", "actions", "entity_types", "sources"):
        table = answer[name]
        assert len(table["rows"]) <= 15
        assert sum(row["entries"] for row in table["rows"]) + table["left_out"] == answer["total"]
    assert {"value": "customer_updated", "words": "Customer updated", "entries": 7} in answer["actions"]["rows"]
    assert {"value": "excel", "words": "Workbook", "entries": 7} in answer["sources"]["rows"]
    assert answer["entity_types"]["left_out"] > 0
    none = admin("GET", f"{LOGS}/statistics?since=2001-01-01&until=2001-02-01").json()
    assert (none["since"], none["until"], none["total"], none["days"]) == ("2001-01-01", "2001-02-01", 0, [])


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("since=x", "since"), ("until=2026-02-30", "until"), ("since=2026-02-02&until=2026-02-01", "until"),
        ("since=2020-01-01&until=2026-01-01", "until"), ("since=9999-12-31&until=9999-12-31", "until"),
        ("actor=1", "actor"),
    ],
)  # fmt: skip
def test_days_of_figures_that_make_no_sense_are_named(admin: Program, query: str, name: str) -> None:
    refused(admin("GET", f"{LOGS}/statistics?{query}"), name)


@pytest.mark.parametrize("part", ["", "/my-activity", "/critical-events", "/entity/cycle/7?by=id", "/statistics"])
def test_a_thousand_entries_cost_as_many_queries_as_ten(part: str) -> None:
    user = factories.make_user("admin")
    program = program_of(user)
    address = f"{LOGS}{part}{'' if 'statistics' in part else '&' if '?' in part else '?'}"
    address += "" if "statistics" in part else "page_size=1000"

    def grow(count: int) -> None:
        for number in range(count):
            next_transaction()
            write(actor=user, start=7, entity_type="cycle", action="cycle_updated", severity="ERROR",
                  changes={"name": [number, 0]})  # fmt: skip

    grow(10)
    program("GET", address)
    with CaptureQueriesContext(connection) as ten:
        assert program("GET", address).status_code == 200
    grow(990)
    with CaptureQueriesContext(connection) as thousand:
        answer = program("GET", address).json()
    assert answer["total"] >= 1000 if "total" in answer else len(answer["results"]) == 1000
    assert len(thousand) == len(ten)


def test_a_search_goes_on_where_one_page_stopped_looking(
    committed: None, monkeypatch: pytest.MonkeyPatch, admin: Program
) -> None:
    monkeypatch.setattr(search, "_WINDOWS", 2)
    for number in range(30):
        write(5, start=number * 5, label="Elm Supply" if number % 9 == 0 else "Oak & Sons")
        if number % 6 == 5:
            seal_all()
    wanted = list(Entry.objects.filter(label="Elm Supply").order_by("-at", "-id").values_list("pk", flat=True))
    first = admin("GET", f"{LOGS}?search=elm").json()
    assert first["looked_back_to"] is not None
    assert every_page(admin, f"{LOGS}?search=elm") == wanted
    assert len(wanted) == 20


def test_months_that_left_are_told(committed: None, admin: Program) -> None:
    with owner_connection() as owner:
        owner.execute("ALTER TABLE audit_tombstone DISABLE TRIGGER USER")
        owner.execute(
            "INSERT INTO audit_tombstone (month, entries, blocks, last_hash, archive, archive_hash, archive_bytes, "
            "dropped_by, dropped_at) SELECT month, 5, 1, '', '', '', 0, 'a test', now() "
            "FROM unnest('{2024-01-01, 2024-02-01}'::date[]) AS month"
        )
        owner.execute("ALTER TABLE audit_tombstone ENABLE TRIGGER USER")
    assert admin("GET", LOGS).json()["gone"] == ["2024-01-01", "2024-02-01"]
    assert admin("GET", f"{LOGS}?since=2024-02-03").json()["gone"] == ["2024-02-01"]
    assert admin("GET", f"{LOGS}?since=2024-03-01&until=2024-04-01").json()["gone"] == []
