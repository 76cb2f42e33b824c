"""Which rows a file of the data pages holds: exactly the list that the same address shows."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.http import QueryDict

from masterdata import details, lists, sales
from masterdata.filters import BudgetFilter, CustomerFilter, ListFilter, PairFilter, ProductFilter, SalesFilter
from masterdata.models import ImportRun
from masterdata.scope import COSTS
from sop_portal.accounts.models import User
from sop_portal.lib.errors import NotAllowed, Refused


@dataclass(frozen=True)
class Wanted:
    """The rows of a file, the columns that order them (none: by their keys), and those that the reader may not see."""

    rows: Any
    order: Sequence[str] = ()
    leave_out: frozenset[str] = frozenset()


# The form by which the page of a list is filtered; users are filtered by the admin alone.
FILTERS: Mapping[str, type[ListFilter]] = {
    ImportRun.Kind.CUSTOMERS: CustomerFilter,
    ImportRun.Kind.PRODUCTS: ProductFilter,
    ImportRun.Kind.MATRIX: PairFilter,
    ImportRun.Kind.ACTUALS: SalesFilter,
    ImportRun.Kind.BUDGET: BudgetFilter,
}
# What the address may order a list by.
SORTS: Mapping[str, Mapping[str, Sequence[str]]] = {
    ImportRun.Kind.CUSTOMERS: lists.CUSTOMERS,
    ImportRun.Kind.PRODUCTS: lists.PRODUCTS,
    ImportRun.Kind.ACTUALS: lists.SALES,
    ImportRun.Kind.BUDGET: lists.BUDGETS,
}


def wanted(kind: str, query: QueryDict, user: Any, today: dt.date) -> Wanted:
    """What the address asks for. Raises Refused for filters without sense, NotAllowed, KeyError for unknown kinds."""
    rows = _users(user) if kind == ImportRun.Kind.USERS else _listed(kind, query, user, today)
    order = lists.order(query.get("sort", ""), SORTS[kind]) if kind in SORTS else ()
    return Wanted(rows, order, hidden_from(user))


def hidden_from(user: Any) -> frozenset[str]:
    """The columns that `user` may not see."""
    return frozenset() if user.has_perm("masterdata.view_cost") else COSTS


def _listed(kind: str, query: QueryDict, user: Any, today: dt.date) -> Any:
    """The rows that every filter lets through. Raises Refused: a file of nothing would look like an answer."""
    # Sales of every month ever are more than anybody means.
    months = details.usual_months(sales.loaded(today)) if kind == ImportRun.Kind.ACTUALS else ()
    form: Any = FILTERS[kind](query, user, *months)
    if not form.is_valid():
        raise Refused({form.fields[name].label: " ".join(map(str, errors)) for name, errors in form.errors.items()})
    return form.in_months(form.apply()) if months else form.apply()


def _users(user: Any) -> Any:
    if not user.has_perm("accounts.manage_users"):
        raise NotAllowed("Only an S&OP admin takes the list of users away.")
    return User.objects.visible_to(user)
