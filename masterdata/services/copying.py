"""Making matrix entries after others: for a successor, or for another customer."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction

from masterdata.models import Customer, MatrixEntry, Price
from masterdata.services.access import require
from sop_portal.lib.errors import Refused

Pair = tuple[int, int]


@dataclass(frozen=True)
class Copied:
    """What became of the entries to copy. created: made new; existing: the pair had one, which stays as it is.

    prices: how many prices the new entries got.
    """

    created: list[MatrixEntry] = field(default_factory=list)
    existing: list[MatrixEntry] = field(default_factory=list)
    prices: int = 0


def copy_entries(targets: Mapping[Pair, MatrixEntry], prices_from: dt.date | None) -> Copied:
    """Make the entries of the pairs (customer id, product id) that are missing, after the entry named for each.

    prices_from: the first day on which the copies have the prices of the originals, later changes included; None when
    they take none. Must run in a transaction. Who makes one of the pairs at the same moment is left to it.
    """
    already = _stored(targets)
    wanted = [
        MatrixEntry(
            customer_id=customer,
            product_id=product,
            minimum_order_quantity=source.minimum_order_quantity,
            maximum_order_quantity=source.maximum_order_quantity,
            lead_time_days=source.lead_time_days,
        )
        for (customer, product), source in sorted(targets.items())
        if (customer, product) not in already
    ]
    MatrixEntry.objects.bulk_create(wanted, ignore_conflicts=True)
    stored = _stored(targets)
    created = {pair: entry for pair, entry in stored.items() if entry.pk in {made.pk for made in wanted}}
    prices = _copy_prices({targets[pair].pk: entry for pair, entry in created.items()}, prices_from)
    return Copied(list(created.values()), [entry for pair, entry in stored.items() if pair not in created], prices)


def _stored(pairs: Mapping[Pair, Any]) -> dict[Pair, MatrixEntry]:
    """The entries of these pairs by customer and product."""
    rows = (
        MatrixEntry.objects.filter(
            customer__in={customer for customer, _ in pairs}, product__in={product for _, product in pairs}
        )
        .select_related("customer", "product")
        .order_by("customer__name", "customer", "product__item_code")
    )
    return {pair: entry for entry in rows if (pair := (entry.customer_id, entry.product_id)) in pairs}


def _copy_prices(copies: Mapping[int, MatrixEntry], prices_from: dt.date | None) -> int:
    """Give each copy the price that its original has on that day, and those that follow."""
    if prices_from is None or not copies:
        return 0
    originals = Price.objects.filter(entry__in=list(copies))
    rows = [*originals.in_force(prices_from), *originals.filter(valid_from__gt=prices_from)]
    made = Price.objects.bulk_create(
        [
            Price(
                entry=copies[price.entry_id],
                valid_from=max(price.valid_from, prices_from),
                unit_price=price.unit_price,
            )
            for price in rows
        ]
    )
    return len(made)


@transaction.atomic
def copy_matrix(from_id: int, to_id: int, *, prices_from: dt.date | None, by: Any, dry_run: bool = False) -> Copied:
    """Give a customer what another one buys: every active entry of an active product that is missing.

    prices_from: see `copy_entries`. dry_run: the real run, taken back. Repeated, it changes nothing more.
    Raises Refused for a customer who does not exist or would be copied to themselves.
    """
    require(by, "add_matrixentry", "Only an S&OP admin changes who buys what.")
    if from_id == to_id:
        raise Refused({"customer": "Choose another customer; this is the one whose products are copied."})
    target = Customer.objects.filter(pk=to_id).select_for_update(no_key=True).first()
    if target is None or not Customer.objects.filter(pk=from_id).exists():
        raise Refused({"customer": "One of these customers does not exist any more; reload the page."})
    sources = MatrixEntry.objects.filter(customer=from_id, is_active=True, product__is_active=True)
    copied = copy_entries({(to_id, entry.product_id): entry for entry in sources}, prices_from)
    if dry_run:
        transaction.set_rollback(True)
    return copied
