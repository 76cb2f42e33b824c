"""A database for one measurement, made by the owner role and served as the app role, and what is put into it."""

import datetime as dt
import os
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

import psycopg
from django.core.management import call_command
from django.db import connection, connections, transaction
from psycopg import sql

from audit.context import acting
from cycles import services as cycle_services
from cycles.models import Cycle
from forecasts.demo.load import copy_rows
from forecasts.services.writing import past_the_guard
from masterdata.models import Actual, Customer, MatrixEntry, Price, Product, ProductGroup
from sop_portal import conf
from sop_portal.accounts.models import User
from sop_portal.accounts.services import create_user
from sop_portal.lib import periods

FIRST = dt.date(2027, 1, 1)
FAR = dt.datetime(2040, 1, 1, tzinfo=dt.UTC)
# Of a customer, in the larger measurements.
PRODUCTS = 10


@contextmanager
def owner(name: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection to the database `name` as the role that owns its tables."""
    url = os.environ["DATABASE_OWNER_URL"]
    with psycopg.connect(urlunsplit(urlsplit(url)._replace(path=f"/{name}")), autocommit=True) as owning:
        yield owning


def app_url(name: str) -> str:
    """Where programs other than Django find the database `name`, as the role that serves it."""
    return urlunsplit(urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}"))


@contextmanager
def scratch() -> Iterator[str]:
    """A migrated, empty database that Django is connected to inside, and that goes afterwards; gives its name."""
    name = f"bench_{os.getpid()}"
    owning, app = urlsplit(os.environ["DATABASE_OWNER_URL"]), urlsplit(os.environ["DATABASE_URL"])
    home, role = owning.path.lstrip("/"), sql.Identifier(unquote(app.username or ""))
    with owner(home) as server:
        server.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(name)))
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    settings = connection.settings_dict
    before = {key: settings[key] for key in ("NAME", "USER", "PASSWORD")}
    try:
        with owner(name) as database:
            for statement in (
                "GRANT USAGE ON SCHEMA public TO {}",
                "ALTER DEFAULT PRIVILEGES GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {}",
                "ALTER DEFAULT PRIVILEGES GRANT USAGE ON SEQUENCES TO {}",
            ):
                database.execute(sql.SQL(statement).format(role))
        connections.close_all()
        settings.update(NAME=name, USER=unquote(owning.username or ""), PASSWORD=unquote(owning.password or ""))
        call_command("migrate", verbosity=0, interactive=False)
        connections.close_all()
        settings.update(USER=before["USER"], PASSWORD=before["PASSWORD"])
        conf.clear_cache()
        yield name
    finally:
        connections.close_all()
        settings.update(before)
        with owner(home) as server:
            server.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(name)))


def analyze(name: str) -> None:
    """What autovacuum does after a while in a database that lives."""
    with owner(name) as database:
        database.execute("VACUUM ANALYZE")


class World:
    """One admin, some reps, and customers that all buy the same number of products and bought them last month."""

    def __init__(self, *, reps: int, customers: int, products: int) -> None:
        with acting("system", source="command"), transaction.atomic():
            self.admin = create_user(by=None, email="admin@example.com", full_name="Admin", roles=["admin"])
            self.reps = [
                create_user(by=None, email=f"rep{n}@example.com", full_name=f"Rep {n}", roles=["sales_rep"])
                for n in range(1, reps + 1)
            ]
            group = ProductGroup.objects.create(code="G01", name="Garlic")
            made = Product.objects.bulk_create(
                Product(
                    item_code=str(110001 + n), description=f"Peeled garlic {n}", group=group, weight=Decimal("9.07"),
                    list_price=Decimal(50),
                )
                for n in range(products)
            )  # fmt: skip
            buyers = Customer.objects.bulk_create(
                Customer(
                    customer_id=f"C{n:05d}", name=f"Customer {n}, Inc.", sales_rep=self.reps[n * reps // customers]
                )
                for n in range(customers)
            )
            pairs = [(buyer.pk, product.pk) for buyer in buyers for product in made]
            copy_rows(
                MatrixEntry,
                ("customer_id", "product_id", "is_active", "notes"),
                ((customer, product, True, "") for customer, product in pairs),
            )
            entries = MatrixEntry.objects.order_by("pk").values_list("pk", flat=True)
            copy_rows(
                Price,
                ("entry_id", "valid_from", "unit_price"),
                ((entry, dt.date(2025, 1, 1), Decimal(5000 + entry % 997) / 100) for entry in entries),
            )
            copy_rows(
                Actual,
                ("customer_id", "product_id", "period", "quantity", "amount"),
                ((customer, product, dt.date(2026, 12, 1), 100, 5000) for customer, product in pairs),
            )
        self.customers = buyers
        self.first_period = FIRST
        # As a request would have them, without what creating them left in memory.
        self.admin = User.objects.get(pk=self.admin.pk)
        self.reps = list(User.objects.filter(pk__in=[rep.pk for rep in self.reps]).order_by("pk"))

    def draft(self) -> Cycle:
        """The draft of the next month."""
        with acting(self.admin, source="command"):
            cycle = cycle_services.create_cycle(first_period=self.first_period, closes_at=FAR, by=self.admin)
        self.first_period = periods.shift(self.first_period, 1)
        return cycle

    def open(self, cycle: Cycle) -> None:
        """Open `cycle` as the admin."""
        with acting(self.admin, source="command"):
            cycle_services.open_cycle(cycle.pk, by=self.admin)

    def answer(self, cycle: Cycle) -> None:
        """Every line of `cycle` answered and submitted, no two lines alike."""
        with transaction.atomic(), past_the_guard(), connection.cursor() as cursor:
            cursor.execute(
                "UPDATE forecasts_line SET status = 'submitted', quantity_source = repeat('e', 16), quantity = "
                "(SELECT array_agg((100 + (id * n) %% 400) / 4.0 ORDER BY n) FROM generate_series(1, 16) AS n) "
                "WHERE cycle_id = %s",
                [cycle.pk],
            )

    def publish(self, cycle: Cycle) -> None:
        """Close and publish `cycle`."""
        with acting(self.admin, source="command"):
            cycle_services.close_cycle(cycle.pk, by=self.admin)
            cycle_services.publish_cycle(cycle.pk, by=self.admin)


def sized_world(lines: int) -> World:
    """A world with `lines` lines in a cycle, ten a customer, and a rep for each 333 of them."""
    return World(reps=max(1, lines // 333), customers=max(1, lines // PRODUCTS), products=PRODUCTS)
