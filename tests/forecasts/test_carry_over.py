"""The one statement that prefills a cycle, against the same rules written out slowly, on random histories."""

import datetime as dt
import itertools
import random
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest

from audit.context import acting
from cycles.models import Cycle, Participant
from forecasts.models import Line, Snapshot
from forecasts.services.writing import past_the_guard
from masterdata.models import Actual, Customer, MatrixEntry, Price, Product
from sop_portal.lib import periods
from tests.factories import FAR, make_customer, make_entry, make_group, make_product, make_user, open_cycle

pytestmark = pytest.mark.django_db

FIRST = dt.date(2027, 1, 1)
PAIRS = 60
LETTERS = "-cbeual"
PRICE_LETTERS = "-mpceual"
# What a person or another system gave, or what was carried from them.
GIVEN = "euac"
# What a live line of a closed cycle may be.
STATUSES = ["submitted", "approved", "missed", "missed"]


@dataclass
class Prefill:
    """What a new line starts with."""

    quantity: list[Decimal | None]
    quantity_source: str
    unit_price: list[Decimal | None]
    price_source: str
    risk: tuple[int, bool]
    live: bool


def cells(dice: random.Random) -> dict:
    """Random cells of a line or a snapshot: some blank, some 0, some without any price."""
    quantity = [dice.choice([None, Decimal(0), Decimal(dice.randint(1, 99))]) for _ in range(16)]
    if dice.random() < 0.2:
        quantity = [dice.choice([None, Decimal(0)])] * 16
    prices = [dice.choice([None, Decimal(dice.randint(1, 9))]) for _ in range(16)]
    return {
        "quantity": quantity,
        "quantity_source": "".join("-" if value is None else dice.choice(LETTERS[1:]) for value in quantity),
        "unit_price": prices,
        "price_source": "".join("-" if value is None else dice.choice(PRICE_LETTERS[1:]) for value in prices),
    }


def history(dice: random.Random, entries: list[MatrixEntry]) -> None:
    """Earlier cycles, newest last, with lines of some pairs: published, closed and from old workbooks."""
    shapes = [("legacy", "closed", -17), ("normal", "archived", -16), ("normal", "archived", -15)]
    shapes += [("normal", "archived", dice.randint(-14, -3)), ("legacy", "closed", dice.randint(-14, 0))]
    shapes += [("normal", "archived", 0)] * dice.randint(0, 1) + [("normal", "closed", dice.choice([-2, -1, 1]))]
    for kind, status, months in shapes:
        cycle = Cycle.objects.create(
            kind=kind, status=status, first_period=periods.shift(FIRST, months),
            closes_at=FAR if kind == "normal" else None, name=f"{kind} {months}",
            settings={"missing_forecast_policy": dice.choice(["carry_over", "last_saved", "zero"])},
        )  # fmt: skip
        chosen = [entry for entry in entries if dice.random() < 0.5]
        lines = Line.objects.untracked().bulk_create(
            Line(
                cycle=cycle, customer=entry.customer, product=entry.product, owner=entry.customer.sales_rep,
                status="submitted" if kind == "legacy" else dice.choice(STATUSES) if live else "draft",
                live=live, risk_class=dice.randint(0, 3), risk_is_default=dice.random() < 0.5, **cells(dice),
            )
            for entry, live in ((entry, kind == "legacy" or dice.random() < 0.8) for entry in chosen)
        )  # fmt: skip
        events = {"archived": ["open", "close", "final"], "closed": ["open", "close"]}[status]
        Snapshot.objects.bulk_create(
            Snapshot(
                line=line, event=event, status=line.status, live=line.live, risk_class=line.risk_class,
                at=dt.datetime(2026, 1, 1, tzinfo=dt.UTC), **cells(dice),
            )
            for line in lines
            for event in (events if kind == "normal" else ["submit"])
        )  # fmt: skip


def prices_and_sales(dice: random.Random, entries: list[MatrixEntry]) -> None:
    prices, actuals = [], []
    for entry in entries:
        days = {
            periods.shift(FIRST, dice.randint(-6, 18)) + dt.timedelta(days=dice.choice([0, 0, 1, 14]))
            for _ in range(dice.choice([0, 1, 1, 2, 4]))
        }
        prices += [Price(entry=entry, valid_from=day, unit_price=Decimal(dice.randint(1, 99))) for day in days]
        months = {dice.randint(-20, -2) for _ in range(dice.choice([0, 0, 1, 3]))}
        actuals += [
            Actual(
                customer=entry.customer, product=entry.product, period=periods.shift(FIRST, month),
                quantity=dice.choice([-5, 0, 7]), amount=1,
            )
            for month in months
        ]  # fmt: skip
    Price.objects.untracked().bulk_create(prices)
    Actual.objects.untracked().bulk_create(actuals)


def price_in_force(entry: MatrixEntry, period: dt.date) -> tuple[Decimal | None, str]:
    """The latest price on or before the period, else the list price, with the letter of where it came from."""
    found = [price for price in entry.prices.all() if price.valid_from <= period]
    if found:
        return max(found, key=lambda price: price.valid_from).unit_price, "m"
    return entry.product.list_price, "-" if entry.product.list_price is None else "p"


def heir(row: Any) -> Any:
    """The end of the chain of replacements; a product counted in another unit does not carry on."""
    while row.replaced_by is not None and getattr(row, "uom", "") == getattr(row.replaced_by, "uom", ""):
        row = row.replaced_by
    return row


class Past:
    """All that happened, by the pair whose history it counts for: its own and that of pairs it took the place of."""

    def __init__(self) -> None:
        chain = Product.objects.select_related("replaced_by__replaced_by__replaced_by")
        products = {product.pk: heir(product).pk for product in chain}
        customers = {
            customer.pk: heir(customer).pk
            for customer in Customer.objects.select_related("replaced_by__replaced_by__replaced_by")
        }
        self.pairs: dict[tuple[int, int], set[tuple[int, int]]] = {}
        self.lines: dict[tuple[int, int], list[Line]] = {}
        self.sold: dict[tuple[int, int], list[dt.date]] = {}
        for customer, product in itertools.product(customers, products):
            self.pairs.setdefault((customers[customer], products[product]), set()).add((customer, product))
        for line in Line.objects.filter(cycle__status__in=["closed", "archived"]).select_related("cycle"):
            pair = customers[line.customer_id], products[line.product_id]
            self.lines.setdefault(pair, []).append(line)
        for actual in Actual.objects.filter(quantity__gt=0):
            pair = customers[actual.customer_id], products[actual.product_id]
            self.sold.setdefault(pair, []).append(actual.period)


def values_of(line: Line) -> Line | Snapshot:
    """Where the values of an earlier line stand: as its plan counts them."""
    if line.cycle.status == "archived":
        return line.snapshots.get(event="final")
    policy = line.cycle.settings["missing_forecast_policy"]
    if line.status == "missed" and policy == "carry_over":
        return line.snapshots.get(event="open")
    if not line.live or (line.status == "missed" and policy == "zero"):
        line.quantity = [Decimal(0)] * 16
    return line


def source_of(entry: MatrixEntry, past: Past) -> tuple[Line, list[Decimal | None], Line | Snapshot, int] | None:
    """Of the newest earlier cycle that covers the first month: the line that leads, the sum of all lines that count,
    where prices stand, and the months between."""
    found = [
        line
        for line in past.lines.get((entry.customer_id, entry.product_id), [])
        if line.cycle.first_period <= FIRST < periods.shift(line.cycle.first_period, 16)
    ]
    if not found:
        return None
    newest = max((one.cycle.first_period, one.cycle.kind == "normal", one.cycle_id) for one in found)
    lines = [one for one in found if one.cycle_id == newest[2]]
    lead = min(
        lines, key=lambda one: (one.product_id != entry.product_id, one.customer_id != entry.customer_id, one.pk)
    )
    sums: list[Decimal | None] = []
    for position in range(16):
        answers = [values_of(line).quantity[position] for line in lines]
        known = [answer for answer in answers if answer is not None]
        sums.append(sum(known, Decimal(0)) if known else None)
    return lead, sums, values_of(lead), periods.between(lead.cycle.first_period, FIRST)


def prefill(entry: MatrixEntry, past: Past, sold_since: dt.date) -> Prefill:
    """The rules of prefilling, period by period."""
    source = source_of(entry, past)
    quantity: list[Decimal | None] = []
    letters = prices_from = ""
    unit_price: list[Decimal | None] = []
    for position, period in enumerate(periods.span(FIRST, 16)):
        value = None
        price, letter = price_in_force(entry, period)
        if source is not None:
            lead, sums, values, moved = source
            if position + moved < 16:
                value = sums[position + moved]
                if values.price_source[position + moved] in GIVEN and lead.product_id == entry.product_id:
                    price, letter = values.unit_price[position + moved], "c"
        quantity.append(value)
        letters += "-" if value is None else "c"
        unit_price.append(price)
        prices_from += letter
    default = entry.customer.default_risk_class
    risk = (3 if default is None else default, True)
    if source is not None and not source[0].risk_is_default:
        risk = (source[0].risk_class, False)
    sold = any(period >= sold_since for period in past.sold.get((entry.customer_id, entry.product_id), []))
    return Prefill(quantity, letters, unit_price, prices_from, risk, sold or any(value for value in quantity))


def replacements(dice: random.Random, customers: list[Customer], products: list[Product]) -> None:
    """Two products and then a third by one, one by another unit, two customers in a chain; all stay active, the worst
    case: their own lines start blank, since their history is somebody else's."""
    for old, new in ((0, 1), (2, 1), (1, 3), (4, 5)):
        products[old].replaced_by = products[new]
    products[5].uom = "KG"
    customers[0].replaced_by, customers[1].replaced_by = customers[1], customers[2]
    for row in (*products, *customers):
        row.save()


@pytest.mark.parametrize("replaced", [False, True], ids=["plain", "replaced"])
@pytest.mark.parametrize("seed", range(5))
def test_the_prefill_is_what_the_rules_say(seed, replaced):
    dice = random.Random(seed)
    group = make_group()
    reps = [make_user("sales_rep") for _ in range(2)]
    customers = [
        make_customer(sales_rep=reps[n % 2], default_risk_class=dice.choice([None, 0, 2])) for n in range(PAIRS // 10)
    ]
    products = [make_product(group=group, list_price=dice.choice([None, Decimal(42)])) for _ in range(10)]
    entries = [make_entry(customer, product, price=None) for customer in customers for product in products]
    with acting("system", source="command"), past_the_guard():
        if replaced:
            replacements(dice, customers, products)
        history(dice, entries)
        prices_and_sales(dice, entries)
    last = Actual.objects.filter(period__lt=FIRST).latest("period").period
    past = Past()
    cycle = open_cycle(first_period=FIRST)

    rows = MatrixEntry.objects.select_related("customer", "product").prefetch_related("prices")
    wanted = {(entry.customer_id, entry.product_id): prefill(entry, past, periods.shift(last, -11)) for entry in rows}
    lines = list(Line.objects.filter(cycle=cycle))
    for line in lines:
        found = Prefill(
            line.quantity, line.quantity_source, line.unit_price, line.price_source,
            (line.risk_class, line.risk_is_default), line.live,
        )  # fmt: skip
        assert found == wanted[line.customer_id, line.product_id]
        assert (line.status, line.revision) == ("draft", 1)
    assert len(lines) == len(wanted) == PAIRS
    shares = dict(Participant.objects.filter(cycle=cycle).values_list("rep_id", "lines_expected"))
    assert shares == {rep.pk: sum(line.live for line in lines if line.owner_id == rep.pk) for rep in reps}
    opened = Snapshot.objects.filter(line__cycle=cycle, event="open")
    assert {one.line_id: (one.quantity, one.price_source) for one in opened} == {
        line.pk: (line.quantity, line.price_source) for line in lines
    }
    if replaced:
        # Three lines of one cycle that became one, and lines that have nothing of their own any more.
        assert max(map(len, past.pairs.values())) > 3
        blank = [line for line in lines if line.customer == customers[0]]
        assert len(blank) == 10 and not any(line.live or set(line.quantity_source) != {"-"} for line in blank)
    # A history that tries nothing would prove nothing.
    assert 0 < sum(line.live for line in lines) < PAIRS
    assert any(set(line.price_source) & set("c") for line in lines)
    assert any(len(set(line.unit_price)) > 2 for line in lines)
