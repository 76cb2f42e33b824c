"""Pages of cycles, without JavaScript: forms, links, redirects, and who may do what."""

import datetime as dt

import pytest
from django.urls import reverse
from django.utils import timezone

from audit.context import acting
from cycles import services
from cycles.models import Cycle
from forecasts.services.reminding import remind
from masterdata.models import Customer
from sop_portal.conf import services as settings
from tests.factories import make_customer, make_cycle, make_entry, make_user, open_cycle
from tests.world import close, count_queries, make_world, publish, submitted

pytestmark = pytest.mark.django_db
FORM = {"first_period": "2027-02", "closes_on": "2027-01-28", "closes_time": "18:00", "name": ""}


@pytest.fixture
def admin(client):
    user = make_user("admin", time_zone="Europe/Madrid")
    with acting(user, source="web"):
        settings.set_value("business_time_zone", "America/New_York", user)
    client.force_login(user)
    return user


def url(name, cycle):
    return reverse(f"cycles:{name}", args=[cycle.pk])


def text(response):
    return response.content.decode()


# --- The form -------------------------------------------------------------------------------------------------------


def test_cycle_create_proposes_and_previews(client, admin, at):
    at(dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC))
    page = text(client.get(reverse("cycles:create")))
    assert '<option value="2026-12" selected>December 2026</option>' in page
    assert 'value="2026-11-27"' in page and 'value="18:00"' in page
    assert page.count('<li class="mand">') == 12 and page.count('<li class="opt">') == 4
    assert '<li class="opt">Mar 2028</li>' in page
    # 18:00 in New York is midnight in Madrid.
    assert "Fri 27 Nov 2026, 18:00 New York" in page and "Sat 28 Nov 2026, 00:00 Madrid" in page


def test_cycle_create_saves_a_draft(client, admin):
    answer = client.post(reverse("cycles:create"), FORM)
    cycle = Cycle.objects.get()
    assert answer.status_code == 302 and answer["Location"] == url("detail", cycle)
    assert (cycle.name, cycle.first_period, cycle.created_by) == ("S&OP Feb 2027", dt.date(2027, 2, 1), admin)
    assert cycle.closes_at == dt.datetime(2027, 1, 28, 23, tzinfo=dt.UTC)


def test_cycle_create_preview_saves_nothing(client, admin):
    answer = client.post(reverse("cycles:create"), {**FORM, "preview": "1"})
    assert answer.status_code == 200 and not Cycle.objects.exists()
    assert '<li class="mand">Feb 2027</li>' in text(answer) and '<li class="opt">May 2028</li>' in text(answer)


def test_cycle_create_preview_answers_htmx_with_the_fragment(client, admin):
    answer = client.post(
        reverse("cycles:create"), {**FORM, "closes_on": "2027-01-30", "preview": "1"}, headers={"HX-Request": "true"}
    )
    assert "<html" not in text(answer) and "This is a Saturday." in text(answer)
    assert "HX-Request" in answer["Vary"]


def test_cycle_create_warns_of_a_past_deadline(client, admin, at):
    at(dt.datetime(2027, 2, 1, tzinfo=dt.UTC))
    assert "This deadline has passed" in text(client.post(reverse("cycles:create"), {**FORM, "preview": "1"}))


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("first_period", "2027-13", "Choose a month, or write it as YYYY-MM."),
        ("first_period", "0001-01", "Choose a month from 2000 to 2199."),
        ("first_period", "9999-12", "Choose a month from 2000 to 2199."),
        ("first_period", "", "This field is required."),
        ("closes_on", "2027-02-30", "Enter a valid date."),
        ("closes_on", "0001-01-01", "greater than or equal to 2000-01-01"),
        ("closes_time", "25:00", "Enter a valid time."),
        ("name", "x" * 101, "at most 100 characters"),
        ("name", "a\u202eb", "invisible character U+202E"),
    ],
)
def test_cycle_create_refuses_with_a_sentence_beside_the_field(client, admin, field, value, sentence):
    answer = client.post(reverse("cycles:create"), {**FORM, field: value})
    assert answer.status_code == 422 and not Cycle.objects.exists()
    assert sentence in str(answer.context["form"].errors[field])
    assert 'value="18:00"' in text(answer) or field == "closes_time"


def test_cycle_create_refuses_times_that_the_clocks_skip_or_repeat(client, admin):
    skipped = client.post(reverse("cycles:create"), {**FORM, "closes_on": "2027-03-14", "closes_time": "02:30"})
    assert skipped.status_code == 422
    assert "the next time that exists is 03:30" in str(skipped.context["form"].errors["closes_time"])
    twice = client.post(reverse("cycles:create"), {**FORM, "closes_on": "2027-11-07", "closes_time": "01:30"})
    assert twice.status_code == 422 and "happens twice" in str(twice.context["form"].errors["closes_time"])
    assert not Cycle.objects.exists()


def test_cycle_create_refuses_a_month_that_is_taken(client, admin):
    make_cycle(by=admin, first_period=dt.date(2027, 2, 1))
    answer = client.post(reverse("cycles:create"), FORM)
    assert answer.status_code == 422
    assert "S&amp;OP Feb 2027 already starts in February 2027." in text(answer)


def test_a_month_outside_the_list_stays_chosen(client, admin):
    answer = client.post(reverse("cycles:create"), {**FORM, "first_period": "2040-05", "preview": "1"})
    assert '<option value="2040-05" selected>May 2040</option>' in text(answer)


def test_cycle_edit_shows_and_changes_a_draft(client, admin):
    cycle = make_cycle(by=admin, closes_at=dt.datetime(2026, 12, 29, 23, tzinfo=dt.UTC))
    page = text(client.get(url("edit", cycle)))
    assert 'value="2026-12-29"' in page and "S&amp;OP Jan 2027" in page
    answer = client.post(url("edit", cycle), {**FORM, "name": "Round two"})
    assert answer.status_code == 302
    cycle.refresh_from_db()
    assert (cycle.name, cycle.first_period) == ("Round two", dt.date(2027, 2, 1))


def test_cycle_edit_refuses_an_opened_cycle(client, admin):
    cycle = open_cycle(by=admin)
    for answer in (client.get(url("edit", cycle)), client.post(url("edit", cycle), FORM)):
        assert answer.status_code == 409 and "no longer a draft" in text(answer)


# --- Moves ----------------------------------------------------------------------------------------------------------


def test_cycle_open_says_what_it_makes_and_who_is_left_out(client, admin):
    rep = make_user("sales_rep")
    for customer in (make_customer(sales_rep=rep), make_customer(sales_rep=rep)):
        make_entry(customer)
    make_entry(make_customer(name="Nobody Serves Me"))
    make_entry(make_customer(name="Asleep", is_active=False))
    make_customer(name="Buys Nothing")
    cycle = make_cycle(by=admin)
    answer = client.get(url("open", cycle))
    assert (answer.context["opening"].lines, answer.context["opening"].reps) == (2, 1)
    page = text(answer)
    assert "Nobody Serves Me" in page and "Asleep" not in page and "Buys Nothing" not in page
    assert client.post(url("open", cycle)).status_code == 422
    opened = client.post(url("open", cycle), {"override": "Nobody buys there."}, follow=True)
    assert "S&amp;OP Jan 2027 is open for input." in text(opened) and "Nobody buys there." in text(opened)
    cycle.refresh_from_db()
    assert cycle.is_open and cycle.lines.count() == 2


def test_cycle_open_refuses_a_second_one(client, admin):
    open_cycle(by=admin)
    second = make_cycle(by=admin, first_period=dt.date(2027, 2, 1))
    page = text(client.get(url("open", second)))
    assert "is still open. Close it first" in page and "Open for input</button>" not in page
    answer = client.post(url("open", second))
    assert answer.status_code == 409
    assert "S&amp;OP Jan 2027 is still open; close it before opening S&amp;OP Feb 2027." in text(answer)


def test_cycle_open_refuses_a_past_deadline(client, admin, at):
    cycle = make_cycle(by=admin, closes_at=dt.datetime(2027, 1, 5, tzinfo=dt.UTC))
    at(dt.datetime(2027, 1, 6, tzinfo=dt.UTC))
    assert "Choose a later one" in text(client.get(url("open", cycle)))
    answer = client.post(url("open", cycle))
    assert answer.status_code == 422 and "edit it before opening" in text(answer)


def test_cycle_close_names_the_lines_that_will_be_missed(client):
    world = make_world(lines=3)
    submitted(world.lines[:1])
    client.force_login(world.admin)
    answer = client.get(url("close", world.cycle))
    assert answer.context["total"].to_do == 5
    assert {row.participant.rep.full_name: row.to_do for row in answer.context["shares"]} == {
        "Rita Rep": 2,
        "Oskar Rep": 3,
    }
    assert "what the line started with" in text(answer)
    closed = client.post(url("close", world.cycle), {"reason": "Everybody is done."}, follow=True)
    assert "is closed" in text(closed) and "Everybody is done." in text(closed)
    world.cycle.refresh_from_db()
    assert world.cycle.is_closed and world.cycle.lines.filter(status="missed").count() == 5


def test_cycle_close_refuses_a_reason_that_cannot_be_kept(client):
    world = make_world(lines=1)
    client.force_login(world.admin)
    for reason in ("x" * 301, "a\u202eb"):
        answer = client.post(url("close", world.cycle), {"reason": reason})
        assert answer.status_code == 422
        world.cycle.refresh_from_db()
        assert world.cycle.is_open


def test_a_draft_whose_deadline_has_passed_says_so_before_anybody_tries_to_open_it(client, admin, at):
    draft = make_cycle(by=admin)
    assert "It has passed" not in text(client.get(url("detail", draft)))
    at(draft.closes_at)
    assert "It has passed: choose a later one before opening." in text(client.get(url("detail", draft)))


def test_cycle_publish_lists_what_nobody_decided(client):
    world = make_world(lines=2)
    submitted(world.lines)
    close(world)
    client.force_login(world.admin)
    answer = client.get(url("publish", world.cycle))
    assert answer.context["undecided_count"] == 4
    assert {(row.owner, row.status) for row in answer.context["undecided"]} == {
        ("Rita Rep", "submitted"), ("Oskar Rep", "missed")
    }  # fmt: skip
    assert "4 lines are not decided" in text(answer)
    assert "2 will be accepted as submitted. 2 missed the deadline: the plan of such a line is what the line" in text(
        answer
    )
    published = text(client.post(url("publish", world.cycle), follow=True))
    assert "plan of record" in published and "2 accepted without a decision" in published
    assert f'href="{reverse("forecasts:review")}?cycle={world.cycle.pk}' not in published
    world.cycle.refresh_from_db()
    assert world.cycle.status == Cycle.Status.ARCHIVED


def test_a_move_at_the_wrong_time_is_refused_on_its_page(client):
    world = make_world(lines=1)
    client.force_login(world.admin)
    assert client.post(url("publish", world.cycle)).status_code == 409
    close(world)
    publish(world)
    for name in ("open", "close"):
        answer = client.post(url(name, world.cycle))
        assert answer.status_code == 409 and "published" in text(answer)


def test_cycle_delete_takes_drafts_only(client, admin):
    draft = make_cycle(by=admin)
    assert "Delete the draft" in text(client.get(url("delete", draft)))
    answer = client.post(url("delete", draft))
    assert answer["Location"] == reverse("cycles:list") and not Cycle.objects.exists()
    opened = open_cycle(by=admin)
    refused = client.post(url("delete", opened))
    assert refused.status_code == 409 and "only drafts can be deleted" in text(refused)
    assert Cycle.objects.filter(pk=opened.pk).exists()


def test_a_get_never_moves_anything(client, admin):
    cycle = make_cycle(by=admin)
    for name in ("open", "close", "publish", "delete"):
        client.get(url(name, cycle))
    cycle.refresh_from_db()
    assert cycle.status == Cycle.Status.DRAFT


# --- Who sees what --------------------------------------------------------------------------------------------------


def test_cycle_detail_counts_for_each_reader_what_they_may_see(client):
    world = make_world(lines=2)
    submitted(world.lines[:1])
    seen = {}
    for who in ("admin", "viewer", "manager", "rep", "other_rep"):
        client.force_login(getattr(world, who))
        answer = client.get(url("detail", world.cycle))
        seen[who] = (
            {row.participant.rep.full_name: (row.expected, row.counts.submitted) for row in answer.context["shares"]},
            answer.context["total"].live,
        )
    everybody = {"Rita Rep": (2, 1), "Oskar Rep": (2, 0)}
    assert seen == {
        "admin": (everybody, 4), "viewer": (everybody, 4), "manager": ({"Rita Rep": (2, 1)}, 2),
        "rep": ({"Rita Rep": (2, 1)}, 2), "other_rep": ({"Oskar Rep": (2, 0)}, 2),
    }  # fmt: skip


def test_only_admins_see_moves_and_drafts(client):
    world = make_world(lines=1)
    draft = make_cycle(by=world.admin, first_period=dt.date(2027, 2, 1))
    for who, status in (("rep", 404), ("manager", 404), ("viewer", 404), ("admin", 200)):
        client.force_login(getattr(world, who))
        assert client.get(url("detail", draft)).status_code == status
        assert client.post(url("open", draft)).status_code == (404 if status == 404 else 409)
        page = text(client.get(url("detail", world.cycle)))
        assert (url("close", world.cycle) in page) == (who == "admin")
        assert ("S&amp;OP Feb 2027" in text(client.get(reverse("cycles:list")))) == (who == "admin")


@pytest.mark.parametrize("who", ["rep", "manager", "viewer"])
def test_moves_of_others_are_forbidden_and_change_nothing(client, who):
    world = make_world(lines=1)
    client.force_login(getattr(world, who))
    assert client.get(reverse("cycles:create")).status_code == 403
    assert client.post(reverse("cycles:create"), FORM).status_code == 403
    for name in ("open", "close", "publish", "delete", "edit"):
        assert client.post(url(name, world.cycle), FORM).status_code == 403
    assert Cycle.objects.count() == 1 and Cycle.objects.get().is_open


def test_strangers_are_sent_to_sign_in(client):
    cycle = open_cycle()
    for address in (reverse("cycles:list"), url("detail", cycle), url("close", cycle)):
        answer = client.get(address)
        assert answer.status_code == 302 and "/accounts/login/" in answer["Location"]


def test_unknown_cycles_are_not_found(client, admin):
    for address in ("/cycles/999999/", "/cycles/99999999999999999999/", "/cycles/99999999999999999999/open/"):
        assert client.get(address).status_code == 404


def test_cycle_list_shows_every_state_and_filters(client):
    world = make_world(lines=2)
    submitted(world.lines)
    close(world)
    publish(world)
    following = open_cycle(make_cycle(by=world.admin, first_period=dt.date(2027, 2, 1)), by=world.admin)
    make_cycle(by=world.admin, first_period=dt.date(2027, 3, 1))
    client.force_login(world.admin)
    rows = client.get(reverse("cycles:list")).context["rows"]
    assert [(row["cycle"].status, row["counts"].live if row["counts"] else None) for row in rows] == [
        ("draft", None), ("open", 4), ("archived", None)
    ]  # fmt: skip
    assert [row["cycle"] for row in client.get(reverse("cycles:list"), {"state": "open"}).context["rows"]] == [
        following
    ]
    assert client.get(reverse("cycles:list"), {"state": "x\x00"}).status_code in (200, 404)
    for bad in ({"page": "-1"}, {"page": "9" * 30}, {"page": "x"}):
        assert client.get(reverse("cycles:list"), bad).status_code == 200


def test_the_number_of_queries_does_not_grow_with_lines_and_reps(client):
    world = make_world(lines=1)
    client.force_login(world.admin)
    pages = [url("detail", world.cycle), reverse("cycles:list"), url("close", world.cycle)]
    few = [count_queries(client, address) for address in pages]
    close(world)
    publish(world)
    for n in range(4):
        rep = make_user("sales_rep", manager=world.manager)
        customer = make_customer(name=f"More {n}", sales_rep=rep)
        for _ in range(3):
            make_entry(customer)
    cycle = open_cycle(make_cycle(by=world.admin, first_period=dt.date(2027, 2, 1)), by=world.admin)
    assert Customer.objects.count() == 6 and cycle.participants.count() == 6
    assert [count_queries(client, address) for address in [url("detail", cycle), pages[1], url("close", cycle)]] == few


def test_the_history_of_a_cycle_is_read_by_those_who_may_see_it(client):
    world = make_world(lines=1)
    draft = make_cycle(by=world.admin, first_period=dt.date(2027, 2, 1))
    for cycle, who, status in (
        (world.cycle, "rep", 200), (world.cycle, "viewer", 200), (draft, "rep", 404), (draft, "admin", 200)
    ):  # fmt: skip
        client.force_login(getattr(world, who))
        assert client.get(reverse("audit:history", args=["cycle", cycle.pk])).status_code == status


@pytest.mark.usefixtures("committed")
def test_the_history_of_a_cycle_tells_nothing_of_the_shares_of_others(client):
    world = make_world(lines=1)
    reason = "Oskar is in hospital."
    with acting(world.admin, source="web"):
        until = timezone.now() + dt.timedelta(days=4000)
        services.extend_cycle(world.cycle.pk, until=until, reason=reason, rep_ids=[world.other_rep.pk], by=world.admin)
        remind(world.cycle.pk, [world.other_rep.pk], press="1", by=world.admin)
    address = reverse("audit:history", args=["cycle", world.cycle.pk])
    for who, told in (("admin", True), ("viewer", True), ("rep", False), ("manager", False)):
        client.force_login(getattr(world, who))
        page = client.get(address).content.decode()
        assert (reason in page, "Oskar Rep" in page) == (told, told), who
