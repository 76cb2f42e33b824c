"""The one statement that prefills a cycle, against the same rules written out slowly, on random histories."""

import datetime as dt
import random
from dataclasses import dataclass
from decimal import Decimal

import pytest

from audit.context import acting
from cycles.models import Cycle, Participant
from forecasts.models import Line, Snapshot
from forecasts.services.writing import past_the_guard
from masterdata.models import Actual, MatrixEntry, Price
from sop_portal.lib import periods
from tests.factories import FAR, make_customer, make_entry, make_group, make_product, make_user, open_cycle

pytestmark = pytest.mark.django_db

FIRST = dt.date(2027, 1, 1)
PAIRS = 60
LETTERS = "-cbeual"
PRICE_LETTERS = "-mpceual"
# What a person or another system gave, or what was carried from them.
GIVEN = "euac"


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
        )  # fmt: skip
        chosen = [entry for entry in entries if dice.random() < 0.5]
        lines = Line.objects.untracked().bulk_create(
            Line(
                cycle=cycle, customer=entry.customer, product=entry.product, owner=entry.customer.sales_rep,
                status="submitted" if kind == "legacy" else dice.choice(["submitted", "approved", "missed", "draft"]),
                live=dice.random() < 0.8, risk_class=dice.randint(0, 3), risk_is_default=dice.random() < 0.5,
                **cells(dice),
            )
            for entry in chosen
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


def source_of(entry: MatrixEntry) -> tuple[Line, Line | Snapshot, int] | None:
    """The newest earlier line whose cycle covers the first month, where its values stand, and the months between."""
    found = []
    for line in Line.objects.filter(customer=entry.customer, product=entry.product).select_related("cycle"):
        covers = line.cycle.first_period <= FIRST < periods.shift(line.cycle.first_period, 16)
        if line.cycle.status in ("closed", "archived") and covers:
            found.append(line)
    if not found:
        return None
    line = max(found, key=lambda one: (one.cycle.first_period, one.cycle.kind == "normal", one.cycle_id))
    values: Line | Snapshot = line
    if line.cycle.status == "archived":
        values = line.snapshots.get(event="final")
    elif line.status not in ("submitted", "approved"):
        values = line.snapshots.get(event="open")
    return line, values, periods.between(line.cycle.first_period, FIRST)


def prefill(entry: MatrixEntry, sold_since: dt.date) -> Prefill:
    """The rules of prefilling, period by period."""
    source = source_of(entry)
    quantity: list[Decimal | None] = []
    letters = prices_from = ""
    unit_price: list[Decimal | None] = []
    for position, period in enumerate(periods.span(FIRST, 16)):
        value = None
        price, letter = price_in_force(entry, period)
        if source is not None:
            _, values, moved = source
            if position + moved < 16:
                value = values.quantity[position + moved]
                if values.price_source[position + moved] in GIVEN:
                    price, letter = values.unit_price[position + moved], "c"
        quantity.append(value)
        letters += "-" if value is None else "c"
        unit_price.append(price)
        prices_from += letter
    default = entry.customer.default_risk_class
    risk = (3 if default is None else default, True)
    if source is not None and not source[0].risk_is_default:
        risk = (source[0].risk_class, False)
    sold = Actual.objects.filter(
        customer=entry.customer, product=entry.product, period__gte=sold_since, quantity__gt=0
    ).exists()
    return Prefill(quantity, letters, unit_price, prices_from, risk, sold or any(value for value in quantity))


@pytest.mark.parametrize("seed", range(6))
def test_the_prefill_is_what_the_rules_say(seed):
    dice = random.Random(seed)
    group = make_group()
    reps = [make_user("sales_rep") for _ in range(2)]
    customers = [
        make_customer(sales_rep=reps[n % 2], default_risk_class=dice.choice([None, 0, 2])) for n in range(PAIRS // 10)
    ]
    products = [make_product(group=group, list_price=dice.choice([None, Decimal(42)])) for _ in range(10)]
    entries = [make_entry(customer, product, price=None) for customer in customers for product in products]
    with acting("system", source="command"), past_the_guard():
        history(dice, entries)
        prices_and_sales(dice, entries)
    last = Actual.objects.filter(period__lt=FIRST).latest("period").period
    cycle = open_cycle(first_period=FIRST)

    rows = MatrixEntry.objects.select_related("customer", "product").prefetch_related("prices")
    wanted = {(entry.customer_id, entry.product_id): prefill(entry, periods.shift(last, -11)) for entry in rows}
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
    # A history that tries nothing would prove nothing.
    assert 0 < sum(line.live for line in lines) < PAIRS
    assert any(set(line.price_source) & set("c") for line in lines)
    assert any(len(set(line.unit_price)) > 2 for line in lines)
