"""Products that reps offer to their customers: entries of the matrix that admins look at later."""

from typing import Any

from django.db import transaction

from masterdata.models import Customer, MatrixEntry, Product


@transaction.atomic
def entry_for(customer: Customer, product: Product, *, by: Any) -> MatrixEntry:
    """The active matrix entry of a pair, made or activated when it is missing.

    One that `by` made or activated without the right to keep the matrix is marked as proposed by them. The caller has
    made sure that `by` serves the customer.
    """
    proposed = None if by.has_perm("masterdata.change_matrixentry") else by
    fresh = MatrixEntry(customer=customer, product=product, proposed_by=proposed)
    # Two who offer the same product at once find one entry.
    MatrixEntry.objects.bulk_create([fresh], ignore_conflicts=True)
    entry = MatrixEntry.objects.select_for_update(no_key=True).get(customer=customer, product=product)
    if not entry.is_active:
        entry.is_active, entry.proposed_by = True, proposed
        entry.save(update_fields=["is_active", "proposed_by"])
    return entry
