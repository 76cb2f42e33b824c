"""Paging that costs the same at any depth: a page begins after the last row of the one before, not after a number.

The place of a row is the values of the columns that order the list. It travels in the address; whatever cannot be read
there is the first page.
"""

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.db.models import Field, Model, Q, QuerySet
from django.http import QueryDict

SIZES = (50, 100, 200)
# Counting further would cost more than the page itself.
COUNT_LIMIT = 10_000
_LONGEST_MARK = 2_000


@dataclass(frozen=True)
class Column:
    """One column of the order: a path to a field that is never NULL."""

    path: str
    field: Field
    is_descending: bool

    def beyond(self, value: Any, *, backwards: bool, inclusive: bool = False) -> Q:
        """Rows that stand after `value` in the order, or before it."""
        word = "lt" if self.is_descending is not backwards else "gt"
        return Q(**{f"{self.path}__{word}{'e' if inclusive else ''}": value})


class Page:
    """One page of `rows` in the order wanted, and the marks of its neighbours; "" where there is none.

    order: names as for order_by(); together they must be unique, and none may be NULL.
    """

    def __init__(
        self, rows: QuerySet[Any, Any], order: Sequence[str], *, size: int = SIZES[0], after: str = "", before: str = ""
    ) -> None:
        self._columns = [_column(rows.model, name) for name in order]
        forth, back = self._place(after), self._place(before)
        backwards = forth is None and back is not None
        place = back if backwards else forth
        if place is not None:
            rows = rows.filter(self._beyond(place, backwards=backwards))
        found = list(rows.order_by(*(self._name(column, backwards) for column in self._columns))[: size + 1])
        more = len(found) > size
        self.rows = found[:size][::-1] if backwards else found[:size]
        self.previous = self.next = ""
        if self.rows and (more if backwards else place is not None):
            self.previous = self._mark(self.rows[0])
        if self.rows and (more or backwards):
            self.next = self._mark(self.rows[-1])

    @staticmethod
    def _name(column: Column, backwards: bool) -> str:
        return f"{'-' if column.is_descending is not backwards else ''}{column.path}"

    def _beyond(self, place: Sequence[Any], *, backwards: bool) -> Q:
        """Everything after `place`: later in the first column, or equal there and later in the second ..."""
        first, condition = self._columns[0], Q()
        for number, column in enumerate(self._columns):
            equal = Q()
            for before, value in zip(self._columns[:number], place, strict=False):
                equal &= Q(**{before.path: value})
            condition |= equal & column.beyond(place[number], backwards=backwards)
        # Says nothing new, but is one range that an index on the first column can serve.
        return first.beyond(place[0], backwards=backwards, inclusive=True) & condition

    def _mark(self, row: Any) -> str:
        values = [str(_value(row, column.path)) for column in self._columns]
        return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")

    def _place(self, mark: str) -> list[Any] | None:
        """The values a mark names, or None for anything that is not one of ours."""
        if not mark or len(mark) > _LONGEST_MARK or not mark.isascii():
            return None
        try:
            values = json.loads(base64.urlsafe_b64decode(mark + "=" * (-len(mark) % 4)))
            if not isinstance(values, list) or len(values) != len(self._columns):
                return None
            return [_read(column.field, value) for column, value in zip(self._columns, values, strict=True)]
        except (binascii.Error, ValueError, RecursionError, ValidationError):
            return None


def _value(row: Any, path: str) -> Any:
    for part in path.split("__"):
        row = getattr(row, part)
    return row


def _column(model: type[Model], name: str) -> Column:
    path = name.removeprefix("-")
    owner: Any = model
    *relations, last = path.split("__")
    for relation in relations:
        owner = owner._meta.get_field(relation).related_model
    field = owner._meta.pk if last == "pk" else owner._meta.get_field(last)
    if field.null:
        raise FieldDoesNotExist(f"{path} may be NULL, so rows cannot be told apart by it.")
    return Column(path, field, name.startswith("-"))


def _read(field: Field, value: Any) -> Any:
    if not isinstance(value, str) or "\x00" in value:
        raise ValidationError("not a value of ours")
    read = field.to_python(value)
    if isinstance(read, int) and abs(read) >= 2**63:
        raise ValidationError("larger than any key")
    return read


def page_size(query: QueryDict) -> int:
    """How many rows a page has; the first of `SIZES` unless the address names another."""
    asked = query.get("size", "")
    return next((size for size in SIZES if asked == str(size)), SIZES[0])


def count_text(rows: QuerySet[Any, Any], word: str, words: str = "") -> str:
    """ "1,234 customers", or "10,000+ customers" beyond what is worth counting. words: the plural, else `word` + s."""
    number = rows.order_by()[: COUNT_LIMIT + 1].count()
    plural = words or f"{word}s"
    if number > COUNT_LIMIT:
        return f"{COUNT_LIMIT:,}+ {plural}"
    return f"{number:,} {word if number == 1 else plural}"


def pager(page: Page, query: QueryDict, total_text: str) -> dict[str, Any]:
    """What `components/pager.html` shows; the addresses keep the other parameters of `query`."""

    def url(**changes: str) -> str:
        changed = query.copy()
        for name in ("after", "before", "page"):
            changed.pop(name, None)
        for name, value in changes.items():
            changed[name] = value
        return f"?{changed.urlencode()}"

    size = page_size(query)
    return {
        "total_text": total_text,
        "previous_url": url(before=page.previous) if page.previous else "",
        "next_url": url(after=page.next) if page.next else "",
        "sizes": [(number, "" if number == size else url(size=str(number))) for number in SIZES],
    }
