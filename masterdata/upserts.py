"""Writing master data by the list: what is missing is created, what differs is changed, the rest is left.

Each function costs a fixed number of statements, whatever the number of rows, and stands in the audit trail row by row.
All must run in a transaction that holds `lock_imports`.
"""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from django.db import connection
from django.utils.text import slugify

from masterdata.models import (
    Budget,
    Customer,
    CustomerAlias,
    MatrixEntry,
    Price,
    Product,
    ProductGroup,
    RepAlias,
    alias_key,
)
from masterdata.price_steps import CHANGED, NEW, price_steps
from sop_portal.lib.text import normal

# Advisory lock (class, 1): two imports at once would both create what the other is about to.
IMPORT_LOCK_CLASS = 5_020
# Products that come without a group; a group is required.
NO_GROUP = ("NONE", "Without group")
# Codes of customers whose real one is not known yet.
PROSPECT = "NEW-"
BATCH = 2_000


@dataclass
class Tally:
    """How many rows of one kind were created, updated and left as they were."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0

    @property
    def changed(self) -> int:
        return self.created + self.updated

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(self.created + other.created, self.updated + other.updated, self.unchanged + other.unchanged)


@dataclass(frozen=True)
class ProductRow:
    """A product as a file names it; the group may be missing."""

    code: str
    description: str
    group_code: str | None
    group_name: str | None


def lock_imports() -> None:
    """Wait for every other import, and keep others out until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, 1)", [IMPORT_LOCK_CLASS])


def try_lock_imports() -> bool:
    """The same without waiting: whether it is ours now."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s, 1)", [IMPORT_LOCK_CLASS])
        return bool(cursor.fetchone()[0])


def next_batch() -> int:
    """Begin a load of actuals: until the transaction ends, or the next load begins, revisions carry this number."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('sop.batch', nextval('masterdata_batch')::text, true)::bigint")
        return int(cursor.fetchone()[0])


class Products(NamedTuple):
    """Products by item code, which of them are new, and what happened to products and groups."""

    by_code: dict[str, Product]
    new_codes: list[str]
    products: Tally
    groups: Tally


def ensure_products(rows: Sequence[ProductRow], *, uom: str = "CS") -> Products:
    """Products by item code; missing ones and their groups are created, existing ones stay as they are.

    A code that occurs twice takes the first description that is not blank.
    """
    known = {product.item_code: product for product in Product.objects.filter(item_code__in=[row.code for row in rows])}
    fresh: dict[str, ProductRow] = {}
    for row in rows:
        if row.code not in known and (row.code not in fresh or not fresh[row.code].description):
            fresh[row.code] = row
    groups, group_tally = _ensure_groups(
        {row.group_code or NO_GROUP[0]: row.group_name or row.group_code or NO_GROUP[1] for row in fresh.values()}
    )
    made = Product.objects.bulk_create(
        [
            Product(
                item_code=row.code,
                description=(row.description or row.code)[:300],
                group=groups[row.group_code or NO_GROUP[0]],
                uom=uom,
            )
            for row in fresh.values()
        ],
        batch_size=BATCH,
    )
    known.update((product.item_code, product) for product in made)
    return Products(known, list(fresh), Tally(created=len(made), unchanged=len(known) - len(made)), group_tally)


def _ensure_groups(names: Mapping[str, str]) -> tuple[dict[str, ProductGroup], Tally]:
    groups = {group.code: group for group in ProductGroup.objects.filter(code__in=list(names))}
    made = ProductGroup.objects.bulk_create(
        [ProductGroup(code=code, name=name[:200]) for code, name in names.items() if code not in groups]
    )
    found = len(groups)
    groups.update((group.code, group) for group in made)
    return groups, Tally(created=len(made), unchanged=found)


def customers_by_key(keys: Iterable[str]) -> dict[str, list[Customer]]:
    """The customers that each name (an `alias_key`) may stand for: its alias alone, else all whose name, short name
    or ID it is. Names that stand for nobody are missing."""
    wanted = set(keys)
    aliases = CustomerAlias.objects.filter(key__in=wanted).select_related("customer__sales_rep")
    found: dict[str, list[Customer]] = {alias.key: [alias.customer] for alias in aliases}
    unknown = wanted - found.keys()
    if not unknown:
        return found
    for customer in Customer.objects.select_related("sales_rep"):
        texts = (customer.name, customer.short_name, customer.customer_id)
        for key in {alias_key(text) for text in texts if text} & unknown:
            found.setdefault(key, []).append(customer)
    return found


def create_customers(names: Mapping[str, str], *, reps: Mapping[str, Any]) -> dict[str, Customer]:
    """New customers by key for the sheet names of old workbooks, with codes `L-<slug>` that an admin may change.

    reps: who serves them, by the same keys; nobody where a key is missing.
    """
    taken = set(Customer.objects.filter(customer_id__startswith="L-").values_list("customer_id", flat=True))
    rows = []
    for key, name in names.items():
        base = f"L-{slugify(name)[:40] or 'customer'}"
        code, n = base, 2
        while code in taken:
            code, n = f"{base}-{n}", n + 1
        taken.add(code)
        rows.append(_customer(code, name, reps.get(key)))
    return dict(zip(names, Customer.objects.bulk_create(rows), strict=True))


def create_prospects(names: Mapping[str, str], *, reps: Mapping[str, Any]) -> dict[str, Customer]:
    """New prospects by key, with codes `NEW-00001` and so on until their real ones are known.

    A code is remembered as a name of its customer, so that it finds them under their later code and is never given
    again. Any number of transactions may create prospects at once; they take turns.
    """
    if not names:
        return {}
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, 2)", [IMPORT_LOCK_CLASS])
    last = max(
        (
            int(code[len(PROSPECT) :])
            for codes in (
                Customer.objects.filter(customer_id__istartswith=PROSPECT).values_list("customer_id", flat=True),
                CustomerAlias.objects.filter(key__startswith=alias_key(PROSPECT)).values_list("key", flat=True),
            )
            for code in codes
            if code[len(PROSPECT) :].isdecimal()
        ),
        default=0,
    )
    rows = [
        _customer(f"{PROSPECT}{number:05d}", name, reps.get(key), is_prospect=True)
        for number, (key, name) in enumerate(names.items(), last + 1)
    ]
    made = Customer.objects.bulk_create(rows)
    remember_names({alias_key(customer.customer_id): (customer.customer_id, customer) for customer in made})
    return dict(zip(names, made, strict=True))


def _customer(code: str, name: str, rep: Any, *, is_prospect: bool = False) -> Customer:
    return Customer(
        customer_id=code, name=normal(name)[:200], short_name=normal(name)[:60], sales_rep=rep, is_prospect=is_prospect
    )


def remember_names(customers: Mapping[str, tuple[str, Customer]]) -> int:
    """Keep which customer each key stands for, also after the customer is renamed; key -> (name, customer).

    Returns how many names are new; known ones stay as they are.
    """
    known = set(CustomerAlias.objects.filter(key__in=list(customers)).values_list("key", flat=True))
    made = CustomerAlias.objects.bulk_create(
        CustomerAlias(key=key, name=normal(name)[:200], customer=customer)
        for key, (name, customer) in customers.items()
        if key not in known
    )
    return len(made)


def reps_by_key(keys: Iterable[str], reps: Iterable[Any]) -> dict[str, Any]:
    """Which of `reps` each name (an `alias_key`) stands for: whoever it was mapped to, else the only one so called."""
    by_pk = {rep.pk: rep for rep in reps}
    wanted = set(keys)
    found: dict[str, Any] = {}
    for alias in RepAlias.objects.filter(key__in=wanted):
        if alias.rep_id in by_pk:
            found[alias.key] = by_pk[alias.rep_id]
    named: dict[str, list[Any]] = {}
    for rep in by_pk.values():
        named.setdefault(alias_key(rep.full_name), []).append(rep)
    return {key: named[key][0] for key in wanted if len(named.get(key, [])) == 1} | found


def remember_reps(reps: Mapping[str, tuple[str, Any]]) -> int:
    """Keep whom each key stands for; key -> (name, rep). Returns how many names are new or stand for another rep."""
    known = {alias.key: alias for alias in RepAlias.objects.filter(key__in=list(reps))}
    fresh, changed = [], []
    for key, (name, rep) in reps.items():
        alias = known.get(key)
        if alias is None:
            fresh.append(RepAlias(key=key, name=normal(name)[:200], rep=rep))
        elif alias.rep_id != rep.pk:
            alias.rep = rep
            changed.append(alias)
    RepAlias.objects.bulk_create(fresh)
    if changed:
        RepAlias.objects.bulk_update(changed, ["rep"])
    return len(fresh) + len(changed)


def assign_unserved(customers: Mapping[int, tuple[Customer, Any]]) -> set[int]:
    """Give customers that nobody serves to a rep; customer id -> (customer, rep). Returns the ids of those changed."""
    changed = []
    for customer, rep in customers.values():
        if rep is not None and customer.sales_rep_id is None:
            customer.sales_rep = rep
            changed.append(customer)
    if changed:
        Customer.objects.bulk_update(changed, ["sales_rep"], batch_size=BATCH)
    return {customer.pk for customer in changed}


def ensure_entries(pairs: Iterable[tuple[int, int]]) -> tuple[dict[tuple[int, int], MatrixEntry], Tally]:
    """Matrix entries by (customer id, product id); missing ones are created, inactive ones stay inactive."""
    wanted = dict.fromkeys(pairs)
    entries = {
        (entry.customer_id, entry.product_id): entry
        for entry in MatrixEntry.objects.filter(customer__in={customer for customer, _ in wanted})
        if (entry.customer_id, entry.product_id) in wanted
    }
    made = MatrixEntry.objects.bulk_create(
        [MatrixEntry(customer_id=pair[0], product_id=pair[1]) for pair in wanted if pair not in entries],
        batch_size=BATCH,
    )
    found = len(entries)
    entries.update(((entry.customer_id, entry.product_id), entry) for entry in made)
    return entries, Tally(created=len(made), unchanged=found)


def upsert_prices(wanted: Mapping[tuple[int, dt.date], Decimal]) -> Tally:
    """Prices by (matrix entry id, valid from). A price that already holds on that day is not written again."""
    if not wanted:
        return Tally()
    with connection.cursor() as cursor:
        # A constant put into a query of ours, never input.
        cursor.execute(
            price_steps(
                "SELECT * FROM unnest(%s::bigint[], %s::date[], %s::numeric[]) AS given(entry_id, day, amount)"
            ),
            [[entry for entry, _ in wanted], [day for _, day in wanted], list(wanted.values())],
        )
        steps = cursor.fetchall()
    fresh = [
        Price(entry_id=entry, valid_from=day, unit_price=amount)
        for entry, day, amount, *_, state in steps
        if state == NEW
    ]
    changed = [
        Price(pk=known, entry_id=entry, valid_from=day, unit_price=amount)
        for entry, day, amount, known, _, state in steps
        if state == CHANGED
    ]
    Price.objects.bulk_create(fresh, batch_size=BATCH)
    if changed:
        Price.objects.bulk_update(changed, ["unit_price"], batch_size=BATCH)
    return Tally(created=len(fresh), updated=len(changed), unchanged=len(steps) - len(fresh) - len(changed))


# Version, customer id, product id (None: all products), period.
BudgetKey = tuple[str, int, int | None, dt.date]


def upsert_budget(wanted: Mapping[BudgetKey, tuple[Decimal | None, Decimal | None]]) -> Tally:
    """Budget rows by key, with quantity and amount; None leaves what is there, and is 0 in a new row."""
    tally = Tally()
    known = {
        (row.version, row.customer_id, row.product_id, row.period): row
        for row in Budget.objects.filter(
            version__in={key[0] for key in wanted}, customer__in={key[1] for key in wanted}
        ).select_related("customer", "product")
    }
    fresh, changed = [], []
    for key, (quantity, amount) in wanted.items():
        row = known.get(key)
        if row is None:
            fresh.append(
                Budget(
                    version=key[0], customer_id=key[1], product_id=key[2], period=key[3],
                    quantity=quantity or Decimal(0), amount=amount or Decimal(0),
                )
            )  # fmt: skip
            continue
        before = row.quantity, row.amount
        row.quantity = row.quantity if quantity is None else quantity
        row.amount = row.amount if amount is None else amount
        if (row.quantity, row.amount) != before:
            changed.append(row)
        else:
            tally.unchanged += 1
    Budget.objects.bulk_create(fresh, batch_size=BATCH)
    if changed:
        Budget.objects.bulk_update(changed, ["quantity", "amount"], batch_size=BATCH)
    tally.created, tally.updated = len(fresh), len(changed)
    return tally
