"""Telling a database that is away from one that refused a statement, and from one in which somebody is in the way."""

import psycopg
from django.db import InterfaceError, OperationalError, connection

from cycles.models import LOCK_CLASS as CYCLE_LOCK_CLASS
from masterdata.upserts import IMPORT_LOCK_CLASS
from sop_portal.lib.errors import Conflict

# Shut down, starting up, too many connections; a busy row and a statement that ran into its time limit pass, too.
_PASSING = ("08", "57P", "53300", "55P03", "57014", "40P01", "40001")


def is_away(problem: BaseException | None) -> bool:
    """Whether `problem` means that the database cannot answer now and may answer soon."""
    if isinstance(problem, InterfaceError):
        return True
    if not isinstance(problem, OperationalError):
        return False
    cause = problem.__cause__
    code = cause.sqlstate if isinstance(cause, psycopg.Error) else None
    # Without a code the connection broke before the server could say one.
    return code is None or code.startswith(_PASSING)


def in_the_way(problem: BaseException) -> Conflict | None:
    """What to say when a statement waited in vain for rows or tables that an import, the move of a cycle or another save
    holds, or for somebody who waited for it in turn."""
    if not isinstance(problem, OperationalError):
        return None
    if isinstance(problem.__cause__, psycopg.errors.DeadlockDetected):
        return Conflict("Somebody was changing the same at this moment, so nothing was saved; try again.")
    if not isinstance(problem.__cause__, psycopg.errors.LockNotAvailable) or connection.needs_rollback:
        return None
    with connection.cursor() as cursor:
        # Writers of lines hold the lock of their cycle, too, but share it.
        cursor.execute(
            "SELECT classid FROM pg_locks WHERE locktype = 'advisory' AND classid IN (%s, %s) AND objsubid = 2 "
            "AND mode = 'ExclusiveLock' AND granted AND pid <> pg_backend_pid() "
            "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
            [IMPORT_LOCK_CLASS, CYCLE_LOCK_CLASS],
        )
        holders = {holder for (holder,) in cursor.fetchall()}
    for holder, what in (
        (IMPORT_LOCK_CLASS, "An import is being written"),
        (CYCLE_LOCK_CLASS, "A cycle is being opened or moved"),
    ):
        if holder in holders:
            return Conflict(f"{what}, so nothing was saved; try again in a minute.")
    return Conflict("Somebody else is saving the same at this moment, so nothing was saved; try again in a minute.")
