"""Sealing the trail: chaining what is committed by hash, and telling the last hash to a place outside the database."""

import dataclasses
import datetime as dt
import time

from django.db import connection

from audit import sink
from audit.models import SealBlock

# Of one transaction of the job; another one follows at once while there is more.
AT_A_TIME = 100_000
# Well below the time after which the worker is stopped; the next minute goes on.
SECONDS = 120.0


@dataclasses.dataclass(frozen=True, slots=True)
class Sealed:
    """What a run did. busy: another process was sealing, so this one left the rest to it."""

    blocks: int
    entries: int
    busy: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class State:
    """How far the trail is sealed. unsealed: up to `MOST_COUNTED`; since: when the oldest of them was written."""

    last: SealBlock | None
    unsealed: int
    since: dt.datetime | None

    @property
    def has_more(self) -> bool:
        """Whether there are more than were counted."""
        return self.unsealed >= MOST_COUNTED


MOST_COUNTED = 10_000
_TAIL = """
SELECT count(*), min(at) FROM (
    SELECT entry.at FROM audit_entry AS entry, (SELECT %s::text::xid8 AS xact, %s::bigint AS id) AS sealed
     WHERE entry.xact >= sealed.xact AND entry.id > sealed.id ORDER BY entry.xact LIMIT %s
) AS tail
"""


def state() -> State:
    """What the page of the seal shows."""
    last = SealBlock.objects.order_by("number").last()
    with connection.cursor() as cursor:
        cursor.execute(_TAIL, [*(last.tail if last else (0, 0)), MOST_COUNTED])
        unsealed, since = cursor.fetchone()
    return State(last, unsealed, since)


def seal(*, at_a_time: int = AT_A_TIME, seconds: float = SECONDS) -> Sealed:
    """Seal every entry whose transaction and all before it are over, for about `seconds`, and tell the sink.

    Each step is one transaction of its own: what is broken off leaves nothing behind, and a repeat finds nothing to do.
    """
    blocks = entries = 0
    until = time.monotonic() + seconds
    busy = False
    while True:
        with connection.cursor() as cursor:
            cursor.execute("SELECT blocks, entries, more FROM audit_seal(%s)", [at_a_time])
            made, sealed, more = cursor.fetchone()
        if made is None:
            busy = True
            break
        blocks, entries = blocks + made, entries + sealed
        if not more or time.monotonic() >= until:
            break
    sink.write_out()
    return Sealed(blocks, entries, busy)
