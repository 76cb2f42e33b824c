"""The page of one line and adjusting it: who sees it, what it keeps, what it refuses."""

import datetime as dt
from decimal import Decimal

import pytest
from django.urls import reverse

from audit.context import acting
from forecasts import services
from forecasts.models import Line
from masterdata.models import Product
from masterdata.services import assign_customers
from tests.factories import answer, make_cycle, ref
from tests.world import COMMENT, close, count_queries, decided, make_world, publish, submitted

pytestmark = pytest.mark.django_db
JAN, FEB, APR28 = dt.date(2027, 1, 1), dt.date(2027, 2, 1), dt.date(2028, 4, 1)


def url(line, name="line"):
    return reverse(f"forecasts:{name}", args=[line.pk])


def text(response):
    return response.content.decode()


@pytest.fixture
def world():
    return make_world(lines=2)


def test_who_reads_a_line(client, world):
    line = world.lines[0]
    for who, expected in (
        ("rep", 200), ("manager", 200), ("admin", 200), ("viewer", 200), ("other_rep", 404), ("other_manager", 404)
    ):  # fmt: skip
        client.force_login(getattr(world, who))
        assert client.get(url(line)).status_code == expected, who
    client.logout()
    assert client.get(url(line))["Location"].startswith("/accounts/login/")


def test_unknown_lines_are_not_found(client, world):
    client.force_login(world.admin)
    assert client.get("/lines/999999/").status_code == 404
    assert client.get("/lines/99999999999999999999/").status_code == 404


def test_the_cells_are_told_in_words(client, world):
    line = answer(world.lines[0], 7)
    with acting(world.rep, source="web"):
        services.set_cells(
            world.cycle.pk, [services.LineEdit(line.pk, line.revision, {JAN: None}, {FEB: Decimal(12)})], by=world.rep
        )
    client.force_login(world.rep)
    story = client.get(url(line)).context["story"]
    january, february, last = story.cells[0], story.cells[1], story.cells[-1]
    assert (january.quantity, january.source, january.revenue) == (None, "not answered", None)
    assert (february.quantity, february.source) == (Decimal(7), "entered")
    assert (february.price, february.price_source, february.revenue) == (Decimal(12), "entered", Decimal(84))
    assert (last.period, last.is_mandatory, last.price_source) == (APR28, False, "customer's price")
    # Eleven mandatory months of 7, one of them at 12 and ten at 10.
    assert (story.sums.quantity, story.sums.revenue) == (Decimal(77), Decimal(784))
    assert [(run.price, run.first) for run in story.prices] == [
        (Decimal(10), JAN), (Decimal(12), FEB), (Decimal(10), dt.date(2027, 3, 1))
    ]  # fmt: skip
    assert february.last_year is None and story.cells[11].last_year == Decimal(100)


def test_every_version_is_kept_with_who_and_why(client, world):
    line = world.lines[0]
    submitted([line], 100)
    decided("reject", [line], world.manager)
    answer(line, 80)
    submitted([line], 80)
    decided("approve", [line], world.manager, comment="")
    close(world)
    with acting(world.admin, source="web"):
        services.adjust_lines(
            world.cycle.pk, [services.Adjustment(line.pk, ref(line).revision, {JAN: Decimal(95)})],
            by=world.admin, reason="Meeting.",
        )  # fmt: skip
    publish(world)
    client.force_login(world.rep)
    answered = client.get(url(line))
    versions = answered.context["story"].versions
    assert [(kept.word, kept.who, kept.next12) for kept in versions] == [
        ("Published", "Ada Admin", 975), ("Adjusted", "Ada Admin", 975), ("Closed", "Ada Admin", 960),
        ("Approved", "Mona Manager", 960), ("Submitted", "Rita Rep", 960), ("Rejected", "Mona Manager", 1200),
        ("Submitted", "Rita Rep", 1200), ("Opened", "Ada Admin", 0),
    ]  # fmt: skip
    assert versions[1].quantity[0] == (Decimal(95), True) and versions[1].quantity[1] == (Decimal(80), False)
    assert COMMENT in text(answered) and "Meeting." in text(answered)


def test_what_is_saved_but_not_kept_yet_stands_on_top(client, world):
    line = answer(world.lines[0], 7)
    client.force_login(world.rep)
    first, second = client.get(url(line)).context["story"].versions
    assert (first.word, first.who, first.next12) == ("As saved now", "Rita Rep", 84)
    assert second.word == "Opened"


def test_reps_read_their_changes_before_and_after(client, world):
    line = submitted(world.lines[:1], 7)[0]
    client.force_login(world.rep)
    page = text(client.get(url(line)))
    assert "Quantity, Jan 2027" in page and "Rita Rep" in page
    history = reverse("audit:history", args=["forecast", line.pk])
    assert client.get(history).status_code == 200
    client.force_login(world.other_rep)
    assert client.get(history).status_code == 404
    assert client.get(reverse("audit:history", args=["forecast", "x"])).status_code == 404


def test_cost_is_nowhere_on_the_page(client, world):
    with acting(world.admin, source="web"):
        Product.objects.filter(item_code="P0").update(cost_price=Decimal("7654.32"))
    client.force_login(world.rep)
    assert "7,654" not in text(client.get(url(world.lines[0]))) and "7654" not in text(client.get(url(world.lines[0])))


def test_a_former_rep_reads_what_they_submitted_without_later_sales(client, world):
    line = submitted(world.lines[:1])[0]
    with acting(world.admin, source="web"):
        assign_customers([world.customer.pk], world.other_rep, by=world.admin)
    client.force_login(world.rep)
    answered = client.get(url(line))
    assert answered.status_code == 200 and answered.context["story"].cells[11].last_year is None


def test_htmx_gets_the_short_form(client, world):
    client.force_login(world.manager)
    page = text(client.get(url(world.lines[0]), headers={"HX-Request": "true"}))
    assert "<html" not in page and "Garlic 0" in page


def test_the_number_of_queries_does_not_grow_with_versions(client, world):
    line = world.lines[0]
    client.force_login(world.manager)
    submitted([line])
    client.get(url(line))
    few = count_queries(client, url(line))
    decided("reject", [line], world.manager)
    answer(line, 9)
    submitted([line], 9)
    assert count_queries(client, url(line)) == few


def test_a_missed_line_tells_what_the_plan_uses(client, world):
    close(world)
    client.force_login(world.rep)
    assert "The plan uses what the line started with." in text(client.get(url(world.lines[0])))


# --- Deciding from the page of the line -----------------------------------------------------------------------------


def decide(client, line, action, **data):
    return client.post(
        reverse("forecasts:decide"),
        {"cycle": line.cycle_id, "from": "line", "only": f"{line.pk}:{line.revision}", "action": action, **data},
    )


def test_a_line_is_decided_on_its_page(client, world):
    line = submitted(world.lines[:1])[0]
    client.force_login(world.rep)
    assert "Approve</button>" not in text(client.get(url(line)))
    client.force_login(world.manager)
    assert "Approve</button>" in text(client.get(url(line)))
    refused = decide(client, line, "reject", comment="")
    assert refused.status_code == 422 and "Say why you reject" in text(refused)
    assert decide(client, line, "reject", comment=COMMENT)["Location"] == url(line)
    line.refresh_from_db()
    assert line.status == Line.Status.REJECTED


def test_a_stale_decision_on_the_page_is_refused_and_keeps_its_comment(client, world):
    line = submitted(world.lines[:1])[0]
    old = line.revision
    with acting(world.rep, source="web"):
        services.recall_lines(world.cycle.pk, [ref(line)], by=world.rep)
    submitted([line], 5)
    line.revision = old
    client.force_login(world.manager)
    refused = decide(client, line, "return", comment="Look at March.")
    assert refused.status_code == 409
    assert "changed since you opened this page" in text(refused) and "Look at March." in text(refused)


# --- Adjusting ------------------------------------------------------------------------------------------------------


def adjust(client, line, reason="Agreed in the meeting.", **cells):
    line.refresh_from_db()
    return client.post(url(line, "adjust"), {"revision": line.revision, "reason": reason, **cells})


def test_adjusting_keeps_what_was_submitted_beside_the_new_cells(client, world):
    line = submitted(world.lines[:1], 100)[0]
    close(world)
    client.force_login(world.manager)
    page = client.get(url(line, "adjust"))
    assert page.context["rows"][0]["kept"] == Decimal(100) and 'name="q_2027-01" value="100"' in text(page)
    assert (
        adjust(client, line, **{"q_2027-01": "1,250.5", "p_2027-02": "$ 9.1234", "q_2027-03": "100"}).status_code == 302
    )
    line.refresh_from_db()
    assert (line.status, line.quantity[0], line.quantity[2]) == ("approved", Decimal("1250.5"), Decimal(100))
    assert (line.unit_price[1], line.price_source[1], line.quantity_source[0]) == (Decimal("9.1234"), "e", "e")
    assert line.decision_comment == "Agreed in the meeting."
    again = client.get(url(line, "adjust"))
    assert again.context["rows"][0]["kept"] == Decimal(100) and 'name="q_2027-01" value="1250.5"' in text(again)


def test_a_comma_reader_types_commas(client, world):
    line = submitted(world.lines[:1], 1000)[0]
    close(world)
    client.force_login(world.manager)
    german = {"headers": {"Accept-Language": "de"}}
    page = text(client.get(url(line, "adjust"), **german))
    assert 'name="q_2027-01" value="1000"' in page and 'name="p_2027-01" value="10,00"' in page
    line.refresh_from_db()
    data = {"revision": line.revision, "reason": "x", "q_2027-01": "1.300", "p_2027-01": "10,5"}
    assert client.post(url(line, "adjust"), data, **german).status_code == 302
    line.refresh_from_db()
    assert (line.quantity[0], line.unit_price[0]) == (Decimal(1300), Decimal("10.5"))


def test_missed_lines_are_adjusted_too(client, world):
    line = world.lines[0]
    close(world)
    client.force_login(world.manager)
    assert "At the start" in text(client.get(url(line, "adjust")))
    cells = {f"q_{period:%Y-%m}": "5" for period in world.cycle.periods[:12]}
    assert adjust(client, line, **cells).status_code == 302
    assert "What was there at the start is kept beside it." in text(client.get(url(line)))
    line.refresh_from_db()
    assert line.status == "approved" and line.quantity == [Decimal(5)] * 12 + [None] * 4


def test_refused_cells_and_reasons_say_why_and_keep_what_was_typed(client, world):
    line = submitted(world.lines[:1], 100)[0]
    close(world)
    client.force_login(world.manager)
    refused = adjust(client, line, **{"q_2027-01": "1e3", "q_2027-02": ""})
    assert refused.status_code == 422 and "January 2027" in text(refused) and 'value="1e3"' in text(refused)
    blank = adjust(client, line, **{"q_2027-02": ""})
    assert blank.status_code == 422 and "February 2027 is blank; enter a quantity or 0." in text(blank)
    silent = adjust(client, line, reason=" ", **{"q_2027-01": "7"})
    assert silent.status_code == 422 and "Say why you adjust" in text(silent) and 'value="7"' in text(silent)
    line.refresh_from_db()
    assert (line.status, line.quantity[0]) == ("submitted", Decimal(100))


def test_a_stale_adjustment_is_refused(client, world):
    line = submitted(world.lines[:1], 100)[0]
    close(world)
    client.force_login(world.manager)
    line.refresh_from_db()
    old = line.revision
    adjust(client, line, **{"q_2027-01": "7"})
    stale = client.post(url(line, "adjust"), {"revision": old, "reason": "x", "q_2027-01": "8"})
    assert stale.status_code == 409 and "changed since you opened it" in text(stale) and 'value="8"' in text(stale)
    line.refresh_from_db()
    assert line.quantity[0] == 7


def test_when_and_by_whom_lines_are_adjusted(client, world):
    line = submitted(world.lines[:1])[0]
    client.force_login(world.manager)
    early = client.get(url(line, "adjust"))
    assert early.status_code == 409 and "after its cycle has closed" in text(early)
    close(world)
    for who, expected in (("other_manager", 404), ("other_rep", 404), ("rep", 403), ("viewer", 403), ("admin", 302)):
        client.force_login(getattr(world, who))
        assert adjust(client, line, **{"q_2027-01": "7"}).status_code == expected, who
    publish(world)
    client.force_login(world.manager)
    assert adjust(client, line, **{"q_2027-01": "9"}).status_code == 409
    make_cycle(by=world.admin, first_period=FEB)
    line.refresh_from_db()
    assert line.quantity[0] == 7
