"""The monthly partitions of the trail."""

from django.db import DEFAULT_DB_ALIAS, connections

# Months made in advance: the daily job may fail for a whole quarter before entries fall into the net.
MONTHS_AHEAD = 3


def ensure_partitions(*, using: str = DEFAULT_DB_ALIAS) -> int:
    """Make the partitions of this and the next months where missing; returns how many were made.

    Does nothing where the trail's tables do not exist (migrated back to nothing).
    """
    with connections[using].cursor() as cursor:
        cursor.execute("SELECT to_regprocedure('audit_ensure_partitions(int)') IS NOT NULL")
        if not cursor.fetchone()[0]:
            return 0
        cursor.execute("SELECT audit_ensure_partitions(%s)", [MONTHS_AHEAD])
        made: int = cursor.fetchone()[0]
    return made
