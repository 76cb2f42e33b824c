"""Changing prices by a percentage or an amount, and the matrix of one customer."""

import datetime as dt
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit.context import acting
from audit.models import Entry
from masterdata.models import Customer, MatrixEntry, Price, Product
from masterdata.services import Change, Terms, Wanted, change_prices, preview, set_matrix
from sop_portal.lib.errors import Conflict, NotAllowed, Refused, StaleRevision
from tests.factories import make_customer, make_entry, make_group, make_product, make_user
from tests.world import next_transaction

pytestmark = pytest.mark.django_db
DAY, OLD, LATER = dt.date(2027, 3, 1), dt.date(2026, 1, 1), dt.date(2027, 6, 1)


@pytest.fixture
def admin():
    return make_user("admin")


def priced(entry, *prices):
    with acting("system", source="command"):
        for day, amount in prices:
            Price.objects.update_or_create(entry=entry, valid_from=day, defaults={"unit_price": Decimal(amount)})
    return entry


def prices(entry):
    return list(entry.prices.order_by("valid_from").values_list("valid_from", "unit_price"))


def apply(admin, seen="", **kw):
    next_transaction()
    with acting(admin, source="admin"):
        return change_prices(Change(valid_from=DAY, **kw), by=admin, seen=seen)


def by_state(repriced):
    return {str(row.entry.product.item_code): (row.state, row.before, row.after) for row in repriced.rows}


class TestChangePrices:
    def test_a_group_by_a_percentage(self, admin):
        above = make_group()
        group, other = make_group(parent=above), make_group()
        customer = make_customer()
        own = priced(make_entry(customer, make_product(item_code="OWN", group=group), price=None), (OLD, "10.01"))
        priced(own, (LATER, 20))
        listed = make_product(item_code="LISTED", group=above, list_price=Decimal("0.0333"))
        make_entry(customer, listed, price=None)
        make_entry(customer, make_product(item_code="NONE", group=group), price=None)
        make_entry(customer, make_product(item_code="IDLE", group=group), is_active=False)
        make_entry(customer, make_product(item_code="GONE", group=group, is_active=False))
        make_entry(customer, make_product(item_code="OTHER", group=other))
        wanted = {"group": above.pk, "percent": Decimal("2.5")}
        seen = preview(Change(valid_from=DAY, **wanted), by=admin)
        assert by_state(seen) == {
            "OWN": ("new", Decimal("10.01"), Decimal("10.2603")),  # 10.26025, half goes up
            "LISTED": ("new", Decimal("0.0333"), Decimal("0.0341")),  # 0.0341325
            "NONE": ("none", None, None),
        }
        assert {row.entry.product.item_code: row.later for row in seen.rows}["OWN"] == 1
        assert not Price.objects.filter(valid_from=DAY).exists()
        done = apply(admin, seen=seen.fingerprint, **wanted)
        assert len(done.written) == 2
        assert prices(own) == [(OLD, Decimal("10.01")), (DAY, Decimal("10.2603")), (LATER, Decimal(20))]
        entry = Entry.objects.filter(entity_type="price", action="price_created", source="admin").latest("pk")
        assert entry.actor_id == admin.pk and "from 2027-03-01" in entry.label

    def test_customers_by_an_amount(self, admin):
        elm, fir = make_customer(), make_customer()
        product = make_product(item_code="P")
        mine, theirs = make_entry(elm, product, price="3"), make_entry(fir, product, price="3")
        apply(admin, customers=[elm.pk], amount=Decimal("-0.5"))
        assert prices(mine)[-1] == (DAY, Decimal("2.5"))
        assert len(prices(theirs)) == 1

    def test_the_same_request_again_is_one_effect(self, admin):
        entry = make_entry(make_customer(), price="10")
        wanted = {"customers": [entry.customer_id], "percent": Decimal(10)}
        seen = preview(Change(valid_from=DAY, **wanted), by=admin).fingerprint
        apply(admin, seen=seen, **wanted)
        again = apply(admin, seen=seen, **wanted)
        assert [row.state for row in again.rows] == ["same"] and again.written == []
        assert prices(entry)[1:] == [(DAY, Decimal(11))]
        assert Entry.objects.filter(entity_type="price", source="admin").count() == 1

    def test_a_price_that_starts_on_that_day_is_kept_unless_asked(self, admin):
        entry = priced(make_entry(make_customer(), price="10"), (DAY, 15))
        wanted = {"customers": [entry.customer_id], "percent": Decimal(10)}
        assert [row.state for row in apply(admin, **wanted).rows] == ["kept"]
        assert prices(entry)[1] == (DAY, Decimal(15))
        # A slip corrected: from the price of the day before, as the first time.
        assert [row.state for row in apply(admin, replaces=True, **wanted).rows] == ["changed"]
        assert prices(entry)[1] == (DAY, Decimal(11))
        entry_of_trail = Entry.objects.filter(entity_type="price", action="price_updated").latest("pk")
        assert entry_of_trail.changes == {"unit_price": ["15", "11"]}

    def test_below_zero_is_refused_and_nothing_written(self, admin):
        customer = make_customer(name="Elm")
        cheap = make_entry(customer, make_product(item_code="CHEAP", description="x"), price="0.4")
        dear = make_entry(customer, make_product(item_code="DEAR"), price="9")
        with pytest.raises(Refused, match=r"Elm · CHEAP x from 0.4000 to -0.1000"):
            apply(admin, customers=[customer.pk], amount=Decimal("-0.5"))
        assert len(prices(cheap)) == len(prices(dear)) == 1
        apply(admin, customers=[customer.pk], percent=Decimal(-100))
        assert prices(dear)[-1] == (DAY, Decimal(0))
        with pytest.raises(Refused, match="from 0 to"):
            apply(admin, customers=[customer.pk], amount=Decimal("9999999999"), replaces=True)

    @pytest.mark.parametrize(
        "wanted",
        [
            {"group": 1}, {"group": 1, "percent": Decimal(1), "amount": Decimal(1)}, {"percent": Decimal(1)},
            {"group": 1, "percent": Decimal("-100.1")}, {"group": 1, "percent": Decimal("1e30")},
            {"group": 1, "percent": Decimal("NaN")}, {"group": 1, "amount": Decimal("Infinity")},
        ],
    )  # fmt: skip
    def test_what_makes_no_sense_is_refused(self, admin, wanted):
        for act in (preview, change_prices):
            with acting(admin, source="admin"), pytest.raises(Refused):
                act(Change(valid_from=DAY, **wanted), by=admin)

    def test_prices_that_moved_since_the_preview_are_not_overrun(self, admin):
        entry = make_entry(make_customer(), price="10")
        wanted = {"customers": [entry.customer_id], "percent": Decimal(10)}
        seen = preview(Change(valid_from=DAY, **wanted), by=admin).fingerprint
        priced(entry, (dt.date(2027, 2, 1), 12))
        with pytest.raises(Conflict, match="since you looked"):
            apply(admin, seen=seen, **wanted)
        assert len(prices(entry)) == 2

    def test_it_costs_the_same_for_few_and_many(self, admin):
        counts = []
        for number in (1, 2, 12):
            customer, group = make_customer(), make_group()
            for _ in range(number):
                make_entry(customer, make_product(group=group))
            with CaptureQueriesContext(connection) as caught:
                apply(admin, group=group.pk, percent=Decimal(1))
            counts.append(len(caught))
        assert counts[1] == counts[2]

    @pytest.mark.parametrize("role", ["sales_rep", "manager", "viewer"])
    def test_others_may_not(self, role):
        person = make_user(role)
        for act in (preview, change_prices):
            with pytest.raises(NotAllowed):
                act(Change(valid_from=DAY, group=1, percent=Decimal(1)), by=person)


def save(admin, customer, *wanted, valid_from=DAY, **kw):
    next_transaction()
    with acting(admin, source="admin"):
        return set_matrix(customer.pk, wanted, valid_from=valid_from, by=admin, **kw)


def terms(active=True, low=None, high=None, price=None):
    return Terms(active, *(None if value is None else Decimal(value) for value in (low, high, price)))


class TestSetMatrix:
    def test_products_are_ticked_with_prices_and_quantities_in_one_go(self, admin):
        customer, group = make_customer(), make_group()
        new, bought, dropped, same = (make_product(group=group) for _ in range(4))
        entries = {product: make_entry(customer, product, price="10") for product in (bought, dropped, same)}
        before = terms(price="10")
        saved = save(
            admin, customer,
            Wanted(new.pk, Terms(), terms(low="2", high="9", price="7.5")),
            Wanted(bought.pk, before, terms(low="1", price="11")),
            Wanted(dropped.pk, before, terms(active=False, price="10")),
            Wanted(same.pk, before, before),
        )  # fmt: skip
        assert (saved.created, saved.changed, saved.prices) == (1, 2, 2)
        made = MatrixEntry.objects.get(customer=customer, product=new)
        assert (made.minimum_order_quantity, made.maximum_order_quantity, prices(made)) == (
            2,
            9,
            [(DAY, Decimal("7.5"))],
        )
        assert prices(entries[bought])[1:] == [(DAY, Decimal(11))]
        kept = MatrixEntry.objects.get(pk=entries[dropped].pk)
        assert not kept.is_active and len(prices(kept)) == 1
        trail = dict(Entry.objects.filter(entity_type="matrix", source="admin").values_list("entity_id", "action"))
        assert trail == {
            str(made.pk): "matrix_created", str(entries[bought].pk): "matrix_updated", str(kept.pk): "matrix_updated",
        }  # fmt: skip

    @pytest.mark.parametrize("day", [dt.date(1999, 12, 31), dt.date(9999, 12, 31)])
    def test_prices_start_on_days_that_a_plan_may_have(self, admin, day):
        customer, product = make_customer(), make_product()
        with pytest.raises(Refused, match="from 2000 to 2199"):
            save(admin, customer, Wanted(product.pk, Terms(), terms(price="7")), valid_from=day)
        assert not MatrixEntry.objects.exists()
        wanted = Change(valid_from=day, customers=[customer.pk], percent=Decimal(1))
        for act in (preview, change_prices):
            with acting(admin, source="admin"), pytest.raises(Refused, match="from 2000 to 2199"):
                act(wanted, by=admin)

    def test_the_same_request_again_is_one_effect(self, admin):
        customer, product = make_customer(), make_product()
        wanted = Wanted(product.pk, Terms(), terms(low="2", price="7"))
        save(admin, customer, wanted)
        again = save(admin, customer, wanted)
        assert (again.created, again.changed, again.prices) == (0, 0, 0)
        assert Price.objects.count() == MatrixEntry.objects.count() == 1

    def test_a_later_day_is_chosen_without_reloading(self, admin):
        """What was seen were the prices of one day; those that start on another are compared with that day's."""
        entry = priced(make_entry(make_customer(), price="10"), (LATER, 12))
        wanted = Wanted(entry.product_id, terms(price="10"), terms(low="5", price="10"))
        save(admin, entry.customer, wanted, valid_from=LATER, seen_on=DAY)
        assert prices(entry)[1:] == [(LATER, Decimal(12))]  # nobody typed a price
        wanted = Wanted(entry.product_id, terms(low="5", price="10"), terms(low="5", price="13"))
        save(admin, entry.customer, wanted, valid_from=LATER, seen_on=DAY)
        assert prices(entry)[1:] == [(LATER, Decimal(13))]

    def test_somebody_elses_change_is_not_overwritten(self, admin):
        entry = make_entry(make_customer(), make_product(item_code="P1", description="Garlic"), price="10")
        seen = terms(price="10")
        save(admin, entry.customer, Wanted(entry.product_id, seen, terms(low="5", price="10")))
        with pytest.raises(StaleRevision, match="Somebody else changed P1 Garlic since you loaded"):
            save(admin, entry.customer, Wanted(entry.product_id, seen, terms(high="50", price="10")))
        entry.refresh_from_db()
        assert (entry.minimum_order_quantity, entry.maximum_order_quantity) == (5, None)

    def test_what_makes_no_sense_is_refused_row_by_row_and_nothing_written(self, admin):
        customer, group = make_customer(), make_group()
        good, crossed, negative, unticked, cleared = (make_product(group=group) for _ in range(5))
        make_entry(customer, cleared, price="10")
        with pytest.raises(Refused) as refused:
            save(
                admin, customer,
                Wanted(good.pk, Terms(), terms()),
                Wanted(crossed.pk, Terms(), terms(low="5", high="4")),
                Wanted(negative.pk, Terms(), terms(price="-1")),
                Wanted(unticked.pk, Terms(), terms(active=False, price="3")),
                Wanted(cleared.pk, terms(price="10"), terms()),
                Wanted(10**9, Terms(), terms()),
            )  # fmt: skip
        assert set(refused.value.lines) == {crossed.pk, negative.pk, unticked.pk, cleared.pk, 10**9}
        assert "below the minimum" in refused.value.lines[crossed.pk]
        assert "tick it first" in refused.value.lines[unticked.pk]
        assert "not taken away here" in refused.value.lines[cleared.pk]
        assert MatrixEntry.objects.count() == 1

    def test_it_costs_the_same_for_few_and_many(self, admin):
        counts = []
        for number in (1, 2, 12):
            customer, group = make_customer(), make_group()
            wanted = []
            for n in range(2 * number):
                product = make_product(group=group)
                if n % 2:
                    make_entry(customer, product, price="10")
                wanted.append(Wanted(product.pk, terms(price="10") if n % 2 else Terms(), terms(low="1", price="12")))
            with CaptureQueriesContext(connection) as caught:
                save(admin, customer, *wanted)
            counts.append(len(caught))
        assert counts[1] == counts[2]

    @pytest.mark.parametrize("role", ["sales_rep", "manager", "viewer"])
    def test_others_may_not(self, role):
        with pytest.raises(NotAllowed):
            save(make_user(role), make_customer())

    def test_a_customer_who_is_gone(self, admin):
        customer = make_customer()
        with acting("system", source="command"):
            Customer.objects.filter(pk=customer.pk).delete()
        with pytest.raises(Refused, match="does not exist any more"):
            save(admin, customer, Wanted(make_product().pk, Terms(), terms()))
        assert Product.objects.count() == 1
