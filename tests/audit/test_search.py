"""Searching a sealed trail finds what reading all of it would find, in the same order, however it is cut into blocks."""

import itertools
import random

import pytest
from django.db import connection
from django.urls import reverse

from audit import search
from audit.context import acting
from audit.filters import EntryFilter
from audit.models import Entry
from audit.services import Event, record_many
from tests import factories
from tests.audit.sealed import seal_all, write

pytestmark = pytest.mark.usefixtures("committed", "claimed")

NAMES = ("Elm Supply, Inc.", "Oak & Sons", "Straße 5", "50% off_x", "élan", "O'Brien  (two spaces)", "line\nend", "ß")


@pytest.fixture
def admin(client):
    user = factories.make_user("admin", full_name="Ada Admin")
    client.force_login(user)
    return user


def fill(people) -> None:
    """A trail of many blocks, and a tail that is not sealed."""
    chance = random.Random(7)
    for n in range(40):
        with acting(chance.choice(people), source=chance.choice(["web", "job", "excel"]), request_id=f"req{n}"):
            record_many(
                Event(
                    action=chance.choice(["customer_updated", "product_created"]),
                    entity_type=chance.choice(["customer", "product"]), entity_id=str(chance.randrange(60)) + f"-{n}-{m}",
                    label=chance.choice(NAMES), severity=chance.choice(["INFO", "WARNING"]),
                )
                for m in range(5)
            )  # fmt: skip
        if n % 7 == 3:
            seal_all()


def pages(client, **query: str) -> list[str]:
    """Every entry of every page, as id of what it is about."""
    found, url = [], reverse("audit:list") + "?" + "&".join(f"{k}={v}" for k, v in query.items())
    while url:
        context = client.get(url).context
        found += [row.entry.pk for row in context["told"]]
        before, url = url, context["pager"]["next_url"] and reverse("audit:list") + context["pager"]["next_url"]
        assert url != before, "the next page is this page"
    return found


QUERIES = [
    {"text": "elm"}, {"text": "SUPPLY, INC"}, {"text": "stra%C3%9Fe"}, {"text": "50%25+off_"}, {"text": "%C3%89LAN"},
    {"text": "o%27brien"}, {"text": "n++(tw"}, {"text": "req7"}, {"text": "nothing+like+it"}, {"text": "%C3%9F"},
    {"source": "excel"}, {"source": "web", "action": "product_created"}, {"text": "oak", "severity": "WARNING"},
    {"entity_type": "customer"}, {"action": "customer_updated"}, {"actor": "system", "source": "job"},
]  # fmt: skip


@pytest.mark.parametrize(("most", "windows"), [(search.MOST_READ, 1000), (30, 1000), (search.MOST_READ, 2)])
def test_a_search_finds_what_reading_everything_finds(client, admin, monkeypatch, most, windows):
    monkeypatch.setattr(search, "MOST_READ", most)
    monkeypatch.setattr(search, "_WINDOWS", windows)
    fill([admin, "system"])
    for query in QUERIES:
        form = EntryFilter(
            client.get(reverse("audit:list") + "?" + "&".join(map("=".join, query.items()))).wsgi_request.GET
        )
        assert form.is_valid(), form.errors
        wanted = list(form.apply(Entry.objects.all()).order_by("-at", "-id").values_list("pk", flat=True))
        assert form.clues().are_needed
        assert pages(client, **query) == wanted, query


@pytest.mark.parametrize("windows", [1000, 2])
def test_a_search_gets_through_a_long_import_which_has_one_time(client, admin, monkeypatch, windows):
    """Page by page, though each looks at a part of it only and finds nothing."""
    for name, value in (("MOST_READ", 1), ("_FIRST_GROUP", 1), ("_WINDOWS", windows)):
        monkeypatch.setattr(search, name, value)
    write("pin needle", *(f"needle {n} pin" for n in range(1000)), "pin needle too", "needle pin")
    seal_all()
    found = pages(client, text="pin needle")
    assert [Entry.objects.get(pk=pk).entity_id for pk in found] == ["pin needle too", "pin needle"]


def test_the_number_of_entries_is_not_told_when_not_all_parts_were_looked_at(client, admin, monkeypatch):
    monkeypatch.setattr(search, "_WINDOWS", 1)
    for n in range(3):
        write(*(f"hay {n} {m}" for m in range(60)))
        seal_all()
    page = client.get(reverse("audit:list"), {"text": "Thing hay"}).context
    assert (len(page["told"]), page["pager"]["total_text"]) == (50, "")
    assert len(pages(client, text="Thing hay")) == 180


def test_an_id_is_found_whatever_it_is_about(client, admin):
    fill([admin])
    entry = Entry.objects.filter(entity_type="product")[3]
    assert pages(client, text=entry.entity_id) == [entry.pk]


def test_pages_go_there_and_back(client, admin):
    fill([admin])
    for word in ("elm", "web"):
        query = {"text": "elm"} if word == "elm" else {"entity_type": "customer"}
        form = EntryFilter(client.get(reverse("audit:list"), query).wsgi_request.GET)
        wanted = list(form.apply(Entry.objects.all()).order_by("-at", "-id").values_list("pk", flat=True))
        first = client.get(reverse("audit:list"), query).context
        if not first["pager"]["next_url"]:
            continue
        second = client.get(reverse("audit:list") + first["pager"]["next_url"]).context
        back = client.get(reverse("audit:list") + second["pager"]["previous_url"]).context
        assert [row.entry.pk for row in back["told"]] == wanted[:50]
        assert first["pager"]["total_text"] == f"{len(wanted)} entries"


def test_a_long_search_says_how_far_it_looked(client, admin, monkeypatch):
    monkeypatch.setattr(search, "MOST_READ", 1)
    write("needle")
    for n, _ in itertools.product(range(12), range(2)):
        write(f"hay {n}")
        seal_all()
    page = client.get(reverse("audit:list"), {"text": "needle"})
    assert page.context["reached"] is None
    assert len(page.context["told"]) == 1
    page = client.get(reverse("audit:list"), {"text": "Thing"})
    assert page.context["reached"] is not None
    assert "Looked back to" in page.content.decode()


def test_words_of_a_part_are_those_of_its_entries():
    write("one", "two")
    seal_all()
    with connection.cursor() as cursor:
        cursor.execute("SELECT words, entries FROM audit_sealwords ORDER BY block DESC LIMIT 1")
        words, entries = cursor.fetchone()
    assert {"THING", "ONE", "TWO", "\x01type:thing", "\x01source:command", "\x01actor:system"} <= set(words.split("\n"))
    assert entries >= 2
