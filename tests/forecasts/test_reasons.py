"""The reasons of the largest changes: for which lines the summary asks, what is kept, who reads it, what is refused."""

import datetime as dt
from decimal import Decimal
from types import SimpleNamespace

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from audit.context import acting
from audit.models import Entry
from forecasts import services
from forecasts.models import Line, Snapshot
from forecasts.reasons import LONGEST, Reason
from sop_portal.lib.errors import Refused
from tests import factories
from tests.world import close, next_transaction

pytestmark = pytest.mark.django_db
FEB = dt.date(2027, 2, 1)
# What each product is planned at in February 2027, after 100 a month at 10 in January's cycle.
NOW = {"P0": 100, "P1": 130, "P2": 40, "P3": 101, "P4": 90, "P5": 150, "P6": 99}


def make_book() -> SimpleNamespace:
    """A rep whose seven lines were handed in last month, and stand in the open cycle as `NOW` says."""
    world = SimpleNamespace(manager=factories.make_user("manager"), admin=factories.make_user("admin"))
    world.rep = factories.make_user("sales_rep", manager=world.manager)
    world.customer = factories.make_customer(sales_rep=world.rep, name="Elm Supply")
    for code in NOW:
        product = factories.make_product(item_code=code, description=f"Garlic {code}")
        factories.make_actual(factories.make_entry(world.customer, product), dt.date(2026, 12, 1))
    world.cycle = factories.open_cycle(by=world.admin)
    for line in Line.objects.filter(cycle=world.cycle).select_related("owner", "cycle"):
        factories.answer(line, 100)
        factories.submit(line)
    close(world)
    draft = factories.make_cycle(by=world.admin, first_period=FEB)
    world.cycle = factories.open_cycle(draft, by=world.admin)
    world.lines = {}
    for line in Line.objects.filter(cycle=world.cycle).select_related("owner", "cycle", "product"):
        factories.answer(line, NOW[line.product.item_code])
        line.refresh_from_db()
        world.lines[line.product.item_code] = line
    world.url = f"/forecast/{world.cycle.pk}/submit/"
    return world


@pytest.fixture
def book():
    world = make_book()
    world.client = Client()
    world.client.force_login(world.rep)
    return world


def pair(line):
    line.refresh_from_db()
    return f"{line.pk}:{line.revision}"


def told(line, why, words=""):
    return {f"why-{line.pk}": why, f"words-{line.pk}": words}


def asked(answer):
    return {item.line.product.item_code: item.change for item in answer.context["summary"].asked}


def test_the_five_largest_changes_by_money_are_asked_about(book):
    answer = book.client.get(book.url)
    # Over the twelve mandatory months, all of which the last plan covered, at 10 each.
    assert list(asked(answer).items()) == [
        ("P2", Decimal(-7200)), ("P5", Decimal(6000)), ("P1", Decimal(3600)), ("P4", Decimal(-1200)),
        ("P3", Decimal(120)),
    ]  # fmt: skip
    assert answer.context["summary"].change == Decimal(1200)
    page = answer.content.decode()
    assert "$ 85,200, 8,520 CS, +$ 1,200 against the last plan" in page
    assert "-$ 7,200 against the last plan" in page and "+$ 6,000 against the last plan" in page


def test_a_line_that_the_last_plan_did_not_hold_changed_by_all_it_is_worth(book):
    entry = factories.make_entry(book.customer, factories.make_product(item_code="P9"), price="10")
    factories.make_actual(entry, dt.date(2026, 12, 1))
    close(book)
    book.cycle = factories.open_cycle(
        factories.make_cycle(by=book.admin, first_period=dt.date(2027, 3, 1)), by=book.admin
    )
    line = Line.objects.select_related("owner", "cycle").get(cycle=book.cycle, product=entry.product)
    factories.answer(line, 7)
    answer = book.client.get(f"/forecast/{book.cycle.pk}/submit/")
    # The others still stand as they were carried over.
    assert asked(answer) == {"P9": None}
    page = answer.content.decode()
    assert "new, $ 840" in page and "$ 0 against the last plan and $ 840 new" in page


def test_before_the_first_plan_nothing_is_a_change():
    line = factories.make_line(quantity=100)
    client = Client()
    client.force_login(line.owner)
    answer = client.get(f"/forecast/{line.cycle_id}/submit/")
    assert asked(answer) == {}
    assert "Why did the largest amounts change?" not in answer.content.decode()


def test_a_reason_is_kept_and_read_by_those_who_review(book):
    line, other = book.lines["P2"], book.lines["P5"]
    next_transaction()
    book.client.post(
        book.url, {"line": [pair(line), pair(other)]} | told(line, "lost business", "Mill closed") | told(other, "")
    )
    line.refresh_from_db()
    other.refresh_from_db()
    assert (line.status, line.change_reason) == (Line.Status.SUBMITTED, "lost business: Mill closed")
    assert (other.status, other.change_reason) == (Line.Status.SUBMITTED, "")
    kept = {one.line_id: one.comment for one in Snapshot.objects.filter(line__cycle=book.cycle, event="submit")}
    assert kept == {line.pk: "lost business: Mill closed", other.pk: ""}
    entry = Entry.objects.get(action="forecast_submitted", entity_id=str(line.pk), changes__has_key="change_reason")
    assert entry.changes == {
        "status": ["draft", "submitted"], "change_reason": ["", "lost business: Mill closed"],
    }  # fmt: skip
    reader = Client()
    reader.force_login(book.manager)
    queue = reader.get("/review/").content.decode()
    assert "lost business" in queue and "Mill closed" in queue
    page = reader.get(f"/lines/{line.pk}/").content.decode()
    assert "Reason: lost business: Mill closed" in page
    assert page.count("lost business: Mill closed") == 3  # in the facts, in the versions, in the changes


def test_words_without_a_choice_are_another_reason(book):
    line = book.lines["P2"]
    book.client.post(book.url, {"line": [pair(line)]} | told(line, "", "  Mill closed "))
    line.refresh_from_db()
    assert line.change_reason == "other: Mill closed"


@pytest.mark.parametrize(
    ("why", "words", "sentence"),
    [
        ("other", " ", "Say in a few words what the other reason is."),
        ("weather", "", "Choose one of the reasons: promotion, new store,"),
        ("price", "x" * (LONGEST + 1), f"at most {LONGEST} characters; these are {LONGEST + 1}."),
        ("price", "up\u202eside", "invisible character U+202E"),
        ("price", "a\x00b", "invisible character U+0000"),
    ],
)
def test_a_reason_that_makes_no_sense_is_refused_beside_its_field(book, why, words, sentence):
    line, other = book.lines["P2"], book.lines["P5"]
    sent = {"line": [pair(line)]} | told(line, why, words) | told(other, "supply", "Late vessel")
    answer = book.client.post(book.url, sent)
    page = answer.content.decode()
    assert answer.status_code == 422
    assert f'id="problem-{line.pk}"' in page and sentence in page
    # What was chosen and typed stands there again, for the unticked line too.
    items = {item.line.pk: item for item in answer.context["summary"].ready}
    assert items[line.pk].reason == Reason(why, words.strip())
    assert items[other.pk].reason == Reason("supply", "Late vessel")
    assert items[line.pk].chosen and not items[other.pk].chosen
    assert 'value="Late vessel"' in page
    line.refresh_from_db()
    assert (line.status, line.change_reason) == (Line.Status.DRAFT, "")


def test_reasons_stay_when_somebody_else_saved_in_between(book):
    line = book.lines["P2"]
    sent = {"line": [pair(line)]} | told(line, "supply", "Late vessel")
    factories.answer(line, 30)
    answer = book.client.post(book.url, sent)
    assert answer.status_code == 409
    assert 'value="Late vessel"' in answer.content.decode()
    assert '<option value="supply" selected>' in answer.content.decode()


def test_a_recalled_line_offers_its_reason_again_and_it_can_be_taken_back(book):
    line = book.lines["P6"]  # the sixth largest change, for which nobody is asked
    with acting(book.rep, source="web"):
        services.submit_lines(book.cycle.pk, [factories.ref(line)], by=book.rep, reasons={line.pk: Reason("price")})
        services.recall_lines(book.cycle.pk, [factories.ref(line)], by=book.rep)
    assert list(asked(book.client.get(book.url))) == ["P2", "P5", "P1", "P4", "P3", "P6"]
    with acting(book.rep, source="web"):
        services.submit_lines(book.cycle.pk, [factories.ref(line)], by=book.rep)
        line.refresh_from_db()
        assert line.change_reason == "price"
        services.recall_lines(book.cycle.pk, [factories.ref(line)], by=book.rep)
    book.client.post(book.url, {"line": [pair(line)]} | told(line, ""))
    line.refresh_from_db()
    assert (line.status, line.change_reason) == (Line.Status.SUBMITTED, "")


def test_the_services_refuse_what_the_page_refuses(book):
    line = book.lines["P2"]
    with pytest.raises(Refused, match="Garlic P2: Say in a few words"), acting(book.rep, source="web"):
        services.submit_lines(book.cycle.pk, [factories.ref(line)], by=book.rep, reasons={line.pk: Reason("other")})


def test_reasons_cost_no_queries_each(book):
    counts = []
    book.rep.has_perm("forecasts.edit_own_lines")  # read once per person
    for codes in (["P2"], ["P0", "P1", "P3", "P4", "P5", "P6"]):
        lines = [book.lines[code] for code in codes]
        refs, reasons = [factories.ref(line) for line in lines], {line.pk: Reason("supply") for line in lines}
        with CaptureQueriesContext(connection) as queries, acting(book.rep, source="web"):
            services.submit_lines(book.cycle.pk, refs, by=book.rep, reasons=reasons)
        counts.append(len(queries))
    assert counts[0] == counts[1]
