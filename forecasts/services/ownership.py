"""Lines follow their customer to another rep: those of the open cycle do, what is closed stays as it was."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from django.db import connection
from django.db.models import Count, Q

from audit.services import record_query
from cycles.models import Cycle, Participant
from forecasts.figures import HANDED_IN
from forecasts.models import Line
from forecasts.services.opening import LABEL, LABELLED
from forecasts.services.reopening import extend_lines
from forecasts.services.shares import expect
from forecasts.services.writing import past_the_guard
from sop_portal.lib.clock import portal_now

_MOVE = """
WITH moving AS (
    SELECT id, owner_id, live FROM forecasts_line
     WHERE cycle_id = %(cycle)s AND customer_id = ANY(%(customers)s) AND owner_id IS DISTINCT FROM %(rep)s
     ORDER BY id FOR UPDATE
)
UPDATE forecasts_line AS line SET owner_id = %(rep)s
  FROM moving WHERE line.id = moving.id
RETURNING line.id, moving.owner_id, moving.live
"""

_MOVED = f"""
SELECT line.id::text, {LABEL},
       jsonb_build_object('owner', jsonb_build_array(former.full_name || ' (#' || former.id || ')',
                                                     owner.full_name || ' (#' || owner.id || ')'))
{LABELLED}
  JOIN unnest(%s::bigint[], %s::bigint[]) AS moved(id, former_id) ON moved.id = line.id
  JOIN accounts_user AS owner ON owner.id = line.owner_id
  LEFT JOIN accounts_user AS former ON former.id = moved.former_id
"""


def move_lines(customer_ids: Iterable[int], rep: Any) -> int:
    """Give every line of these customers in the open cycle to `rep`, whatever its status; returns how many moved.

    Must run in the transaction that changes the customers, which holds their rows. Values, revisions and who submitted
    stay; the denominators of both reps follow. Without a new rep the lines stay where they are: in an open cycle each
    has an owner. A line that was missed is a draft again when the new rep has time. A cycle that closes meanwhile keeps its
    lines.
    """
    seen = Cycle.objects.open().first()
    if rep is None or seen is None:
        return 0
    Cycle.objects.lock_shared(seen.pk)
    cycle = Cycle.objects.open().filter(pk=seen.pk).first()
    if cycle is None:
        return 0
    with connection.cursor() as cursor, past_the_guard():
        cursor.execute(_MOVE, {"cycle": cycle.pk, "customers": list(customer_ids), "rep": rep.pk})
        moved = cursor.fetchall()
    if not moved:
        return 0
    record_query("forecast_updated", "forecast", _MOVED, [[line for line, _, _ in moved], [old for _, old, _ in moved]])
    more = Counter({rep.pk: sum(live for _, _, live in moved)})
    more.subtract(owner for _, owner, live in moved if live and owner is not None)
    expect(cycle, more)
    _give_back(cycle, rep)
    return len(moved)


def _give_back(cycle: Cycle, rep: Any) -> None:
    """In a cycle that was opened again for some, lines that were missed come to somebody who may have time for them."""
    share = Participant.objects.filter(cycle=cycle, rep=rep).first()
    now = portal_now()
    if cycle.takes_input(now, share.deadline_extension if share else None):
        extend_lines(cycle, by=None, now=now, details={"reps": [rep.pk]})


def would_move(customer_ids: Iterable[int]) -> str:
    """What `move_lines` would do, in a sentence; "" while no cycle is open or these customers have no live line."""
    cycle = Cycle.objects.open().first()
    if cycle is None:
        return ""
    counts = Line.objects.filter(cycle=cycle, customer__in=list(customer_ids), live=True).aggregate(
        lines=Count("pk"), handed_in=Count("pk", filter=Q(status__in=HANDED_IN))
    )
    if not counts["lines"]:
        return ""
    one = counts["lines"] == 1
    sentence = f"{counts['lines']:,} live line{'' if one else 's'} of {cycle} go{'es' if one else ''} with them"
    if counts["handed_in"] == counts["lines"]:
        sentence += ", handed in already"
    elif counts["handed_in"]:
        sentence += f", {counts['handed_in']:,} of them handed in already"
    return f"{sentence}. Closed cycles stay with whoever planned them."
