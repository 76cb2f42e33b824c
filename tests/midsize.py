"""A company of the reference size ("mid"), its many rows made by a few statements of SQL: for plans of queries.

60 reps in 6 teams, 2,000 customers, 1,000 products in 8 groups, 10 products a customer, 36 months of actuals.
"""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from hashlib import md5
from typing import Any

from cycles.models import Cycle
from masterdata.models import Customer, Product, ProductGroup
from sop_portal.accounts.models import User
from sop_portal.lib import periods
from tests.factories import make_user

LAST = dt.date(2026, 11, 1)


@dataclass(frozen=True)
class Shape:
    """How big it is; actuals are customers x per_customer x months."""

    reps: int = 60
    customers: int = 2_000
    products: int = 1_000
    per_customer: int = 10
    months: int = 36


def _people(shape: Shape) -> list[User]:
    """An admin, a viewer, six managers and the reps of their teams; gives the reps."""

    def person(name: str, role: str, manager: User | None = None) -> User:
        return make_user(role, username=name, email=f"{name}@example.com", full_name=name.capitalize(), manager=manager)

    person("admin", "admin")
    person("viewer", "viewer")
    managers = [person(f"manager{n}", "manager") for n in range(1, 7)]
    return [person(f"rep{n}", "sales_rep", managers[n % 6]) for n in range(1, shape.reps + 1)]


def _catalogue(shape: Shape) -> None:
    groups = ProductGroup.objects.untracked().bulk_create(
        ProductGroup(code=f"G0{n}", name=f"Family {n}") for n in range(1, 9)
    )
    Product.objects.untracked().bulk_create(
        Product(
            item_code=f"{110000 + n}", description=f"Peeled garlic recipe {n}", group=groups[n % 8],
            manufacturing_location=f"Plant {n % 4}", production_line=f"Line {n % 9}", pack_size="4x5 lb",
            weight=n % 23 + Decimal("1.5") if n % 97 else None, uom="CS" if n % 5 else "KG",
            list_price=n % 61 + Decimal("12.25"), cost_price=n % 61 + Decimal("7.5"), is_active=bool(n % 25),
        )
        for n in range(1, shape.products + 1)
    )  # fmt: skip


def _customers(shape: Shape, reps: list[User]) -> None:
    Customer.objects.untracked().bulk_create(
        Customer(
            customer_id=f"C{n:06d}", name=f"{md5(str(n).encode()).hexdigest()[:6].capitalize()} Foods {n}",
            sales_rep=reps[n % len(reps)], region=f"Region {n % 12}", territory=f"Territory {n % 80}",
            corporate_group=f"Chain {n % 40}" if n % 3 == 0 else "", city=f"City {n % 300}", country="US",
            is_prospect=n % 50 == 0, is_active=bool(n % 20),
        )
        for n in range(1, shape.customers + 1)
    )  # fmt: skip


# Parameters are named after the fields of Shape, with `last` for the last month of actuals.
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


def load(owner: Any, shape: Shape | None = None) -> None:
    """Fill the empty database that Django is connected to, and `owner` as the role that owns its tables, committing.

    Actuals come in without the revisions that their triggers would keep.
    """
    shape = shape or Shape()
    values = {**vars(shape), "last": LAST}
    reps = _people(shape)
    _catalogue(shape)
    _customers(shape, reps)
    with _unchecked(owner, "masterdata_matrixentry", "masterdata_price", "masterdata_actual", "masterdata_budget"):
        for statement in _MATRIX.split(";"):
            owner.execute(statement, values)
        owner.execute("ANALYZE masterdata_matrixentry")
        owner.execute(_ACTUALS, values)
        owner.execute(_BUDGET, values)
    owner.execute("VACUUM ANALYZE")


_LINES = """
INSERT INTO forecasts_line (cycle_id, customer_id, product_id, owner_id, status, live, risk_class, risk_is_default,
       revision, notes, change_reason, decision_comment, quantity, quantity_source, unit_price, price_source, edited_by_id,
       edited_at, submitted_by_id, submitted_at)
SELECT cycle.id, entry.customer_id, entry.product_id, customer.sales_rep_id,
       CASE WHEN cycle.status = 'open' THEN 'draft' ELSE 'approved' END, entry.id %% 9 > 0, 3, true, 1, '', '', '',
       array_fill(entry.id %% 97 / 4.0, ARRAY[16]), repeat('e', 16), array_fill(entry.id %% 53 + 20, ARRAY[16]),
       repeat('m', 16), customer.sales_rep_id, cycle.closes_at - make_interval(mins => entry.id::int), submitter.id,
       CASE WHEN submitter.id IS NOT NULL THEN cycle.closes_at END
  FROM cycles_cycle AS cycle CROSS JOIN masterdata_matrixentry AS entry
  JOIN masterdata_customer AS customer ON customer.id = entry.customer_id
  LEFT JOIN accounts_user AS submitter ON submitter.id = customer.sales_rep_id AND cycle.status <> 'open'
 ORDER BY cycle.id, entry.customer_id, entry.product_id
"""
_NOTICES = """
INSERT INTO mail_notification (kind, key, user_id, title, url, created_at, read_at)
SELECT 'made', person.id || '-' || n, person.id, 'Notice ' || n, '', now() - make_interval(mins => n),
       CASE WHEN n > 5 THEN now() END FROM accounts_user AS person CROSS JOIN generate_series(1, 500) AS n
"""


def load_plans(owner: Any, cycles: int = 12) -> None:
    """To a company that is loaded: its cycles, the last of them open, with a line each of every pair; and notices."""
    Cycle.objects.untracked().bulk_create(
        Cycle(first_period=periods.shift(LAST, n + 2 - cycles), status=Cycle.Status.ARCHIVED,
              closes_at=dt.datetime(2026, 1, 1, tzinfo=dt.UTC) + dt.timedelta(days=30 * n))
        for n in range(cycles)
    )  # fmt: skip
    newest = Cycle.objects.order_by("-first_period").values("pk")[:1]
    Cycle.objects.untracked().filter(pk__in=newest).update(status=Cycle.Status.OPEN)
    with _unchecked(owner, "forecasts_line"):
        owner.execute(_LINES, {})
    owner.execute(_NOTICES)
    owner.execute("VACUUM ANALYZE")


# What a table has beside its rows and its primary key: how each is dropped, and how it is made again.
_EXTRAS = """
SELECT format('ALTER TABLE %%s DROP CONSTRAINT %%I', conrelid::regclass, conname),
       format('ALTER TABLE %%s ADD CONSTRAINT %%I %%s', conrelid::regclass, conname, pg_get_constraintdef(oid))
  FROM pg_constraint WHERE conrelid = %(table)s::regclass AND contype IN ('f', 'u')
UNION ALL
SELECT format('DROP INDEX %%s', indexrelid::regclass), pg_get_indexdef(indexrelid)
  FROM pg_index WHERE indrelid = %(table)s::regclass
   AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid AND contype IN ('p', 'u'))
"""


@contextmanager
def _unchecked(owner: Any, *tables: str) -> Iterator[None]:
    """Triggers off; keys and indexes made at the end, all at once: row by row they take most of the time."""
    extras = [pair for table in tables for pair in owner.execute(_EXTRAS, {"table": table}).fetchall()]
    for table in tables:
        owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    for drop, _ in extras:
        owner.execute(drop)
    try:
        yield
    finally:
        for _, make in extras:
            owner.execute(make)
        for table in tables:
            owner.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
