"""Prospects made at the same time, by imports or otherwise: every one has a code of its own."""

import pytest
from django.db import transaction

from audit.context import acting
from masterdata.models import Customer, CustomerAlias
from masterdata.upserts import create_prospects
from tests.concurrency.test_races import acts_as, at_once
from tests.factories import make_user

pytestmark = pytest.mark.usefixtures("committed")


@pytest.mark.parametrize("turn", range(3))
def test_prospects_made_at_once_get_different_codes(turn):
    admin, rep = make_user("admin"), make_user("sales_rep")

    def make(name, *, by):
        with transaction.atomic():
            return [customer.customer_id for customer in create_prospects({name: name}, reps={name: rep}).values()]

    answers = at_once(*(acts_as(admin, make, f"Prospect {n}") for n in range(6)))
    assert sorted(code for codes in answers for code in codes) == [f"NEW-{n:05d}" for n in range(1, 7)]
    assert set(Customer.objects.values_list("customer_id", "sales_rep")) == {
        (f"NEW-{n:05d}", rep.pk) for n in range(1, 7)
    }  # fmt: skip
    assert CustomerAlias.objects.filter(key__startswith="new-").count() == 6


def test_a_code_given_back_by_a_rollback_is_given_again():
    with acting("system", source="command"), transaction.atomic():
        create_prospects({"a": "A"}, reps={})
        transaction.set_rollback(True)
    with acting("system", source="command"), transaction.atomic():
        (made,) = create_prospects({"b": "B"}, reps={}).values()
    assert made.customer_id == "NEW-00001"
