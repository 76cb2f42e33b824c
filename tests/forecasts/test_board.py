"""The submission board: states, denominators, money, scope, and what it costs; figures worked out by hand."""

import csv
import datetime as dt
import io
from decimal import Decimal

import pytest
from django.urls import reverse
from openpyxl import load_workbook

from audit.context import acting
from audit.models import Entry
from cycles.models import Participant
from cycles.seen import mark_seen
from forecasts import board
from forecasts.board import State
from forecasts.models import Line
from masterdata.services import assign_customers
from tests.factories import answer, make_actual, make_customer, make_cycle, make_entry, make_user, open_cycle
from tests.world import close, count_queries, decided, make_world, next_transaction, publish, submitted

pytestmark = pytest.mark.django_db
BOARD = reverse("forecasts:board")


def rows(world, user=None, **wanted):
    found = board.read(user or world.admin, board.Wanted(world.cycle, **wanted))
    return {row.name: row for row in found.rows}


def state_of(world):
    return rows(world)[world.rep.full_name].state


def test_a_rep_goes_from_not_seen_to_approved(client):
    world = make_world(lines=2)
    assert state_of(world) == State.NOT_SEEN
    client.force_login(world.rep)
    client.get(reverse("home"))
    assert state_of(world) == State.SEEN
    answer(world.lines[0], 5)
    assert state_of(world) == State.IN_WORK
    submitted(world.lines[:1])
    assert state_of(world) == State.IN_WORK
    decided("return", world.lines[:1], world.manager)
    assert state_of(world) == State.RETURNED
    submitted(world.lines)
    assert state_of(world) == State.SUBMITTED
    decided("approve", world.lines, world.manager)
    row = rows(world)[world.rep.full_name]
    assert (row.state, row.counts.approved, row.expected, row.share) == (State.APPROVED, 2, 2, Decimal(1))


def test_a_rep_who_never_started_stands_there_with_nothing_of_what_is_expected():
    world = make_world(lines=3)
    row = rows(world)[world.rep.full_name]
    assert (row.state, row.counts.handed_in, row.expected, row.share) == (State.NOT_SEEN, 0, 3, Decimal(0))
    assert row.last_seen is None


def test_late_follows_the_deadline_that_applies_to_the_rep(at):
    world = make_world(lines=2, closes_at=dt.datetime(2027, 1, 5, 18, tzinfo=dt.UTC))
    submitted(world.lines[:1])
    Participant.objects.filter(rep=world.other_rep).untracked().update(
        deadline_extension=dt.datetime(2027, 1, 8, 18, tzinfo=dt.UTC)
    )
    at(dt.datetime(2027, 1, 5, 18, tzinfo=dt.UTC))
    found = rows(world)
    assert found[world.rep.full_name].state == State.LATE
    assert found[world.other_rep.full_name].state == State.NOT_SEEN
    by_customer = rows(world, tab=board.CUSTOMER)
    assert {name: row.state for name, row in by_customer.items()} == {
        "Elm Supply, Inc.": State.LATE, "Fir Provisions": State.NOT_STARTED
    }  # fmt: skip
    at(None)


def test_after_the_close_missed_lines_are_late_and_stay_in_the_denominator():
    world = make_world(lines=3)
    submitted(world.lines[:1])
    close(world)
    row = rows(world)[world.rep.full_name]
    assert (row.state, row.counts.missed, row.counts.handed_in, row.expected) == (State.LATE, 2, 1, 3)


def test_a_line_that_becomes_live_changes_the_denominator_and_is_audited():
    rep = make_user("sales_rep", full_name="Rita Rep")
    admin = make_user("admin")
    customer = make_customer(sales_rep=rep)
    make_actual(make_entry(customer=customer), dt.date(2026, 12, 1))
    make_entry(customer=customer)
    cycle = open_cycle(by=admin)
    asleep = Line.objects.get(cycle=cycle, live=False)
    wanted = board.Wanted(cycle)
    assert [(row.expected, row.counts.live) for row in board.read(admin, wanted).rows] == [(1, 1)]
    next_transaction()
    answer(asleep, 5)
    assert [(row.expected, row.counts.live) for row in board.read(admin, wanted).rows] == [(2, 2)]
    share = Participant.objects.get(cycle=cycle)
    entry = Entry.objects.about("participant", str(share.pk)).first()
    assert (entry.action, entry.changes["lines_expected"], entry.actor) == ("participant_updated", [1, 2], rep)


def test_a_customer_who_moves_takes_the_denominator_along_and_both_changes_are_audited():
    world = make_world(lines=3)
    next_transaction()
    with acting(world.admin, source="web"):
        assign_customers([world.customer.pk], world.other_rep, by=world.admin)
    found = rows(world)
    assert [found[rep.full_name].expected for rep in (world.rep, world.other_rep)] == [0, 6]
    assert found[world.rep.full_name].state == State.NOTHING
    told = {
        entry.entity_id: entry.changes["lines_expected"]
        for entry in Entry.objects.filter(entity_type="participant", action="participant_updated")
    }
    shares = {share.rep: str(share.pk) for share in Participant.objects.filter(cycle=world.cycle)}
    assert told == {shares[world.rep]: [3, 0], shares[world.other_rep]: [3, 6]}


def test_the_denominator_is_that_of_the_share_and_not_counted_again():
    world = make_world(lines=2)
    Participant.objects.filter(rep=world.rep).untracked().update(lines_expected=5)
    submitted(world.lines[:1])
    row = rows(world)[world.rep.full_name]
    assert (row.expected, row.share) == (5, Decimal(1) / 5)


def test_money_is_the_plan_and_its_change_over_what_the_last_cycle_planned():
    world = make_world(lines=2)
    submitted(world.lines[:1], 10)
    close(world)
    publish(world)
    # The second cycle starts a month later: 11 of its 12 mandatory months carry 10 at price 10, and so do the four
    # optional ones of the first; the second line was missed without a number.
    following = open_cycle(make_cycle(by=world.admin, first_period=dt.date(2027, 2, 1)), by=world.admin)
    line = Line.objects.get(cycle=following, product=world.lines[0].product, customer=world.customer)
    answer(line, 12, by=world.rep)
    found = board.read(world.admin, board.Wanted(following))
    plan = next(row.plan for row in found.rows if row.key == world.rep.pk)
    assert (plan.money, plan.covered, plan.before) == (12 * 12 * 10, 12 * 12 * 10, 12 * 10 * 10)
    assert plan.change == Decimal("0.2")
    assert next(row.plan.change for row in found.rows if row.key == world.other_rep.pk) is None
    assert sum(row.plan.money for row in found.rows) == found.plan.money


def test_the_three_tabs_add_up_to_the_same():
    world = make_world(lines=3)
    submitted(world.lines[:2])
    submitted(world.other_lines[:1])
    sums = set()
    for tab in board.TABS:
        found = board.read(world.admin, board.Wanted(world.cycle, tab=tab))
        sums.add((found.expected, found.counts.handed_in, found.plan.money))
    assert sums == {(6, 3, Decimal(3 * 12 * 100 * 10))}


def test_a_managers_board_shows_no_foreign_rep_customer_or_product(client):
    world = make_world(lines=2)
    foreign = {"Oskar Rep", "Fir Provisions", *(line.product.description for line in world.other_lines)}
    foreign -= {line.product.description for line in world.lines}
    client.force_login(world.manager)
    for address in (f"{BOARD}?by={tab}" for tab in board.TABS):
        page = client.get(address).content.decode()
        assert not [name for name in foreign if name in page], address
        file = client.get(address.replace("board/", "board/file/csv/"))
        assert not [name for name in foreign if name in b"".join(file.streaming_content).decode()]
    # A rep of another team in the address shows nothing of them.
    page = client.get(f"{BOARD}?rep={world.other_rep.pk}")
    assert page.context["board"].rows == []


def test_a_former_rep_sees_no_customer_of_what_only_stood_in_their_name():
    world = make_world(lines=2)
    submitted(world.lines[:1])
    close(world)
    assert len(rows(world, world.rep, tab=board.PRODUCT)) == 2
    with acting(world.admin, source="web"):
        assign_customers([world.customer.pk], world.other_rep, by=world.admin)
    assert set(rows(world, world.rep, tab=board.PRODUCT)) == {world.lines[0].product.description}
    (row,) = rows(world, world.rep, tab=board.CUSTOMER).values()
    assert (row.expected, row.plan.money) == (1, 12 * 100 * 10)
    assert rows(world, world.rep)[world.rep.full_name].expected == 2


def test_filters_stand_in_the_address(client):
    world = make_world(lines=2)
    submitted(world.lines)
    client.force_login(world.admin)
    by_state = client.get(f"{BOARD}?state=submitted").context
    assert [row.name for row in by_state["rows"]] == ["Rita Rep"]
    assert (by_state["board"].expected, by_state["board"].counts.handed_in) == (2, 2)
    assert [row.name for row in client.get(f"{BOARD}?manager={world.other_manager.pk}").context["rows"]] == [
        "Oskar Rep"
    ]
    assert [row.name for row in client.get(f"{BOARD}?by=customer&find=fir").context["rows"]] == ["Fir Provisions"]
    assert [row.name for row in client.get(f"{BOARD}?sort=name").context["rows"]] == ["Oskar Rep", "Rita Rep"]
    assert [row.name for row in client.get(f"{BOARD}?sort=-name").context["rows"]] == ["Rita Rep", "Oskar Rep"]


@pytest.mark.parametrize(
    "query", ["state=none", "manager=x", "rep=9999999999999999999999", "sort=drop", "page=x", "by=z"]
)
def test_an_address_without_sense_shows_the_plain_board(client, query):
    world = make_world(lines=1)
    client.force_login(world.admin)
    answered = client.get(f"{BOARD}?{query}")
    assert answered.status_code == 200
    assert len(answered.context["rows"]) == 2


def test_an_unknown_cycle_and_a_draft_are_not_there(client):
    world = make_world(lines=1)
    draft = make_cycle(by=world.admin, first_period=dt.date(2027, 2, 1))
    client.force_login(world.admin)
    assert [client.get(f"{BOARD}?cycle={key}").status_code for key in (draft.pk, 10**9, "x")] == [404] * 3


def test_any_cycle_can_be_looked_at_and_the_open_one_comes_first(client):
    world = make_world(lines=1)
    close(world)
    publish(world)
    following = open_cycle(make_cycle(by=world.admin, first_period=dt.date(2027, 2, 1)), by=world.admin)
    client.force_login(world.viewer)
    assert client.get(BOARD).context["cycle"] == following
    assert client.get(f"{BOARD}?cycle={world.cycle.pk}").context["cycle"] == world.cycle


def test_the_page_costs_the_same_for_few_and_many(client):
    world = make_world(lines=1)
    client.force_login(world.admin)
    addresses = [f"{BOARD}?by={tab}" for tab in board.TABS]
    client.get(BOARD)
    few = [count_queries(client, address) for address in addresses]
    close(world)
    publish(world)
    for number in range(8):
        rep = make_user("sales_rep", manager=world.manager, full_name=f"Rep {number}")
        for _ in range(3):
            make_actual(make_entry(make_customer(sales_rep=rep)), dt.date(2026, 12, 1))
    open_cycle(make_cycle(by=world.admin, first_period=dt.date(2027, 2, 1)), by=world.admin)
    assert [count_queries(client, address) for address in addresses] == few


def test_the_file_holds_what_the_page_shows(client):
    world = make_world(lines=2)
    submitted(world.lines)
    client.force_login(world.admin)
    next_transaction()
    answered = client.get(reverse("forecasts:board_file", args=["csv"]) + "?state=submitted")
    heading, *lines = csv.reader(io.StringIO(b"".join(answered.streaming_content).decode("utf-8-sig")))
    (line,) = lines
    told = dict(zip(heading, line, strict=True))
    assert (told["Rep"], told["State"], told["Lines expected"], told["Handed in, % of expected"]) == (
        "Rita Rep", "submitted", "2", "100"
    )  # fmt: skip
    assert told["Plan, next 12 months, USD"] == str(2 * 12 * 100 * 10)
    entry = Entry.objects.filter(action="report_downloaded").first()
    assert entry.changes["filters"] == [None, "state=submitted"]
    answered = client.get(reverse("forecasts:board_file", args=["xlsx"]) + "?by=customer")
    sheet = load_workbook(io.BytesIO(b"".join(answered.streaming_content))).active
    assert [[cell.value for cell in row][:5] for row in sheet.iter_rows()] == [
        ["Customer", "Customer ID", "State", "Lines expected", "Handed in"],
        ["Elm Supply, Inc.", world.customer.customer_id, "submitted", 2, 2],
        ["Fir Provisions", Line.objects.get(pk=world.other_lines[0].pk).customer.customer_id, "not started", 2, 0],
    ]
    assert client.get(reverse("forecasts:board_file", args=["pdf"])).status_code == 404


def test_hostile_names_are_text(client):
    world = make_world(lines=1)
    with acting("system", source="command"):
        world.rep.full_name = "<script>=1+1</script>"
        world.rep.save(update_fields=["full_name"])
    client.force_login(world.admin)
    page = client.get(BOARD).content.decode()
    assert "<script>=1" not in page and "&lt;script&gt;=1+1" in page


# --- Being seen -----------------------------------------------------------------------------------------------------


def share_of(world):
    return Participant.objects.get(cycle=world.cycle, rep=world.rep)


@pytest.mark.parametrize("place", ["home", "list", "grid"])
def test_home_and_grid_count_as_seen(client, place):
    world = make_world(lines=1)
    address = {
        "home": reverse("home"),
        "list": reverse("forecasts:list"),
        "grid": reverse("forecasts:grid", args=[world.cycle.pk, world.customer.pk]),
    }[place]
    for other in (world.manager, world.admin):
        client.force_login(other)
        client.get(address)
    assert share_of(world).first_seen_at is None
    client.force_login(world.rep)
    client.get(address)
    share = share_of(world)
    assert share.first_seen_at is not None and share.last_seen_at == share.first_seen_at


def test_last_seen_moves_on_and_first_seen_stays(at):
    world = make_world(lines=1)
    first = dt.datetime(2026, 12, 1, 9, tzinfo=dt.UTC)
    seen = []
    for minutes in (0, 2, 7):
        at(first + dt.timedelta(minutes=minutes))
        mark_seen(world.cycle, world.rep)
        seen.append(((share := share_of(world)).first_seen_at, share.last_seen_at))
    # Within five minutes nothing is written.
    later = first + dt.timedelta(minutes=7)
    assert seen == [(first, first), (first, first), (first, later)]


def test_a_closed_cycle_is_not_looked_at_any_more(client):
    world = make_world(lines=1)
    close(world)
    mark_seen(world.cycle, world.rep)
    assert share_of(world).first_seen_at is None
