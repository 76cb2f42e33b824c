"""Which lines of an open cycle are live, worked out again after actuals that came late."""

import datetime as dt
from collections import Counter
from typing import Any

from django.db import connection

from audit.services import record_query
from cycles.models import Cycle
from forecasts.services.opening import HEIR_TABLES, LABEL, LABELLED, SOLD, heirs, sold_since
from forecasts.services.shares import expect
from forecasts.services.writing import past_the_guard

# A line is live when its pair sold something, or an earlier plan goes on with it. One that people touched never goes
# dormant, nor one that they added (it has no snapshot of the opening); one they only looked at wakes like the others.
_REFRESH = f"""
WITH {HEIR_TABLES}, {SOLD}, wanted AS (
    SELECT line.id, sold.customer_id IS NOT NULL OR coalesce(0 < ANY (line.quantity), false) AS live
      FROM forecasts_line AS line
      LEFT JOIN sold ON sold.customer_id = line.customer_id AND sold.product_id = line.product_id
     WHERE line.cycle_id = %(cycle)s AND line.status = 'draft'
), changing AS (
    SELECT line.id, wanted.live
      FROM forecasts_line AS line
      JOIN wanted ON wanted.id = line.id AND wanted.live <> line.live
     WHERE wanted.live
        OR (line.edited_at IS NULL AND line.submitted_at IS NULL AND line.decided_at IS NULL
            AND line.confirmed_at IS NULL
            AND EXISTS (SELECT FROM forecasts_snapshot WHERE line_id = line.id AND event = 'open'))
     ORDER BY line.id FOR UPDATE OF line
)
UPDATE forecasts_line AS line SET live = changing.live
  FROM changing WHERE changing.id = line.id
RETURNING line.id, line.owner_id, line.live
"""


def refresh_lines(cycle: Cycle, *, by: Any, now: dt.datetime, details: dict[str, Any]) -> None:
    """Wake what was sold and put to sleep what was not; denominators follow, `details` tell how many of each rep."""
    with connection.cursor() as cursor, past_the_guard():
        cursor.execute(_REFRESH, {"cycle": cycle.pk, "sold_since": sold_since(cycle), **heirs()})
        changed = cursor.fetchall()
    if not changed:
        return
    record_query(
        "forecast_updated",
        "forecast",
        f"SELECT line.id::text, {LABEL}, jsonb_build_object('live', jsonb_build_array(NOT line.live, line.live)) "
        f"{LABELLED} WHERE line.id = ANY(%s)",
        [[line for line, _, _ in changed]],
    )
    details["woken"] = Counter(owner for _, owner, live in changed if live)
    details["slept"] = Counter(owner for _, owner, live in changed if not live)
    more = Counter(details["woken"])
    more.subtract(details["slept"])
    expect(cycle, {rep: number for rep, number in more.items() if number})
