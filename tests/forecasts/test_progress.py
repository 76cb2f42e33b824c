"""The counts of strip, home, board and cycle pages, worked out by hand."""

import datetime as dt
from decimal import Decimal

import pytest

from audit.context import acting
from cycles.standing import Counts, total
from forecasts import progress, services
from forecasts.figures import ready
from forecasts.models import Line
from tests.factories import answer, make_customer, make_cycle, make_entry, open_cycle, ref
from tests.world import COMMENT, close, decided, make_world, publish, submitted

pytestmark = pytest.mark.django_db
JAN = dt.date(2027, 1, 1)


def of(world, rep=None):
    return progress.counts(Line.objects.filter(cycle=world.cycle, owner=rep or world.rep))


def test_lines_are_counted_where_they_stand():
    world = make_world(lines=7)
    _blank, full, waiting, approved, rejected, returned, revised = world.lines
    for line in (full, waiting, approved, rejected, returned, revised):
        answer(line, 5)
    submitted([waiting, approved, rejected, returned, revised], 6)
    decided("approve", [approved], world.manager)
    decided("reject", [rejected, revised], world.manager)
    decided("return", [returned], world.manager)
    answer(revised, 7)
    # blank: a gap. full, returned, revised: drafts that could go. rejected: could not, it must be revised first.
    assert of(world) == Counts(
        live=7, ready=5, blocked=1, came_back=3, draft=4, submitted=1, approved=1, rejected=1, missed=0
    )
    counts = of(world)
    assert (counts.handed_in, counts.complete, counts.to_do) == (2, 3, 5)


def test_a_missing_price_blocks_only_where_something_is_sold():
    world = make_world(lines=2)
    free, sold = (answer(line, 0) for line in world.lines)
    with acting(world.rep, source="web"):
        edits = [
            services.LineEdit(line.pk, line.revision, {JAN: Decimal(number)}, {JAN: None})
            for line, number in ((free, 0), (sold, 3))
        ]
        services.set_cells(world.cycle.pk, edits, by=world.rep)
    counts = of(world)
    assert (counts.ready, counts.blocked) == (1, 1)


def test_optional_months_may_stay_blank():
    world = make_world(lines=1)
    (line,) = world.lines
    with acting(world.rep, source="web"):
        edit = services.LineEdit(line.pk, line.revision, dict.fromkeys(world.cycle.periods[:12], Decimal(1)))
        services.set_cells(world.cycle.pk, [edit], by=world.rep)
    assert (of(world).ready, of(world).blocked) == (1, 0)


def test_closing_turns_what_was_not_handed_in_into_missed():
    world = make_world(lines=3)
    submitted(world.lines[:1])
    close(world)
    counts = of(world)
    assert (counts.submitted, counts.missed, counts.draft, counts.to_do) == (1, 2, 0, 0)


def test_dormant_lines_are_in_no_number():
    world = make_world(lines=1)
    close(world)
    publish(world)
    make_entry(make_customer(name="Sleeper", sales_rep=world.rep))
    following = open_cycle(make_cycle(by=world.admin, first_period=dt.date(2027, 2, 1)), by=world.admin)
    lines = Line.objects.filter(cycle=following, owner=world.rep)
    assert lines.count() == 2 and progress.counts(lines).live == 1


def test_by_rep_counts_only_what_the_reader_may_see(django_assert_num_queries):
    world = make_world(lines=2)
    submitted(world.other_lines[:1])
    with django_assert_num_queries(1):
        seen = progress.by_rep([world.cycle.pk], world.admin)[world.cycle.pk]
    assert {rep: counts.submitted for rep, counts in seen.items()} == {world.rep.pk: 0, world.other_rep.pk: 1}
    assert total(seen.values()).live == 4
    assert set(progress.by_rep([world.cycle.pk], world.manager)[world.cycle.pk]) == {world.rep.pk}
    assert set(progress.by_rep([world.cycle.pk], world.rep)[world.cycle.pk]) == {world.rep.pk}


def test_by_customer_names_each_with_its_counts(django_assert_num_queries):
    world = make_world(lines=2)
    submitted(world.lines[:1])
    with django_assert_num_queries(2):
        shares = progress.by_customer(Line.objects.filter(cycle=world.cycle))
    assert [(share.customer.name, share.counts.live, share.counts.submitted) for share in shares] == [
        ("Elm Supply, Inc.", 2, 1), ("Fir Provisions", 2, 0)
    ]  # fmt: skip


def test_money_is_the_mandatory_months_now_and_at_the_start():
    world = make_world(lines=2)
    answer(world.lines[0], 7)
    # 12 mandatory months of 7 at price 10; nothing was carried over.
    money = progress.money(Line.objects.filter(owner=world.rep))
    assert (money.now, money.prefill, money.change) == (Decimal(840), Decimal(0), None)


def test_undecided_names_submitted_and_missed_lines():
    world = make_world(lines=2)
    submitted(world.lines)
    decided("approve", world.lines[:1], world.manager)
    close(world)
    number, lines = progress.undecided(world.cycle, world.admin, 10)
    assert number == 3
    assert [(row.owner, row.status) for row in lines] == [
        ("Oskar Rep", "missed"), ("Oskar Rep", "missed"), ("Rita Rep", "submitted")
    ]  # fmt: skip
    number, lines = progress.undecided(world.cycle, world.admin, 2)
    assert (number, len(lines)) == (3, 2)
    assert progress.undecided(world.cycle, world.manager, 10)[0] == 1


def test_decisions_are_the_newest_on_own_lines():
    world = make_world(lines=2)
    submitted(world.lines)
    submitted(world.other_lines)
    decided("reject", world.lines[:1], world.manager)
    decided("approve", world.lines[1:], world.manager, comment="")
    decided("reject", world.other_lines, world.other_manager)
    found = progress.decisions(world.rep, [world.cycle.pk], 5)
    assert [(kept.event, kept.comment) for kept in found] == [("approve", ""), ("reject", COMMENT)]


def test_a_recalled_line_did_not_come_back():
    world = make_world(lines=1)
    submitted(world.lines)
    with acting(world.rep, source="web"):
        services.recall_lines(world.cycle.pk, [ref(world.lines[0])], by=world.rep)
    assert of(world).came_back == 0


def test_ready_means_the_same_in_sql_and_in_python():
    world = make_world(lines=4)
    months = world.cycle.periods
    blank_optional, blank_mandatory, unpriced, unpriced_zero = world.lines
    for line, quantity, price in (
        (blank_optional, dict.fromkeys(months[:12], Decimal(1)), {}),
        (blank_mandatory, dict.fromkeys(months[1:], Decimal(1)), {}),
        (unpriced, dict.fromkeys(months, Decimal(1)), {months[15]: None}),
        (unpriced_zero, dict.fromkeys(months, Decimal(0)), {months[0]: None}),
    ):
        with acting(world.rep, source="web"):
            edit = services.LineEdit(line.pk, line.revision, quantity, price)
            services.set_cells(world.cycle.pk, [edit], by=world.rep)
        line.refresh_from_db()
    by_sql = set(Line.objects.filter(ready(), owner=world.rep).values_list("pk", flat=True))
    by_python = {line.pk for line in world.lines if not services.problems(line)}
    assert by_sql == by_python == {blank_optional.pk, unpriced_zero.pk}
