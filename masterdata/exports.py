"""Which rows a file of the data pages holds: exactly the list that the same address shows."""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.http import QueryDict

from masterdata import details, lists, sales
from masterdata.filters import BudgetFilter, CustomerFilter, ListFilter, PairFilter, ProductFilter, SalesFilter
from masterdata.models import ImportRun, MatrixEntry
from masterdata.scope import COSTS
from sop_portal.accounts.models import User
from sop_portal.lib.errors import NotAllowed, Refused


@dataclass(frozen=True)
class Wanted:
    """The rows of a file, the columns that order them (none: by their keys), and those that the reader may not see."""

    rows: Any
    order: Sequence[str] = ()
    leave_out: frozenset[str] = frozenset()


def wanted(kind: str, query: QueryDict, user: Any, today: dt.date) -> Wanted:
    """What the address asks for. Raises Refused for filters without sense, NotAllowed, KeyError for unknown kinds."""
    found = _ROWS[kind](query, user, today)
    return Wanted(found.rows, found.order, hidden_from(user))


def hidden_from(user: Any) -> frozenset[str]:
    """The columns that `user` may not see."""
    return frozenset() if user.has_perm("masterdata.view_cost") else COSTS


def _checked(form: ListFilter) -> None:
    """Refuse a filter that makes no sense: a file of nothing would look like an answer."""
    if not form.is_valid():
        raise Refused({form.fields[name].label: " ".join(map(str, errors)) for name, errors in form.errors.items()})


def _customers(query: QueryDict, user: Any, today: dt.date) -> Wanted:
    form = CustomerFilter(query, user)
    _checked(form)
    return Wanted(form.apply(), lists.order(query.get("sort", ""), lists.CUSTOMERS))


def _products(query: QueryDict, user: Any, today: dt.date) -> Wanted:
    form = ProductFilter(query, user)
    _checked(form)
    return Wanted(form.apply(), lists.order(query.get("sort", ""), lists.PRODUCTS))


def _matrix(query: QueryDict, user: Any, today: dt.date) -> Wanted:
    form = PairFilter(query, user)
    _checked(form)
    return Wanted(form.apply(MatrixEntry.objects.visible_to(user)))


def _actuals(query: QueryDict, user: Any, today: dt.date) -> Wanted:
    form = SalesFilter(query, user, *details.usual_months(sales.loaded(today)))
    _checked(form)
    return Wanted(form.in_months(form.apply()), lists.order(query.get("sort", ""), lists.SALES))


def _budget(query: QueryDict, user: Any, today: dt.date) -> Wanted:
    form = BudgetFilter(query, user)
    _checked(form)
    return Wanted(form.apply(), lists.order(query.get("sort", ""), lists.BUDGETS))


def _users(query: QueryDict, user: Any, today: dt.date) -> Wanted:
    if not user.has_perm("accounts.manage_users"):
        raise NotAllowed("Only an S&OP admin takes the list of users away.")
    return Wanted(User.objects.visible_to(user))


_ROWS: Mapping[str, Callable[[QueryDict, Any, dt.date], Wanted]] = {
    ImportRun.Kind.CUSTOMERS: _customers,
    ImportRun.Kind.PRODUCTS: _products,
    ImportRun.Kind.MATRIX: _matrix,
    ImportRun.Kind.ACTUALS: _actuals,
    ImportRun.Kind.BUDGET: _budget,
    ImportRun.Kind.USERS: _users,
}
