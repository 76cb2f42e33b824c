"""The home page and the strip: for each person the one next thing, and nothing of others."""

import datetime as dt

import pytest
from django.urls import reverse

from audit.context import acting
from cycles import services as cycle_services
from forecasts import services
from forecasts.models import Line
from masterdata.models import Delegation, ImportRun
from sop_portal import home
from sop_portal.conf import services as settings
from sop_portal.jobs.models import JobRun
from sop_portal.mail.models import OutboxMail
from tests.factories import answer, make_actual, make_customer, make_cycle, make_entry, make_user, open_cycle, ref
from tests.world import COMMENT, SOLD, close, count_queries, decided, make_world, publish, submitted

pytestmark = pytest.mark.django_db
HOME = reverse("home")


def text(response):
    return response.content.decode()


def opened(client, user):
    client.force_login(user)
    answer = client.get(HOME)
    assert answer.status_code == 200
    return answer


@pytest.fixture
def world():
    return make_world(lines=3)


# --- A rep ----------------------------------------------------------------------------------------------------------


def test_a_rep_is_told_the_one_next_action_at_each_step(client, world):
    grid = reverse("forecasts:grid", args=[world.cycle.pk, world.customer.pk])
    told = opened(client, world.rep)
    assert told.context["own"]["next"]["title"] == "Three lines need you"
    assert told.context["own"]["next"]["url"] == grid
    assert "0 of your 3 live lines are ready, 0 handed in." in text(told)

    for line in world.lines:
        answer(line, 5)
    told = opened(client, world.rep)
    assert told.context["own"]["next"]["title"] == "3 lines can be submitted"
    assert told.context["own"]["next"]["url"] == reverse("forecasts:submit", args=[world.cycle.pk])
    assert "$ 1.8 k" in text(told)  # three lines, 12 months, 5 at price 10

    submitted(world.lines, 6)
    assert opened(client, world.rep).context["own"]["next"]["title"] == "All 3 lines are handed in"

    decided("reject", world.lines[:1], world.manager)
    decided("return", world.lines[1:2], world.manager, comment="Add the new store.")
    told = opened(client, world.rep)
    assert told.context["own"]["next"]["title"] == "Two lines came back"
    assert COMMENT in text(told) and "Add the new store." in text(told)
    assert [kept.event for kept in told.context["own"]["decisions"]] == ["return", "reject"]


def test_the_next_action_leads_into_the_grid_of_the_first_customer_with_gaps(client):
    rep = make_user("sales_rep")
    for name in ("Alder Produce", "Birch Grocers", "Cedar Wholesale"):
        make_actual(make_entry(make_customer(name=name, sales_rep=rep)), SOLD)
    cycle = open_cycle()
    alder, birch, cedar = Line.objects.filter(cycle=cycle).order_by("customer__name")
    answer(alder, 5)
    told = opened(client, rep).context["own"]["next"]
    assert told["text"] == "A mandatory month is blank or a price is missing. 1 line can be submitted as it stands."
    assert told["action"] == "Start with Birch Grocers"
    assert told["url"] == reverse("forecasts:grid", args=[cycle.pk, birch.customer_id])
    submitted([alder])
    answer(birch, 5)
    submitted([birch])
    told = opened(client, rep).context["own"]["next"]
    assert told["text"] == "A mandatory month is blank or a price is missing."
    assert told["action"] == "Open the grid"
    assert told["url"] == reverse("forecasts:grid", args=[cycle.pk, cedar.customer_id])


def test_after_the_deadline_a_rep_is_told_so(client, at):
    world = make_world(lines=1, closes_at=dt.datetime(2027, 1, 5, 18, tzinfo=dt.UTC))
    at(dt.datetime(2027, 1, 5, 18, tzinfo=dt.UTC))
    told = opened(client, world.rep)
    assert told.context["own"]["next"]["title"] == "The deadline has passed"
    assert "1 line was not handed in. Ask an S&amp;OP admin if you need more time." in text(told)


def test_a_rep_sees_nothing_of_others(client, world):
    submitted(world.other_lines)
    decided("reject", world.other_lines[:1], world.other_manager)
    page = text(opened(client, world.rep))
    for foreign in ("Fir Provisions", "Oskar", "Otto", COMMENT):
        assert foreign not in page


def test_without_an_open_cycle_a_rep_keeps_the_last_decisions(client, world):
    submitted(world.lines)
    decided("approve", world.lines[:1], world.manager, comment="")
    close(world)
    told = opened(client, world.rep)
    assert "S&amp;OP Jan 2027 is closed" in text(told)
    assert "1 of 3 approved, 2 still to be decided" in text(told)
    assert [kept.event for kept in told.context["own"]["decisions"]] == ["approve"]


def test_a_rep_without_lines_is_told_what_to_do(client):
    rep = make_user("sales_rep")
    assert "No cycle is open" in text(opened(client, rep))
    open_cycle()
    assert "You have no live lines yet" in text(opened(client, rep))


# --- Managers, admins, viewers --------------------------------------------------------------------------------------


def test_a_manager_sees_the_queue_and_the_team(client, world, at):
    submitted(world.lines[:2])
    submitted(world.other_lines)
    told = opened(client, world.manager)
    assert "Two lines wait for you" in text(told)
    assert told.context["queue"]["number"] == 2
    assert [row.name for row in told.context["rows"]] == ["Rita Rep"]
    assert "Oskar" not in text(told)
    assert reverse("cycles:create") not in text(told)


def test_an_admin_sees_the_board_and_the_next_move(client, world):
    submitted(world.other_lines)
    told = opened(client, world.admin)
    # The furthest first.
    assert [(row.name, row.counts.handed_in) for row in told.context["rows"]] == [
        ("Oskar Rep", 3), ("Rita Rep", 0)
    ]  # fmt: skip
    assert "3 of 6 lines are handed in" in text(told)
    assert [move["title"] for move in told.context["moves"]] == [
        "S&OP Jan 2027 is open for input",
        "Plan the next cycle",
    ]
    close(world)
    titles = [move["title"] for move in opened(client, world.admin).context["moves"]]
    assert titles == ["S&OP Jan 2027 is closed", "Plan the next cycle"]
    draft = make_cycle(by=world.admin, first_period=dt.date(2027, 2, 1))
    moves = opened(client, world.admin).context["moves"]
    assert [move["url"] for move in moves] == [
        reverse("cycles:publish", args=[world.cycle.pk]), reverse("cycles:open", args=[draft.pk])
    ]  # fmt: skip


def test_an_admin_is_told_to_close_after_the_deadline(client, at):
    world = make_world(lines=1, closes_at=dt.datetime(2027, 1, 5, 18, tzinfo=dt.UTC))
    at(dt.datetime(2027, 1, 6, tzinfo=dt.UTC))
    move = opened(client, world.admin).context["moves"][0]
    assert (move["title"], move["url"]) == (
        "The deadline of S&OP Jan 2027 has passed", reverse("cycles:close", args=[world.cycle.pk])
    )  # fmt: skip


def test_nobody_is_told_to_close_while_a_rep_has_more_time(client, at):
    """The page once said that reps can no longer type, and led to closing the cycle under those who could."""
    deadline = dt.datetime(2027, 1, 5, 18, tzinfo=dt.UTC)
    world = make_world(lines=1, closes_at=deadline)
    later = deadline + dt.timedelta(days=2)
    with acting(world.admin, source="web"):
        cycle_services.extend_cycle(
            world.cycle.pk, until=later, reason="Rita was ill.", by=world.admin, rep_ids=[world.rep.pk]
        )
    at(deadline + dt.timedelta(hours=1))
    move = opened(client, world.admin).context["moves"][0]
    assert (move["title"], move["action"]) == ("S&OP Jan 2027 is open for input", "See the cycle")
    page = client.get(reverse("cycles:detail", args=[world.cycle.pk])).content.decode()
    assert "reps with more time type until" in page and "can no longer type" not in page
    assert (
        "Somebody has more time than the others"
        in client.get(reverse("cycles:close", args=[world.cycle.pk])).content.decode()
    )
    at(later)
    assert opened(client, world.admin).context["moves"][0]["action"] == "Close it"
    assert "can no longer type" in client.get(reverse("cycles:detail", args=[world.cycle.pk])).content.decode()


def test_an_admin_sees_the_last_imports(client, world):
    with acting("system", source="command"):
        ImportRun.objects.create(kind="legacy", state="checked", file_name="old.xlsx", file_size=1, file_sha256="x")
    assert "old.xlsx" in text(opened(client, world.admin))
    assert "old.xlsx" not in text(opened(client, world.viewer))


def test_a_viewer_reads_the_board_and_finds_no_buttons_of_moves(client, world):
    told = opened(client, world.viewer)
    assert len(told.context["rows"]) == 2
    assert "moves" not in told.context and "queue" not in told.context and "own" not in told.context
    assert reverse("forecasts:review") not in text(told)


def test_strangers_are_sent_to_sign_in(client):
    assert client.get(HOME)["Location"].startswith("/accounts/login/")


def test_somebody_without_a_role_gets_a_page(client):
    open_cycle()
    assert "No cycle is open" in text(opened(client, make_user()))


# --- An empty portal ------------------------------------------------------------------------------------------------


def test_an_empty_portal_shows_five_steps(client):
    admin = make_user("admin")

    def steps():
        return [
            (step["title"], step["done"], bool(step.get("next"))) for step in opened(client, admin).context["steps"]
        ]

    assert steps() == [
        ("Settings", False, True), ("Users", False, False), ("Master data", False, False), ("Actuals", False, False),
        ("First cycle", False, False),
    ]  # fmt: skip
    with acting(admin, source="web"):
        settings.set_value("company_name", "Northern Garlic", admin)
    rep = make_user("sales_rep")
    entry = make_entry(make_customer(sales_rep=rep))
    assert [(done, following) for _, done, following in steps()] == [
        (True, False), (True, False), (True, False), (False, False), (False, True)
    ]  # fmt: skip
    make_actual(entry, dt.date(2026, 12, 1))
    draft = make_cycle(by=admin)
    page = opened(client, admin)
    assert page.context["steps"][3]["done"] and page.context["steps"][4]["url"] == reverse(
        "cycles:open", args=[draft.pk]
    )
    open_cycle(draft, by=admin)
    assert opened(client, admin).context["steps"] == []
    assert "steps" not in opened(client, rep).context


# --- The strip and the frame ----------------------------------------------------------------------------------------


def strip_of(rf, user):
    request = rf.get("/")
    request.user = user
    return home.strip(request)


def test_the_strip_counts_what_the_person_may_see(rf, world):
    submitted(world.lines[:1])
    submitted(world.other_lines)
    decided("approve", world.other_lines[:1], world.other_manager)
    found = {who: strip_of(rf, getattr(world, who)) for who in ("rep", "other_rep", "manager", "admin", "viewer")}
    assert {who: strip.progress_text for who, strip in found.items()} == {
        "rep": "1 of 3 lines submitted", "other_rep": "3 of 3 lines submitted", "manager": "",
        "admin": "4 of 6 live lines submitted, 1 approved", "viewer": "4 of 6 live lines submitted, 1 approved",
    }  # fmt: skip
    assert found["manager"].note.startswith("your team: 1 line waits for you, oldest since ")
    assert (found["rep"].progress_done, found["rep"].progress_total) == (1, 3)


def test_no_open_cycle_no_strip(rf, world):
    close(world)
    publish(world)
    assert strip_of(rf, world.rep) is None


def test_the_strip_shows_the_business_clock_and_the_readers_own(rf, at):
    world = make_world(lines=1, closes_at=dt.datetime(2027, 1, 5, 23, tzinfo=dt.UTC))
    with acting(world.admin, source="web"):
        settings.set_value("business_time_zone", "America/New_York", world.admin)
    assert strip_of(rf, world.rep).deadline_label == "Tue 5 Jan 2027, 18:00 New York (23:00 for you)"
    world.rep.time_zone = "Europe/Madrid"
    assert strip_of(rf, world.rep).deadline_label == "Tue 5 Jan 2027, 18:00 New York (Wed 6 Jan 2027, 00:00 for you)"
    world.rep.time_zone = "America/Toronto"
    assert strip_of(rf, world.rep).deadline_label == "Tue 5 Jan 2027, 18:00 New York"


def test_the_count_beside_review_is_what_waits_for_the_person(rf, world):
    submitted(world.lines)
    request = rf.get("/")
    for who, number in (("manager", 3), ("other_manager", 0), ("admin", 3), ("rep", 0), ("viewer", 0)):
        request.user = getattr(world, who)
        assert home.review_count(request) == number, who


def test_a_deputy_sees_the_lines_they_stand_in_for(client, rf, world):
    with acting(world.admin, source="web"):
        Delegation.objects.create(
            from_user=world.rep, to_user=world.other_rep, created_by=world.admin,
            valid_from=dt.datetime(2020, 1, 1, tzinfo=dt.UTC), valid_to=dt.datetime(2040, 1, 1, tzinfo=dt.UTC),
        )  # fmt: skip
    assert strip_of(rf, world.other_rep).progress_total == 6
    names = [share.customer.name for share in opened(client, world.other_rep).context["own"]["customers"]]
    assert names == ["Elm Supply, Inc.", "Fir Provisions"]


def test_the_number_of_queries_does_not_grow(client, world):
    people = (world.rep, world.manager, world.admin)
    submitted(world.lines[:1])
    decided("reject", world.lines[:1], world.manager)

    def cost():
        found = []
        for person in people:
            client.force_login(person)
            client.get(HOME)
            found.append(count_queries(client, HOME))
        return found

    submitted(world.lines[1:2])
    few = cost()
    close(world)
    publish(world)
    for n in range(3):
        customer = make_customer(name=f"More {n}", sales_rep=world.rep)
        for _ in range(3):
            make_actual(make_entry(customer), dt.date(2026, 12, 1))
    following = open_cycle(make_cycle(by=world.admin, first_period=dt.date(2027, 2, 1)), by=world.admin)
    lines = list(following.lines.filter(owner=world.rep, live=True).select_related("cycle", "owner"))
    submitted(lines, 4)
    decided("reject", lines[:4], world.manager)
    assert len(lines) == 12 and cost() == few


def test_a_recalled_line_is_to_do_again(client, world):
    submitted(world.lines)
    with acting(world.rep, source="web"):
        services.recall_lines(world.cycle.pk, [ref(world.lines[0])], by=world.rep)
    assert opened(client, world.rep).context["own"]["next"]["title"] == "1 line can be submitted"


# --- What to look at ------------------------------------------------------------------------------------------------


def looked_at(client, user):
    return {item.word: item.text for item in opened(client, user).context["items"]}


def test_an_admin_is_shown_what_is_late_odd_and_wrong(client, world, at):
    submitted(world.lines[:1], 10)
    close(world)
    publish(world)
    deadline = dt.datetime(2027, 2, 5, 18, tzinfo=dt.UTC)
    following = open_cycle(
        make_cycle(by=world.admin, first_period=dt.date(2027, 2, 1), closes_at=deadline), by=world.admin
    )
    line = following.lines.get(customer=world.customer, product=world.lines[0].product)
    # 16 a month instead of the 10 carried over: 60 % more over twelve months at price 10.
    at(dt.datetime(2027, 2, 2, 9, tzinfo=dt.UTC))
    submitted([line], 16)
    found = looked_at(client, world.admin)
    assert found["odd"] == "1 submitted line is more than 50 % off the last cycle, $ 720"
    assert found["gaps"] == "5 lines lack a mandatory month or a price"
    assert "late" not in found and found["jobs"] == "No job has run yet"
    with acting(world.rep, source="web"):
        cycle_services.ask_for_time(following.pk, until=deadline + dt.timedelta(days=3), by=world.rep)
    assert looked_at(client, world.admin)["time"] == "One rep asks for more time"
    at(dt.datetime(2027, 2, 4, 9, 1, tzinfo=dt.UTC))
    assert looked_at(client, world.admin)["late"] == "1 line waits for a decision for more than two days"
    decided("return", [line], world.manager)
    at(deadline)
    found = looked_at(client, world.manager)
    assert found["late"] == "Rita Rep: 3 lines past the deadline"
    assert found["returned"] == "1 line came back and is not handed in again"
    assert not {"jobs", "mail", "time"} & set(found)


def test_a_line_within_half_of_the_last_cycle_is_not_odd(client, world):
    submitted(world.lines[:1], 10)
    close(world)
    publish(world)
    following = open_cycle(make_cycle(by=world.admin, first_period=dt.date(2027, 2, 1)), by=world.admin)
    submitted([following.lines.get(customer=world.customer, product=world.lines[0].product)], 15)
    assert "odd" not in looked_at(client, world.admin)


def test_job_health_is_that_of_the_last_runs(client, world):
    now = dt.datetime(2027, 1, 5, 9, tzinfo=dt.UTC)

    def ran(state, job="send_digests"):
        JobRun.objects.create(job=job, state=state, started_by="beat", asked_at=now, started_at=now, ended_at=now)

    def repeated(job="send_digests"):
        JobRun.objects.create(job=job, state="skipped", started_by="beat", asked_at=now, ended_at=now)

    ran("ok")
    assert looked_at(client, world.admin)["jobs"].startswith("1 job of ")
    ran("failed")
    repeated()
    assert looked_at(client, world.admin)["jobs"] == "send_digests went wrong the last time"
    ran("ok")
    assert looked_at(client, world.admin)["jobs"].endswith("ran, the last time without a fault")


def test_mail_that_failed_is_shown(client, world):
    OutboxMail.objects.all().delete()
    assert looked_at(client, world.admin)["mail"] == "0 mails waiting, none failed"
    submitted(world.lines[:1])
    assert looked_at(client, world.admin)["mail"] == "1 mail waiting, none failed"
    OutboxMail.objects.update(state="failed")
    assert looked_at(client, world.admin)["mail"] == "1 mail could not be sent"


def test_many_reps_are_shown_from_behind(client, monkeypatch, world):
    monkeypatch.setattr(home, "REPS", 1)
    submitted(world.lines)
    told = opened(client, world.admin)
    assert [row.name for row in told.context["rows"]] == ["Oskar Rep"]
    assert "the 1 furthest behind of 2 participants, 6 lines expected" in text(told)
