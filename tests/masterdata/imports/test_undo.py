"""Taking an import back: everything as it was, unless something touched it since."""

import datetime as dt
from decimal import Decimal

import pytest

from audit.context import acting
from audit.models import Entry
from forecasts.models import Line
from masterdata.models import Actual, ActualRevision, Budget, Customer, ImportChange, Product, ProductGroup
from sop_portal.lib.errors import Conflict
from tests.factories import make_actual, make_customer, make_entry, make_group, make_line, make_product, make_user
from tests.imports import ACTUALS, BUDGET, csv_bytes, imported, last_entry, told, undo, upload

pytestmark = pytest.mark.django_db
NOV, DEC = dt.date(2026, 11, 1), dt.date(2026, 12, 1)


@pytest.fixture
def pair():
    return make_entry(
        make_customer(customer_id="C1", name="Elm Supply"), make_product(item_code="110001", description="Garlic")
    )


def rows(model):
    return sorted(model.objects.values_list("customer", "product", "period", "quantity", "amount"), key=str)


def test_actuals_become_what_they_were(admin, pair):
    make_actual(pair, NOV, 100, cost=Decimal(3))
    make_actual(pair, dt.date(2026, 10, 1), 1)
    before = rows(Actual)
    content = [("C1", "110001", "2026-12", 7, 70, 1), ("C1", "110001", "2026-11", 1, 1, 5)]
    run = imported("actuals", csv_bytes(ACTUALS, content), admin)
    entry = last_entry()
    run = undo(run, admin)
    assert (run.state, run.undone_by) == ("undone", admin)
    assert rows(Actual) == before
    assert Actual.objects.get(period=NOV).cost == Decimal(3)
    assert run.undo_batch > run.batch
    assert ActualRevision.objects.filter(batch=run.undo_batch).count() == 2
    assert told(entry) == [
        ("actual_deleted", "Elm Supply · 110001 Garlic · Dec 2026"),
        ("actual_updated", "Elm Supply · 110001 Garlic · Nov 2026"),
    ]
    gone = Entry.objects.get(action="actual_deleted")
    assert gone.changes["quantity"] == ["7", None]
    assert gone.changes["customer"] == [f"Elm Supply (#{pair.customer_id})", None]
    assert Entry.objects.filter(action="import_undone", entity_id=str(run.pk), severity="WARNING").count() == 1

    # Twice is once, and the same file may come again.
    batches = ActualRevision.objects.count()
    assert undo(run, admin).undo_batch == run.undo_batch
    assert ActualRevision.objects.count() == batches
    assert imported("actuals", csv_bytes(ACTUALS, content), admin).rows_created == 1


def test_actuals_that_were_touched_since_are_named(admin, pair):
    run = imported("actuals", csv_bytes(ACTUALS, [("C1", "110001", "2026-12", 7, 70, "")]), admin)
    with acting(admin, source="admin"):
        Actual.objects.update(quantity=8)
    with pytest.raises(Conflict) as refusal:
        undo(run, admin)
    assert refusal.value.detail == (
        "The import cannot be undone, because 1 actual was changed or deleted since: Elm Supply · 110001 Garlic · "
        "Dec 2026. Correct it by hand or by another import."
    )
    with acting(admin, source="admin"):
        Actual.objects.all().delete()
    with pytest.raises(Conflict) as refusal:
        undo(run, admin)
    assert "because 1 actual was changed or deleted since." in refusal.value.detail


def test_a_later_import_that_was_undone_itself_is_in_nobodys_way(admin, pair):
    runs = [
        imported("actuals", csv_bytes(ACTUALS, [("C1", "110001", "2026-12", quantity, 70, "")]), admin)
        for quantity in (7, 8, 9)
    ]
    with pytest.raises(Conflict):
        undo(runs[0], admin)
    for run in reversed(runs):
        assert undo(run, admin).state == "undone"
    assert Actual.objects.count() == 0


def test_an_import_that_changed_nothing_is_undone_without_a_change(admin, pair):
    content = csv_bytes(ACTUALS, [("C1", "110001", "2026-12", 7, 70, "")])
    imported("actuals", content, admin)
    again = undo(imported("actuals", content, admin), admin)
    assert (again.state, again.undo_batch) == ("undone", None)
    assert Actual.objects.count() == 1


def test_budget_becomes_what_it_was(admin, pair):
    with acting(admin, source="admin"):
        Budget.objects.create(
            version="2027", customer=pair.customer, product=None, period=DEC, quantity=Decimal(5), amount=Decimal(6)
        )
    before = rows(Budget)
    content = [("2027", "C1", "", "2026-12", 50, 60), ("2027", "C1", "110001", "2026-12", 1, 2)]
    run = imported("budget", csv_bytes(BUDGET, content), admin)
    assert (run.rows_created, run.rows_updated) == (1, 1)
    assert ImportChange.objects.filter(run=run).count() == 2
    run = undo(run, admin)
    assert (run.state, rows(Budget)) == ("undone", before)


def test_budget_that_was_touched_since_is_named(admin, pair):
    run = imported("budget", csv_bytes(BUDGET, [("2027", "C1", "", "2026-12", 50, 60)]), admin)
    with acting(admin, source="admin"):
        Budget.objects.update(amount=61)
    with pytest.raises(Conflict) as refusal:
        undo(run, admin)
    assert "1 budget was changed or deleted since: 2027 · Elm Supply · Dec 2026." in refusal.value.detail


def test_what_was_not_applied_is_not_undone(admin, pair):
    run = upload("actuals", csv_bytes(ACTUALS, [("C1", "110001", "2026-12", 7, 70, "")]), admin)
    with pytest.raises(Conflict) as refusal:
        undo(run, admin)
    assert refusal.value.detail == "The file was checked but not applied, so there is nothing to undo."


def test_customers_become_what_they_were_and_lines_go_back(admin):
    line = make_line()
    other = make_user("sales_rep", email="oskar@example.com")
    before = list(Customer.objects.order_by("pk").values())
    head = ["Customer ID", "Customer Name", "Sales Rep", "Replaced By"]
    rows = [
        (line.customer.customer_id, "New name", "oskar@example.com", "C8"),
        ("C8", "Oak", "", "C9"),
        ("C9", "Yew", "", ""),
    ]
    run = imported("customers", csv_bytes(head, rows), admin)
    assert Line.objects.get(pk=line.pk).owner == other
    assert undo(run, admin).state == "undone"
    assert list(Customer.objects.order_by("pk").values()) == before
    assert Line.objects.get(pk=line.pk).owner == line.owner


def test_products_and_their_groups_become_what_they_were(admin):
    make_product(item_code="P1", description="Garlic", group=make_group(code="G1", name="Old"))
    before = [list(model.objects.order_by("pk").values()) for model in (Product, ProductGroup)]
    head = ["Item Code", "Description", "Group Code", "Group Name", "Parent Group Code", "UoM"]
    rows = [("P1", "Peeled", "G2", "Two", "G3", "CS"), ("P2", "Onion", "G1", "One", "G3", "KG")]
    run = imported("products", csv_bytes(head, rows), admin)
    assert ProductGroup.objects.count() == 3
    assert undo(run, admin).state == "undone"
    assert [list(model.objects.order_by("pk").values()) for model in (Product, ProductGroup)] == before


def test_what_is_in_use_by_now_is_not_removed(admin):
    make_customer(customer_id="C1")
    head = ["Item Code", "Description", "Group Code", "UoM"]
    run = imported("products", csv_bytes(head, [("P1", "Garlic", "G1", "CS")]), admin)
    make_entry(Customer.objects.get(), Product.objects.get(), price=None)
    with pytest.raises(Conflict) as refusal:
        undo(run, admin)
    assert refusal.value.detail == (
        "The import cannot be undone, because products that it made are in use by now: 1 matrix entry. Deactivate them "
        "instead."
    )
    assert Product.objects.count() == 1


def test_a_row_that_changed_since_keeps_all_from_being_undone(admin, pair):
    head = ["Customer ID", "Customer Name", "Region"]
    run = imported("customers", csv_bytes(head, [("C1", "Elm Supply", "South"), ("C2", "Fir", "")]), admin)
    with acting(admin, source="admin"):
        Customer.objects.filter(customer_id="C1").update(city="Miami")
    with pytest.raises(Conflict) as refusal:
        undo(run, admin)
    assert "1 customer was changed or deleted since: Elm Supply." in refusal.value.detail
    assert Customer.objects.filter(customer_id="C2").exists()
