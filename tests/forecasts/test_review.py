"""The review page without JavaScript: what it lists, and what each decision does and refuses."""

import datetime as dt
from decimal import Decimal

import pytest
from django.urls import reverse

from audit.context import acting
from cycles.services import legacy_cycle
from forecasts import queue, services
from forecasts.models import Line
from forecasts.reasons import Reason
from tests.factories import answer, make_actual, make_customer, make_cycle, make_entry, make_user, open_cycle, ref
from tests.world import COMMENT, close, count_queries, decided, make_world, publish, submitted

pytestmark = pytest.mark.django_db
REVIEW = reverse("forecasts:review")
DECIDE = reverse("forecasts:decide")


def text(response):
    return response.content.decode()


def pair(line):
    return f"{line.pk}:{line.revision}"


def listed(response):
    return [row.line.pk for row in response.context["rows"]]


def post(client, world, action="approve", lines=(), **data):
    return client.post(
        DECIDE, {"cycle": world.cycle.pk, "action": action, "line": [pair(line) for line in lines], **data}
    )


def status(*lines):
    for line in lines:
        line.refresh_from_db()
    return [line.status for line in lines]


@pytest.fixture
def world():
    return make_world(lines=3)


@pytest.fixture
def manager(client, world):
    submitted(world.lines)
    submitted(world.other_lines)
    client.force_login(world.manager)
    return world.manager


# --- The list -------------------------------------------------------------------------------------------------------


def test_review_lists_what_the_team_submitted(client, world, manager):
    answer = client.get(REVIEW)
    assert set(listed(answer)) == {line.pk for line in world.lines}
    assert "Three lines wait for a decision" in text(answer)
    assert "Fir Provisions" not in text(answer)


@pytest.mark.parametrize(("who", "expected"), [("admin", 6), ("other_manager", 3), ("rep", None), ("viewer", None)])
def test_review_is_for_those_who_decide(client, world, manager, who, expected):
    client.force_login(getattr(world, who))
    answer = client.get(REVIEW)
    assert answer.status_code == (403 if expected is None else 200)
    assert expected is None or len(listed(answer)) == expected
    before = status(*world.lines)
    if expected is None:
        assert post(client, world, lines=world.lines).status_code == 403
        assert status(*world.lines) == before


def test_strangers_are_sent_to_sign_in(client):
    assert client.get(REVIEW)["Location"].startswith("/accounts/login/")
    assert client.post(DECIDE)["Location"].startswith("/accounts/login/")


def test_what_changed_most_in_money_comes_first_and_sorting_is_in_the_url(client, world):
    cheap, dear, middle = world.lines
    for line, quantity in ((cheap, 1), (dear, 50), (middle, 20)):
        answer(line, quantity)
    with acting(world.rep, source="web"):
        services.submit_lines(world.cycle.pk, [ref(line) for line in world.lines], by=world.rep)
    client.force_login(world.manager)
    assert listed(client.get(REVIEW)) == [dear.pk, middle.pk, cheap.pk]
    assert listed(client.get(REVIEW, {"sort": "money"})) == [cheap.pk, middle.pk, dear.pk]
    assert listed(client.get(REVIEW, {"sort": "-next12"})) == [dear.pk, middle.pk, cheap.pk]
    assert listed(client.get(REVIEW, {"sort": "line"})) == [cheap.pk, dear.pk, middle.pk]
    assert listed(client.get(REVIEW, {"sort": "password"})) == [dear.pk, middle.pk, cheap.pk]


def test_filters_are_in_the_url_and_totals_are_over_the_whole_filter(client, world, manager):
    client.force_login(world.admin)
    answer = client.get(REVIEW, {"rep": world.rep.pk})
    assert {row.line.owner_id for row in answer.context["rows"]} == {world.rep.pk}
    # Three lines of 100 in each of 12 months at price 10.
    assert answer.context["totals"].money == Decimal(36_000)
    assert listed(client.get(REVIEW, {"customer": world.other_customer.pk, "rep": world.rep.pk})) == []
    assert answer.context["reps"] == [(world.other_rep.pk, "Oskar Rep", 3), (world.rep.pk, "Rita Rep", 3)]


@pytest.mark.parametrize(
    "query",
    [
        {"rep": "x"},
        {"rep": "9" * 25},
        {"customer": "-1"},
        {"page": "9" * 25},
        {"page": "-1"},
        {"tab": "x"},
        {"rep": "٣"},
    ],
)
def test_odd_parameters_are_no_error(client, world, manager, query):
    assert client.get(REVIEW, query).status_code == 200


def test_an_unknown_cycle_is_not_found(client, world, manager):
    for cycle in ("999999", "x", "9" * 25):
        assert client.get(REVIEW, {"cycle": cycle}).status_code == 404


def test_a_row_shows_history_change_and_reason(client, world):
    close(world)
    publish_with(world, 100)
    following = open_cycle(make_cycle(by=world.admin, first_period=dt.date(2027, 2, 1)), by=world.admin)
    line = Line.objects.get(cycle=following, owner=world.rep, product__item_code="P0")
    with acting(world.rep, source="web"):
        edit = services.LineEdit(
            line.pk, line.revision, dict.fromkeys(following.periods, Decimal(120)),
            {dt.date(2027, 3, 1): Decimal("12.5")}, notes="New shelf from March.",
        )  # fmt: skip
        services.set_cells(following.pk, [edit], by=world.rep)
        reasons = {line.pk: Reason("new store", "Opens in May")}
        services.submit_lines(following.pk, [ref(line)], by=world.rep, reasons=reasons)
    client.force_login(world.manager)
    page = client.get(REVIEW)
    (row,) = page.context["rows"]
    # 100 a month were carried over, 120 are planned now; one month of 12 sold 100.
    assert (row.line.next12, row.line.prefill12, row.last12) == (Decimal(1440), Decimal(1200), Decimal(100))
    assert row.change == Decimal("0.2")
    assert len(row.history) == 24 and row.history[-1] == 100
    # 1,440 at 10 and 120 of them 2.5 dearer, against 1,200 at 10.
    assert row.line.money_change == Decimal(2700)
    assert row.price_change == "10.00 to 12.50 from Mar 2027"
    assert (
        "new store" in text(page)
        and "Opens in May" in text(page)
        and "New shelf from March." in text(page)
        and "+20 %" in text(page)
    )


def publish_with(world, quantity):
    """Adjust the missed lines of the rep to `quantity` a month, then publish."""
    lines = [line for line in world.lines if not line.refresh_from_db()]
    adjustments = [
        services.Adjustment(line.pk, line.revision, dict.fromkeys(world.cycle.periods, Decimal(quantity)))
        for line in lines
    ]
    with acting(world.manager, source="web"):
        services.adjust_lines(world.cycle.pk, adjustments, by=world.manager, reason="Taken from the meeting.")
    publish(world)


def test_a_line_without_history_and_start_is_new(client, world, manager):
    page = text(client.get(REVIEW))
    assert page.count(">new</td>") == 3


def test_resubmitted_lines_tell_why_they_came_back(client, world, manager):
    decided("reject", world.lines[:1], world.manager)
    answer(world.lines[0], 80)
    submitted(world.lines[:1], 90)
    assert f"Rejected before by Mona Manager: {COMMENT}" in text(client.get(REVIEW))


def test_published_and_legacy_cycles_are_not_reviewed(client, world, manager):
    close(world)
    publish(world)
    assert "Nothing to review" in text(client.get(REVIEW))
    assert queue.waiting(world.manager).count() == 0


def test_lines_of_old_workbooks_cannot_be_decided(client, world, manager):
    with acting(world.admin, source="command"):
        legacy = legacy_cycle(dt.date(2025, 12, 1), by=world.admin)
    answer = client.post(DECIDE, {"cycle": legacy.pk, "action": "approve", "line": ["1:1"]})
    assert answer.status_code == 404
    assert client.get(REVIEW, {"cycle": legacy.pk}).status_code == 404


def test_closed_and_open_cycles_are_reviewed_side_by_side(client, world, manager):
    close(world)
    following = open_cycle(make_cycle(by=world.admin, first_period=dt.date(2027, 2, 1)), by=world.admin)
    answer = client.get(REVIEW)
    assert answer.context["cycle"] == following and listed(answer) == []
    assert len(listed(client.get(REVIEW, {"cycle": world.cycle.pk}))) == 3


def test_pages_hold_100_lines_at_a_constant_number_of_queries(client, world, monkeypatch):
    submitted(world.lines[:1])
    client.force_login(world.manager)
    client.get(REVIEW)
    few = count_queries(client, REVIEW)
    submitted(world.lines[1:])
    decided("reject", world.lines[1:2], world.manager)
    submitted(world.lines[1:2], 70)
    assert count_queries(client, REVIEW) == few
    monkeypatch.setattr(queue, "PER_PAGE", 2)
    answer = client.get(REVIEW)
    assert len(listed(answer)) == 2 and "1 to 2 of 3 lines" in text(answer)
    assert len(listed(client.get(REVIEW, {"page": "2"}))) == 1


# --- Decisions ------------------------------------------------------------------------------------------------------


def test_approve_one_by_its_button(client, world, manager):
    answer = client.post(
        DECIDE, {"cycle": world.cycle.pk, "only": pair(world.lines[0]), "filters": "rep=7&sort=line&x=1"}
    )
    assert answer["Location"] == f"{REVIEW}?rep=7&sort=line"
    assert status(*world.lines) == ["approved", "submitted", "submitted"]


def test_approve_ticked_lines(client, world, manager):
    answer = post(client, world, "approve", world.lines[:2])
    assert answer["Location"] == REVIEW
    assert status(*world.lines) == ["approved", "approved", "submitted"]
    assert "2 lines approved." in text(client.get(REVIEW))


def test_approve_all_takes_the_filter_and_nothing_else(client, world, manager):
    client.force_login(world.admin)
    page = client.get(REVIEW, {"rep": world.rep.pk})
    answer = post(client, world, "approve_all", filters=f"rep={world.rep.pk}", digest=page.context["totals"].digest)
    assert answer.status_code == 302
    assert status(*world.lines) == ["approved"] * 3 and status(*world.other_lines) == ["submitted"] * 3


def test_approve_all_of_more_lines_than_a_page_shows(client, world, manager, monkeypatch):
    monkeypatch.setattr(queue, "PER_PAGE", 1)
    digest = client.get(REVIEW).context["totals"].digest
    assert post(client, world, "approve_all", digest=digest).status_code == 302
    assert status(*world.lines) == ["approved"] * 3


def test_approve_all_is_refused_when_the_list_changed(client, world, manager):
    digest = client.get(REVIEW).context["totals"].digest
    with acting(world.rep, source="web"):
        services.recall_lines(world.cycle.pk, [ref(world.lines[0])], by=world.rep)
    submitted(world.lines[:1], 999)
    answer = post(client, world, "approve_all", digest=digest)
    assert answer.status_code == 409 and "The list changed since you opened it" in text(answer)
    assert status(*world.lines) == ["submitted"] * 3


@pytest.mark.parametrize(("action", "becomes"), [("reject", "rejected"), ("return", "draft")])
def test_reject_and_return_need_a_comment(client, world, manager, action, becomes):
    refused = post(client, world, action, world.lines[:2], comment="  ")
    assert refused.status_code == 422 and "the rep reads it beside the line" in text(refused)
    assert status(*world.lines) == ["submitted"] * 3
    assert refused.context["ticked"] == {line.pk for line in world.lines[:2]}
    assert f'aria-invalid="true" autofocus data-action="{action}">' in text(refused)
    done = post(client, world, action, world.lines[:2], comment=COMMENT)
    assert done.status_code == 302
    assert status(*world.lines) == [becomes, becomes, "submitted"]
    assert world.lines[0].decision_comment == COMMENT


def test_after_a_refusal_the_filters_are_still_there(client, world, manager):
    refused = post(client, world, "reject", world.lines[:1], filters=f"rep={world.rep.pk}&sort=line")
    page = text(refused)
    assert f'<option value="{world.rep.pk}" selected>' in page
    assert f'href="?rep={world.rep.pk}&amp;sort=-line"' in page


def test_a_refused_comment_is_kept(client, world, manager):
    long = "x" * 2001
    refused = post(client, world, "reject", world.lines[:1], comment=long)
    assert refused.status_code == 422 and long in text(refused) and "at most 2,000" in text(refused)


def test_a_line_that_changed_meanwhile_is_refused_and_shown_again(client, world, manager):
    seen = pair(world.lines[0])
    with acting(world.rep, source="web"):
        services.recall_lines(world.cycle.pk, [ref(world.lines[0])], by=world.rep)
    submitted(world.lines[:1], 500)
    answer = client.post(DECIDE, {"cycle": world.cycle.pk, "action": "approve", "line": [seen, pair(world.lines[1])]})
    assert answer.status_code == 409
    assert "Elm Supply, Inc. · P0 Garlic 0 changed since you opened this page, so nothing was decided." in text(answer)
    assert status(*world.lines) == ["submitted"] * 3
    assert answer.context["ticked"] == {world.lines[1].pk}


def test_nothing_ticked_unknown_acts_and_nonsense_are_refused(client, world, manager):
    assert "Tick at least one line first." in text(post(client, world, "approve"))
    assert post(client, world, "explode", world.lines).status_code == 422
    for line in ("x", "1", "1:x", f"{'9' * 25}:1", "-1:1"):
        answer = client.post(DECIDE, {"cycle": world.cycle.pk, "action": "approve", "line": [line]})
        assert answer.status_code == 422
    for cycle in ("", "x", "999999"):
        answer = client.post(DECIDE, {"cycle": cycle, "action": "approve", "line": [pair(world.lines[0])]})
        assert answer.status_code == 404
    assert status(*world.lines) == ["submitted"] * 3


def test_lines_of_other_teams_cannot_be_decided(client, world, manager):
    answer = post(client, world, "approve", world.other_lines[:1])
    assert answer.status_code == 422 and "There is no such line" in text(answer)
    assert status(*world.other_lines) == ["submitted"] * 3


def test_nobody_decides_what_they_submitted(client, world):
    answer(world.lines[0], 5)
    with acting(world.admin, source="web"):
        services.submit_lines(world.cycle.pk, [ref(world.lines[0])], by=world.admin)
    world.lines[0].refresh_from_db()
    client.force_login(world.admin)
    page = client.get(REVIEW)
    assert "so somebody else decides" in text(page) and pair(world.lines[0]) not in text(page)
    refused = post(client, world, "approve", world.lines[:1])
    assert refused.status_code == 422 and "somebody else has to decide it" in text(refused)
    assert queue.waiting(world.admin).count() == 0 and queue.waiting(world.manager).count() == 1


def test_a_get_does_not_decide_but_leads_to_the_list(client, world, manager):
    answer = client.get(DECIDE, {"cycle": world.cycle.pk, "only": pair(world.lines[0]), "sort": "-line"})
    assert answer["Location"] == f"{REVIEW}?cycle={world.cycle.pk}&sort=-line"
    assert status(*world.lines) == ["submitted"] * 3


# --- Decided and missed ---------------------------------------------------------------------------------------------


def test_decided_lines_tell_who_and_what_and_can_be_returned(client, world, manager):
    first, second, third = world.lines
    decided("approve", [first], world.manager, comment="")
    decided("reject", [second], world.manager)
    decided("return", [third], world.manager, comment="Add the new store.")
    page = client.get(REVIEW, {"tab": "decided"})
    assert set(listed(page)) == {line.pk for line in world.lines}
    assert "Mona Manager" in text(page) and COMMENT in text(page) and "Add the new store." in text(page)
    # Only what is approved can still be returned.
    assert pair(first) in text(page) and pair(second) not in text(page)
    answer = post(client, world, "return", [first], comment="One more look.", filters="tab=decided")
    assert answer["Location"] == f"{REVIEW}?tab=decided"
    assert status(first) == ["draft"]


def test_closed_cycles_offer_approve_and_adjust_but_not_reject(client, world):
    submitted(world.lines[:1])
    close(world)
    client.force_login(world.manager)
    page = text(client.get(REVIEW))
    assert 'value="approve"' in page and 'value="reject"' not in page
    assert "</kbd> approve" in page and "</kbd> reject" not in page
    assert reverse("forecasts:adjust", args=[world.lines[0].pk]) in page
    missed = client.get(REVIEW, {"tab": "missed"})
    assert set(listed(missed)) == {line.pk for line in world.lines[1:]}
    world.lines[0].refresh_from_db()
    refused = post(client, world, "reject", world.lines[:1], comment=COMMENT)
    assert refused.status_code == 409
    assert post(client, world, "approve", world.lines[:1]).status_code == 302


def test_two_reps_of_one_manager_stand_in_one_list(client, world, manager):
    second = make_user("sales_rep", full_name="Second Rep", manager=world.manager)
    entry = make_entry(make_customer(name="Late Comer", sales_rep=second))
    make_actual(entry, dt.date(2026, 12, 1))
    close(world)
    following = open_cycle(make_cycle(by=world.admin, first_period=dt.date(2027, 2, 1)), by=world.admin)
    submitted(list(Line.objects.filter(cycle=following, owner__manager=world.manager, owner=second)), 3)
    submitted(list(Line.objects.filter(cycle=following, owner=world.rep)), 3)
    assert len(listed(client.get(REVIEW))) == 4
