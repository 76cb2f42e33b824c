"""Submit, recall, approve, reject, return, adjust."""

import datetime as dt
from decimal import Decimal

import pytest

from audit.context import acting
from audit.models import Entry
from cycles.services import close_cycle, publish_cycle
from forecasts import services
from forecasts.models import Line, Snapshot
from forecasts.services import Adjustment, LineEdit, LineRef, moves
from sop_portal.lib.errors import Conflict, NotAllowed, Refused, StaleRevision
from tests.factories import make_line, make_user, ref, submit

pytestmark = pytest.mark.django_db
JAN, MAR = dt.date(2027, 1, 1), dt.date(2027, 3, 1)


def act(function, line, by, *args, **kw):
    with acting(by, source="web"):
        result = getattr(services, function)(line.cycle_id, *(args or ([ref(line)],)), by=by, **kw)
    line.refresh_from_db()
    return result


@pytest.fixture
def manager():
    return make_user("manager")


@pytest.fixture
def line(manager):
    return make_line(owner=make_user("sales_rep", manager=manager))


def events(line):
    return list(line.snapshots.order_by("pk").values_list("event", flat=True))


def test_a_line_goes_from_draft_to_approved_with_its_snapshots(line, manager):
    submit(line)
    assert (line.status, line.submitted_by) == (Line.Status.SUBMITTED, line.owner)
    act("approve_lines", line, manager)
    assert (line.status, line.decided_by) == (Line.Status.APPROVED, manager)
    assert events(line) == ["open", "submit", "approve"]
    actions = list(
        Entry.objects.filter(entity_type="forecast", entity_id=str(line.pk))
        .order_by("pk")
        .values_list("action", flat=True)
    )
    # One test is one transaction, so the acts merge into one entry; the most specific action stands.
    assert len(actions) == 1


def test_submitting_names_line_and_month_of_what_is_missing():
    line = make_line(quantity=None)
    with pytest.raises(Refused) as refusal:
        submit(line)
    assert f"{line.product.description}, January 2027 is blank" in refusal.value.lines[0]
    assert "December 2027 is blank" in refusal.value.lines[0]
    assert "January 2028" not in refusal.value.lines[0]  # the 13th period is optional


def test_a_quantity_without_price_is_refused_with_its_month():
    line = make_line(quantity=5, price=None)
    with pytest.raises(Refused, match="March 2027 has no price"):
        submit(line)


def test_a_zero_needs_no_price():
    line = submit(make_line(quantity=0, price=None))
    assert line.status == Line.Status.SUBMITTED


def test_submitting_twice_is_one_effect(line):
    submit(line)
    submit(line)
    assert events(line) == ["open", "submit"]


def test_submitting_a_stale_line_is_refused(line):
    seen = ref(line)
    admin = make_user("admin")
    with acting(admin, source="web"):
        services.set_cells(line.cycle_id, [LineEdit(line.pk, line.revision, {JAN: Decimal(9)})], by=admin)
    with pytest.raises(StaleRevision), acting(line.owner, source="web"):
        services.submit_lines(line.cycle_id, [seen], by=line.owner)


def test_a_dormant_line_is_not_submitted():
    line = make_line(quantity=None, live=False)
    with pytest.raises(Refused, match="has no forecast"):
        submit(line)


def test_the_submitter_alone_recalls(line):
    submit(line)
    admin = make_user("admin")
    with pytest.raises(Refused, match="submitted by somebody else"):
        act("recall_lines", line, admin)
    act("recall_lines", line, line.owner)
    assert (line.status, line.submitted_by) == (Line.Status.DRAFT, None)


def test_a_decided_line_is_not_recalled(line, manager):
    submit(line)
    act("approve_lines", line, manager)
    with pytest.raises(Refused, match="is approved"):
        act("recall_lines", line, line.owner)


def test_a_rejection_needs_a_comment_and_comes_back(line, manager):
    submit(line)
    with pytest.raises(Refused, match="Say why"):
        act("reject_lines", line, manager, comment="  ")
    act("reject_lines", line, manager, comment="Too high in March.")
    assert (line.status, line.decision_comment) == (Line.Status.REJECTED, "Too high in March.")
    with acting(line.owner, source="web"):
        services.set_cells(line.cycle_id, [LineEdit(line.pk, line.revision, {MAR: Decimal(50)})], by=line.owner)
    submit(line)
    assert line.status == Line.Status.SUBMITTED
    assert line.decision_comment == ""
    assert events(line) == ["open", "submit", "reject", "submit"]


def test_an_approved_line_is_returned_with_a_comment(line, manager):
    submit(line)
    act("approve_lines", line, manager)
    with pytest.raises(Refused, match="Say why"):
        act("return_lines", line, manager, comment="")
    act("return_lines", line, manager, comment="Please look at July again.")
    assert line.status == Line.Status.DRAFT
    assert events(line)[-1] == "return"


def test_nobody_decides_what_they_submitted(line):
    admin = make_user("admin")
    submit(line, by=admin)
    with pytest.raises(Refused, match="somebody else has to decide"):
        act("approve_lines", line, admin)
    other = make_user("admin")
    act("approve_lines", line, other)
    assert line.decided_by == other


def test_an_admin_does_not_decide_what_they_edited_last(line):
    admin = make_user("admin")
    with acting(admin, source="web"):
        services.set_cells(line.cycle_id, [LineEdit(line.pk, ref(line).revision, {JAN: Decimal(9)})], by=admin)
    submit(line)
    for function, extra in (
        ("approve_lines", {}),
        ("reject_lines", {"comment": "no"}),
        ("return_lines", {"comment": "no"}),
    ):
        with pytest.raises(Refused, match="somebody else has to decide"):
            act(function, line, admin, **extra)


def test_another_manager_does_not_see_the_line(line):
    submit(line)
    with pytest.raises(Refused, match="no such line"):
        act("approve_lines", line, make_user("manager"))


def test_the_rep_does_not_approve(line):
    submit(line)
    with pytest.raises(NotAllowed):
        act("approve_lines", line, line.owner)


def test_one_refused_line_keeps_all_as_they_were(line, manager):
    submit(line)
    with pytest.raises(Refused), acting(manager, source="web"):
        services.approve_lines(line.cycle_id, [ref(line), LineRef(10**9, 1)], by=manager)
    line.refresh_from_db()
    assert line.status == Line.Status.SUBMITTED


def close(line):
    admin = make_user("admin")
    with acting(admin, source="web"):
        close_cycle(line.cycle_id, by=admin)
    line.refresh_from_db()


def test_review_goes_on_after_closing_but_rejecting_does_not(line, manager):
    submit(line)
    close(line)
    with pytest.raises(Conflict, match="closed on"):
        act("reject_lines", line, manager, comment="Too late.")
    act("approve_lines", line, manager)
    assert line.status == Line.Status.APPROVED


def test_a_missed_line_is_adjusted_with_a_reason_and_keeps_its_snapshots(line, manager):
    close(line)
    assert line.status == Line.Status.MISSED
    assert line.quantity[0] == 100  # missed lines keep their values
    change = Adjustment(line.pk, line.revision, {period: Decimal(80) for period in line.cycle.periods})
    with pytest.raises(Refused, match="Say why"):
        act("adjust_lines", line, manager, [change], reason="")
    act("adjust_lines", line, manager, [change], reason="The customer confirmed 80.")
    assert (line.status, line.quantity[0], line.decision_comment) == (
        Line.Status.APPROVED, Decimal(80), "The customer confirmed 80.",
    )  # fmt: skip
    assert events(line) == ["open", "close", "adjust"]
    assert line.snapshots.get(event=Snapshot.Event.CLOSE).quantity[0] == 100


def test_adjusting_waits_for_the_close(line, manager):
    submit(line)
    with pytest.raises(Conflict, match="still open"):
        act("adjust_lines", line, manager, [Adjustment(line.pk, ref(line).revision, {JAN: Decimal(1)})], reason="x")


def test_a_published_plan_is_read_only_for_ever(line, manager):
    submit(line)
    close(line)
    admin = make_user("admin")
    with acting(admin, source="web"):
        publish_cycle(line.cycle_id, by=admin)
    with pytest.raises(Conflict, match="is published"):
        act("approve_lines", line, manager)
    with pytest.raises(Conflict, match="is published"):
        act("adjust_lines", line, manager, [Adjustment(line.pk, ref(line).revision, {JAN: Decimal(1)})], reason="x")


def test_the_acts_and_the_cycle_make_up_the_table_of_moves():
    by_people = {(before, act.after) for act in moves.ACTS for before in act.before}
    by_editing = {("rejected", "draft")}
    by_the_cycle = {("draft", "missed"), ("rejected", "missed"), ("missed", "draft")}
    assert by_people | by_editing | by_the_cycle == {
        (before, after) for before, reached in Line.MOVES.items() for after in reached
    }
