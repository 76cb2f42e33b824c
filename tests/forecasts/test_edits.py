"""Editing cells: revisions, refusals, what becomes live."""

import datetime as dt
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from audit.context import acting
from audit.models import Entry
from cycles.models import Participant
from cycles.services import close_cycle
from forecasts.models import Line
from forecasts.services import LineEdit, reject_lines, set_cells
from sop_portal.lib.errors import Conflict, NotAllowed, Refused, StaleRevision
from tests.factories import (
    answer,
    make_actual,
    make_customer,
    make_entry,
    make_line,
    make_user,
    open_cycle,
    ref,
    submit,
)

pytestmark = pytest.mark.django_db
JAN, FEB, MAR = dt.date(2027, 1, 1), dt.date(2027, 2, 1), dt.date(2027, 3, 1)


def edit(line: Line, by=None, revision=None, **kw):
    by = by or line.owner
    wanted = LineEdit(line.pk, line.revision if revision is None else revision, **kw)
    with acting(by, source="web"):
        (written,) = set_cells(line.cycle_id, [wanted], by=by)
    return written


def test_a_cell_is_written_with_its_revision_provenance_and_author():
    line = make_line(quantity=None)
    edit(line, quantity={JAN: Decimal("400"), FEB: Decimal("0")})
    line.refresh_from_db()
    assert line.quantity[:3] == [Decimal(400), Decimal(0), None]
    assert line.quantity_source == "ee" + "-" * 14
    assert line.revision == 2
    assert line.edited_by == line.owner


def test_blank_clears_an_answer_and_its_provenance():
    line = make_line(quantity=100)
    edit(line, quantity={JAN: None})
    line.refresh_from_db()
    assert line.quantity[0] is None
    assert line.quantity_source[0] == "-"


def test_a_price_typed_over_the_matrix_is_entered():
    line = make_line(quantity=None, price="10")
    assert (line.unit_price[0], line.price_source[0]) == (Decimal("10"), "m")
    edit(line, unit_price={JAN: Decimal("12.5")})
    line.refresh_from_db()
    assert (line.unit_price[0], line.price_source[:2]) == (Decimal("12.5"), "em")


def test_typing_the_carried_value_again_makes_it_the_persons_own():
    line = make_line(quantity=None)
    edit(line, quantity={JAN: Decimal(5)})
    Line.objects.filter(pk=line.pk).untracked().update(quantity_source="c" + "-" * 15)
    line.refresh_from_db()
    edit(line, quantity={JAN: Decimal(5)})
    line.refresh_from_db()
    assert line.quantity_source[0] == "e"
    assert line.revision == 3


def test_a_stale_revision_is_refused_with_their_values_and_nothing_is_overwritten():
    line = make_line(quantity=None)
    admin = make_user("admin")
    edit(line, by=admin, quantity={JAN: Decimal(7)})
    with pytest.raises(StaleRevision) as refusal:
        edit(line, revision=1, quantity={JAN: Decimal(8)})
    (theirs,) = refusal.value.extra["stale"]
    assert (theirs["line"], theirs["revision"], theirs["quantity"][0]) == (line.pk, 2, "7")
    line.refresh_from_db()
    assert line.quantity[0] == 7


def test_a_repeated_request_is_no_conflict_and_changes_nothing():
    line = make_line(quantity=None)
    edit(line, quantity={JAN: Decimal(7)})
    again = edit(line, revision=1, quantity={JAN: Decimal(7)})
    line.refresh_from_db()
    assert (again.revision, line.revision, line.quantity[0]) == (2, 2, Decimal(7))


def test_one_bad_line_refuses_the_batch_and_names_its_cell():
    good = make_line(quantity=None)
    with pytest.raises(Refused) as refusal, acting(good.owner, source="web"):
        set_cells(
            good.cycle_id,
            [LineEdit(good.pk, 1, {JAN: Decimal(1)}), LineEdit(10**12, 1, {JAN: Decimal(1)})],
            by=good.owner,
        )
    assert list(refusal.value.lines) == [1]
    good.refresh_from_db()
    assert good.quantity[0] is None


@pytest.mark.parametrize("value", ["-1", "10000000", "NaN", "Infinity", "0.0000001"])
def test_impossible_quantities_are_refused_by_the_sentence(value):
    line = make_line(quantity=None)
    with pytest.raises(Refused) as refusal:
        edit(line, quantity={MAR: Decimal(value)})
    assert f"{line.product.description}, March 2027: '{value}' is not a number" in refusal.value.lines[0]


@pytest.mark.parametrize("value", ["-1", "10000000", "NaN"])
def test_impossible_quantities_are_refused_by_the_database(value):
    line = make_line(quantity=100)
    with (
        pytest.raises(IntegrityError, match="line_quantity_possible"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(
            "UPDATE forecasts_line SET quantity = array_fill(%s::numeric, ARRAY[16]) WHERE id = %s", [value, line.pk]
        )


@pytest.mark.parametrize("length", [15, 17, 0])
def test_a_line_has_sixteen_cells_in_the_database(length):
    line = make_line(quantity=100)
    with pytest.raises(IntegrityError, match="line_quantity_possible"), transaction.atomic():
        Line.objects.filter(pk=line.pk).untracked().update(quantity=[Decimal(1)] * length)


def test_a_month_outside_the_horizon_is_refused():
    line = make_line(quantity=None)
    with pytest.raises(Refused) as refusal:
        edit(line, quantity={dt.date(2028, 5, 1): Decimal(1)})
    assert "May 2028 is not one of the 16 periods" in refusal.value.lines[0]


def test_foreign_and_missing_lines_answer_alike():
    line = make_line()
    stranger = make_user("sales_rep")
    sentences = []
    for line_id in (line.pk, 10**9):
        with pytest.raises(Refused) as refusal, acting(stranger, source="web"):
            set_cells(line.cycle_id, [LineEdit(line_id, 1, {JAN: Decimal(1)})], by=stranger)
        sentences.append(refusal.value.lines[0])
    assert sentences[0] == sentences[1]


def test_a_manager_reads_but_does_not_write():
    manager = make_user("manager")
    line = make_line(owner=make_user("sales_rep", manager=manager))
    with pytest.raises(NotAllowed):
        edit(line, by=manager, quantity={JAN: Decimal(1)})


def test_an_admin_writes_on_behalf_of_the_rep():
    line = make_line(quantity=None)
    admin = make_user("admin")
    edit(line, by=admin, quantity={JAN: Decimal(1)})
    # A test is one transaction, so the line's creation and its edit are one entry.
    entry = Entry.objects.get(entity_type="forecast", entity_id=str(line.pk))
    assert entry.on_behalf_of_id == line.owner_id
    assert entry.changes["quantity 2027-01"] == [None, "1"]


def test_typing_wakes_a_dormant_line_and_raises_the_denominator():
    line = make_line(quantity=None, live=False)
    assert not line.live
    before = Participant.objects.get(cycle=line.cycle, rep=line.owner).lines_expected
    edit(line, quantity={JAN: Decimal(0)})
    line.refresh_from_db()
    assert line.live
    assert Participant.objects.get(cycle=line.cycle, rep=line.owner).lines_expected == before + 1
    entry = Entry.objects.get(entity_type="participant")
    assert entry.changes["lines_expected"] == [None, before + 1]


def test_clearing_a_dormant_cell_does_not_wake_it():
    line = make_line(quantity=None, live=False)
    edit(line, quantity={JAN: None})
    line.refresh_from_db()
    assert not line.live
    assert line.revision == 1


def test_editing_a_rejected_line_makes_it_a_draft_again():
    manager = make_user("manager")
    line = submit(make_line(owner=make_user("sales_rep", manager=manager)))
    with acting(manager, source="web"):
        reject_lines(line.cycle_id, [ref(line)], by=manager, comment="Too high in March.")
    line.refresh_from_db()
    assert line.status == Line.Status.REJECTED
    edit(line, quantity={MAR: Decimal(50)})
    line.refresh_from_db()
    assert line.status == Line.Status.DRAFT


def test_a_submitted_line_takes_no_input():
    line = submit(make_line())
    with pytest.raises(Refused, match="recall it to change it"):
        edit(line, quantity={JAN: Decimal(1)})


def test_a_closed_cycle_takes_no_input():
    line = make_line()
    admin = make_user("admin")
    with acting(admin, source="web"):
        close_cycle(line.cycle_id, by=admin)
    with pytest.raises(Conflict, match="closed on"):
        edit(line, quantity={JAN: Decimal(1)})


def test_input_ends_at_the_deadline_by_the_databases_clock(at):
    deadline = dt.datetime(2026, 12, 20, 18, tzinfo=dt.UTC)
    at(dt.datetime(2026, 12, 1, tzinfo=dt.UTC))
    line = make_line(quantity=None, closes_at=deadline)
    at(deadline - dt.timedelta(milliseconds=1))
    edit(line, quantity={JAN: Decimal(1)})
    line.refresh_from_db()
    at(deadline)
    with pytest.raises(Conflict, match="took input until 20 Dec 2026 18:00"):
        edit(line, quantity={JAN: Decimal(2)})


def test_the_database_refuses_writes_after_the_deadline_whatever_the_path(at):
    deadline = dt.datetime(2026, 12, 20, 18, tzinfo=dt.UTC)
    at(dt.datetime(2026, 12, 1, tzinfo=dt.UTC))
    line = make_line(closes_at=deadline)
    at(deadline)
    for change in ({"risk_class": 0}, {"quantity": [Decimal(1)] * 16}, {"status": "submitted"}):
        with pytest.raises(IntegrityError, match="takes no input"), transaction.atomic():
            Line.objects.filter(pk=line.pk).untracked().update(**change)


def test_an_extension_keeps_input_open_for_its_rep_alone(at):
    deadline = dt.datetime(2026, 12, 20, 18, tzinfo=dt.UTC)
    at(dt.datetime(2026, 12, 1, tzinfo=dt.UTC))
    line = make_line(quantity=None, closes_at=deadline)
    with acting("system", source="command"):
        Participant.objects.filter(cycle=line.cycle, rep=line.owner).update(
            deadline_extension=deadline + dt.timedelta(hours=2)
        )
    at(deadline + dt.timedelta(hours=1))
    edit(line, quantity={JAN: Decimal(1)})
    line.refresh_from_db()
    assert line.quantity[0] == 1


def test_moving_a_customer_leaves_the_line_with_its_owner():
    line = make_line()
    with acting("system", source="command"):
        line.customer.sales_rep = make_user("sales_rep")
        line.customer.save()
    assert Line.objects.editable_by(line.owner).filter(pk=line.pk).exists()
    assert not Line.objects.editable_by(line.customer.sales_rep).filter(pk=line.pk).exists()


def test_many_lines_cost_as_many_queries_as_one():
    rep = make_user("sales_rep")
    customer = make_customer(sales_rep=rep)
    for _ in range(6):
        make_actual(make_entry(customer=customer), dt.date(2026, 12, 1))
    cycle = open_cycle()
    lines = list(Line.objects.filter(cycle=cycle))
    rep.has_perm("forecasts.edit_own_lines")  # permissions are read once per request
    counts = []
    for some in (lines[:1], lines[1:]):
        edits = [LineEdit(line.pk, 1, {JAN: Decimal(1)}, {JAN: Decimal(2)}) for line in some]
        with acting(rep, source="web"), CaptureQueriesContext(connection) as queries:
            set_cells(cycle.pk, edits, by=rep)
        counts.append(len(queries))
    # savepoint, lock, lines, cycle, write, audit, release
    assert counts == [7, 7]


def test_answering_everything_leaves_nothing_blank():
    line = make_line(quantity=None)
    answer(line, 3)
    line.refresh_from_db()
    assert line.quantity == [Decimal(3)] * 16
