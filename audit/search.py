"""Finding entries by a part of a name, or by several filters at once, in a trail of any size.

An index on names would be written with every entry. Instead sealing notes what is said in each 250 entries of a block, and
a search reads only those in which all of it is said, from where the page begins; what is not sealed yet is read as it is.
"""

import dataclasses
import datetime as dt
from collections.abc import Iterator, Sequence
from typing import Any

from django.db import connection
from django.db.models import Q

from audit import sealing
from audit.models import Entry, EntryQuerySet

# Of one page; then it says how far it has looked, and the next page looks on.
MOST_READ = 12_000
_WINDOWS = 1000
_FIRST_GROUP = 8
# The filters that an index serves where they stand alone.
_INDEXED = ("actor", "severity")

# An instant and an id: where in the trail. What one transaction wrote, be it a million entries, has one instant.
Position = tuple[dt.datetime, int]


@dataclasses.dataclass(frozen=True, slots=True)
class Clues:
    """What entries must say. text: in the label, or the id or request in full. marks: filter -> value.

    are_few: whether an index gives so few entries that it costs nothing to look at all of them for the marks.
    """

    text: str = ""
    marks: tuple[tuple[str, str], ...] = ()
    since: dt.datetime | None = None
    until: dt.datetime | None = None
    are_few: bool = False

    @property
    def are_needed(self) -> bool:
        """Whether no index gives these entries in their order."""
        has_index = self.are_few or not self.marks or (len(self.marks) == 1 and self.marks[0][0] in _INDEXED)
        return bool(self.text) or not has_index


@dataclasses.dataclass(frozen=True, slots=True)
class Found:
    """Entries in the order asked for. reached: where the next page begins to look, None when all was looked through.

    total: how many there are from where the page begins; None where counting would cost more than the page.
    """

    rows: list[Entry]
    reached: Position | None
    total: int | None


@dataclasses.dataclass(frozen=True, slots=True)
class _Window:
    first_at: dt.datetime
    last_at: dt.datetime
    first_id: int
    last_id: int
    entries: int

    def begin(self, newest_first: bool) -> Position:
        """The position right before its first entry in the order of the page; sealing takes them by time and id."""
        return (self.last_at, self.last_id + 1) if newest_first else (self.first_at, self.first_id - 1)

    @property
    def entries_within(self) -> Q:
        """All entries of the part, and whatever else has its times."""
        if self.first_at == self.last_at:
            return Q(at=self.first_at, id__gte=self.first_id, id__lte=self.last_id)
        return Q(at__gte=self.first_at, at__lte=self.last_at)


_EVER, _FARTHEST = dt.datetime.min.replace(tzinfo=dt.UTC), dt.datetime.max.replace(tzinfo=dt.UTC)


def find(
    entries: EntryQuerySet, clues: Clues, count: int, *, onwards: Position | None, newest_first: bool, most: int
) -> Found:
    """The first `count` of `entries` that fit the clues; entries fit everything but their text already.

    onwards: the position behind which to begin, None for the newest (or oldest) of all. most: up to how many to count.
    """
    order = ("-at", "-id") if newest_first else ("at", "id")
    found: dict[int, Entry] = {}
    by_id = None
    if clues.text:
        by_id = entries.filter(entity_id=clues.text)
        found = {entry.pk: entry for entry in by_id.order_by(*order)[:count]}
        entries = entries.filter(Q(label__icontains=clues.text) | Q(request_id=clues.text))
    groups = _Groups(clues, onwards, newest_first)
    rows = _in_order(found, newest_first, count)
    for windows in groups:
        found |= {entry.pk: entry for entry in entries.filter(_within(windows)).order_by(*order)[:count]}
        rows = _in_order(found, newest_first, count)
        bound = groups.next_bound
        if bound is None:
            break
        # Whatever else is found lies behind the bound.
        certain = [row for row in rows if ((row.at, row.pk) >= bound if newest_first else (row.at, row.pk) <= bound)]
        if len(certain) == count:
            return Found(rows, None, _total(entries, by_id, groups, most))
        if groups.read > MOST_READ or groups.is_over:
            return Found(certain, bound, None)
    return Found(rows, None, len(rows) if len(rows) < count else _total(entries, by_id, groups, most))


def _in_order(found: dict[int, Entry], newest_first: bool, count: int) -> list[Entry]:
    return sorted(found.values(), key=lambda entry: (entry.at, entry.pk), reverse=newest_first)[:count]


def _total(entries: EntryQuerySet, by_id: EntryQuerySet | None, groups: "_Groups", most: int) -> int | None:
    """How many entries fit, unless more than `most` would have to be looked at."""
    if groups.rest is not None or groups.size > most:
        return None
    fits = entries.filter(_within(groups.windows))
    return (fits | by_id if by_id is not None else fits)[: most + 1].count()


def _within(windows: Sequence[_Window]) -> Q:
    fits = Q()
    for window in windows:
        fits |= window.entries_within
    if not windows:
        return fits
    # Said once more for the planner, which leaves out the months outside at once.
    return Q(at__gte=min(each.first_at for each in windows), at__lte=max(each.last_at for each in windows)) & fits


class _Groups:
    """Windows in which everything is said, in the order of the page, in groups that grow.

    next_bound: where what is not read yet begins, None when there is no more. rest: where the windows begin that are too
    many for one page, None when there are none. is_over: whether only those are left.
    """

    def __init__(self, clues: Clues, onwards: Position | None, newest_first: bool) -> None:
        self._clues, self._newest_first = clues, newest_first
        self._onwards = onwards
        self.read = 0
        self.is_over = False
        self.next_bound: Position | None = None
        self.rest: Position | None = None
        self.windows = self._candidates()

    @property
    def size(self) -> int:
        """How many entries there are in all windows."""
        return sum(window.entries for window in self.windows)

    def __iter__(self) -> Iterator[list[_Window]]:
        windows = self.windows
        place, size = 0, _FIRST_GROUP
        while place < len(windows):
            group = windows[place : place + size]
            place, size = place + size, size * 2
            self.read += sum(window.entries for window in group)
            self.is_over = place >= len(windows)
            self.next_bound = self.rest if self.is_over else windows[place].begin(self._newest_first)
            yield group

    def _candidates(self) -> list[_Window]:
        # First what is not sealed: an entry that is sealed in between is found among the sealed ones then.
        tail, windows = sealing.state().since, []
        if tail is not None and not (self._newest_first and self._onwards is not None and self._onwards[0] < tail):
            windows.append(_Window(tail, _FARTHEST, 0, 0, 0))
        sealed = self._sealed()
        windows = sorted(
            windows + sealed, key=lambda window: window.begin(self._newest_first), reverse=self._newest_first
        )
        if len(sealed) > _WINDOWS:
            self.rest = sealed[-1].begin(self._newest_first)
            windows = windows[: windows.index(sealed[-1])]
        return windows

    def _sealed(self) -> list[_Window]:
        clues = self._clues
        lower, upper = clues.since or _EVER, clues.until or _FARTHEST
        words = [word for word in clues.text.split(" ") if word]
        marks = [f"\n\x01{name}:{value}\n" for name, value in clues.marks]
        said = ["strpos(words, upper(%s)) > 0"] * len(words) + ["strpos(words, %s) > 0"] * len(marks)
        given: list[Any] = [*words, *marks]
        if self._onwards is not None:
            said.append("(first_at, first_id) < (%s, %s)" if self._newest_first else "(last_at, last_id) > (%s, %s)")
            given += self._onwards
        order = "last_at DESC, last_id DESC" if self._newest_first else "first_at, first_id"
        with connection.cursor() as cursor:
            # Conditions by their number; never input.
            cursor.execute(
                "SELECT first_at, last_at, first_id, last_id, entries FROM audit_sealwords "
                f"WHERE {' AND '.join(['last_at >= %s', 'first_at <= %s', *said])} "
                f"ORDER BY {order} LIMIT {_WINDOWS + 1}",
                [lower, upper, *given],
            )
            return [_Window(*row) for row in cursor.fetchall()]
