"""Leases: something is done by one process at a time, and everybody sees whether anybody does it.

A lease is an advisory lock of PostgreSQL on a connection of its own, held for as long as that connection lives. Whoever
dies gives it back, and what the work writes in its transactions does not touch it.
"""

import contextlib
import zlib
from collections.abc import Collection, Iterator
from typing import Any

import psycopg
from django.db import connection

# Seconds after which the server asks a holder on another machine whether it still lives, how often and how many times.
_STILL_THERE = "-c tcp_keepalives_idle=30 -c tcp_keepalives_interval=10 -c tcp_keepalives_count=3"


@contextlib.contextmanager
def lease(lock_class: int, key: int) -> Iterator[psycopg.Connection[Any] | None]:
    """Hold the lease `key` of a class during the block; None when somebody else holds it.

    Yields the connection that holds it, which commits each statement at once.
    """
    given = connection.get_connection_params()
    options = f"{given.get('options', '')} {_STILL_THERE}".strip()
    with psycopg.connect(**{**given, "options": options}, autocommit=True) as line:
        got: Any = line.execute("SELECT pg_try_advisory_lock(%s, %s)", [lock_class, key]).fetchone()
        if not got[0]:
            yield None
            return
        try:
            yield line
        finally:
            # Said explicitly: the server notices only a moment later that a connection was closed.
            with contextlib.suppress(psycopg.OperationalError):
                line.execute("SELECT pg_advisory_unlock(%s, %s)", [lock_class, key])


def held(lock_class: int, keys: Collection[int]) -> set[int]:
    """Those of the leases `keys` of a class that somebody holds now."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT objid FROM pg_locks WHERE locktype = 'advisory' AND classid = %s AND objid = ANY(%s) "
            "AND objsubid = 2 AND granted AND database = (SELECT oid FROM pg_database WHERE datname = "
            "current_database())",
            [lock_class, list(keys)],
        )
        return {row[0] for row in cursor.fetchall()}


def key_of(name: str) -> int:
    """The key of a lease that has a name."""
    return zlib.crc32(name.encode()) & 0x7FFFFFFF
