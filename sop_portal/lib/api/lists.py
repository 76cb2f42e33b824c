"""Lists: filters by django-filter, order and search by name, pages by number.

Rows come from the database as dictionaries (`values`), not as objects that a serializer takes apart: a page of a thousand
costs a tenth of that. What is counted beyond COUNTED is said to be more.
"""

import re
from collections import defaultdict
from collections.abc import Container, Iterable, Mapping
from functools import cached_property, lru_cache
from typing import Any, ClassVar

from django.db.models import Model, Q, QuerySet
from django.http import QueryDict
from django_filters.rest_framework import DjangoFilterBackend, FilterSet, MultipleChoiceFilter
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response

from sop_portal.lib.api.problems import Fault, Invalid
from sop_portal.lib.api.routes import with_query
from sop_portal.lib.api.views import ApiView
from sop_portal.lib.keys import one_of

PAGE_SIZE, LARGEST_PAGE = 50, 1_000
# A count beyond this costs more than the page.
COUNTED = 10_000
_LAST = 10_000_000
# Parameters that may be empty: searching for nothing finds everything.
SEARCHES = ("search", "q")
_OWN = ("page", "page_size", "ordering", "search")


class Pages(BasePagination):
    """What a page of a list looks like, for its description; `ListView` cuts them itself."""

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """The envelope of a page."""
        address = {"type": ["string", "null"], "format": "uri"}
        return {
            "type": "object",
            "required": ["count", "next", "previous", "results"],
            "properties": {
                "count": {
                    "type": "integer",
                    "description": f"How many rows there are; {COUNTED + 1:,} stands for more than {COUNTED:,}.",
                },
                "next": {**address, "description": "The next page; null on the last."},
                "previous": {**address, "description": "The page before; null on the first."},
                "results": schema,
            },
        }

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        """The parameters of paging."""
        whole_number = {"type": "integer", "minimum": 1}
        return [
            {"name": "page", "in": "query", "description": "The page, from 1.",
             "schema": {**whole_number, "maximum": _LAST, "default": 1}},
            {"name": "page_size", "in": "query", "description": "How many rows a page has.",
             "schema": {**whole_number, "maximum": LARGEST_PAGE, "default": PAGE_SIZE}},
        ]  # fmt: skip


def all_at_once(rows: list[dict[str, Any]]) -> Response:
    """The only page of a list that is short for ever."""
    return Response({"count": len(rows), "next": None, "previous": None, "results": rows})


class ListView(ApiView):
    """A list. Subclasses say which rows a person may see, and how one looks.

    model: what the rows are of. filterset_class: the filters. orders: name -> columns that order by it, the first the
    default; the key of the table makes each unique. searched: lookups that `search` is tried with.
    """

    filter_backends = [DjangoFilterBackend]
    pagination_class = Pages
    model: ClassVar[type[Model]]
    filterset_class: type[FilterSet] | None = None
    orders: ClassVar[Mapping[str, tuple[str, ...]]]
    searched: ClassVar[tuple[str, ...]] = ()
    # Counts up to COUNTED unless the rows are those of one cycle.
    counts_all = False

    @property
    def queryset(self) -> QuerySet[Any]:
        """No rows at all: tells the description of the API which model they would be of."""
        return self.model._default_manager.none()

    def get_queryset(self) -> QuerySet[Any]:
        """The rows this person may see."""
        raise NotImplementedError

    @cached_property
    def _scoped(self) -> QuerySet[Any]:
        """The same, worked out once for a request."""
        return self.get_queryset()

    def page(self, rows: QuerySet[Any]) -> list[dict[str, Any]]:
        """One page of rows as they are sent."""
        raise NotImplementedError

    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Answer one page."""
        query = request.query_params
        refuse_unknown(query, self.parameters(), self.several())
        number = whole(query, "page", 1, most=_LAST)
        size = whole(query, "page_size", PAGE_SIZE, most=LARGEST_PAGE)
        rows = self.chosen(request)
        ordered = self.ordered(rows, query.get("ordering", ""))
        count = rows.order_by().count() if self.counts_all else rows.order_by()[: COUNTED + 1].count()
        known = self.counts_all or count <= COUNTED
        found = self.page(self._cut(ordered, (number - 1) * size, number * size, count if known else None))
        more = number * size < count or (not known and len(found) == size)
        return Response(
            {
                "count": count,
                "next": self._address(request, number + 1) if more else None,
                "previous": self._address(request, number - 1) if number > 1 else None,
                "results": found,
            }
        )

    def _cut(self, ordered: QuerySet[Any], start: int, stop: int, count: int | None) -> QuerySet[Any]:
        """The rows of one page. count: of all rows, None when nobody knows.

        A later page asks for keys first, so that what is passed over is not joined and made ready to be sent; behind the
        middle it is counted from the end, so that the last page costs what the first does.
        """
        if start == 0:
            return ordered[:stop]
        keys = ordered.values("pk")
        if count is not None and start > count // 2:
            keys = keys.reverse()[max(0, count - stop) : max(0, count - start)]
        else:
            keys = keys[start:stop]
        found = self._scoped.filter(pk__in=keys)
        found.query.order_by = ordered.query.order_by
        return found

    def chosen(self, request: Request) -> QuerySet[Any]:
        """The rows that filters and search leave."""
        rows = filtered(request, self._scoped, self)
        for word in request.query_params.get("search", "").split()[:8]:
            rows = rows.filter(self._said(word))
        return rows

    def _said(self, word: str) -> Q:
        """Rows in which one of `searched` finds `word`.

        Related rows that say it are looked up first, each by their own table: they are few beside the rows of a list, which
        are then found by their keys. Joined, a word that is nowhere would read everything.
        """
        condition, related = Q(), defaultdict[str, list[str]](list)
        for lookup in self.searched:
            name, _, rest = lookup.partition("__")
            if self.model._meta.get_field(name).is_relation:
                related[name].append(rest)
            else:
                condition |= Q(**{lookup: word})
        for name, lookups in related.items():
            model: Any = self.model._meta.get_field(name).related_model
            found = model._default_manager.filter(any_of(lookups, word)).order_by()
            condition |= one_of(name, found.values_list("pk", flat=True))
        return condition

    def ordered(self, rows: QuerySet[Any], wanted: str) -> QuerySet[Any]:
        """`rows` in the order that `wanted` names: one of `orders`, descending behind a minus."""
        name = wanted.removeprefix("-") or next(iter(self.orders))
        if name not in self.orders:
            raise Invalid(
                [Fault("?ordering", "invalid", f"ordering takes {_listed(self.orders)}, each also behind -.")]
            )
        columns = [*self.orders[name], "pk"]
        return rows.order_by(*(_turned(column) for column in columns) if wanted.startswith("-") else columns)

    def parameters(self) -> set[str]:
        """The names this list takes in its address."""
        filters = self.filterset_class.base_filters if self.filterset_class else {}
        own = {name for name in _OWN if name != "search" or self.searched}
        return own | {str(name) for name in filters}

    def several(self) -> set[str]:
        """Those of them that may be given more than once."""
        filters = self.filterset_class.base_filters if self.filterset_class else {}
        return {str(name) for name, each in filters.items() if isinstance(each, MultipleChoiceFilter)}

    @staticmethod
    def _address(request: Request, number: int) -> str:
        query = request.query_params.copy()
        query["page"] = str(number)
        return with_query(request._request, query.urlencode())


def refuse_unknown(query: QueryDict, known: Iterable[str], several: Container[str] = ()) -> None:
    """Raise Invalid for parameters that are none of `known` or have no value: such a filter would answer with everything.

    several: those that may be given more than once; of others all but the last would be passed over.
    """
    names = set(known)
    faults = [
        Fault(f"?{name[:100]}", "unknown", f"There is no parameter '{name[:100]}' here; there are {_listed(names)}.")
        for name in query
        if name not in names
    ]
    faults += [
        Fault(f"?{name}", "blank", f"{name} has no value; leave it out for a list without this filter.")
        for name in query
        if name in names and name not in SEARCHES and not all(value.strip() for value in query.getlist(name))
    ]
    faults += [
        Fault(f"?{name}", "repeated", f"{name} is given more than once; it takes one value.")
        for name in query
        if name in names and name not in several and len(query.getlist(name)) > 1 and all(query.getlist(name))
    ]
    if faults:
        raise Invalid(faults)


def filtered(request: Request, rows: QuerySet[Any], view: Any) -> QuerySet[Any]:
    """The rows that the view's `filterset_class` leaves. Raises Invalid for values that make no sense."""
    if view.filterset_class is None:
        return rows
    given = frozenset(request.query_params) & frozenset(view.filterset_class.base_filters)
    if not given:
        return rows
    filters = _only(view.filterset_class, given)(request.query_params, rows, request=request)
    if not filters.is_valid():
        raise Invalid(
            Fault(f"?{name}", "invalid", f"{name}: {sentence}")
            for name, sentences in filters.errors.items()
            for sentence in sentences
        )
    found: QuerySet[Any] = filters.qs
    return found


@lru_cache(maxsize=256)
def _only(filters: type[FilterSet], names: frozenset[str]) -> type[FilterSet]:
    """`filters` without those that nobody asked for: a form field is made of each, whether it is used or not."""
    narrowed: type[FilterSet] = type(filters.__name__, (filters,), {})
    narrowed.base_filters = {name: each for name, each in filters.base_filters.items() if name in names}
    return narrowed


def whole(query: QueryDict, name: str, default: int, *, most: int) -> int:
    """The whole number from 1 to `most` that parameter `name` gives. Raises Invalid for anything else."""
    text = query.get(name)
    if text is None:
        return default
    if re.fullmatch(r"[0-9]{1,9}", text) and 1 <= int(text) <= most:
        return int(text)
    raise Invalid([Fault(f"?{name}", "invalid", f"{name} is a whole number from 1 to {most:,}.")])


def any_of(lookups: Iterable[str], word: str) -> Q:
    """Rows in which one of `lookups` finds `word`."""
    condition = Q()
    for lookup in lookups:
        condition |= Q(**{lookup: word})
    return condition


def _turned(column: str) -> str:
    return column[1:] if column.startswith("-") else f"-{column}"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
