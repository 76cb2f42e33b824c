"""Two admins at once on master data: one effect, no circle, no pair twice."""

import datetime as dt
from decimal import Decimal
from functools import partial

import pytest
from django.db import IntegrityError

from audit.context import acting
from audit.models import Entry
from masterdata.models import Actual, Customer, MatrixEntry, Price, Product
from masterdata.services import (
    Change,
    Terms,
    Wanted,
    change_prices,
    copy_matrix,
    preview,
    remove,
    replace,
    set_matrix,
)
from sop_portal.lib.errors import Conflict, Refused, StaleRevision
from tests.api.helpers import program_of
from tests.concurrency.test_races import acts_as, at_once, refusals
from tests.factories import make_customer, make_entry, make_group, make_product, make_user

pytestmark = pytest.mark.usefixtures("committed")
DEC = dt.date(2026, 12, 1)


@pytest.fixture
def admin():
    return make_user("admin")


@pytest.mark.parametrize("turn", range(3))
@pytest.mark.parametrize(("make", "model"), [(make_product, Product), (make_customer, Customer)])
def test_two_halves_of_a_circle(make, model, turn, admin):
    a, b = make(), make()
    answers = at_once(acts_as(admin, replace, model, [a.pk], b.pk), acts_as(admin, replace, model, [b.pk], a.pk))
    (refusal,) = refusals(answers)
    assert isinstance(refusal, Refused)
    assert model.objects.filter(replaced_by__isnull=False).count() == 1
    assert model.objects.filter(is_active=False).count() == 1


def test_the_same_replacement_three_times(admin):
    old, new = make_product(), make_product()
    for _ in range(4):
        make_entry(make_customer(), old)
    acts = [acts_as(admin, replace, Product, [old.pk], new.pk, prices_from=DEC) for _ in range(3)]
    assert refusals(at_once(*acts)) == []
    assert MatrixEntry.objects.filter(product=new).count() == 4
    assert Price.objects.filter(entry__product=new).count() == 4
    assert Entry.objects.filter(entity_type="product", action="product_updated").count() == 1


def test_two_matrices_copied_to_one_customer(admin):
    """Both have one product in common; whoever comes first makes its entry."""
    group, target = make_group(), make_customer()
    shared, left, right = (make_product(group=group) for _ in range(3))
    sources = [make_customer(), make_customer()]
    for source, own, price in ((sources[0], left, "1"), (sources[1], right, "2")):
        make_entry(source, shared, price=price)
        make_entry(source, own, price=price)
    acts = [acts_as(admin, copy_matrix, source.pk, target.pk, prices_from=DEC) for source in sources for _ in range(2)]
    assert refusals(at_once(*acts)) == []
    found = {
        entry.product: [price.unit_price for price in entry.prices.all()]
        for entry in MatrixEntry.objects.filter(customer=target)
    }
    assert found[left] == [1] and found[right] == [2] and found[shared] in ([1], [2])
    assert Entry.objects.filter(entity_type="matrix", action="matrix_created", source="web").count() == 3


@pytest.mark.parametrize("turn", range(3))
def test_a_price_change_sent_twice_at_once(turn, admin):
    entries = [make_entry(make_customer(), price="10") for _ in range(3)]
    change = Change(valid_from=DEC, percent=Decimal(10), customers=[entry.customer_id for entry in entries])
    seen = preview(change, by=admin).fingerprint
    answers = at_once(*[acts_as(admin, change_prices, change, seen=seen) for _ in range(3)])
    assert refusals(answers) == []
    assert list(Price.objects.filter(valid_from=DEC).values_list("unit_price", flat=True)) == [11] * 3
    assert Entry.objects.filter(entity_type="price", source="web").count() == 3
    assert sum(len(answer.written) for answer in answers) == 3


@pytest.mark.parametrize("turn", range(3))
def test_two_admins_save_one_customers_matrix(turn, admin):
    """They saw the same page: one of them is told, nothing is lost and no pair made twice."""
    customer, product = make_customer(), make_product()
    wanted = [Wanted(product.pk, Terms(), Terms(True, Decimal(n), None, Decimal(n))) for n in (1, 2)]
    acts = [acts_as(admin, set_matrix, customer.pk, [one], valid_from=DEC) for one in wanted]
    (refusal,) = refusals(at_once(*acts))
    assert isinstance(refusal, StaleRevision)
    entry = MatrixEntry.objects.get()
    assert entry.minimum_order_quantity == entry.prices.get().unit_price


@pytest.mark.parametrize("turn", range(4))
def test_a_customer_deleted_while_something_is_sold_to_them(turn, admin):
    """Either the customer goes and the actual is refused, or it is there and the customer is kept."""
    customer, product = make_customer(), make_product()

    def sell():
        with acting(admin, source="web"):
            try:
                Actual.objects.create(customer=customer, product=product, period=DEC, quantity=1, amount=1)
            except IntegrityError:
                return "refused"
        return "sold"

    sold, removed = at_once(sell, acts_as(admin, remove, Customer, [customer.pk]))
    if sold == "sold" and Actual.objects.exists():
        assert Customer.objects.filter(pk=customer.pk).exists()
        assert isinstance(removed, Conflict) or list(removed.kept)
    else:
        assert not Customer.objects.filter(pk=customer.pk).exists() and removed.deleted


def test_a_code_in_other_capitals_is_added_once(admin):
    program = program_of(admin)
    bodies = [{"customer_id": code, "name": "Elm"} for code in ("elm-1", "ELM-1", "Elm-1")]
    answers = at_once(*[partial(program, "POST", "/customers", body) for body in bodies])
    assert sorted(answer.status_code for answer in answers) == [201, 422, 422]
    assert Customer.objects.count() == 1
