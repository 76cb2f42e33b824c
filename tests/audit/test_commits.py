"""Row and entry are committed together, also outside a transaction of the caller's."""

import pytest
from django.db import IntegrityError

from audit.models import Entry
from masterdata.models import Customer

pytestmark = pytest.mark.usefixtures("committed", "claimed")


def test_save_in_no_transaction_writes_row_and_entry_together():
    Customer.objects.create(customer_id="C1", name="First")
    with pytest.raises(IntegrityError):
        Customer.objects.create(customer_id="C1", name="Second")
    assert Entry.objects.filter(action="customer_created").count() == 1


def test_an_entry_that_cannot_be_written_stops_the_write(monkeypatch):
    row = Customer.objects.create(customer_id="C1", name="First")

    def broken(events):
        raise RuntimeError("no trail")

    monkeypatch.setattr("audit.recording.record_many", broken)
    row.name = "Second"
    for write in (row.save, lambda: Customer.objects.update(name="Second"), row.delete, Customer.objects.all().delete):
        with pytest.raises(RuntimeError, match="no trail"):
            write()
    monkeypatch.undo()
    assert Customer.objects.get(customer_id="C1").name == "First"
