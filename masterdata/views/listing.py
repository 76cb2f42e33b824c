"""What the lists of master data share: filters, sorting, paging and their words in the address."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from masterdata import lists, sales
from masterdata.filters import CustomerFilter, ListFilter, ProductFilter
from sop_portal.lib import keyset


def page_of(request: HttpRequest, rows: Any, columns: Sequence[str]) -> keyset.Page:
    """The page of `rows` that the address names."""
    query = request.GET
    return keyset.Page(
        rows, columns, size=keyset.page_size(query), after=query.get("after", ""), before=query.get("before", "")
    )


def address(request: HttpRequest, *left_out: str) -> str:
    """What filters and orders a list, without its page and without the parameters `left_out`."""
    query = request.GET.copy()
    for name in ("after", "before", "page", "size", *left_out):
        query.pop(name, None)
    for name in [name for name, value in query.items() if not value]:
        del query[name]
    return query.urlencode()


def kept(request: HttpRequest, *names: str) -> list[tuple[str, str]]:
    """Parameters that a form of filters sends along, though it has no field for them."""
    return [(name, request.GET[name]) for name in names if request.GET.get(name)]


def listed(
    request: HttpRequest, form: ListFilter, found: Any, sorts: Mapping[str, Sequence[str]], word: str
) -> tuple[Sequence[Any], dict[str, Any]]:
    """The rows of `found` that the address asks for, and what every list shows around them.

    sorts: the orders of the list; word: what one of its rows is called.
    """
    page = page_of(request, found, lists.order(request.GET.get("sort", ""), sorts))
    total = keyset.count_text(found, word)
    return page.rows, {
        "form": form,
        "kept": kept(request, "sort", "size"),
        "total": total,
        "query": address(request),
        "pager": keyset.pager(page, request.GET, total),
    }


def list_with_sales(
    request: HttpRequest,
    form: CustomerFilter | ProductFilter,
    *,
    by: str,
    related: str,
    sorts: Mapping[str, Sequence[str]],
    what: str,
) -> HttpResponse:
    """The list of customers or of products in scope, each with what it sold.

    by: "customer" or "product"; related: the row that each shows besides; what: "Sales to", "Sales of".
    """
    found = form.apply()
    page, context = listed(request, form, found.select_related(related), sorts, by)
    known = sales.loaded(today())
    context |= {
        "rows": lists.with_figures(request.user, page, by, known),
        "last": known.last,
        "finding": lists.finding(request.user, found, by, known, f"{what} {context['total']}"),
    }
    return render(request, f"masterdata/{by}_list.html", context, status=200 if form.is_valid() else 422)


def linked(model: Any, user: Any, keys: Iterable[int | None]) -> set[int]:
    """Those of a page whose own pages `user` may open; the customer that somebody's customer replaced may be another's."""
    return set(model.objects.visible_to(user).filter(pk__in={*keys} - {None}).values_list("pk", flat=True))


def today() -> dt.date:
    """The day that decides which price is in force."""
    return timezone.localdate()
