"""The one clock of deadlines: that of the database, the same for every process."""

import datetime as dt

from django.db import connection


def portal_now() -> dt.datetime:
    """The instant of the database's clock, read in a statement of its own (never the transaction's start)."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT portal_now()")
        instant: dt.datetime = cursor.fetchone()[0]
    return instant
