"""Every way of writing a tracked model gives exactly one entry per object, with before and after."""

import datetime as dt
from decimal import Decimal

import pytest
from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import F

from audit.context import action
from audit.models import Entry
from masterdata.models import Customer, Delegation, MatrixEntry, Price, Product, ProductGroup
from sop_portal.accounts.models import User
from tests import factories

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("claimed")]


@pytest.fixture
def customer(next_transaction) -> Customer:
    row = factories.make_customer(customer_id="C1", name="Elm Supply", region="East")
    next_transaction()
    return row


def entries(row, **kw) -> list[Entry]:
    """Entries about `row` but for its creation by a factory."""
    entity = {Customer: "customer", User: "user", Product: "product", Price: "price", ProductGroup: "product_group",
              MatrixEntry: "matrix", Delegation: "delegation", Group: "role"}[type(row)]  # fmt: skip
    return list(Entry.objects.filter(entity_type=entity, entity_id=str(row.pk), **kw).order_by("id"))


def newest(row) -> Entry:
    return entries(row)[-1]


def test_create(customer):
    (entry,) = entries(customer)
    assert (entry.action, entry.label, entry.severity) == ("customer_created", str(customer), "INFO")
    assert entry.changes["name"] == [None, "Elm Supply"]
    assert entry.changes["is_active"] == [None, True]
    assert "territory" not in entry.changes
    assert (entry.actor_id, entry.actor_label, entry.source) == (None, "system", "command")


def test_save(customer):
    customer.name, customer.region = "Oak Supply", "West"
    customer.save()
    entry = newest(customer)
    assert entry.action == "customer_updated"
    assert entry.changes == {"name": ["Elm Supply", "Oak Supply"], "region": ["East", "West"]}


def test_save_of_some_fields_records_those_only(customer):
    customer.name, customer.region = "Oak Supply", "West"
    customer.save(update_fields=["name"])
    assert newest(customer).changes == {"name": ["Elm Supply", "Oak Supply"]}


def test_a_save_that_changes_nothing_is_no_entry(customer):
    customer.save()
    Customer.objects.filter(pk=customer.pk).update(name="Elm Supply")
    Customer.objects.filter(pk=customer.pk).update(name=F("name"))
    assert len(entries(customer)) == 1


def test_before_is_what_is_stored_not_what_the_object_remembers(customer):
    Customer.objects.untracked().filter(pk=customer.pk).update(name="Ash Supply")
    customer.name = "Oak Supply"
    customer.save()
    assert newest(customer).changes == {"name": ["Ash Supply", "Oak Supply"]}


def test_decimals_are_compared_as_the_column_keeps_them(next_transaction):
    product = factories.make_product(list_price=Decimal("12.5000"))
    next_transaction()
    product.list_price = "12.50"
    product.save()
    assert len(entries(product)) == 1
    product.list_price = Decimal("120")
    product.save()
    assert newest(product).changes == {"list_price": ["12.5", "120"]}


def test_expressions_are_recorded_by_their_result(next_transaction):
    product = factories.make_product(list_price=Decimal("10"))
    next_transaction()
    product.list_price = F("list_price") + 5
    product.save()
    assert newest(product).changes == {"list_price": ["10", "15"]}


def test_keys_are_readable_and_exact(customer):
    rep = factories.make_user("sales_rep", full_name="Ana Diaz")
    customer.sales_rep = rep
    customer.save()
    assert newest(customer).changes == {"sales_rep": [None, f"{rep} (#{rep.pk})"]}


def test_queryset_update(customer, next_transaction):
    other = factories.make_customer(name="Fir Supply")
    same = factories.make_customer(name="Pine Supply", region="North")
    next_transaction()
    assert Customer.objects.filter(pk__in=[customer.pk, other.pk, same.pk]).update(region="North") == 3
    assert newest(customer).changes == {"region": ["East", "North"]}
    assert newest(other).changes == {"region": ["", "North"]}
    assert newest(other).label == str(other)
    assert len(entries(same)) == 1


def test_queryset_update_of_the_filtered_column_itself(customer):
    assert Customer.objects.filter(region="East").update(region="West") == 1
    assert newest(customer).changes == {"region": ["East", "West"]}


def test_queryset_update_costs_the_same_for_one_and_many(django_assert_num_queries, next_transaction):
    rows = [factories.make_customer(region="East") for _ in range(10)]
    next_transaction()
    # ids, stored values with lock, update, values after, labels, entries
    with django_assert_num_queries(6):
        Customer.objects.filter(pk=rows[0].pk).update(region="North")
    with django_assert_num_queries(6):
        Customer.objects.filter(pk__in=[row.pk for row in rows]).update(region="South")


def test_bulk_update(customer, next_transaction):
    other = factories.make_customer(name="Fir Supply")
    next_transaction()
    customer.name, other.name = "Oak", "Yew"
    Customer.objects.bulk_update([customer, other], ["name"])
    assert newest(customer).changes == {"name": ["Elm Supply", "Oak"]}
    assert newest(other).changes == {"name": ["Fir Supply", "Yew"]}


def test_bulk_create():
    rows = Customer.objects.bulk_create([Customer(customer_id=f"B{n}", name=f"Name {n}") for n in range(3)])
    for n, row in enumerate(rows):
        (entry,) = entries(row)
        assert entry.action == "customer_created"
        assert entry.changes["customer_id"] == [None, f"B{n}"]


def test_bulk_create_that_ignores_conflicts_records_what_was_taken(customer):
    rows = [Customer(customer_id="C1", name="Double"), Customer(customer_id="C2", name="New")]
    Customer.objects.bulk_create(rows, ignore_conflicts=True)
    assert len(entries(customer)) == 1
    assert Customer.objects.get(pk=customer.pk).name == "Elm Supply"
    created = Customer.objects.get(customer_id="C2")
    (entry,) = entries(created)
    assert (entry.action, entry.changes["name"]) == ("customer_created", [None, "New"])
    assert Entry.objects.filter(entity_type="customer").count() == 2


def test_upsert_tells_created_from_updated(customer):
    same = factories.make_customer(customer_id="C3", name="Same")
    rows = [
        Customer(customer_id="C1", name="Oak Supply", region="ignored"),
        Customer(customer_id="C2", name="New"),
        Customer(customer_id="C3", name="Same"),
    ]
    Customer.objects.bulk_create(rows, update_conflicts=True, unique_fields=["customer_id"], update_fields=["name"])
    assert newest(customer).action == "customer_updated"
    assert newest(customer).changes == {"name": ["Elm Supply", "Oak Supply"]}
    assert entries(Customer.objects.get(customer_id="C2"))[0].action == "customer_created"
    assert len(entries(same)) == 1


def test_upsert_by_two_columns():
    entry = factories.make_entry(price=None)
    first, second = dt.date(2027, 1, 1), dt.date(2027, 2, 1)
    kept = Price.objects.create(entry=entry, valid_from=first, unit_price=Decimal("1"))
    Price.objects.bulk_create(
        [
            Price(entry=entry, valid_from=first, unit_price=Decimal("2")),
            Price(entry=entry, valid_from=second, unit_price=Decimal("3")),
        ],
        update_conflicts=True, unique_fields=["entry", "valid_from"], update_fields=["unit_price"],
    )  # fmt: skip
    # Created and changed in one transaction: one entry, with the last value.
    assert [one.action for one in entries(kept)] == ["price_created"]
    assert newest(kept).changes["unit_price"] == [None, "2"]
    added = Price.objects.get(entry=entry, valid_from=second)
    assert newest(added).changes["unit_price"] == [None, "3"]


def test_delete(customer):
    pk = customer.pk
    customer.delete()
    entry = Entry.objects.get(entity_type="customer", entity_id=str(pk), action="customer_deleted")
    assert entry.changes["name"] == ["Elm Supply", None]
    assert entry.label == "Elm Supply" or "Elm Supply" in entry.label


def test_queryset_delete_writes_its_entries_together(django_assert_num_queries, next_transaction):
    for count in (1, 8):
        rows = [factories.make_group(name=f"Group {n}") for n in range(count)]
        ids = [row.pk for row in rows]
        next_transaction()
        queryset = ProductGroup.objects.filter(pk__in=ids)
        # ids, rows ahead, rows, products and children that would stand in the way, the delete, the entries
        with django_assert_num_queries(7):
            queryset.delete()
        found = Entry.objects.filter(action="product_group_deleted", entity_id__in=[str(pk) for pk in ids])
        assert found.count() == count


def test_delete_by_cascade_is_recorded(next_transaction):
    entry = factories.make_entry(price="10")
    (price,) = entry.prices.all()
    next_transaction()
    entry.delete()
    assert Entry.objects.filter(action="price_deleted", entity_id=str(price.pk)).count() == 1


def test_create_and_delete_in_one_transaction_is_a_delete():
    row = Customer.objects.create(customer_id="X", name="Short life")
    pk = row.pk
    row.delete()
    entry = Entry.objects.get(entity_type="customer", entity_id=str(pk))
    assert (entry.action, entry.changes) == ("customer_deleted", {})


def test_list_of_keys_from_either_side(customer, next_transaction):
    giver, taker = factories.make_user("sales_rep"), factories.make_user("sales_rep")
    row = Delegation.objects.create(
        from_user=giver, to_user=taker, created_by=giver, all_customers=False,
        valid_from=dt.datetime(2027, 1, 1, tzinfo=dt.UTC), valid_to=dt.datetime(2027, 2, 1, tzinfo=dt.UTC),
    )  # fmt: skip
    next_transaction()
    row.customers.add(customer)
    assert newest(row).action == "delegation_updated"
    assert newest(row).changes == {"customers": [[], [str(customer)]]}
    next_transaction()
    customer.delegations.clear()
    assert newest(row).changes == {"customers": [[str(customer)], []]}
    next_transaction()
    row.customers.set([])
    row.customers.set([customer])
    row.customers.set([])
    assert newest(row).changes == {}


def test_writes_by_reverse_key_are_recorded(customer, next_transaction):
    rep = factories.make_user("sales_rep")
    next_transaction()
    rep.customers.add(customer)
    assert newest(customer).changes == {"sales_rep": [None, f"{rep} (#{rep.pk})"]}


def test_a_user_whose_role_changes(next_transaction):
    user = factories.make_user("viewer")
    assert newest(user).action == "user_created"
    next_transaction()
    user.groups.set([Group.objects.get(name="manager")])
    entry = newest(user)
    assert (entry.action, entry.changes) == ("user_role_changed", {"groups": [["viewer"], ["manager"]]})
    assert entry.severity == "WARNING"


def test_a_user_who_is_deactivated(next_transaction):
    user = factories.make_user("viewer")
    next_transaction()
    user.is_active = False
    user.save()
    entry = newest(user)
    assert (entry.action, entry.changes) == ("user_deactivated", {"is_active": [True, False]})


def test_passwords_are_never_stored(next_transaction):
    user = factories.make_user("viewer")
    next_transaction()
    user.set_password("an-entirely-new-secret-9")
    user.save()
    entry = newest(user)
    assert entry.action == "user_password_changed"
    assert "argon2" not in str(list(Entry.objects.values_list("changes", flat=True)))
    assert "an-entirely-new" not in str(list(Entry.objects.values_list("changes", flat=True)))


def test_named_actions_apply_to_their_entity_only(customer, next_transaction):
    other = factories.make_product(item_code="P1")
    next_transaction()
    with action("customer_approved"):
        customer.name = "Oak"
        customer.save()
        Product.objects.filter(pk=other.pk).update(uom="kg")
    customer.region = "West"
    customer.save()
    assert newest(customer).action == "customer_approved"
    assert newest(customer).changes == {"name": ["Elm Supply", "Oak"], "region": ["East", "West"]}
    assert newest(other).action == "product_updated"


def test_rolled_back_writes_leave_no_entry(customer):
    with pytest.raises(ValueError, match="stop"), transaction.atomic():
        customer.name = "Gone"
        customer.save()
        raise ValueError("stop")
    assert len(entries(customer)) == 1
