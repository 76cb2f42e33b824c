"""Two admins at once on master data: one effect, no circle, no pair twice."""

import datetime as dt

import pytest

from audit.models import Entry
from masterdata.models import Customer, MatrixEntry, Price, Product
from masterdata.services import copy_matrix, replace
from sop_portal.lib.errors import Refused
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
