"""What the plan uses of each line: its own cells, or for missed and dormant lines what the cycle's policy says.

Every plan figure (carry-over into the next cycle, consolidated workbook, published plan, board, home, compare, reports)
reads its cells here.
"""

from cycles.missed import CARRY_OVER, ZERO


def _cells(is_published: str) -> str:
    """The joins below. is_published: SQL that tells whether the cycle has its `final` snapshots."""
    # A snapshot is looked up once at most, and only where the plan is not the line's own cells. A line that was added
    # after the opening has none of it: it started blank.
    return f"""
JOIN cycles_cycle AS plan_cycle ON plan_cycle.id = line.cycle_id
CROSS JOIN LATERAL (
    SELECT {is_published} AS is_published,
           CASE WHEN line.status = 'missed'
                THEN coalesce(plan_cycle.settings ->> 'missing_forecast_policy', '{CARRY_OVER}') END AS missed_policy
) AS rule
LEFT JOIN LATERAL (
    SELECT quantity, quantity_source, unit_price, price_source FROM forecasts_snapshot
     WHERE line_id = line.id AND event = CASE WHEN rule.is_published THEN 'final' ELSE 'open' END
       AND (rule.is_published OR rule.missed_policy = '{CARRY_OVER}')
     ORDER BY id DESC LIMIT 1
) AS kept ON true
CROSS JOIN LATERAL (
    SELECT CASE WHEN kept.quantity IS NOT NULL THEN kept.quantity
                WHEN NOT line.live OR rule.missed_policy = '{ZERO}' THEN array_fill(0::numeric, ARRAY[16])
                WHEN rule.missed_policy = '{CARRY_OVER}' THEN array_fill(NULL::numeric, ARRAY[16])
                ELSE line.quantity END AS quantity,
           CASE WHEN kept.quantity IS NOT NULL THEN kept.quantity_source
                WHEN NOT line.live OR rule.missed_policy IN ('{ZERO}', '{CARRY_OVER}') THEN repeat('-', 16)
                ELSE line.quantity_source END AS quantity_source,
           coalesce(kept.unit_price, line.unit_price) AS unit_price,
           coalesce(kept.price_source, line.price_source) AS price_source,
           coalesce(rule.missed_policy = '{CARRY_OVER}', false) AS from_prefill
) AS plan
"""


# Joined to `forecasts_line AS line`; gives `plan` with quantity, quantity_source, unit_price and price_source, and
# `from_prefill`, true where a missed line stands as it was prefilled.
PLAN_CELLS = _cells("plan_cycle.status = 'archived'")
# The same before the `final` snapshots are there: what they are made of.
FINAL_CELLS = _cells("false")
