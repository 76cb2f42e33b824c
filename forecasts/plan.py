"""What the plan uses of each line: its own cells, or for missed and dormant lines what the cycle's policy says.

Every plan figure (consolidated workbook, published plan, reports) reads its cells here.
"""

from typing import Any

from cycles.models import Cycle

CARRY_OVER, LAST_SAVED, ZERO = "carry_over", "last_saved", "zero"

# Joined to `forecasts_line AS line` of one cycle; gives `plan` with quantity, quantity_source, unit_price and
# price_source, and `from_prefill`, true where a missed line stands as it was prefilled.
PLAN_CELLS = """
LEFT JOIN LATERAL (
    SELECT quantity, quantity_source, unit_price, price_source FROM forecasts_snapshot
     WHERE line_id = line.id AND event = 'open' ORDER BY id DESC LIMIT 1
) AS prefill ON line.status = 'missed' AND %(missed_policy)s = 'carry_over'
LEFT JOIN LATERAL (
    SELECT quantity, quantity_source, unit_price, price_source FROM forecasts_snapshot
     WHERE line_id = line.id AND event = 'final' ORDER BY id DESC LIMIT 1
) AS published ON %(is_published)s
CROSS JOIN LATERAL (
    SELECT CASE WHEN published.quantity IS NOT NULL THEN published.quantity
                WHEN NOT line.live OR (line.status = 'missed' AND %(missed_policy)s = 'zero')
                THEN array_fill(0::numeric, ARRAY[16])
                ELSE coalesce(prefill.quantity, line.quantity) END AS quantity,
           CASE WHEN published.quantity IS NOT NULL THEN published.quantity_source
                WHEN NOT line.live OR (line.status = 'missed' AND %(missed_policy)s = 'zero') THEN repeat('-', 16)
                ELSE coalesce(prefill.quantity_source, line.quantity_source) END AS quantity_source,
           coalesce(published.unit_price, prefill.unit_price, line.unit_price) AS unit_price,
           coalesce(published.price_source, prefill.price_source, line.price_source) AS price_source,
           prefill.quantity IS NOT NULL AS from_prefill
) AS plan
"""


def missed_policy(cycle: Cycle) -> str:
    """What the plan of `cycle` uses for missed lines; copied from the settings when it opened."""
    return str(cycle.settings.get("missing_forecast_policy", CARRY_OVER))


def plan_parameters(cycle: Cycle) -> dict[str, Any]:
    """The parameters that `PLAN_CELLS` needs."""
    return {"missed_policy": missed_policy(cycle), "is_published": cycle.status == Cycle.Status.ARCHIVED}
