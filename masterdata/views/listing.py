"""What the lists of master data share: sorting, paging and their words in the address."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

from django.http import HttpRequest
from django.utils import timezone

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


def today() -> dt.date:
    """The day that decides which price is in force."""
    return timezone.localdate()
