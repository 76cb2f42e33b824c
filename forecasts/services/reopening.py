"""What reopening a cycle does to its lines: what was missed can be answered after all."""

import datetime as dt
from collections import Counter
from typing import Any

from django.db import connection
from django.db.models import Case, Count, F, When

from audit.services import record_query
from cycles.models import Cycle, Participant
from forecasts.models import Line
from forecasts.services.opening import LABEL, LABELLED
from forecasts.services.shares import expect
from forecasts.services.writing import past_the_guard

# The lines of whoever serves their customer now, among the reps that the cycle is reopened for. As in any open cycle
# every line of a customer who moved on goes along: one that is sent back must reach somebody who serves the customer.
_REOPEN = """
WITH meant AS (
    SELECT line.id, line.owner_id AS former_id, line.status AS before, line.live,
           CASE WHEN rep.is_active THEN rep.id ELSE line.owner_id END AS rep_id
      FROM forecasts_line AS line
      JOIN masterdata_customer AS customer ON customer.id = line.customer_id
      LEFT JOIN accounts_user AS rep ON rep.id = customer.sales_rep_id
     WHERE line.cycle_id = %(cycle)s
     ORDER BY line.id FOR UPDATE OF line
), chosen AS (
    SELECT * FROM meant
     WHERE (%(reps)s::bigint[] IS NULL OR rep_id = ANY(%(reps)s::bigint[]))
       AND (before = 'missed' OR former_id IS DISTINCT FROM rep_id)
)
UPDATE forecasts_line AS line
   SET status = CASE WHEN line.status = 'missed' THEN 'draft' ELSE line.status END,
       revision = line.revision + CASE WHEN line.status = 'missed' THEN 1 ELSE 0 END,
       owner_id = chosen.rep_id
  FROM chosen WHERE chosen.id = line.id
RETURNING line.id, chosen.before, chosen.former_id, chosen.rep_id, chosen.live
"""

# In an open cycle the owners of lines are those who serve the customers already.
_EXTEND = """
WITH missed AS (
    SELECT id FROM forecasts_line
     WHERE cycle_id = %(cycle)s AND status = 'missed'
       AND (%(reps)s::bigint[] IS NULL OR owner_id = ANY(%(reps)s::bigint[]))
     ORDER BY id FOR UPDATE
)
UPDATE forecasts_line AS line SET status = 'draft', revision = line.revision + 1
  FROM missed WHERE missed.id = line.id
RETURNING line.id, line.owner_id
"""

_REOPENED = f"""
SELECT line.id::text, {LABEL},
       CASE WHEN was.status = 'missed'
            THEN jsonb_build_object('status', jsonb_build_array('missed', 'draft')) ELSE '{{}}' END
    || CASE WHEN was.former_id IS DISTINCT FROM line.owner_id
            THEN jsonb_build_object('owner', jsonb_build_array(former.full_name || ' (#' || former.id || ')',
                                                               owner.full_name || ' (#' || owner.id || ')'))
            ELSE '{{}}' END
{LABELLED}
  JOIN unnest(%s::bigint[], %s::text[], %s::bigint[]) AS was(id, status, former_id) ON was.id = line.id
  JOIN accounts_user AS owner ON owner.id = line.owner_id
  LEFT JOIN accounts_user AS former ON former.id = was.former_id
"""

# Keeps customers with their reps until their lines are there, as opening does.
_HOLD_CUSTOMERS = """
SELECT count(*) FROM (
    SELECT FROM masterdata_customer AS customer
     WHERE EXISTS (SELECT FROM forecasts_line AS line WHERE line.cycle_id = %s AND line.customer_id = customer.id)
     ORDER BY id FOR SHARE
) AS held
"""


def reopen_lines(cycle: Cycle, *, by: Any, now: dt.datetime, details: dict[str, Any]) -> None:
    """Missed lines become drafts of whoever serves the customer now; denominators and what was kept at close follow."""
    with connection.cursor() as cursor, past_the_guard():
        cursor.execute(_HOLD_CUSTOMERS, [cycle.pk])
        cursor.execute(_REOPEN, {"cycle": cycle.pk, "reps": details["reps"]})
        changed = cursor.fetchall()
    if changed:
        record_query(
            "forecast_updated",
            "forecast",
            _REOPENED,
            [[row[0] for row in changed], [row[1] for row in changed], [row[2] for row in changed]],
        )
    details["reopened"] = Counter(rep for _, before, _, rep, _ in changed if before == Line.Status.MISSED)
    more: Counter[int] = Counter()
    for _, _, former, rep, live in changed:
        if live and former != rep:
            more[rep] += 1
            if former is not None:
                more[former] -= 1
    if more:
        expect(cycle, more)
    Participant.objects.filter(cycle=cycle).exclude(counts_at_close={}).update(counts_at_close={})


def extend_lines(cycle: Cycle, *, by: Any, now: dt.datetime, details: dict[str, Any]) -> None:
    """Who gets more time after a cycle was opened again for others can answer what they missed, too."""
    if cycle.times_opened < 2:
        return
    with connection.cursor() as cursor, past_the_guard():
        cursor.execute(_EXTEND, {"cycle": cycle.pk, "reps": details["reps"]})
        changed = cursor.fetchall()
    if changed:
        ids, owners = [line for line, _ in changed], [owner for _, owner in changed]
        record_query("forecast_updated", "forecast", _REOPENED, [ids, ["missed"] * len(ids), owners])


def missed_now(cycle: Cycle) -> dict[int, int]:
    """Rep -> how many missed lines of `cycle` reopening would give to them."""
    present = Case(When(customer__sales_rep__is_active=True, then=F("customer__sales_rep")), default=F("owner"))
    rows = Line.objects.filter(cycle=cycle, status=Line.Status.MISSED).order_by().annotate(rep=present)
    return dict(rows.values_list("rep").annotate(number=Count("pk")))
