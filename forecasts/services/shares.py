"""How many lines of each rep a cycle expects: the denominator of every progress figure."""

from collections.abc import Mapping

from django.db import connection

from audit.services import Event, record_many
from cycles.models import Cycle
from sop_portal.accounts.models import User

# Whoever gives lines away has a share already; only a new owner may be missing. The array is in the order of the reps,
# and so are the locks of their shares.
_CHANGE = """
INSERT INTO cycles_participant AS share (cycle_id, rep_id, lines_expected, counts_at_close)
SELECT %(cycle)s, rep, greatest(more, 0), '{}' FROM unnest(%(reps)s::bigint[], %(more)s::integer[]) AS change(rep, more)
ON CONFLICT (cycle_id, rep_id) DO UPDATE
   SET lines_expected = share.lines_expected + (
       SELECT more FROM unnest(%(reps)s::bigint[], %(more)s::integer[]) AS change(rep, more) WHERE rep = share.rep_id)
RETURNING share.id, share.rep_id, share.lines_expected, share.xmax = 0 AS is_new
"""


def expect(cycle: Cycle, more: Mapping[int, int]) -> None:
    """Change what `cycle` expects of the reps in `more` by so many live lines; who takes no part yet then does.

    Lines are locked before participants.
    """
    reps = sorted(more)
    with connection.cursor() as cursor:
        cursor.execute(_CHANGE, {"cycle": cycle.pk, "reps": reps, "more": [more[rep] for rep in reps]})
        shares = cursor.fetchall()
    names = dict(
        User.objects.filter(pk__in=[rep for _, rep, _, is_new in shares if is_new]).values_list("pk", "full_name")
    )
    record_many(
        Event(
            action="participant_created" if is_new else "participant_updated",
            entity_type="participant",
            entity_id=str(share),
            label=str(cycle),
            changes={
                "cycle": [None, f"{cycle} (#{cycle.pk})"],
                "rep": [None, f"{names[rep]} (#{rep})"],
                "lines_expected": [None, expected],
            }
            if is_new
            else {"lines_expected": [expected - more[rep], expected]},
        )
        for share, rep, expected, is_new in shares
        if is_new or more[rep]
    )
