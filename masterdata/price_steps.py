"""When a price is written: where it changes. One that holds on its day anyway, because an earlier one goes on, is left."""

NEW, CHANGED, SAME = "n", "c", "u"


def price_steps(wanted: str) -> str:
    """The query of what becomes of each wanted price.

    wanted: a query of ours with entry_id, day and amount, each pair of entry and day once. The answer has these, the
    `known` price of that entry and day with its `old` amount (NULL: none), and `state`: NEW, CHANGED or SAME. A price
    is also the same when the one before it, stored or wanted, has the same amount.
    """
    return f"""
WITH wanted AS MATERIALIZED ({wanted}),
stepped AS (
    SELECT entry_id, day, amount, is_wanted, lag(amount) OVER (PARTITION BY entry_id ORDER BY day) AS before
      FROM (SELECT entry_id, day, amount, true AS is_wanted FROM wanted
             UNION ALL
            SELECT price.entry_id, price.valid_from, price.unit_price, false FROM masterdata_price AS price
             WHERE price.entry_id IN (SELECT entry_id FROM wanted)
               AND NOT EXISTS (SELECT FROM wanted WHERE (wanted.entry_id, wanted.day) = (price.entry_id, price.valid_from))
           ) AS merged
)
SELECT stepped.entry_id, stepped.day, stepped.amount, price.id AS known, price.unit_price AS old,
       CASE WHEN price.id IS NOT NULL AND price.unit_price <> stepped.amount THEN '{CHANGED}'
            WHEN price.id IS NOT NULL OR stepped.before = stepped.amount THEN '{SAME}'
            ELSE '{NEW}' END AS state
  FROM stepped
  LEFT JOIN masterdata_price AS price ON (price.entry_id, price.valid_from) = (stepped.entry_id, stepped.day)
 WHERE stepped.is_wanted
"""
