"""What master data leaves open before a plan is made of it; each question is a queryset, whatever the number of rows."""

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db.models import Exists, F, Max, OuterRef, Q

from masterdata.models import Actual, Customer, MatrixEntry, Price
from masterdata.services.assigning import sales_reps
from sop_portal.accounts.models import User
from sop_portal.lib import periods
from sop_portal.mail.models import OutboxMail

# A domain that is reserved for addresses which reach nobody (RFC 2606).
_NOWHERE = ".invalid"


def unpriced_pairs(first: dt.date) -> Any:
    """Entries a rep would plan that have no price on the day `first`, neither the customer's nor the list price."""
    own = Price.objects.filter(entry=OuterRef("pk"), valid_from__lte=first)
    return (
        MatrixEntry.objects.in_use()
        .filter(~Exists(own), product__list_price=None, customer__sales_rep__is_active=True)
        .select_related("customer", "product")
        .order_by("customer__name", "product__item_code", "pk")
    )


def _with_products() -> Any:
    entries = MatrixEntry.objects.in_use().filter(customer=OuterRef("pk"))
    return Customer.objects.active().filter(Exists(entries)).select_related("sales_rep").order_by("name", "pk")


def customers_without_rep() -> Any:
    """Active customers with products that nobody serves."""
    return _with_products().filter(sales_rep=None)


def customers_of_inactive_reps() -> Any:
    """Active customers with products whose rep cannot sign in."""
    return _with_products().filter(sales_rep__is_active=False)


def reps_without_customers() -> Any:
    """Active sales reps who serve nobody; those who run cycles may forecast for others and are none of them."""
    served = Customer.objects.active().filter(sales_rep=OuterRef("pk"))
    stewards = User.objects.with_permission("masterdata.change_customer")
    return sales_reps().filter(~Exists(served)).exclude(pk__in=stewards.order_by().values("pk"))


def proposed_pairs() -> Any:
    """Entries that reps proposed and nobody looked at."""
    return (
        MatrixEntry.objects.in_use()
        .filter(proposed_by__isnull=False)
        .select_related("customer", "product", "proposed_by")
        .order_by("customer__name", "product__item_code", "pk")
    )


def missing_actuals(until: dt.date) -> Sequence[dt.date]:
    """The months up to `until` for which no actual is loaded, from the one after the newest; all but one are gaps.

    Without any actual only `until` itself.
    """
    last = Actual.objects.filter(period__lte=until).aggregate(last=Max("period"))["last"]
    first = periods.shift(last, 1) if last else until
    return periods.span(first, periods.between(first, until) + 1)


def newest_actuals() -> dt.date | None:
    """The newest month of which anything is loaded."""
    newest: dt.date | None = Actual.objects.aggregate(last=Max("period"))["last"]
    return newest


def people_concerned() -> Any:
    """The active reps with customers, and their managers."""
    reps = Customer.objects.active().filter(sales_rep__is_active=True).order_by().values("sales_rep")
    managers = User.objects.filter(pk__in=reps, manager__is_active=True).order_by().values("manager")
    return User.objects.active().filter(Q(pk__in=reps) | Q(pk__in=managers)).order_by("full_name", "pk")


def unreachable(people: Iterable[Any]) -> list[tuple[Any, str]]:
    """Those of `people` whom no mail reaches, with the reason: a bad address, or the last mail to it failed."""
    known = list(people)
    newest = (
        OutboxMail.objects.filter(user__in=known, address=F("user__email"))
        .filter(state__in=[OutboxMail.State.SENT, OutboxMail.State.FAILED])
        .order_by("user", "-created_at", "-pk")
        .distinct("user")
    )
    failed = {user for user, state in newest.values_list("user", "state") if state == OutboxMail.State.FAILED}
    found = []
    for person in known:
        if sentence := _bad_address(person.email):
            found.append((person, sentence))
        elif person.pk in failed:
            found.append((person, f"the last mail to {person.email} could not be delivered"))
    return found


def _bad_address(address: str) -> str:
    if not address:
        return "no address"
    try:
        validate_email(address)
    except ValidationError:
        return f"{address} is no e-mail address"
    return f"{address} reaches nobody" if address.lower().endswith(_NOWHERE) else ""
