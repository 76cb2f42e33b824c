"""Prices that changed while a cycle is open: which lines still have the old one, and taking the new one over.

Only cells whose price the portal worked out itself (the customer's or the list price, or none) are touched, and only of
lines that take input now; what a person, a file or another system gave stays, and so does what is handed in.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import redis
import structlog
from django.core.cache import cache
from django.db import connection, transaction

from audit.services import Event, record, record_many
from cycles.models import Cycle
from forecasts.models import Line
from forecasts.services.values import number_text
from forecasts.services.writing import guard_speaks, line_label
from masterdata.prices import (
    OF_CUSTOMER,
    OF_LIST,
    OF_NOBODY,
    ORIGIN_OF_MONTHS,
    PRICE_JOINS,
    PRICE_OF_MONTHS,
    PRICE_TABLES,
)
from sop_portal.accounts.formats import counted
from sop_portal.lib import periods
from sop_portal.lib.errors import Conflict, NotAllowed

log = structlog.get_logger(__name__)

# Seconds for which `offer_lately` believes what was counted.
LASTS = 60

_WORKED_OUT = OF_CUSTOMER + OF_LIST + OF_NOBODY
_INPUT = "'draft', 'rejected'"

# Lines of one cycle with the prices in force beside their own; `cells` are the positions (from 1) of those that differ
# and that nobody entered or left as they are. A price that went away altogether is no new one. Drafts whose deadline has
# passed are left out.
_OFFER = f"""
entry AS MATERIALIZED (
    SELECT line.id AS line_id, entry.id, product.list_price
      FROM forecasts_line AS line
      JOIN masterdata_product AS product ON product.id = line.product_id
      LEFT JOIN masterdata_matrixentry AS entry
        ON entry.customer_id = line.customer_id AND entry.product_id = line.product_id
     WHERE line.cycle_id = %(cycle)s
), {PRICE_TABLES}, in_force AS (
    SELECT entry.line_id, {PRICE_OF_MONTHS} AS price, {ORIGIN_OF_MONTHS} AS origin
      FROM entry {PRICE_JOINS}
), offer AS (
    SELECT line.id, line.live, line.unit_price, line.price_source, in_force.price, in_force.origin, stale.cells,
           stale.blanks,
           line.status IN ({_INPUT}) AS takes_input
      FROM in_force
      JOIN forecasts_line AS line ON line.id = in_force.line_id AND line.unit_price IS DISTINCT FROM in_force.price
      JOIN cycles_cycle AS cycle ON cycle.id = line.cycle_id
      LEFT JOIN cycles_participant AS share ON share.cycle_id = line.cycle_id AND share.rep_id = line.owner_id
      LEFT JOIN forecasts_keptprice AS kept ON kept.line_id = line.id
     CROSS JOIN LATERAL (
           SELECT array_agg(n ORDER BY n) AS cells, count(*) FILTER (WHERE own IS NULL) AS blanks
             FROM unnest(line.unit_price, in_force.price, coalesce(kept.in_force, array_fill(NULL::numeric, ARRAY[16])))
                  WITH ORDINALITY AS cell(own, now, kept, n)
            WHERE strpos('{_WORKED_OUT}', substr(line.price_source, n::int, 1)) > 0
              AND now IS NOT NULL AND now IS DISTINCT FROM own AND now IS DISTINCT FROM kept
           ) AS stale
     WHERE stale.cells IS NOT NULL
       AND (line.status NOT IN ({_INPUT}) OR portal_now() < greatest(cycle.closes_at, share.deadline_extension))
)
"""

_COUNT = f"""
WITH {_OFFER}
SELECT count(*) FILTER (WHERE live AND takes_input),
       coalesce(sum(cardinality(cells)) FILTER (WHERE live AND takes_input), 0),
       coalesce(sum(blanks) FILTER (WHERE live AND takes_input), 0),
       count(*) FILTER (WHERE NOT live AND takes_input), count(*) FILTER (WHERE live AND NOT takes_input)
  FROM offer
"""

_LIST = f"WITH {_OFFER} SELECT id, unit_price, price, cells FROM offer WHERE live AND takes_input ORDER BY id"

_LOCK = f"""
WITH {_OFFER}
SELECT line.id FROM forecasts_line AS line WHERE line.id IN (SELECT id FROM offer WHERE takes_input) ORDER BY line.id FOR UPDATE
"""

# The confirmation goes: it was one of other prices. Who edited last stays: nobody did.
_TAKE = f"""
WITH {_OFFER}, taken AS (
    SELECT offer.id, offer.unit_price AS before, offer.cells,
           array_agg(CASE WHEN n = ANY(cells) THEN now ELSE own END ORDER BY n) AS after,
           string_agg(substr(CASE WHEN n = ANY(cells) THEN origin ELSE price_source END, n::int, 1), '' ORDER BY n) AS origin
      FROM offer CROSS JOIN LATERAL unnest(unit_price, price) WITH ORDINALITY AS cell(own, now, n)
     WHERE offer.id = ANY(%(lines)s) AND takes_input
     GROUP BY offer.id, offer.unit_price, offer.cells
)
UPDATE forecasts_line AS line
   SET unit_price = taken.after::numeric(14, 4)[], price_source = taken.origin, revision = line.revision + 1,
       confirmed_by_id = NULL, confirmed_at = NULL
  FROM taken WHERE line.id = taken.id
RETURNING line.id, taken.before, line.unit_price, taken.cells
"""

_LEAVE = f"""
WITH {_OFFER}
INSERT INTO forecasts_keptprice (line_id, in_force, by_id, at) SELECT id, price, %(by)s, portal_now() FROM offer WHERE takes_input
ON CONFLICT (line_id) DO UPDATE SET in_force = EXCLUDED.in_force, by_id = EXCLUDED.by_id, at = EXCLUDED.at
RETURNING line_id
"""


@dataclass(frozen=True)
class Offer:
    """How much of an open cycle has old prices. lines, cells: of live lines that take input; blanks: those of the cells
    that have no price at all; dormant: further lines that take input; handed_in: live lines that do not, and keep what
    they were handed in with."""

    cycle: Cycle
    lines: int = 0
    cells: int = 0
    blanks: int = 0
    dormant: int = 0
    handed_in: int = 0

    def __bool__(self) -> bool:
        return bool(self.lines or self.dormant)

    @property
    def sentence(self) -> str:
        """ "12 lines of S&OP Dec 2026 use the old price in 96 cells that nobody entered." """
        if not self.lines:
            return f"{counted(self.dormant, 'empty line')} of {self.cycle} still {_has(self.dormant)} the old price."
        lines, cells = f"{counted(self.lines, 'line')} of {self.cycle}", counted(self.cells, "cell")
        if self.blanks == self.cells:
            return f"{lines} {_has(self.lines)} no price in {cells}, though there is one now."
        verb, none = "uses" if self.lines == 1 else "use", " or none" if self.blanks else ""
        return f"{lines} {verb} the old price{none} in {cells} that nobody entered."

    @property
    def what(self) -> str:
        """What the lines have: "an old price", "no price though there is one"."""
        if self.cells and self.blanks == self.cells:
            return "no price though there is one"
        return "an old price or none" if self.blanks else "an old price"

    @property
    def done(self) -> str:
        """What taking the prices over did."""
        if not self:
            return "Every line had the prices in force already."
        parts = [counted(count, word) for count, word in ((self.lines, "line"), (self.dormant, "empty line")) if count]
        one = self.lines + self.dormant == 1
        cells = f", in {counted(self.cells, 'cell')}" if self.cells else ""
        return f"{' and '.join(parts)} {'has the new price' if one else 'have the new prices'}{cells}."


def _has(count: int) -> str:
    return "has" if count == 1 else "have"


@dataclass(frozen=True)
class Move:
    """One price of a line that would change: from what to what, in which months."""

    before: Decimal | None
    after: Decimal
    months: str


@dataclass(frozen=True)
class Stale:
    """One live line with old prices."""

    line: Line
    cells: int
    moves: list[Move]


def may_take(by: Any) -> bool:
    """Whether `by` decides about changed prices: those who may edit every rep's lines."""
    return bool(by.has_perm("forecasts.edit_any_line"))


def offer(cycle: Cycle) -> Offer:
    """What of the open `cycle` has old prices; nothing for a cycle in another state."""
    if not cycle.is_open:
        return Offer(cycle)
    counts = [int(count) for count in _ask(_COUNT, cycle)[0]]
    transaction.on_commit(lambda: _remember(cycle, counts))
    return Offer(cycle, *counts)


def offer_lately(cycle: Cycle) -> Offer:
    """The same as it was within the last minute: adding it up is too much for a page that is opened all day."""
    if not cycle.is_open:
        return Offer(cycle)
    try:
        counts = cache.get(_key(cycle))
    except (redis.RedisError, OSError) as problem:
        log.warning("old prices are counted anew", problem=str(problem))
        counts = None
    return offer(cycle) if counts is None else Offer(cycle, *counts)


def _key(cycle: Cycle) -> str:
    # A number alone may be that of a cycle of another database that shares the cache.
    return f"old-prices:{cycle.pk}:{cycle.opened_at and cycle.opened_at.timestamp()}"


def _remember(cycle: Cycle, counts: Sequence[int] | None) -> None:
    """Keep what was counted for a minute; None: forget it. Without a cache it is counted each time."""
    try:
        cache.set(_key(cycle), counts, LASTS)
    except (redis.RedisError, OSError) as problem:
        log.warning("old prices are not remembered", problem=str(problem))


def stale_lines_of(cycle: Cycle, limit: int) -> list[Stale]:
    """The first `limit` live lines with old prices, by customer and product."""
    rows = {pk: (before, after, cells) for pk, before, after, cells in _ask(_LIST, cycle)} if cycle.is_open else {}
    lines = (
        Line.objects.filter(pk__in=list(rows))
        .select_related("customer", "product", "owner")
        .order_by("customer__name", "customer", "product__item_code")
    )
    months = cycle.periods
    return [Stale(line, len(rows[line.pk][2]), _moves(*rows[line.pk], months)) for line in lines[:limit]]


def _moves(before: Sequence[Any], after: Sequence[Any], cells: Sequence[int], months: Sequence[Any]) -> list[Move]:
    """The stale cells as runs of months with the same change."""
    runs: list[tuple[Any, Any, list[int]]] = []
    for n in cells:
        pair = before[n - 1], after[n - 1]
        if runs and runs[-1][:2] == pair and runs[-1][2][-1] == n - 1:
            runs[-1][2].append(n)
        else:
            runs.append((*pair, [n]))
    return [Move(old, new, _span([months[n - 1] for n in numbers])) for old, new, numbers in runs]


def _span(months: Sequence[Any]) -> str:
    first, last = periods.label(months[0]), periods.label(months[-1])
    return first if first == last else f"{first} to {last}"


@transaction.atomic
def take_prices(cycle_id: int, *, by: Any) -> Offer:
    """Take the prices in force over into the cells that nobody entered, of every line that takes input; returns what
    was done.

    Each line gets a new revision, so that whoever has it open is told instead of overwriting. Repeated, it changes
    nothing. Raises NotAllowed, and Conflict for a cycle that is not open.
    """
    cycle = _open(cycle_id, by)
    # Locked in the order of their keys; what is stale is asked again after the wait.
    locked = [pk for (pk,) in _ask(_LOCK, cycle)]
    with guard_speaks(cycle):
        taken = _ask(_TAKE, cycle, lines=locked)
    lines = Line.objects.select_related("customer", "product").in_bulk([pk for pk, *_ in taken])
    months = [periods.key(period) for period in cycle.periods]
    record_many(
        Event(
            action="forecast_updated",
            entity_type="forecast",
            entity_id=str(pk),
            label=line_label(lines[pk]),
            changes={
                f"unit_price {months[n - 1]}": [number_text(before[n - 1]), number_text(after[n - 1])] for n in cells
            },
        )
        for pk, before, after, cells in taken
    )
    live = [cells for pk, _, _, cells in taken if lines[pk].live]
    transaction.on_commit(lambda: _remember(cycle, None))
    return Offer(cycle, lines=len(live), cells=sum(map(len, live)), dormant=len(taken) - len(live))


@transaction.atomic
def leave_prices(cycle_id: int, *, by: Any) -> Offer:
    """Leave the lines with the prices they have; offered again when prices change once more. Returns what was left.

    Raises NotAllowed, and Conflict for a cycle that is not open.
    """
    cycle = _open(cycle_id, by)
    left = offer(cycle)
    transaction.on_commit(lambda: _remember(cycle, None))
    if _ask(_LEAVE, cycle, by=by.pk):
        told = f"left in {left.cells:,} cells of {left.lines:,} lines"
        record(
            Event(
                action="cycle_prices_left",
                entity_type="cycle",
                entity_id=str(cycle.pk),
                label=str(cycle),
                changes={"old prices": [None, told]},
            )
        )
    return left


def _open(cycle_id: int, by: Any) -> Cycle:
    """The open cycle, kept from moving until the transaction ends."""
    if not may_take(by):
        raise NotAllowed("Only an S&OP admin decides about changed prices.")
    Cycle.objects.lock_shared(cycle_id)
    cycle: Cycle = Cycle.objects.get(pk=cycle_id)
    if not cycle.is_open:
        raise Conflict(f"{cycle} is not open, so the prices of its lines stay as they are.")
    return cycle


def _ask(query: str, cycle: Cycle, **more: Any) -> list[Any]:
    parameters = {"cycle": cycle.pk, "first": cycle.first_period, "last": cycle.periods[-1], **more}
    with connection.cursor() as cursor:
        # One of the statements above, never input.
        cursor.execute(query, parameters)
        return cursor.fetchall()
