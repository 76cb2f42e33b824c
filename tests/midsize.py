"""A company of the reference size ("mid"), made by a few statements of SQL in seconds: for plans of queries and benches.

60 reps in 6 teams, 2,000 customers, 1,000 products in 8 groups, 10 products a customer, 36 months of actuals.
"""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

LAST = dt.date(2026, 11, 1)


@dataclass(frozen=True)
class Shape:
    """How big it is; actuals are customers x per_customer x months."""

    reps: int = 60
    customers: int = 2_000
    products: int = 1_000
    per_customer: int = 10
    months: int = 36


# Parameters are named after the fields of Shape, with `last` for the last month of actuals and `hash` for passwords.
_PEOPLE = """
INSERT INTO accounts_user (password, is_superuser, email, username, full_name, manager_id, time_zone, is_active,
                           access_version, date_joined)
SELECT %(hash)s, false, name || '@example.com', name, initcap(name), NULL, 'UTC', true, 1, now()
  FROM (SELECT 'manager' || n AS name FROM generate_series(1, 6) AS n
        UNION ALL SELECT 'admin' UNION ALL SELECT 'viewer') AS person;
INSERT INTO accounts_user (password, is_superuser, email, username, full_name, manager_id, time_zone, is_active,
                           access_version, date_joined)
SELECT %(hash)s, false, 'rep' || n || '@example.com', 'rep' || n, 'Rep ' || n, manager.id, 'UTC', true, 1, now()
  FROM generate_series(1, %(reps)s) AS n JOIN accounts_user AS manager ON manager.username = 'manager' || (n %% 6 + 1);
INSERT INTO accounts_user_groups (user_id, group_id)
SELECT person.id, role.id FROM accounts_user AS person
  JOIN auth_group AS role ON role.name = CASE WHEN username LIKE 'rep%%' THEN 'sales_rep'
                                              ELSE rtrim(username, '0123456789') END
"""
_CATALOGUE = """
INSERT INTO masterdata_productgroup (code, name) SELECT 'G0' || n, 'Family ' || n FROM generate_series(1, 8) AS n;
INSERT INTO masterdata_product (item_code, description, group_id, manufacturing_location, production_line, pack_size,
                                weight, uom, list_price, cost_price, is_active)
SELECT (110000 + n)::text, 'Peeled garlic recipe ' || n, family.id, 'Plant ' || n %% 4, 'Line ' || n %% 9, '4x5 lb',
       CASE WHEN n %% 97 <> 0 THEN (n %% 23) + 1.5 END, CASE n %% 5 WHEN 0 THEN 'KG' ELSE 'CS' END,
       (n %% 61) + 12.25, (n %% 61) + 7.5, n %% 25 <> 0
  FROM generate_series(1, %(products)s) AS n JOIN masterdata_productgroup AS family ON family.code = 'G0' || (n %% 8 + 1)
"""
_CUSTOMERS = """
INSERT INTO masterdata_customer (customer_id, name, short_name, sales_rep_id, region, territory, corporate_group,
    contact_person, contact_email, contact_phone, payment_terms, address, city, state, postal_code, country,
    is_prospect, notes, is_active)
SELECT 'C' || lpad(n::text, 6, '0'), initcap(substr(md5(n::text), 1, 6)) || ' Foods ' || n, '', rep.id,
       'Region ' || n %% 12, 'Territory ' || n %% 80, CASE WHEN n %% 3 = 0 THEN 'Chain ' || n %% 40 ELSE '' END,
       '', '', '', 'Net 30', '', 'City ' || n %% 300, '', '', 'US', n %% 50 = 0, '', n %% 20 <> 0
  FROM generate_series(1, %(customers)s) AS n
  JOIN accounts_user AS rep ON rep.username = 'rep' || (n %% %(reps)s + 1)
"""
_MATRIX = """
INSERT INTO masterdata_matrixentry (customer_id, product_id, is_active, notes)
SELECT DISTINCT customer.id, product.id, true, ''
  FROM masterdata_customer AS customer
 CROSS JOIN generate_series(0, %(per_customer)s - 1) AS n
  JOIN masterdata_product AS product
    ON product.item_code = (110001 + (customer.id * 37 + n * 101) %% %(products)s)::text;
INSERT INTO masterdata_price (entry_id, valid_from, unit_price)
SELECT id, make_date(2023 + year, 1, 1), 20 + id %% 53 + year FROM masterdata_matrixentry, generate_series(0, 3) AS year
"""
# In the order in which months are loaded.
_ACTUALS = """
INSERT INTO masterdata_actual (customer_id, product_id, period, quantity, amount, cost)
SELECT entry.customer_id, entry.product_id, month.first::date, sold.quantity, sold.quantity * (20 + entry.id %% 53),
       sold.quantity * (14 + entry.id %% 37)
  FROM generate_series(%(last)s::date - make_interval(months => %(months)s - 1), %(last)s, '1 month') AS month(first)
 CROSS JOIN masterdata_matrixentry AS entry
 CROSS JOIN LATERAL (SELECT ((entry.id * 13 + extract(month FROM month.first)::int * 29) %% 397) / 4.0) AS sold(quantity)
 ORDER BY month.first
"""
_BUDGET = """
INSERT INTO masterdata_budget (version, customer_id, product_id, period, quantity, amount)
SELECT 'AOP', customer_id, product_id, month.first::date, 50, 1500 FROM masterdata_matrixentry
 CROSS JOIN generate_series('2027-01-01'::date, '2027-12-01', '1 month') AS month(first) WHERE masterdata_matrixentry.id %% 4 = 0
"""


def load(owner: Any, shape: Shape | None = None, *, password_hash: str = "!") -> None:
    """Fill the empty database that `owner`, a committing connection of the role that owns the tables, leads to.

    Actuals come in without the revisions that their triggers would keep.
    """
    shape = shape or Shape()
    values = {**vars(shape), "last": LAST, "hash": password_hash}
    for statements in (_PEOPLE, _CATALOGUE, _CUSTOMERS):
        for statement in statements.split(";"):
            owner.execute(statement, values)
    with _unchecked(owner, "masterdata_matrixentry", "masterdata_price", "masterdata_actual", "masterdata_budget"):
        for statement in _MATRIX.split(";"):
            owner.execute(statement, values)
        owner.execute("ANALYZE masterdata_matrixentry")
        owner.execute(_ACTUALS, values)
        owner.execute(_BUDGET, values)
    owner.execute("VACUUM ANALYZE")


@contextmanager
def _unchecked(owner: Any, *tables: str) -> Iterator[None]:
    """Triggers off and foreign keys checked at the end, all at once: one by one takes most of the time."""
    keys = [
        (table, name, definition)
        for table in tables
        for name, definition in owner.execute(
            "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = %s::regclass AND contype = 'f'",
            [table],
        ).fetchall()
    ]
    for table in tables:
        owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    for table, name, _ in keys:
        owner.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
    try:
        yield
    finally:
        for table, name, definition in keys:
            owner.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}")
        for table in tables:
            owner.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
