"""When reps looked at their share of the open cycle. Home and grid count; whoever else opens them leaves no mark."""

from typing import Any

from django.db import connection

from cycles.models import Cycle

# An open page is asked for again and again; "last seen" need not be truer than this.
_EVERY = "5 minutes"
# A share that somebody holds (closing, lines that wake up) is skipped: a page waits for nobody to note this.
_MARK = """
UPDATE cycles_participant SET first_seen_at = coalesce(first_seen_at, clock.now), last_seen_at = clock.now
  FROM (SELECT portal_now() AS now) AS clock
 WHERE id = (SELECT id FROM cycles_participant
              WHERE cycle_id = %s AND rep_id = %s
                AND (last_seen_at IS NULL OR last_seen_at < portal_now() - %s::interval)
                FOR UPDATE SKIP LOCKED)
"""


def mark_seen(cycle: Cycle | None, user: Any) -> None:
    """Note that `user` looked at `cycle` while it was open, if they take part; one statement, seldom a write."""
    if cycle is None or not cycle.is_open:
        return
    with connection.cursor() as cursor:
        cursor.execute(_MARK, [cycle.pk, user.pk, _EVERY])
