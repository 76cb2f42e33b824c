"""The people, products, customers and prices of the demo company."""

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from django.contrib.auth.hashers import make_password

from audit.services import record_query
from forecasts.demo.demand import Pair, make_pairs
from forecasts.demo.load import copy_rows, record_load
from forecasts.demo.size import Calendar, Size
from forecasts.demo.words import FAMILIES, FORMS, GRADES, REGIONS, TRADES, TREES
from masterdata.models import Budget, Customer, MatrixEntry, Price, Product, ProductGroup
from sop_portal.accounts.models import User
from sop_portal.accounts.services import create_user
from sop_portal.lib import periods

# Products at the end of the range that have no price yet, so that somebody has to find one.
_UNPRICED = 3
# Every n-th product was replaced by the one before it.
_REPLACED_EVERY = 67
# Months from the announcement of next year's prices to January.
_NOTICE = 2


class Company:
    """Who and what there is, once it is written."""

    def __init__(self, size: Size, calendar: Calendar, password: str) -> None:
        self.size, self.calendar = size, calendar
        self._announced = -1
        self._people(password)
        self._products()
        self._customers()
        self._matrix()

    def _people(self, password: str) -> None:
        zone = "America/New_York"

        def person(address: str, name: str, role: str, **fields: Any) -> User:
            return create_user(
                by=None, email=f"{address}@example.com", username=address, full_name=name, roles=[role], time_zone=zone,
                **fields,
            )  # fmt: skip

        self.admin = person("admin", "Admin", "admin")
        self.viewer = person("viewer", "Viewer", "viewer")
        self.managers = [person(f"manager{n}", f"Manager {n}", "manager") for n in (1, 2)]
        self.reps = [
            person(f"rep{n}", f"Rep {n}", "sales_rep", manager=self.managers[2 * (n - 1) // self.size.reps])
            for n in range(1, self.size.reps + 1)
        ]
        people = [self.admin, self.viewer, *self.managers, *self.reps]
        # One hash for all: hashing is made to be slow, and the password is the same.
        User.objects.filter(pk__in=[user.pk for user in people]).update(password=make_password(password))

    def _products(self) -> None:
        dice = self.size.dice("products")
        groups = ProductGroup.objects.bulk_create([ProductGroup(code=f.code, name=f.name) for f in FAMILIES])
        products = []
        self.family_of = []
        self.price_of: list[float] = []
        for number in range(self.size.products):
            position = number % len(FAMILIES)
            family = FAMILIES[position]
            turn = number // len(FAMILIES)
            kind = family.kinds[turn % len(family.kinds)]
            pack, unit, weight = family.packs[turn // len(family.kinds) % len(family.packs)]
            grade = GRADES[turn // (len(family.kinds) * len(family.packs)) % len(GRADES)]
            again = turn // (len(family.kinds) * len(family.packs) * len(GRADES))
            description = " ".join(part for part in (grade, kind, family.item, pack) if part)
            price = round(weight * family.price * dice.uniform(0.8, 1.25), 2)
            unpriced = number >= self.size.products - _UNPRICED
            products.append(
                Product(
                    item_code=str(110001 + number),
                    description=f"{description}, recipe {again + 1}" if again else description,
                    group=groups[position],
                    manufacturing_location=("Miami", "Fresno")[position % 2],
                    production_line=f"Line {1 + position % 4}",
                    pack_size=pack,
                    weight=None if dice.random() < 0.02 else Decimal(str(weight)),
                    uom=unit,
                    list_price=None if unpriced else Decimal(str(round(price * 1.08, 2))),
                    cost_price=Decimal(str(round(price * dice.uniform(0.62, 0.78), 2))),
                )
            )
            self.family_of.append(position)
            self.price_of.append(0.0 if unpriced else price)
        self.products = Product.objects.bulk_create(products)

    def _customers(self) -> None:
        dice = self.size.dice("customers")
        names = [f"{tree} {trade}" for tree in TREES for trade in TRADES]
        dice.shuffle(names)
        customers = []
        self.rep_of = [number * self.size.reps // self.size.customers for number in range(self.size.customers)]
        for number in range(self.size.customers):
            again = number // len(names)
            short = names[number % len(names)] + (f" {again + 1}" if again else "")
            region = REGIONS[self.rep_of[number] % len(REGIONS)]
            customers.append(
                Customer(
                    customer_id=f"C{number + 1:05d}",
                    name=f"{short}, {dice.choice(FORMS)}",
                    short_name=short,
                    sales_rep=self.reps[self.rep_of[number]],
                    region=region,
                    territory=f"{region} {1 + self.rep_of[number] // len(REGIONS)}",
                    corporate_group=f"{short.split()[0]} group" if dice.random() < 0.1 else "",
                    payment_terms=dice.choice(("Net 30", "Net 45", "Net 60")),
                    credit_limit=Decimal(dice.randrange(10, 200) * 1000),
                    country="USA",
                    default_risk_class=dice.choice((1, 2, 2, 3, None)),
                )
            )
        self.customers = Customer.objects.bulk_create(customers)

    def _matrix(self) -> None:
        dice = self.size.dice("prices")
        self.pairs: list[Pair] = make_pairs(self.size, self.calendar, self.family_of)
        entries = MatrixEntry.objects.untracked().bulk_create(
            [
                MatrixEntry(
                    customer=self.customers[pair.customer],
                    product=self.products[pair.product],
                    is_active=pair.live,
                    minimum_order_quantity=Decimal(dice.choice((1, 1, 5, 10))),
                    lead_time_days=dice.choice((3, 5, 7, 10)),
                )
                for pair in self.pairs
            ],
            batch_size=2_000,
        )
        januaries = [n for n in range(1, self.calendar.length) if self.calendar.month(n).month == 1]
        for pair, entry in zip(self.pairs, entries, strict=True):
            pair.entry_id, pair.customer_id, pair.product_id = entry.pk, entry.customer_id, entry.product_id
            pair.rep = self.rep_of[pair.customer]
            base = self.price_of[pair.product]
            pair.cost = float(self.products[pair.product].cost_price or 0)
            if not base:
                # Nobody agreed on a price, so nobody can have bought it before it was new.
                if pair.live:
                    pair.starts, pair.lumpy, pair.ends = self.calendar.months - 1, False, 10_000
                else:
                    pair.starts = 10_000
                continue
            price = base * dice.uniform(0.9, 1.05)
            pair.prices = [(0, round(price, 2))]
            for january in januaries:
                price *= 1 + dice.uniform(0.0, 0.05)
                pair.prices.append((january, round(price, 2)))
        self._replace()
        _record_matrix()

    def _replace(self) -> None:
        """A few products gave way to another one: inactive, and dormant wherever they were bought."""
        gone = set(range(_REPLACED_EVERY, self.size.products - _UNPRICED, _REPLACED_EVERY))
        for number in sorted(gone):
            product = self.products[number]
            product.is_active, product.replaced_by = False, self.products[number - 1]
            product.save(update_fields=["is_active", "replaced_by"])
        for pair in self.pairs:
            if pair.product in gone:
                pair.live, pair.starts, pair.ends = False, 0, min(pair.ends, 8)

    def list_dormant(self) -> None:
        """The dormant pairs came into the matrix late, with a load of old price lists."""
        count = MatrixEntry.objects.filter(is_active=False).untracked().update(is_active=True)
        record_load(
            "matrix", "price-lists", f"{count:,} entries of old price lists made active", verb="updated", rows=count
        )

    def announce_prices(self, month: int) -> None:
        """Load the prices that are known in `month`: next year's are announced in November."""
        since, self._announced = self._announced, month + _NOTICE
        rows = [
            (pair.entry_id, self.calendar.month(start), price)
            for pair in self.pairs
            for start, price in pair.prices
            if since < start <= self._announced
        ]
        if rows:
            copy_rows(Price, ("entry_id", "valid_from", "unit_price"), rows)
            announced = periods.label(self.calendar.month(month))
            record_load("price", f"announced-{month}", f"{len(rows):,} prices, known in {announced}", rows=len(rows))

    def write_budget(self) -> None:
        """Budgets of the calendar year in which the open cycle starts, and of the next.

        They were made with the demand of the time in mind, a tenth too high in some groups.
        """
        dice = self.size.dice("budget")
        hope = [dice.uniform(0.97, 1.12) for _ in FAMILIES]
        first_year = self.calendar.open_period.year
        months = [
            (dt.date(year, month, 1), self.calendar.index(dt.date(year, month, 1)))
            for year in (first_year, first_year + 1)
            for month in range(1, 13)
        ]

        def rows() -> Iterator[tuple[Any, ...]]:
            for pair in self.pairs:
                if not pair.live or not pair.prices:
                    continue
                for period, month in months:
                    quantity = round(pair.wanted(month, period.month) * hope[self.family_of[pair.product]])
                    if quantity:
                        amount = round(quantity * pair.price(month), 2)
                        yield str(period.year), pair.customer_id, pair.product_id, period, quantity, amount

        columns = ("version", "customer_id", "product_id", "period", "quantity", "amount")
        count = copy_rows(Budget, columns, rows())
        record_load("budget", "demo", f"{count:,} budget rows", rows=count)


def _record_matrix() -> None:
    """Entries of the trail for the matrix, which was loaded by the thousand."""
    record_query(
        "matrix_created",
        "matrix",
        "SELECT entry.id::text, customer.name || ' · ' || product.item_code || ' ' || product.description, "
        "jsonb_build_object('customer', jsonb_build_array(null, entry.customer_id), "
        "'product', jsonb_build_array(null, entry.product_id), "
        "'is_active', jsonb_build_array(null, entry.is_active)) FROM masterdata_matrixentry AS entry "
        "JOIN masterdata_customer AS customer ON customer.id = entry.customer_id "
        "JOIN masterdata_product AS product ON product.id = entry.product_id",
    )
