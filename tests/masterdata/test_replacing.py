"""One product or customer in the place of others: who counts for whom, and what the service refuses."""

import datetime as dt
from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from audit.context import acting
from audit.models import Entry
from masterdata.models import Actual, Customer, CustomerSuccession, MatrixEntry, Price, Product, ProductSuccession
from masterdata.services import copy_matrix, replace, take_back
from sop_portal.lib.errors import Conflict, NotAllowed, Refused
from tests.factories import make_actual, make_customer, make_entry, make_group, make_product, make_user
from tests.world import next_transaction

pytestmark = pytest.mark.django_db
DEC, JUN = dt.date(2026, 12, 1), dt.date(2027, 6, 1)


@pytest.fixture
def admin():
    return make_user("admin")


def put(successor, *old, by, **kw):
    next_transaction()
    with acting(by, source="admin"):
        return replace(type(successor), [row.pk for row in old], successor.pk, by=by, **kw)


def priced(entry, *prices):
    with acting("system", source="command"):
        Price.objects.bulk_create(Price(entry=entry, valid_from=day, unit_price=amount) for day, amount in prices)
    return entry


def counts(model, **wanted):
    return set(model.objects.filter(**wanted).values_list("origin", "heir", "is_last"))


def prices(entry):
    return list(entry.prices.order_by("valid_from").values_list("valid_from", "unit_price"))


def test_history_counts_for_itself_and_every_later_link_and_last_at_the_end(admin):
    a, b, c = (make_product() for _ in range(3))
    put(b, a, by=admin)
    put(c, b, by=admin)
    pk = {"a": a.pk, "b": b.pk, "c": c.pk}
    assert counts(ProductSuccession) == {
        (pk["a"], pk["a"], False), (pk["a"], pk["b"], False), (pk["a"], pk["c"], True),
        (pk["b"], pk["b"], False), (pk["b"], pk["c"], True), (pk["c"], pk["c"], True),
    }  # fmt: skip
    assert list(Product.objects.filter(is_active=True)) == [c]


def test_what_was_sold_counts_for_the_pair_that_took_the_place(admin):
    rep, other = make_user("sales_rep"), make_user("sales_rep")
    old_customer, customer = make_customer(), make_customer(sales_rep=rep)
    old_product, product = make_product(), make_product()
    for buyer, bought, quantity in (
        (old_customer, old_product, 1), (old_customer, product, 2), (customer, old_product, 4), (customer, product, 8),
    ):  # fmt: skip
        make_actual(make_entry(buyer, bought), DEC, quantity)

    def total(actuals):
        return sum(actual.quantity for actual in actuals)

    assert total(Actual.objects.counting_for(customer=customer, product=product)) == 8
    assert total(Actual.objects.visible_to(rep)) == 12
    put(product, old_product, by=admin)
    put(customer, old_customer, by=admin)
    assert total(Actual.objects.counting_for(customer=customer, product=product)) == 15
    assert total(Actual.objects.counting_for(customer=customer.pk)) == 15
    assert total(Actual.objects.counting_for(product=old_product)) == 5
    # The rep of the successor reads the history that counts for it; nobody else reads more.
    assert total(Actual.objects.visible_to(rep)) == 15
    assert total(Actual.objects.visible_to(other)) == 0


def test_a_product_counted_in_another_unit_takes_no_history(admin):
    old, new = make_product(uom="CS"), make_product(uom="KG")
    with pytest.raises(Refused, match=r"is counted in CS and .* in KG; what was sold cannot follow"):
        put(new, old, by=admin)
    with acting("system", source="command"):
        Product.objects.filter(pk=old.pk).update(replaced_by=new)
    assert counts(ProductSuccession, origin=old) == {(old.pk, old.pk, True)}


@pytest.mark.parametrize(("make", "model"), [(make_product, Product), (make_customer, Customer)])
def test_a_circle_is_refused_with_a_sentence_and_by_the_database(make, model, admin):
    a, b, c = make(), make(), make()
    put(b, a, by=admin)
    put(c, b, by=admin)
    with acting("system", source="command"):
        model.objects.filter(pk__in=[a.pk, b.pk]).update(is_active=True)
    with pytest.raises(Refused, match=r"is itself replaced by .*, further on; they cannot replace each other"):
        put(a, c, by=admin)
    with pytest.raises(Refused, match=r"cannot take its own place|cannot replace itself"):
        put(c, c, by=admin)
    c.replaced_by = model.objects.get(pk=a.pk)
    with pytest.raises(ValidationError, match="further on"):
        c.full_clean()
    with acting("system", source="command"):
        with pytest.raises(IntegrityError, match="in a circle"), transaction.atomic():
            c.save()
        fresh = make()
        fresh.replaced_by = make()
        fresh.save()
        # Both halves in one statement.
        table = connection.ops.quote_name(model._meta.db_table)
        with pytest.raises(IntegrityError, match="in a circle"), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                f"UPDATE {table} SET replaced_by_id = CASE WHEN id = %s THEN %s ELSE %s END WHERE id IN (%s, %s)",
                [fresh.pk, c.pk, fresh.pk, fresh.pk, c.pk],
            )


def test_the_successor_gets_an_entry_wherever_the_old_one_had_an_active_one(admin):
    group, old, new = make_group(), make_product(), make_product()
    elm, fir, oak, gone = (make_customer(name=name) for name in ("Elm", "Fir", "Oak", "Gone"))
    source = make_entry(elm, old, price=None, minimum_order_quantity=5, maximum_order_quantity=50, lead_time_days=7)
    priced(source, (dt.date(2026, 1, 1), 10), (dt.date(2026, 6, 1), 11), (JUN, 12))
    kept = make_entry(fir, new, price="99")
    make_entry(fir, old)
    make_entry(oak, old, is_active=False)
    make_entry(gone, old)
    make_entry(elm, make_product(group=group))
    with acting("system", source="command"):
        Customer.objects.filter(pk=gone.pk).update(is_active=False)
    seen = put(new, old, by=admin, prices_from=DEC, dry_run=True)
    assert [str(entry.customer) for entry in seen.matrix.created] == ["Elm"]
    assert MatrixEntry.objects.filter(product=new).count() == 1 and Product.objects.get(pk=old.pk).is_active
    done = put(new, old, by=admin, prices_from=DEC)
    assert [str(entry.customer) for entry in done.matrix.created] == ["Elm"]
    assert done.matrix.existing == [kept] and done.matrix.prices == 2 and done.rows == [old]
    made = MatrixEntry.objects.get(customer=elm, product=new)
    assert (made.minimum_order_quantity, made.maximum_order_quantity, made.lead_time_days) == (5, 50, 7)
    # The price of that day, then the change that was known already.
    assert prices(made) == [(DEC, Decimal(11)), (JUN, Decimal(12))]
    assert prices(kept) == [(dt.date(2020, 1, 1), Decimal(99))]
    again = put(new, old, by=admin, prices_from=DEC)
    assert (again.rows, again.matrix.created, again.matrix.prices) == ([], [], 0)


def test_several_customers_become_one_and_their_products_come_along(admin):
    group = make_group()
    first, second, elm = make_customer(), make_customer(), make_customer()
    shared, other = make_product(group=group), make_product(group=group)
    make_entry(first, shared, price="1")
    make_entry(second, shared, price="2")
    make_entry(second, other, price="3")
    done = put(elm, first, second, by=admin, prices_from=DEC)
    assert done.rows == [first, second]
    found = {entry.product: prices(entry) for entry in MatrixEntry.objects.filter(customer=elm)}
    # Of two entries of one product the older one leads.
    assert found == {shared: [(DEC, Decimal(1))], other: [(DEC, Decimal(3))]}
    assert counts(CustomerSuccession, heir=elm) == {
        (first.pk, elm.pk, True), (second.pk, elm.pk, True), (elm.pk, elm.pk, True),
    }  # fmt: skip


def test_it_stands_in_the_trail_in_words(admin):
    old, new = make_product(item_code="OLD"), make_product(item_code="NEW")
    put(new, old, by=admin)
    entry = Entry.objects.filter(entity_type="product", entity_id=str(old.pk)).latest("pk")
    assert (entry.action, entry.source, entry.actor_id) == ("product_updated", "admin", admin.pk)
    assert entry.changes == {"replaced_by": [None, f"{new} (#{new.pk})"], "is_active": [True, False]}


def test_a_replacement_is_taken_back(admin):
    old, new = make_product(), make_product()
    put(new, old, by=admin)
    next_transaction()
    with acting(admin, source="admin"):
        assert take_back(Product, [old.pk, new.pk], by=admin) == [old]
    old.refresh_from_db()
    assert (old.replaced_by, old.is_active) == (None, True)
    assert counts(ProductSuccession, heir=new) == {(new.pk, new.pk, True)}


def test_what_stands_in_the_way_is_named(admin):
    old, new, other = (make_product() for _ in range(3))
    put(new, old, by=admin)
    with pytest.raises(Conflict, match=f"{old} is replaced by {new} already; take that back first"):
        put(other, old, by=admin)
    with pytest.raises(Refused, match="is inactive; activate it first"):
        put(old, other, by=admin)
    with acting("system", source="command"):
        gone = make_product()
        Product.objects.filter(pk=gone.pk).delete()
    with pytest.raises(Refused, match="do not exist any more"):
        put(new, other, gone, by=admin)
    other.refresh_from_db()
    assert other.is_active


@pytest.mark.parametrize("role", ["sales_rep", "manager", "viewer"])
def test_others_may_neither_replace_nor_copy(role):
    person, old, new = make_user(role), make_product(), make_product()
    with pytest.raises(NotAllowed):
        put(new, old, by=person)
    with pytest.raises(NotAllowed):
        take_back(Product, [old.pk], by=person)
    with pytest.raises(NotAllowed):
        copy_matrix(make_customer().pk, make_customer().pk, prices_from=None, by=person)


def copy(admin, source, target, **kw):
    next_transaction()
    with acting(admin, source="admin"):
        return copy_matrix(source.pk, target.pk, by=admin, **{"prices_from": None, **kw})


def test_one_customers_matrix_is_copied_to_another(admin):
    group, elm, fir = make_group(), make_customer(), make_customer()
    bought, both, idle, gone = (make_product(group=group) for _ in range(4))
    priced(make_entry(elm, bought, price=None, minimum_order_quantity=3), (dt.date(2026, 1, 1), 7), (JUN, 8))
    make_entry(elm, both)
    make_entry(elm, idle, is_active=False)
    make_entry(elm, gone)
    kept = make_entry(fir, both, price="5", is_active=False)
    with acting("system", source="command"):
        Product.objects.filter(pk=gone.pk).update(is_active=False)
    seen = copy(admin, elm, fir, prices_from=DEC, dry_run=True)
    assert [entry.product for entry in seen.created] == [bought] and seen.existing == [kept] and seen.prices == 2
    assert MatrixEntry.objects.filter(customer=fir).count() == 1
    copied = copy(admin, elm, fir, prices_from=DEC)
    (made,) = copied.created
    assert (made.product, made.minimum_order_quantity, prices(made)) == (bought, 3, [(DEC, 7), (JUN, 8)])
    kept.refresh_from_db()
    assert not kept.is_active and prices(kept) == [(dt.date(2020, 1, 1), 5)]
    entry = Entry.objects.get(entity_type="matrix", entity_id=str(made.pk))
    assert entry.action == "matrix_created"
    again = copy(admin, elm, fir, prices_from=DEC)
    assert (again.created, again.prices) == ([], 0)
    assert len(prices(MatrixEntry.objects.get(customer=fir, product=bought))) == 2


def test_a_copy_without_prices_has_the_list_price(admin):
    elm, fir = make_customer(), make_customer()
    make_entry(elm)
    (made,) = copy(admin, elm, fir).created
    assert prices(made) == []
    with pytest.raises(Refused, match="Choose another customer"):
        copy(admin, elm, elm)


def test_copying_costs_the_same_for_few_and_many(admin):
    counts_of = []
    # The first one also reads who asks.
    for number in (1, 2, 9):
        elm, fir, group = make_customer(), make_customer(), make_group()
        for _ in range(number):
            make_entry(elm, make_product(group=group))
        with CaptureQueriesContext(connection) as caught:
            copy(admin, elm, fir, prices_from=DEC)
        counts_of.append(len(caught))
    assert counts_of[1] == counts_of[2]
