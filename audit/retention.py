"""Retention: whole months that are old enough are archived, proved, and dropped with a tombstone left in the chain.

The database itself decides whether a month may go (`audit_kept_because`, `audit_drop_month`); this module asks it, writes
the archive first, and tries again while others are using the table.
"""

import dataclasses
import datetime as dt
import math
import time
from typing import Any

import psycopg
import structlog
from django.db import DatabaseError, OperationalError, connection, transaction

from audit import archives
from audit.models import Tombstone
from audit.services import Event, record
from sop_portal import conf
from sop_portal.lib.errors import Conflict

log = structlog.get_logger(__name__)

# Dropping needs the table for itself for a moment. Whoever writes waits at most half a second for us to give up.
TRIES = 40
PAUSE_SECONDS = 1.5
_REFUSED, _BUSY = "AU001", ("55P03", "40P01")


@dataclasses.dataclass(frozen=True, slots=True)
class Month:
    """A month that is older than the trail is kept. refusal: why it stays all the same; "" when it goes."""

    month: dt.date
    entries: int
    refusal: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Dropped:
    """A month that went. archive: the file that holds it, None when archiving is off."""

    month: dt.date
    entries: int
    archive: archives.Archive | None


def due() -> list[Month]:
    """The months that the next cleanup deals with, the oldest first, and what stands in the way of each: a dry run."""
    with connection.cursor() as cursor:
        cursor.execute(_DUE)
        months = [Month(month, entries, refusal or "") for month, entries, refusal in cursor.fetchall()]
    # A month that another process drops while it is looked at seems to hold less than was sealed.
    dropped = set(Tombstone.objects.values_list("pk", flat=True))
    return [month for month in months if month.month not in dropped]


def clean(*, who: str, seconds: float = math.inf) -> list[Dropped]:
    """Archive and drop every month that is due; a repeat goes on where a broken one ended. who: for the tombstone.

    seconds: after which no other month is begun, since a worker is stopped at some time.
    Raises Conflict with all that stands in the way, once the others are dropped; OSError when an archive cannot be
    written.
    """
    done, refusals = [], []
    until = time.monotonic() + seconds
    for month in due():
        if time.monotonic() >= until:
            break
        if month.refusal:
            refusals.append(month.refusal)
            continue
        try:
            dropped = _drop(month, who)
        except Conflict as refusal:
            refusals.append(refusal.detail)
        else:
            done += [dropped] if dropped else []
    if refusals:
        # A clock that jumped is told once, not once a month.
        raise Conflict(" ".join(dict.fromkeys(refusals)))
    return done


def gone(since: dt.datetime | None = None, until: dt.datetime | None = None) -> list[Tombstone]:
    """The months between two instants that left the trail, the oldest first."""
    stones = Tombstone.objects.order_by("month")
    if since is not None:
        stones = stones.filter(month__gte=since.astimezone(dt.UTC).date().replace(day=1))
    if until is not None:
        stones = stones.filter(month__lt=until.astimezone(dt.UTC).date())
    return list(stones)


def gone_words(since: dt.datetime | None = None, until: dt.datetime | None = None) -> str:
    """A sentence about those months for the end of a list; "" when there are none."""
    stones = gone(since, until)
    if not stones:
        return ""
    first, last = f"{stones[0].month:%b %Y}", f"{stones[-1].month:%b %Y}"
    months = f"of {first}" if len(stones) == 1 else f"from {first} to {last}"
    kept = (
        "they are kept in archives"
        if all(stone.archive for stone in stones)
        else "not all of them are kept in archives"
    )
    return f"Entries {months} are no longer in the trail; {kept}."


def _drop(month: Month, who: str) -> Dropped | None:
    try:
        archive = archives.write(month.month) if conf.get("audit_archive") else None
    except Conflict:
        # Another process may have dropped the month under our eyes.
        if Tombstone.objects.filter(pk=month.month).exists():
            return None
        raise
    for attempt in range(TRIES):
        try:
            with transaction.atomic(durable=True):
                if not _ask(month.month, who, archive):
                    return None
                record(
                    Event(
                        action="audit_month_dropped",
                        entity_type="audit_month",
                        entity_id=f"{month.month:%Y-%m}",
                        label=f"{month.month:%B %Y}",
                        changes={
                            "entries": (month.entries, None),
                            "archive": (None, archive.name if archive else None),
                        },
                    )
                )
            break
        except OperationalError as busy:
            if _code(busy) not in _BUSY or attempt + 1 == TRIES:
                raise
            time.sleep(PAUSE_SECONDS)
    log.info("month of the audit trail dropped", month=f"{month.month:%Y-%m}", entries=month.entries)
    return Dropped(month.month, month.entries, archive)


def _ask(month: dt.date, who: str, archive: archives.Archive | None) -> bool:
    given: list[Any] = [archive.name, archive.sha256, archive.size] if archive else ["", "", 0]
    with connection.cursor() as cursor:
        try:
            cursor.execute("SELECT audit_drop_month(%s, %s, %s, %s, %s)", [month, who, *given])
        except DatabaseError as problem:
            if _code(problem) == _REFUSED:
                raise Conflict(str(problem).partition("\n")[0]) from problem
            raise
        return bool(cursor.fetchone()[0])


def _code(problem: DatabaseError) -> str | None:
    cause = problem.__cause__
    return cause.sqlstate if isinstance(cause, psycopg.Error) else None


# Months that have a partition or sealed entries and no tombstone, if they are old enough.
_DUE = """
SELECT month, (SELECT count(*) FROM audit_entry WHERE at >= month::timestamptz
                  AND at < month::timestamptz + interval '1 month'), audit_kept_because(month)
  FROM (SELECT to_date(substr(relname, 13), 'YYYY_MM') AS month FROM pg_inherits JOIN pg_class ON oid = inhrelid
         WHERE inhparent = 'audit_entry'::regclass AND relname ~ '^audit_entry_[0-9]{4}_[0-9]{2}$'
        UNION SELECT month FROM audit_sealblock WHERE kind = 'entries' AND month IS NOT NULL) AS known
 WHERE month NOT IN (SELECT month FROM audit_tombstone) AND audit_kept_until(month) <= portal_now()
 ORDER BY month
"""
