"""What happened in a span of days, counted by several things in one pass over the entries."""

import dataclasses
import datetime as dt
from typing import Any

from django.db import connection
from django.utils import timezone

from audit import words
from audit.filters import midnight

MOST_ROWS = 15


@dataclasses.dataclass(frozen=True, slots=True)
class Table:
    """Counts by one thing, the largest first. left_out: how many entries are about others than the shown ones."""

    title: str
    rows: list[tuple[str, int]]
    left_out: int


@dataclasses.dataclass(frozen=True, slots=True)
class Statistics:
    """Entries from the first to the last day: all of them, the grave ones, by day and in tables."""

    since: dt.date
    until: dt.date
    total: int
    grave: int
    days: list[tuple[dt.date, int]]
    tables: list[Table]

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
    severities = counted[_SEVERITY]
    return Statistics(
        since,
        until,
        sum(severities.values()),
        sum(number for severity, number in severities.items() if severity != "INFO"),
        sorted(counted[_DAY].items(), reverse=True),
        [
            _table("People", {name or "Nobody signed in": number for name, number in counted[_ACTOR].items()}),
            _table("Actions", {words.action_words(name): number for name, number in counted[_ACTION].items()}),
            _table("Types", {words.type_words(name): number for name, number in counted[_TYPE].items()}),
            _table("Sources", {words.SOURCES.get(name, name): number for name, number in counted[_SOURCE].items()}),
        ],
    )


def _table(title: str, counts: dict[str, int]) -> Table:
    rows = sorted(counts.items(), key=lambda row: (-row[1], row[0]))
    return Table(title, rows[:MOST_ROWS], sum(number for _, number in rows[MOST_ROWS:]))
