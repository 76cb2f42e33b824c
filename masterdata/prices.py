"""The price of a month: the latest one of the matrix entry that starts on or before its first day, else the product's
list price, else there is none. Opening a cycle and offering changed prices read it here, for sixteen months at once;
for a single day the words are `Price.objects.in_force` and `MatrixEntry.objects.with_price`, and `on_day` for prices that
are at hand. A test holds them together.
"""

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal

# Where a price came from, one letter a month, as lines keep it.
OF_CUSTOMER, OF_LIST, OF_NOBODY = "m", "p", "-"

# Common table expressions, parameters `first` and `last` (the first days of the first and last of the 16 months).
# Most entries have one price for all months, which is one lookup; only those whose price changes within them are spread
# over months: a price holds from position `since` up to `until`, one that starts within a month from the next one on.
PRICE_TABLES = """
first_price AS MATERIALIZED (
    SELECT DISTINCT ON (entry_id) entry_id, unit_price
      FROM masterdata_price WHERE valid_from <= %(first)s ORDER BY entry_id, valid_from DESC
), price_range AS MATERIALIZED (
    SELECT entry_id, unit_price, since, lead(since, 1, 16) OVER (PARTITION BY entry_id ORDER BY valid_from) AS until
      FROM (SELECT entry_id, unit_price, valid_from,
                   greatest(0, (extract(year FROM valid_from) - extract(year FROM %(first)s::date)) * 12
                               + extract(month FROM valid_from) - extract(month FROM %(first)s::date)
                               + (extract(day FROM valid_from) > 1)::int)::int AS since
              FROM masterdata_price
             WHERE valid_from <= %(last)s AND entry_id IN (
                   SELECT entry_id FROM masterdata_price WHERE valid_from > %(first)s AND valid_from <= %(last)s)
           ) AS dated
), monthly_price AS MATERIALIZED (
    SELECT entry_id, array_fill(NULL::numeric, ARRAY[min(n)]) || array_agg(unit_price ORDER BY n) AS prices
      FROM price_range CROSS JOIN LATERAL generate_series(since, until - 1) AS n
     GROUP BY entry_id
)
"""

# Joined to `entry` (id, list_price; the id may be missing), for the two expressions below.
PRICE_JOINS = """
      LEFT JOIN first_price ON first_price.entry_id = entry.id
      LEFT JOIN monthly_price ON monthly_price.entry_id = entry.id
"""

PRICE_OF_MONTHS = """
CASE WHEN monthly_price.entry_id IS NULL THEN array_fill(coalesce(first_price.unit_price, entry.list_price), ARRAY[16])
     ELSE (SELECT array_agg(coalesce(p, entry.list_price) ORDER BY n)
             FROM unnest(monthly_price.prices) WITH ORDINALITY AS u(p, n))
END
"""

ORIGIN_OF_MONTHS = f"""
CASE WHEN monthly_price.entry_id IS NULL
     THEN repeat(CASE WHEN first_price.unit_price IS NOT NULL THEN '{OF_CUSTOMER}'
                      WHEN entry.list_price IS NOT NULL THEN '{OF_LIST}' ELSE '{OF_NOBODY}' END, 16)
     ELSE (SELECT string_agg(CASE WHEN p IS NOT NULL THEN '{OF_CUSTOMER}'
                                  WHEN entry.list_price IS NOT NULL THEN '{OF_LIST}' ELSE '{OF_NOBODY}' END, '' ORDER BY n)
             FROM unnest(monthly_price.prices) WITH ORDINALITY AS u(p, n))
END
"""


def on_day(
    changes: Sequence[tuple[dt.date, Decimal]], list_price: Decimal | None, day: dt.date
) -> tuple[Decimal | None, bool]:
    """The price of `day` among an entry's (valid from, price), the earliest first, and whether it is its own.

    >>> on_day([(dt.date(2027, 3, 15), Decimal(8))], Decimal(7), dt.date(2027, 3, 1))
    (Decimal('7'), False)
    """
    own = next((price for since, price in reversed(changes) if since <= day), None)
    return (list_price, False) if own is None else (own, True)
