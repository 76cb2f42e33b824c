"""An old workbook that was imported before anybody knew whose it is, imported again with its rep chosen."""

from decimal import Decimal

import pytest

from audit.context import acting
from audit.models import Entry
from forecasts.excel.legacy_apply import apply_book
from forecasts.excel.legacy_sheets import parse_book
from forecasts.models import Line, Snapshot
from masterdata.models import Customer
from tests.factories import make_user
from tests.workbooks import Plan, Row, as_workbook, grid
from tests.world import next_transaction

pytestmark = pytest.mark.django_db


def book(march=7):
    rows = [
        Row(code=f"11000{n}", description=f"Garlic {n}", volumes=[5, n, march], prices=[10, 11, 12]) for n in (1, 2)
    ]
    plans = [Plan(name=name, rows=rows) for name in ("Elm Supply", "Fir Provisions")]
    return parse_book(as_workbook({plan.name: grid(plan) for plan in plans}))


def bring_in(rep=None, by=None, **kw):
    next_transaction()
    with acting(by or "system", source="command"):
        return apply_book(book(**kw), rep=rep, by=by, dry_run=False)


def owners():
    return set(Line.objects.values_list("owner", flat=True))


def test_lines_of_nobody_get_the_rep_that_is_chosen():
    first = bring_in()
    assert first.tallies["lines"].created == 4 and owners() == {None}
    rep, admin = make_user("sales_rep", full_name="Rita Rep"), make_user("admin")
    again = bring_in(rep, admin)
    assert (again.tallies["lines"].updated, again.tallies["lines"].unchanged) == (4, 0)
    assert owners() == {rep.pk}
    told = [warning.sentence for warning in again.warnings if warning.code == "line_changed"]
    assert told == ["It belonged to nobody and belongs to Rita Rep from now on."] * 4
    # The rep reads them, and the credit for the plan goes to them.
    assert Line.objects.visible_to(rep).count() == 4
    newest = Snapshot.objects.order_by("line_id", "-pk").distinct("line_id").values_list("event", "owner")
    assert set(newest) == {("submit", rep.pk)}
    entries = Entry.objects.filter(entity_type="forecast", action="forecast_updated")
    assert [entry.changes for entry in entries] == [{"owner": [None, f"Rita Rep (#{rep.pk})"]}] * 4
    assert {entry.actor_id for entry in entries} == {admin.pk}


def test_a_third_time_changes_nothing():
    bring_in()
    rep = make_user("sales_rep")
    bring_in(rep)
    counts = Snapshot.objects.count(), Entry.objects.filter(entity_type="forecast").count()
    again = bring_in(rep)
    assert (again.tallies["lines"].updated, again.tallies["lines"].unchanged) == (0, 4)
    assert (Snapshot.objects.count(), Entry.objects.filter(entity_type="forecast").count()) == counts


def test_a_line_that_has_an_owner_keeps_it():
    rep, other = make_user("sales_rep"), make_user("sales_rep")
    bring_in(rep)
    again = bring_in(other)
    assert again.tallies["lines"].unchanged == 4 and owners() == {rep.pk}


def test_owner_and_values_change_in_one_line():
    bring_in()
    rep = make_user("sales_rep", full_name="Rita Rep")
    again = bring_in(rep, march=8)
    sentence = next(warning.sentence for warning in again.warnings if warning.code == "line_changed")
    assert "1 value changes, 13 cases become 14." in sentence and "belongs to Rita Rep" in sentence
    line = Line.objects.first()
    assert (line.owner, line.revision, line.quantity[2]) == (rep, 2, Decimal(8))


def test_without_a_rep_the_one_who_serves_the_customer_by_now_owns_it():
    bring_in()
    rep = make_user("sales_rep")
    with acting("system", source="command"):
        Customer.objects.filter(name="Elm Supply").update(sales_rep=rep)
    bring_in()
    assert owners() == {rep.pk, None}
    assert set(Line.objects.filter(owner=rep).values_list("customer__name", flat=True)) == {"Elm Supply"}
