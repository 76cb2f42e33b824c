"""Writes of master data that are more than saving one row."""

from collections.abc import Iterable
from typing import Any

from django.db import transaction

from masterdata.models import Customer
from masterdata.signals import customers_assigned
from sop_portal.accounts.models import User
from sop_portal.lib.errors import NotAllowed, Refused

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

    Returns those whose rep changed, in the order of their keys. Raises Refused for a rep who is not active or may not
    forecast, and for customers that do not exist; NotAllowed without the permission.
    """
    if not by.has_perm("masterdata.change_customer"):
        raise NotAllowed("Only an S&OP admin assigns customers to reps.")
    if sentence := not_a_rep(rep):
        raise Refused({"rep": sentence})
    wanted = set(customer_ids)
    customers = list(Customer.objects.filter(pk__in=wanted).select_for_update().order_by("pk"))
    if len(customers) != len(wanted):
        raise Refused({"customers": "Some of these customers do not exist any more; reload the list."})
    changed = [customer for customer in customers if customer.sales_rep_id != (rep.pk if rep else None)]
    for customer in changed:
        customer.sales_rep = rep
    Customer.objects.bulk_update(changed, ["sales_rep"])
    if changed:
        customers_assigned.send(sender=Customer, customer_ids=[customer.pk for customer in changed], rep=rep, by=by)
    return changed
