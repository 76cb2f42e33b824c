"""What opening, closing and publishing a cycle do to its lines; each is a handful of set-based statements.

Called by `forecasts.receivers` in the transaction of the move, under the cycle's exclusive lock.
"""

import datetime as dt
from typing import Any

from django.db import connection
from django.db.models import Count, F, Max

from audit.services import record_query
from cycles.models import Cycle, Participant
from forecasts.models import MAX_QUANTITY, NONE, Line, PriceSource, Snapshot
from forecasts.plan import FINAL_CELLS, PLAN_CELLS
from forecasts.services.writing import past_the_guard, snapshot_cycle
from masterdata.models import Actual, CustomerSuccession, ProductSuccession
from masterdata.prices import ORIGIN_OF_MONTHS, PRICE_JOINS, PRICE_OF_MONTHS, PRICE_TABLES
from sop_portal.lib import periods

# Prices that are carried over; the letters of the others, which the next cycle works out anew.
_CARRIED = {PriceSource.ENTERED, PriceSource.UPLOADED, PriceSource.API, PriceSource.CARRIED}
_DERIVED = "".join(source.value for source in PriceSource if source not in _CARRIED)

# Months of actuals that tell a live line from a dormant one.
LOOK_BACK = 12

# For which pair the history of `line` counts. Those who were replaced are few and come as arrays: a view over chains would
# leave the planner guessing.
HEIRS = """
      LEFT JOIN customer_heir ON customer_heir.origin_id = line.customer_id
      LEFT JOIN product_heir ON product_heir.origin_id = line.product_id
     CROSS JOIN LATERAL (
           SELECT coalesce(customer_heir.heir_id, line.customer_id) AS customer_id,
                  coalesce(product_heir.heir_id, line.product_id) AS product_id
           ) AS counts
"""

HEIR_TABLES = """
customer_heir AS MATERIALIZED (
    SELECT * FROM unnest(%(customers)s::bigint[], %(customer_heirs)s::bigint[]) AS heir(origin_id, heir_id)
), product_heir AS MATERIALIZED (
    SELECT * FROM unnest(%(products)s::bigint[], %(product_heirs)s::bigint[]) AS heir(origin_id, heir_id)
)
"""

# The pairs of which something was sold since a month; needs HEIR_TABLES.
SOLD = f"""
sold AS MATERIALIZED (
    SELECT DISTINCT counts.customer_id, counts.product_id
      FROM (SELECT DISTINCT customer_id, product_id FROM masterdata_actual
             WHERE period >= %(sold_since)s AND quantity > 0) AS line
      {HEIRS}
)
"""

# One line per active matrix entry of an active product and an active customer that has an active rep.
# - earlier: the newest earlier line of the pair whose cycle covers the first period. All cycles have 16 periods, so the
#   newest one also covers the most of the new horizon. It is chosen first: a snapshot is looked up once per pair. Lines
#   of replaced products and customers count for the end of their chain, and only there; of several in one cycle the
#   pair's own comes first, then one of the same product, and the others (`beside`) are added to it.
# - Arrays shift by the months between the two cycles; the tail stays blank until a baseline fills it.
_SEED = f"""
WITH {HEIR_TABLES}, earlier AS MATERIALIZED (
    SELECT DISTINCT ON (counts.customer_id, counts.product_id)
           line.id, counts.customer_id, counts.product_id, cycle.id AS cycle_id, cycle.first_period,
           product_heir.heir_id IS NULL AS same_product
      FROM forecasts_line AS line
      JOIN cycles_cycle AS cycle ON cycle.id = line.cycle_id
      {HEIRS}
     WHERE cycle.status IN ('closed', 'archived') AND cycle.id <> %(cycle)s
       AND cycle.first_period <= %(first)s AND cycle.first_period > %(oldest)s
     ORDER BY counts.customer_id, counts.product_id, cycle.first_period DESC, cycle.kind DESC, cycle.id DESC,
              product_heir.heir_id IS NOT NULL, customer_heir.heir_id IS NOT NULL, line.id
), beside AS MATERIALIZED (
    SELECT customer_id, product_id, array_agg(quantity ORDER BY n) AS quantity
      FROM (SELECT earlier.customer_id, earlier.product_id, cell.n, sum(cell.q) AS quantity
              FROM forecasts_line AS line
              {HEIRS}
              JOIN earlier ON earlier.customer_id = counts.customer_id AND earlier.product_id = counts.product_id
                          AND earlier.cycle_id = line.cycle_id AND earlier.id <> line.id
              {PLAN_CELLS}
             CROSS JOIN LATERAL unnest(plan.quantity) WITH ORDINALITY AS cell(q, n)
             WHERE line.customer_id = ANY(%(customers)s) OR line.product_id = ANY(%(products)s)
             GROUP BY earlier.customer_id, earlier.product_id, cell.n
           ) AS summed
     GROUP BY customer_id, product_id
), source AS MATERIALIZED (
    SELECT earlier.customer_id, earlier.product_id, line.risk_class, line.risk_is_default,
           (extract(year FROM age(%(first)s::date, earlier.first_period)) * 12
            + extract(month FROM age(%(first)s::date, earlier.first_period)))::int AS moved,
           CASE WHEN beside.quantity IS NULL THEN plan.quantity
                ELSE (SELECT array_agg(CASE WHEN own IS NULL THEN more
                                            ELSE least(own + coalesce(more, 0), {MAX_QUANTITY}) END ORDER BY n)
                        FROM unnest(plan.quantity, beside.quantity)
                             WITH ORDINALITY AS cell(own, more, n))
           END AS quantity,
           plan.unit_price AS unit_price,
           -- A price somebody gave for another product is none for this one.
           CASE WHEN earlier.same_product THEN plan.price_source
                ELSE repeat('-', 16) END AS price_source
      FROM earlier
      JOIN forecasts_line AS line ON line.id = earlier.id
      {PLAN_CELLS}
      LEFT JOIN beside ON beside.customer_id = earlier.customer_id AND beside.product_id = earlier.product_id
), entry AS MATERIALIZED (
    SELECT entry.id, entry.customer_id, entry.product_id, customer.sales_rep_id, customer.default_risk_class,
           product.list_price
      FROM masterdata_matrixentry AS entry
      JOIN masterdata_product AS product ON product.id = entry.product_id AND product.is_active
      JOIN masterdata_customer AS customer ON customer.id = entry.customer_id AND customer.is_active
      JOIN accounts_user AS rep ON rep.id = customer.sales_rep_id AND rep.is_active
     WHERE entry.is_active
), {PRICE_TABLES}, {SOLD}, seed AS (
    SELECT entry.customer_id, entry.product_id, entry.sales_rep_id,
           coalesce(CASE WHEN source.risk_is_default THEN NULL ELSE source.risk_class END,
                    entry.default_risk_class, 3) AS risk_class,
           coalesce(source.risk_is_default, true) AS risk_is_default,
           source.customer_id IS NOT NULL AS has_source,
           source.moved,
           CASE WHEN source.customer_id IS NULL THEN array_fill(NULL::numeric, ARRAY[16])
                ELSE source.quantity[1 + source.moved:16] || array_fill(NULL::numeric, ARRAY[source.moved])
           END AS quantity,
           {PRICE_OF_MONTHS} AS price,
           {ORIGIN_OF_MONTHS} AS price_source,
           source.unit_price AS old_price,
           -- Only a price a person gave is carried, and it stays a carried one; the other letters become blanks.
           translate(coalesce(substr(source.price_source, 1 + source.moved), ''), %(derived)s, %(blanks)s) AS given_price,
           sold.customer_id IS NOT NULL OR coalesce(0 < ANY (source.quantity[1 + source.moved:16]), false) AS live
      FROM entry
      LEFT JOIN source USING (customer_id, product_id)
      {PRICE_JOINS}
      LEFT JOIN sold USING (customer_id, product_id)
)
INSERT INTO forecasts_line (
    cycle_id, customer_id, product_id, owner_id, status, live, risk_class, risk_is_default, revision, notes,
    change_reason, decision_comment, quantity, quantity_source, unit_price, price_source)
SELECT %(cycle)s, customer_id, product_id, sales_rep_id, 'draft', live, risk_class, risk_is_default, 1, '', '', '',
       quantity,
       CASE WHEN NOT has_source THEN repeat('-', 16)
            WHEN array_position(quantity[1:16 - moved], NULL) IS NULL THEN repeat('c', 16 - moved) || repeat('-', moved)
            ELSE (SELECT string_agg(CASE WHEN q IS NULL THEN '-' ELSE 'c' END, '' ORDER BY n)
                    FROM unnest(quantity) WITH ORDINALITY AS u(q, n)) END,
       CASE WHEN btrim(given_price, '-') <> ''
            THEN (SELECT array_agg(CASE WHEN substr(given_price, n::int, 1) NOT IN ('-', '') THEN old_price[n + moved]
                                        ELSE p END ORDER BY n)
                    FROM unnest(price) WITH ORDINALITY AS u(p, n))
            ELSE price END,
       CASE WHEN btrim(given_price, '-') <> ''
            THEN (SELECT string_agg(CASE WHEN substr(given_price, n, 1) NOT IN ('-', '') THEN 'c'
                                         ELSE substr(price_source, n, 1) END, '' ORDER BY n)
                    FROM generate_series(1, 16) AS n)
            ELSE price_source END
  FROM seed
"""

# Keeps customers with their reps until the lines are made.
_HOLD_CUSTOMERS = """
SELECT count(*) FROM (SELECT FROM masterdata_customer WHERE is_active ORDER BY id FOR SHARE) AS held
"""

_PARTICIPANTS = """
INSERT INTO cycles_participant (cycle_id, rep_id, lines_expected, counts_at_close)
SELECT cycle_id, owner_id, count(*) FILTER (WHERE live), '{}'
  FROM forecasts_line WHERE cycle_id = %s AND owner_id IS NOT NULL GROUP BY cycle_id, owner_id
"""

# How lines are named in the audit trail; the same words as `writing.line_label`.
LABEL = """
coalesce(nullif(customer.short_name, ''), customer.name) || ' · ' || product.item_code || ' ' || product.description
"""

LABELLED = """
  FROM forecasts_line AS line
  JOIN masterdata_customer AS customer ON customer.id = line.customer_id
  JOIN masterdata_product AS product ON product.id = line.product_id
"""


def seed_lines(cycle: Cycle, *, by: Any, now: dt.datetime, details: dict[str, Any]) -> None:
    """Make and prefill the lines of a cycle that just opened, and freeze its participants."""
    with connection.cursor() as cursor, past_the_guard():
        # A customer who is just being given to another rep: the lines wait for that, or it moves them afterwards.
        cursor.execute(_HOLD_CUSTOMERS)
        cursor.execute(
            _SEED,
            {
                "cycle": cycle.pk,
                "first": cycle.first_period,
                "last": cycle.periods[-1],
                "oldest": periods.shift(cycle.first_period, -cycle.horizon),
                "sold_since": sold_since(cycle),
                **heirs(),
                "derived": _DERIVED,
                "blanks": NONE * len(_DERIVED),
            },
        )
        snapshot_cycle(cycle, Snapshot.Event.OPEN, by=by, now=now)
        cursor.execute(_PARTICIPANTS, [cycle.pk])
    record_query(
        "forecast_created",
        "forecast",
        f"SELECT line.id::text, {LABEL}, jsonb_build_object('status', jsonb_build_array(null, line.status), "
        f"'live', jsonb_build_array(null, line.live)) {LABELLED} WHERE line.cycle_id = %s",
        [cycle.pk],
    )
    record_query(
        "participant_created",
        "participant",
        "SELECT share.id::text, %s::text, "
        "jsonb_build_object('rep', jsonb_build_array(null, rep.full_name), "
        "'lines_expected', jsonb_build_array(null, share.lines_expected)) "
        "FROM cycles_participant AS share JOIN accounts_user AS rep ON rep.id = share.rep_id WHERE share.cycle_id = %s",
        [str(cycle), cycle.pk],
    )


def heirs() -> dict[str, list[int]]:
    """The parameters of HEIR_TABLES: who was replaced, and the ends of their chains."""
    return {**_replaced("customer", CustomerSuccession), **_replaced("product", ProductSuccession)}


def _replaced(kind: str, succession: Any) -> dict[str, list[int]]:
    """Those who were replaced and the ends of their chains, in the same order."""
    replaced = succession.objects.filter(is_last=True).exclude(origin=F("heir")).values_list("origin", "heir")
    return {f"{kind}s": [origin for origin, _ in replaced], f"{kind}_heirs": [heir for _, heir in replaced]}


def sold_since(cycle: Cycle) -> dt.date:
    """The first of the 12 months whose sales keep a line live.

    They end with the last month of loaded actuals before the cycle, so that a late load does not put lines to sleep.
    """
    last = Actual.objects.filter(period__lt=cycle.first_period).aggregate(last=Max("period"))["last"]
    return periods.shift(last or periods.shift(cycle.first_period, -1), 1 - LOOK_BACK)


def close_lines(cycle: Cycle, *, by: Any, now: dt.datetime, details: dict[str, Any]) -> None:
    """Live lines nobody handed in become missed and keep their values; every line is copied, the counts are stored.

    `details` tell how many lines of each rep are missed, and whose became so by this close.
    """
    with connection.cursor() as cursor, past_the_guard():
        cursor.execute(
            "WITH late AS (SELECT id, status FROM forecasts_line "
            "WHERE cycle_id = %s AND live AND status IN ('draft', 'rejected') ORDER BY id FOR UPDATE) "
            "UPDATE forecasts_line AS line SET status = 'missed', revision = line.revision + 1 "
            "FROM late WHERE line.id = late.id RETURNING line.id, late.status, line.owner_id",
            [cycle.pk],
        )
        missed = cursor.fetchall()
        snapshot_cycle(cycle, Snapshot.Event.CLOSE, by=by, now=now)
    record_query(
        "forecast_updated",
        "forecast",
        f"SELECT line.id::text, {LABEL}, jsonb_build_object('status', jsonb_build_array(late.status, 'missed')) "
        f"{LABELLED} JOIN unnest(%s::bigint[], %s::text[]) AS late(id, status) ON late.id = line.id",
        [[line for line, _, _ in missed], [status for _, status, _ in missed]],
    )
    counts: dict[int, dict[str, int]] = {}
    for owner, status, number in _status_counts(cycle):
        counts.setdefault(owner, {})[status] = number
    shares = list(Participant.objects.filter(cycle=cycle).select_for_update().order_by("pk"))
    details["late"] = {owner for _, _, owner in missed}
    details["missed"] = {owner: found["missed"] for owner, found in counts.items() if "missed" in found}
    for share in shares:
        share.counts_at_close = counts.get(share.rep_id, {})
    Participant.objects.bulk_update(shares, ["counts_at_close"])


def _status_counts(cycle: Cycle) -> list[tuple[int, str, int]]:
    """How many live lines of each owner are in each status."""
    rows = Line.objects.filter(cycle=cycle, live=True, owner__isnull=False).order_by()
    return list(rows.values_list("owner_id", "status").annotate(Count("pk")))


def publish_lines(cycle: Cycle, *, by: Any, now: dt.datetime, details: dict[str, Any]) -> None:
    """The `final` snapshot of every line: the plan of record, with missed and dormant lines as the plan counts them."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO forecasts_snapshot (line_id, event, status, live, risk_class, quantity, quantity_source, "
            "unit_price, price_source, owner_id, actor_id, comment, at) "
            "SELECT line.id, 'final', line.status, line.live, line.risk_class, plan.quantity, plan.quantity_source, "
            "plan.unit_price, plan.price_source, line.owner_id, %(by)s, '', %(now)s "
            f"FROM forecasts_line AS line {FINAL_CELLS} WHERE line.cycle_id = %(cycle)s",
            {"by": by.pk, "now": now, "cycle": cycle.pk},
        )
