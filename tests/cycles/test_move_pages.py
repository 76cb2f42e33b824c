"""Pages of pre-flight, extending, asking for time, refreshing and reopening."""

import datetime as dt
import re

import pytest
from django.urls import reverse

from audit.context import acting
from cycles.models import Cycle, ExtensionRequest, Participant
from cycles.timeline import timeline
from forecasts.models import Line
from sop_portal.conf import services as settings
from tests.cycles.acts import AFTER, BEFORE, DEADLINE, LATER, WHY, act
from tests.factories import make_customer, make_cycle, make_entry, make_user
from tests.world import close, count_queries, make_world, submitted

pytestmark = pytest.mark.django_db

UNTIL = {"until_on": "2026-12-22", "until_time": "18:00"}


def url(name: str, cycle: Cycle) -> str:
    return reverse(f"cycles:{name}", args=[cycle.pk])


def text(answer) -> str:
    return answer.content.decode()


def words(answer) -> str:
    """The page without its markup."""
    return re.sub(r"<[^>]+>", "", text(answer))


@pytest.fixture
def world(at):
    at(BEFORE)
    return make_world(lines=2, closes_at=DEADLINE)


@pytest.fixture
def as_admin(client, world):
    client.force_login(world.admin)
    return client


# --- Pre-flight -----------------------------------------------------------------------------------------------------


def test_preflight_names_what_it_finds_with_links_that_mend_it(client):
    admin = make_user("admin")
    client.force_login(admin)
    for n in range(22):
        make_entry(make_customer(name=f"Orphan {n:02}"))
    cycle = make_cycle(by=admin)
    page = text(client.get(url("preflight", cycle)))
    assert "One thing stands in the way of S&amp;OP Jan 2027" in page
    assert "22 customers with products have no sales rep" in page and "Orphan 19" in page and "and 2 more" in page
    assert "Orphan 20" not in page
    assert f"{reverse('admin:masterdata_customer_changelist')}?rep=none" in page
    assert "Actuals of" in page


def test_every_link_of_preflight_leads_somewhere(client, at):
    admin = make_user("admin")
    client.force_login(admin)
    at(dt.datetime(2026, 12, 8, tzinfo=dt.UTC))
    cycle = make_cycle(by=admin, closes_at=dt.datetime(2026, 12, 12, 18, tzinfo=dt.UTC))
    make_entry(make_customer())
    make_entry(make_customer(sales_rep=make_user("sales_rep", is_active=False)))
    rep = make_user("sales_rep", email="nobody@nowhere.invalid")
    make_entry(make_customer(sales_rep=rep), price=None, proposed_by=rep)
    make_user("sales_rep")
    found = client.get(url("preflight", cycle)).context["preflight"].findings
    assert {one.key for one in found} == {
        "without_rep", "inactive_owners", "unpriced", "actuals", "proposed", "idle_reps", "unreachable", "odd_deadline",
    }  # fmt: skip
    for address in {one.url for one in found} | {row.url for one in found for row in one.rows}:
        assert client.get(address).status_code == 200, address
    at(dt.datetime(2026, 12, 13, tzinfo=dt.UTC))
    (late,) = [one for one in client.get(url("preflight", cycle)).context["preflight"].findings if one.final]
    assert client.get(late.url).status_code == 200


def test_the_link_to_customers_of_inactive_reps_shows_them_alone(client):
    client.force_login(make_user("admin"))
    make_customer(name="Left Behind", sales_rep=make_user("sales_rep", is_active=False))
    make_customer(name="Well Served", sales_rep=make_user("sales_rep"))
    page = text(client.get(reverse("admin:masterdata_customer_changelist"), {"rep": "inactive"}))
    assert "Left Behind" in page and "Well Served" not in page


def test_a_cycle_that_was_opened_has_no_preflight(as_admin, world):
    assert as_admin.get(url("preflight", world.cycle)).status_code == 409


# --- Extending and asking -------------------------------------------------------------------------------------------


def test_extending_for_everybody(as_admin, world, at):
    page = as_admin.get(url("extend", world.cycle))
    # The next working day at the same time: the deadline is a Sunday.
    assert 'value="2026-12-21"' in text(page) and 'value="18:00"' in text(page)
    answer = as_admin.post(url("extend", world.cycle), {**UNTIL, "whom": "all", "reason": WHY}, follow=True)
    assert "The deadline is later now" in text(answer) and WHY in text(answer)
    world.cycle.refresh_from_db()
    assert world.cycle.closes_at == LATER


def test_extending_for_chosen_reps(as_admin, world):
    form = {**UNTIL, "whom": "some", "reps": [world.rep.pk], "reason": WHY}
    answer = as_admin.post(url("extend", world.cycle), form, follow=True)
    assert "until Tue 22 Dec 2026, 18:00" in words(answer)
    assert Participant.objects.get(rep=world.rep).deadline_extension == LATER
    assert Participant.objects.get(rep=world.other_rep).deadline_extension is None


@pytest.mark.parametrize(
    ("change", "field", "sentence"),
    [
        ({"reason": ""}, "reason", "Say why there is more time"),
        ({"reason": "a\u202eb"}, "reason", "invisible character"),
        ({"until_on": "2026-12-20", "until_time": "17:00"}, "until_on", "has passed|already"),
        ({"until_on": ""}, "until_on", "required"),
        ({"whom": "some"}, "reps", "Choose at least one rep"),
        ({"whom": "some", "reps": ["999999"]}, "reps", "not one of the available choices"),
        ({"whom": "some", "reps": ["x"]}, "reps", "not one of the available choices|whole|valid"),
        ({"whom": "everyone"}, "whom", "not one of the available choices"),
    ],
)
def test_extending_refuses_beside_the_field(as_admin, world, change, field, sentence):
    answer = as_admin.post(url("extend", world.cycle), {**UNTIL, "whom": "all", "reason": WHY, **change})
    assert answer.status_code == 422
    assert re.search(sentence, str(answer.context["form"].errors[field]))
    world.cycle.refresh_from_db()
    assert world.cycle.closes_at == DEADLINE


def test_extending_refuses_a_time_that_the_clocks_skip(as_admin, world):
    with acting(world.admin, source="web"):
        settings.set_value("business_time_zone", "America/New_York", world.admin)
    form = {"until_on": "2027-03-14", "until_time": "02:30", "whom": "all", "reason": WHY}
    answer = as_admin.post(url("extend", world.cycle), form)
    assert answer.status_code == 422
    assert "the next time that exists is 03:30" in str(answer.context["form"].errors["until_time"])


def test_a_rep_asks_with_one_click_and_an_admin_grants_with_one(client, world, at):
    at(AFTER)
    client.force_login(world.rep)
    for page in (reverse("home"), reverse("forecasts:grid", args=[world.cycle.pk, world.customer.pk])):
        shown = client.get(page)
        assert "Ask for more time until Mon 21 Dec 2026, 18:00" in words(shown) and url("ask", world.cycle) in text(
            shown
        )
    answer = client.post(url("ask", world.cycle), follow=True)
    assert "You asked for more time" in text(answer) and "has not answered yet" in text(answer)
    wanted = ExtensionRequest.objects.get()
    assert (wanted.rep, wanted.wanted_until) == (world.rep, dt.datetime(2026, 12, 21, 18, tzinfo=dt.UTC))

    client.force_login(world.admin)
    assert "Rita Rep asks for more time." in text(client.get(reverse("home")))
    page = text(client.get(url("detail", world.cycle)))
    assert "One rep asks for more time" in page and reverse("cycles:grant", args=[wanted.pk]) in page
    granted = client.post(reverse("cycles:grant", args=[wanted.pk]), follow=True)
    assert "Rita Rep has more time now." in text(granted) and 'id="requests"' not in text(granted)

    client.force_login(world.rep)
    assert "You have more time: your deadline is Mon 21 Dec 2026, 18:00" in words(client.get(reverse("home")))


def test_a_rep_asks_for_another_time_and_is_declined(client, world):
    client.force_login(world.rep)
    assert client.get(url("ask", world.cycle)).status_code == 200
    refused = client.post(url("ask", world.cycle), {"until_on": "2026-12-20", "until_time": "17:30", "text": ""})
    assert refused.status_code == 422 and "until_on" in refused.context["form"].errors
    client.post(url("ask", world.cycle), {**UNTIL, "text": "I was ill."})
    wanted = ExtensionRequest.objects.get()
    assert (wanted.wanted_until, wanted.text) == (LATER, "I was ill.")
    client.force_login(world.admin)
    assert "“I was ill.”" in text(client.get(url("detail", world.cycle)))
    client.post(reverse("cycles:decline", args=[wanted.pk]), {"answer": "The meeting is on Monday."})
    client.force_login(world.rep)
    assert "There is no more time. “The meeting is on Monday.”" in text(client.get(reverse("home")))


def test_nobody_is_asked_when_there_is_time_enough(client, world, at):
    at(DEADLINE - dt.timedelta(days=4))
    client.force_login(world.rep)
    assert "Ask for more time" not in text(client.get(reverse("home")))


def test_requests_of_others_are_not_found_and_not_answered(client, world):
    wanted = act("ask_for_time", world.cycle.pk, until=LATER, by=world.rep)
    for who, status in ((world.other_rep, 404), (world.manager, 404), (world.rep, 403)):
        client.force_login(who)
        for name in ("grant", "decline"):
            assert client.post(reverse(f"cycles:{name}", args=[wanted.pk])).status_code == status
    wanted.refresh_from_db()
    assert wanted.is_waiting


# --- Refreshing and reopening ---------------------------------------------------------------------------------------


def test_refreshing_says_what_it_did(as_admin, world):
    assert "loaded up to December 2026" in text(as_admin.get(url("refresh", world.cycle)))
    answer = as_admin.post(url("refresh", world.cycle), follow=True)
    assert "The actuals say nothing new" in text(answer)


def test_reopening_for_chosen_reps(as_admin, world, at):
    submitted(world.lines[:1])
    at(DEADLINE)
    close(world)
    page = text(as_admin.get(url("reopen", world.cycle)))
    assert "Rita Rep, 1 missed line<" in page.replace("\n", "") and "Oskar Rep, 2 missed lines" in page
    form = {**UNTIL, "whom": "some", "reps": [world.rep.pk], "reason": WHY}
    answer = as_admin.post(url("reopen", world.cycle), form, follow=True)
    assert "takes input again" in text(answer) and WHY in text(answer)
    assert Line.objects.filter(cycle=world.cycle, status="missed").count() == 2
    assert as_admin.get(url("reopen", world.cycle)).status_code == 409


def test_reopening_refuses_beside_the_field(as_admin, world, at):
    at(DEADLINE)
    close(world)
    answer = as_admin.post(url("reopen", world.cycle), {**UNTIL, "whom": "all", "reason": ""})
    assert answer.status_code == 422 and "Say why it is reopened" in text(answer)
    act("open_cycle", make_cycle(by=world.admin, first_period=dt.date(2027, 2, 1)).pk, by=world.admin)
    answer = as_admin.post(url("reopen", world.cycle), {**UNTIL, "whom": "all", "reason": WHY})
    assert answer.status_code == 409 and "is still open; close it before reopening" in text(answer)


def test_the_page_of_a_cycle_offers_what_its_state_allows(as_admin, world, at):
    def offered() -> set[str]:
        page = text(as_admin.get(url("detail", world.cycle)))
        names = ("preflight", "open", "extend", "refresh", "close", "reopen", "publish", "delete", "edit")
        return {name for name in names if url(name, world.cycle) in page}

    assert offered() == {"extend", "refresh", "close"}
    close(world)
    assert offered() == {"reopen", "publish"}
    act("publish_cycle", world.cycle.pk, by=world.admin)
    assert offered() == set()
    world.cycle = make_cycle(by=world.admin, first_period=dt.date(2027, 2, 1))
    assert offered() == {"preflight", "open", "edit", "delete"}


# --- Drafts and the timeline ----------------------------------------------------------------------------------------


def test_a_planned_opening_is_kept_with_the_draft(as_admin, world):
    form = {
        "first_period": "2027-02", "closes_on": "2027-01-28", "closes_time": "18:00", "opens_on": "2027-01-11",
        "opens_time": "09:00", "name": "",
    }  # fmt: skip
    as_admin.post(reverse("cycles:create"), form)
    draft = Cycle.objects.get(first_period=dt.date(2027, 2, 1))
    assert draft.opens_at == dt.datetime(2027, 1, 11, 9, tzinfo=dt.UTC)
    page = text(as_admin.get(url("detail", draft)))
    assert "Mon 11 Jan 2027, 09:00" in page and "it does not open by itself" in page
    for change, field in (
        ({"opens_time": ""}, "opens_time"), ({"opens_on": ""}, "opens_on"), ({"opens_on": "2027-01-29"}, "closes_on")
    ):  # fmt: skip
        answer = as_admin.post(url("edit", draft), {**form, **change})
        assert answer.status_code == 422 and field in answer.context["form"].errors
    as_admin.post(url("edit", draft), {**form, "opens_on": "", "opens_time": ""})
    draft.refresh_from_db()
    assert draft.opens_at is None


def test_the_list_shows_cycles_on_one_axis(as_admin, world, at):
    at(DEADLINE)
    close(world)
    make_cycle(
        by=world.admin, first_period=dt.date(2027, 2, 1), opens_at=dt.datetime(2027, 1, 11, tzinfo=dt.UTC),
        closes_at=dt.datetime(2027, 1, 28, tzinfo=dt.UTC),
    )  # fmt: skip
    found = timeline(Cycle.objects.order_by("-first_period"), dt.UTC, AFTER)
    assert [f"{month:%b}" for month in found.months] == ["Dec", "Jan"] and found.marks == [50.0]
    assert [[span.word for span in row.spans] for row in found.rows] == [["planned"], ["input", "review"]]
    # 11 January is a third of the second month: 50 + 50 x 10/31.
    assert found.rows[0].spans[0].start == pytest.approx(66.13, abs=0.01)
    page = text(as_admin.get(reverse("cycles:list")))
    assert 'aria-label="planned 11 Jan to 28 Jan 2027"' in page and "style=" not in page
    assert timeline([], dt.UTC, AFTER) is None


def test_new_pages_cost_the_same_whatever_the_number_of_reps(as_admin, world):
    pages = [url(name, world.cycle) for name in ("extend", "refresh", "detail")]
    few = [count_queries(as_admin, page) for page in pages]
    for _ in range(4):
        Participant.objects.untracked().bulk_create([Participant(cycle=world.cycle, rep=make_user("sales_rep"))])
    assert [count_queries(as_admin, page) for page in pages] == few
