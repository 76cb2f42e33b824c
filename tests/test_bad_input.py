"""Input that makes no sense, at every address there is: an answer below 500, and nothing written by reading.

What one page refuses in its own words stands in the tests of that page. A new route is swept as soon as the resolver
knows it, a new parameter as soon as a page reads it.
"""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.test import Client
from django.urls import reverse

from forecasts.models import Line
from tests.factories import ref
from tests.test_access import GET, World, fingerprint
from tests.world import close, make_world, submitted

pytestmark = pytest.mark.django_db

ROOT = Path(__file__).parents[1]
HUGE = "9" * 20
# Routes that end the session of the sweep.
ENDING = {"account_logout"}
READ = re.compile(r"""(?:GET|query|data|params|asked)\.get(?:list)?\(\s*["']([a-z_0-9-]+)["']""")
ODD_VALUES = ("-1", HUGE, "%00", "%ff%ED%A0%80", "٣", "NaN", "-password", "a" * 3_000, "9999-12", "0001-01-01", "'")


def parameters() -> list[str]:
    """Every name that a page reads from its address, as the sources have it."""
    names = {"page", "page_size", "sort", "q", "ordering", "next"}
    for app in ("forecasts", "cycles", "masterdata", "audit", "reports", "sop_portal"):
        for path in sorted(ROOT.joinpath(app).rglob("*.py")):
            names.update(READ.findall(path.read_text("utf-8")))
    return sorted(names)


def browser(person: object) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(person)
    return client


def test_no_parameter_breaks_a_page() -> None:
    world, names = World(), parameters()
    assert {"page", "rep", "customer", "find", "since", "show"} <= set(names)
    client = browser(world.people["admin"])
    before = fingerprint()
    broken = set()
    for route in sorted(set(GET) - ENDING):
        for value in ODD_VALUES:
            query = "&".join(f"{name}={value}" for name in names)
            if client.get(f"{world.url(route)}?{query}").status_code >= 500:
                broken.add((route, value[:20]))
    assert broken == set()
    assert fingerprint() == before


def writable(world: World, client: Client) -> list[str]:
    """The routes that take a POST at all."""
    return [
        route
        for route in sorted(set(GET) - ENDING)
        if client.options(world.url(route)).headers.get("Allow", "POST").count("POST")
    ]


FORM = "application/x-www-form-urlencoded"
BODIES = {
    "json": (b'{"a": 1}', "application/json"),
    "broken json": (b'{"a": ', "application/json"),
    "xml": (b"<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>", "text/xml"),
    "no boundary": (b"x", "multipart/form-data"),
    "broken parts": (b"--b\r\nContent-Disposition: form-data; name=a\r\n\r\n", "multipart/form-data; boundary=b"),
    "odd bytes": (b"line=%ff%fe&comment=%ED%A0%80&reason=\xff", FORM),
    "unknown charset": (b"line=1", f"{FORM}; charset=klingon"),
    "wide charset": ("line=1".encode("utf-16"), f"{FORM}; charset=utf-16"),
    "no type": (b"line=1", ""),
}


def test_no_body_breaks_a_form() -> None:
    world = World()
    client = browser(world.people["admin"])
    broken = set()
    for route in writable(world, client):
        for kind, (body, content_type) in BODIES.items():
            if client.generic("POST", world.url(route), body, content_type).status_code >= 500:
                broken.add((route, kind))
    assert broken == set()


FIELDS = ("line", "only", "cycle", "comment", "reason", "action", "act", "filters", "digest", "from", "customer", "revision",
          "login", "password", "oldpassword", "password1", "password2", "time_zone", "name", "first_period", "closes_on",
          "closes_time", "opens_on", "opens_time", "q_2027-01", "p_2027-01", "why-1", "words-1", "rep", "file", "value",
          "q-1-2027-01", "r-1", "o-1", "k-1", "into_open", "email")  # fmt: skip
VALUES = ("\0", "\u202e", "a\x07b", "x" * 100_000, HUGE, "NaN", "=cmd|' /C calc'!A0")


def test_no_value_of_a_field_breaks_a_form() -> None:
    world = World()
    client = browser(world.people["admin"])
    broken = set()
    for route in writable(world, client):
        for value in VALUES:
            if client.post(world.url(route), dict.fromkeys(FIELDS, value)).status_code >= 500:
                broken.add((route, value[:20]))
    assert broken == set()


@pytest.fixture
def typed_notes() -> SimpleNamespace:
    """Every place where people type a sentence of their own: browser, address, the rest of the form, the field."""
    world = make_world(lines=2)
    first, second = submitted(world.lines)
    manager, admin = browser(world.manager), browser(world.admin)
    reject = {"cycle": str(world.cycle.pk), "action": "reject", "line": f"{first.pk}:{ref(first).revision}"}
    places = {
        "reject": (manager, reverse("forecasts:decide"), reject, "comment"),
        "close": (admin, reverse("cycles:close", args=[world.cycle.pk]), {}, "reason"),
    }
    return SimpleNamespace(world=world, manager=manager, second=second, places=places)


def adjusting(notes: SimpleNamespace) -> tuple[Client, str, dict[str, str], str]:
    close(notes.world)
    form = {"revision": str(ref(notes.second).revision), "q_2027-01": "7"}
    return notes.manager, reverse("forecasts:adjust", args=[notes.second.pk]), form, "reason"


@pytest.mark.parametrize("place", ["reject", "close", "adjust"])
def test_sentences_are_bounded_plain_and_kept_when_refused(place: str, typed_notes: SimpleNamespace) -> None:
    client, url, form, field = adjusting(typed_notes) if place == "adjust" else typed_notes.places[place]
    before = list(Line.objects.order_by("pk").values())
    limit = "at most 300 characters" if place == "close" else "at most 2,000"
    for text, said in (
        ("x" * 100_000, limit), ("turned \u202e around", "U+202E"), ("a\x07bell", "U+0007"), ("a\0nul", "U+0000"),
    ):  # fmt: skip
        answer = client.post(url, form | {field: text})
        page = answer.content.decode()
        assert answer.status_code == 422, (place, text[:20])
        assert said in page and text[:9] in page, (place, text[:20])
        assert list(Line.objects.order_by("pk").values()) == before
    # One spelling for what looks the same.
    assert client.post(url, form | {field: "  Cafe\u0301 closed  "}).status_code == 302
    kept = Line.objects.filter(decision_comment="Caf\u00e9 closed").exists()
    assert kept or type(typed_notes.world.cycle).objects.get().close_reason == "Caf\u00e9 closed"
