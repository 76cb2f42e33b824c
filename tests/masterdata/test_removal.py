"""Switching master data off, and deleting only what nothing stands on."""

import datetime as dt

import pytest

from audit.context import acting
from audit.models import Entry
from masterdata.models import Budget, Customer, MatrixEntry, Price, Product
from masterdata.services import remove, replace, set_active
from sop_portal.lib.errors import NotAllowed
from tests.factories import make_actual, make_customer, make_entry, make_group, make_line, make_product, make_user
from tests.world import next_transaction

pytestmark = pytest.mark.django_db
DEC = dt.date(2026, 12, 1)


@pytest.fixture
def admin():
    return make_user("admin")


def gone(model, *rows, by, **kw):
    next_transaction()
    with acting(by, source="admin"):
        return remove(model, [row.pk for row in rows], by=by, **kw)


@pytest.mark.parametrize(
    ("model", "make"), [(Customer, make_customer), (Product, make_product), (MatrixEntry, make_entry)]
)
def test_rows_are_switched_off_and_on(admin, model, make):
    rows = [make() for _ in range(3)]
    next_transaction()
    with acting(admin, source="admin"):
        assert set_active(model, [rows[0].pk, rows[1].pk], False, by=admin) == 2
        next_transaction()
        assert set_active(model, [row.pk for row in rows], False, by=admin) == 1
        next_transaction()
        assert set_active(model, [rows[0].pk], True, by=admin) == 1
    assert [model.objects.get(pk=row.pk).is_active for row in rows] == [True, False, False]
    entity = {"matrixentry": "matrix"}.get(model._meta.model_name, model._meta.model_name)
    changes = [entry.changes["is_active"] for entry in Entry.objects.filter(entity_type=entity, source="admin")]
    assert sorted(changes) == [[False, True], [True, False], [True, False], [True, False]]


def test_a_customer_without_history_goes_with_matrix_and_aliases(admin):
    customer = make_customer(name="Elm")
    entry = make_entry(customer)
    with acting("system", source="command"):
        customer.aliases.create(key="elm", name="Elm")
    assert gone(Customer, customer, by=admin, dry_run=True).entries == 1
    assert Customer.objects.exists()
    removed = gone(Customer, customer, by=admin)
    assert (removed.deleted, removed.kept, removed.entries) == (["Elm"], {}, 1)
    assert not Customer.objects.exists() and not MatrixEntry.objects.exists() and not Price.objects.exists()
    assert Product.objects.filter(pk=entry.product_id).exists()
    told = set(Entry.objects.filter(source="admin").values_list("action", flat=True))
    assert told == {"customer_deleted", "matrix_deleted", "price_deleted", "customer_alias_deleted"}


def test_what_has_a_history_is_deactivated_instead_and_says_which(admin):
    line = make_line()
    budgeted, sold, replaced, plain = (make_customer() for _ in range(4))
    with acting("system", source="command"):
        Budget.objects.create(version="2027", customer=budgeted, period=DEC, quantity=1, amount=1)
    make_actual(make_entry(sold, line.product), DEC)
    with acting(admin, source="admin"):
        replace(Customer, [plain.pk], replaced.pk, by=admin)
    rows = [line.customer, budgeted, sold, replaced]
    removed = gone(Customer, *rows, by=admin)
    assert removed.deleted == []
    assert removed.kept == {
        line.customer: ["actuals", "lines"], budgeted: ["budgets"], sold: ["actuals"], replaced: ["what it replaced"],
    }  # fmt: skip
    assert not any(Customer.objects.get(pk=row.pk).is_active for row in rows)
    assert gone(Product, line.product, by=admin).kept == {line.product: ["actuals", "lines"]}
    assert not Product.objects.get(pk=line.product_id).is_active


def test_an_entry_has_the_history_of_its_pair(admin):
    group, customer = make_group(), make_customer()
    used, unused = (make_entry(customer, make_product(group=group)) for _ in range(2))
    make_actual(used, DEC)
    removed = gone(MatrixEntry, used, unused, by=admin)
    assert removed.deleted == [str(unused)] and removed.kept == {used: ["actuals"]}
    assert [entry.is_active for entry in MatrixEntry.objects.all()] == [False]
    assert Price.objects.count() == 1


@pytest.mark.parametrize("role", ["sales_rep", "manager", "viewer"])
def test_others_may_not(role):
    person, customer = make_user(role), make_customer()
    with pytest.raises(NotAllowed):
        gone(Customer, customer, by=person)
    with pytest.raises(NotAllowed):
        set_active(Customer, [customer.pk], False, by=person)
