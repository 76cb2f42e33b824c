"""Giving customers to reps."""

import pytest

from audit.context import acting
from audit.models import Entry
from masterdata.models import Customer
from masterdata.services import assign_customers
from masterdata.signals import customers_assigned
from sop_portal.lib.errors import NotAllowed, Refused
from tests.factories import make_customer, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin():
    return make_user("admin")


def assign(customers, rep, by):
    with acting(by, source="web"):
        return assign_customers([customer.pk for customer in customers], rep, by=by)


def test_customers_are_assigned_announced_and_recorded(admin):
    rep, other = make_user("sales_rep"), make_user("sales_rep")
    mine, theirs = make_customer(sales_rep=rep), make_customer(sales_rep=other)
    heard = []

    def hear(sender, customer_ids, rep, by, **kwargs):
        heard.append((customer_ids, rep, by))

    customers_assigned.connect(hear)
    try:
        assert assign([mine, theirs], rep, admin) == [theirs]
    finally:
        customers_assigned.disconnect(hear)
    assert heard == [([theirs.pk], rep, admin)]
    assert set(Customer.objects.values_list("sales_rep", flat=True)) == {rep.pk}
    entry = Entry.objects.filter(entity_type="customer", entity_id=str(theirs.pk)).latest("pk")
    assert entry.changes["sales_rep"][1] is not None


def test_customers_may_be_taken_from_everybody(admin):
    customer = make_customer(sales_rep=make_user("sales_rep"))
    assert assign([customer], None, admin) == [customer]
    customer.refresh_from_db()
    assert customer.sales_rep is None


def test_only_active_reps_serve_customers(admin):
    customer = make_customer()
    for person in (make_user("viewer", full_name="Vera Viewer"), make_user("sales_rep", is_active=False)):
        with pytest.raises(Refused, match="is not an active sales rep"):
            assign([customer], person, admin)
    customer.refresh_from_db()
    assert customer.sales_rep is None


def test_all_or_none_are_assigned(admin):
    customer, gone = make_customer(), make_customer()
    with acting(admin, source="web"):
        Customer.objects.filter(pk=gone.pk).delete()
    with pytest.raises(Refused, match="do not exist any more"):
        assign([customer, gone], make_user("sales_rep"), admin)
    customer.refresh_from_db()
    assert customer.sales_rep is None


@pytest.mark.parametrize("role", ["sales_rep", "manager", "viewer"])
def test_others_may_not_assign(role):
    with pytest.raises(NotAllowed):
        assign([make_customer()], None, make_user(role))
