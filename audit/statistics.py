"""What happened in a span of days, counted by several things in one pass over the entries."""

import dataclasses
import datetime as dt
from collections.abc import Callable
from typing import Any

from django.db import connection
from django.utils import timezone

from audit import words
from audit.filters import midnight
from audit.models import Entry

MOST_ROWS = 15


@dataclasses.dataclass(frozen=True, slots=True)
class Table:
    """Counts by one thing, the largest first.

    rows: what was recorded, the same in words, how many. left_out: how many entries are about others than the shown ones.
    """

    name: str
    title: str
    rows: list[tuple[str, str, int]]
    left_out: int


@dataclasses.dataclass(frozen=True, slots=True)
class Statistics:
    """Entries from the first to the last day: by severity, by day and in tables."""

    since: dt.date
    until: dt.date
    severities: dict[str, int]
    days: list[tuple[dt.date, int]]
    tables: list[Table]

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.severities.values())

    @property
    def grave(self) -> int:
        """What an admin should notice."""
        return self.total - self.severities.get(Entry.Severity.INFO, 0)

    @property
    def busiest(self) -> tuple[dt.date, int] | None:
        """The day with most entries."""
        return max(self.days, key=lambda day: day[1], default=None)


# Time zone of the person, first and last instant.
_COUNTS = """
SELECT grouping(day, actor, action, entity_type, source, severity) AS kind, day, actor, action, entity_type, source,
       severity, count(*)
  FROM (SELECT (at AT TIME ZONE %s)::date AS day, actor_label AS actor, action, entity_type, source, severity
          FROM audit_entry WHERE at >= %s AND at < %s) AS entry
 GROUP BY GROUPING SETS ((day), (actor), (action), (entity_type), (source), (severity))
"""
# The bits of `grouping` are those of what is not grouped by.
_DAY, _ACTOR, _ACTION, _TYPE, _SOURCE, _SEVERITY = (0b111111 ^ (1 << place) for place in (5, 4, 3, 2, 1, 0))


def of(since: dt.date, until: dt.date) -> Statistics:
    """Count the entries of these days, by the clock of the person who asks."""
    zone = str(timezone.get_current_timezone())
    counted: dict[int, dict[Any, int]] = {kind: {} for kind in (_DAY, _ACTOR, _ACTION, _TYPE, _SOURCE, _SEVERITY)}
    with connection.cursor() as cursor:
        cursor.execute(_COUNTS, [zone, midnight(since), midnight(until + dt.timedelta(days=1))])
        for kind, *values, number in cursor.fetchall():
            counted[kind][next((value for value in values if value is not None), "")] = number
    return Statistics(
        since,
        until,
        counted[_SEVERITY],
        sorted(counted[_DAY].items(), reverse=True),
        [
            _table("actors", "People", counted[_ACTOR], lambda name: name or "Nobody signed in"),
            _table("actions", "Actions", counted[_ACTION], words.action_words),
            _table("entity_types", "Types", counted[_TYPE], words.type_words),
            _table("sources", "Sources", counted[_SOURCE], lambda name: words.SOURCES.get(name, name)),
        ],
    )


def _table(name: str, title: str, counts: dict[str, int], told: Callable[[str], str]) -> Table:
    rows = sorted(((one, told(one), number) for one, number in counts.items()), key=lambda row: (-row[2], row[1]))
    return Table(name, title, rows[:MOST_ROWS], sum(number for *_, number in rows[MOST_ROWS:]))
