"""Who serves which customer."""

from collections.abc import Iterable
from typing import Any

from django.db import transaction

from masterdata.models import Customer
from masterdata.services.access import require
from masterdata.signals import assignment_asked, customers_assigned
from sop_portal.accounts.models import User
from sop_portal.lib.errors import Refused

# What makes a sales rep; the permission belongs to lines, which stand above master data.
FORECASTS = "forecasts.edit_own_lines"


def sales_reps() -> Any:
    """The active users who may serve customers, by name."""
    return User.objects.active().with_permission(FORECASTS).order_by("full_name", "pk")


def not_a_rep(person: Any) -> str:
    """Why `person` cannot serve customers, "" when they can or are nobody."""
    if person is None or (person.is_active and person.has_perm(FORECASTS)):
        return ""
    return f"{person} is not an active sales rep; choose one, or give them the role sales_rep first."


@transaction.atomic
def assign_customers(customer_ids: Iterable[int], rep: Any, by: Any) -> list[Customer]:
    """Give customers to another sales rep, or to nobody when `rep` is None; all of them or none.

    What hangs on them follows in the same transaction, by `customers_assigned`: their lines of an open cycle.
    Returns those whose rep changed, in the order of their keys. Raises Refused for a rep who is not active or may not
    forecast, and for customers that do not exist; NotAllowed without the permission.
    """
    require(by, "change_customer", "Only an S&OP admin assigns customers to reps.")
    if sentence := not_a_rep(rep):
        raise Refused({"rep": sentence})
    wanted = set(customer_ids)
    # Not the keys: lines and actuals that point at these customers may be written meanwhile.
    customers = list(Customer.objects.filter(pk__in=wanted).select_for_update(no_key=True).order_by("pk"))
    if len(customers) != len(wanted):
        raise Refused({"customers": "Some of these customers do not exist any more; reload the list."})
    changed = [customer for customer in customers if customer.sales_rep_id != (rep.pk if rep else None)]
    if not changed:
        return []
    ids = [customer.pk for customer in changed]
    Customer.objects.filter(pk__in=ids).update(sales_rep=rep)
    for customer in changed:
        customer.sales_rep = rep
    customers_assigned.send(sender=Customer, customer_ids=ids, rep=rep, by=by)
    return changed


def what_follows(customer_ids: Iterable[int]) -> list[str]:
    """Sentences about what else would move with these customers, for the page that asks whom to give them."""
    answers = assignment_asked.send(sender=Customer, customer_ids=list(customer_ids))
    return [sentence for _, sentence in answers if sentence]
