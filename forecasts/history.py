"""One line as people read it: its cells in words, what it started from, and every version that was kept."""

import dataclasses
import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.models import Sum

from audit.models import Entry
from audit.words import Told, tell
from cycles.missed import missed_words
from forecasts.metrics import Numbers, next12, revenue
from forecasts.models import NONE, Line, PriceSource, QuantitySource, Snapshot
from masterdata.models import Actual
from sop_portal.lib import periods

_QUANTITY_WORDS = dict(QuantitySource.choices) | {NONE: "not answered"}
_PRICE_WORDS = {
    NONE: "no price", PriceSource.CUSTOMER.value: "customer's price", PriceSource.LIST.value: "list price",
    **{source.value: source.label for source in PriceSource if source not in (PriceSource.CUSTOMER, PriceSource.LIST)},
}  # fmt: skip

# Changes that the page of a line shows; all of them stand in its history.
CHANGES = 20


def quantity_word(letter: str) -> str:
    """Where a quantity came from, in words."""
    return _QUANTITY_WORDS[letter]


def price_word(letter: str) -> str:
    """Where a price came from, in words."""
    return _PRICE_WORDS[letter]


@dataclass(frozen=True)
class Cell:
    """One month of a line."""

    period: dt.date
    is_mandatory: bool
    last_year: Decimal | None
    started: Decimal | None
    quantity: Decimal | None
    source: str
    price: Decimal | None
    price_source: str
    revenue: Decimal | None


@dataclass(frozen=True)
class Sums:
    """A line over its mandatory months."""

    last_year: Decimal | None
    started: Decimal | None
    quantity: Decimal
    revenue: Decimal


@dataclass(frozen=True)
class PriceRun:
    """One price and the months in a row that have it."""

    price: Decimal | None
    source: str
    first: dt.date
    last: dt.date


@dataclass(frozen=True)
class Version:
    """One kept copy of a line. quantity: per month the value and whether it differs from the version before."""

    word: str
    at: dt.datetime | None
    who: str
    comment: str
    quantity: list[tuple[Decimal | None, bool]]
    next12: Decimal
    money: Decimal
    price_moved: bool


@dataclass(frozen=True)
class Story:
    """All of it, for the page of a line."""

    line: Line
    cells: list[Cell]
    sums: Sums
    prices: list[PriceRun]
    versions: list[Version]
    started: Snapshot | None
    changes: list[Told]
    note: str


def story(line: Line, user: Any) -> Story:
    """The line with its cells, versions and latest changes, in three queries.

    Actuals are those `user` may read; cost is never in it.
    """
    snapshots = list(Snapshot.objects.visible_to(user).filter(line=line).select_related("actor").order_by("pk"))
    started = next((kept for kept in reversed(snapshots) if kept.event == Snapshot.Event.OPEN), None)
    sold = _last_year(line, user)
    money = revenue(line.quantity, line.unit_price)
    cells = [
        Cell(
            period=period,
            is_mandatory=position < line.cycle.mandatory,
            last_year=sold.get(period),
            started=started.quantity[position] if started else None,
            quantity=line.quantity[position],
            source=quantity_word(line.quantity_source[position]),
            price=line.unit_price[position],
            price_source=price_word(line.price_source[position]),
            revenue=money[position],
        )
        for position, period in enumerate(line.cycle.periods)
    ]
    sums = Sums(
        last_year=next12([cell.last_year for cell in cells]) if sold else None,
        started=next12(started.quantity) if started else None,
        quantity=next12(line.quantity),
        revenue=next12(money),
    )
    changes = [tell(entry) for entry in Entry.objects.about("forecast", str(line.pk))[:CHANGES]]
    return Story(
        line=line, cells=cells, sums=sums, prices=_price_runs(cells), versions=_versions(line, snapshots),
        started=started, changes=changes, note=_note(line),
    )  # fmt: skip


def _price_runs(cells: Sequence[Cell]) -> list[PriceRun]:
    runs: list[PriceRun] = []
    for cell in cells:
        if runs and (runs[-1].price, runs[-1].source) == (cell.price, cell.price_source):
            runs[-1] = dataclasses.replace(runs[-1], last=cell.period)
        else:
            runs.append(PriceRun(cell.price, cell.price_source, cell.period, cell.period))
    return runs


def _last_year(line: Line, user: Any) -> dict[dt.date, Decimal]:
    """What was sold in the same months a year before, by the month of the horizon."""
    horizon = line.cycle.periods
    sold = (
        Actual.objects.visible_to(user)
        .counting_for(customer=line.customer_id, product=line.product_id)
        .filter(period__gte=periods.shift(horizon[0], -12), period__lte=periods.shift(horizon[-1], -12))
        .order_by()
        .values_list("period")
        .annotate(Sum("quantity"))
    )
    return {periods.shift(period, 12): quantity for period, quantity in sold}


def _versions(line: Line, snapshots: Sequence[Snapshot]) -> list[Version]:
    """The newest first; on top what the line holds now, when that is not the last copy."""
    kept: list[tuple[str, dt.datetime | None, str, str, Numbers, Numbers]] = [
        (
            snapshot.get_event_display(), snapshot.at, str(snapshot.actor or ""), snapshot.comment,
            snapshot.quantity, snapshot.unit_price,
        )
        for snapshot in snapshots
    ]  # fmt: skip
    if not snapshots or (snapshots[-1].quantity, snapshots[-1].unit_price) != (line.quantity, line.unit_price):
        kept.append(("As saved now", line.edited_at, str(line.edited_by or ""), "", line.quantity, line.unit_price))
    found: list[Version] = []
    before: tuple[Numbers, Numbers] | None = None
    for word, at, who, comment, quantity, price in kept:
        found.append(
            Version(
                word=word, at=at, who=who, comment=comment,
                quantity=[
                    (value, before is not None and before[0][position] != value)
                    for position, value in enumerate(quantity)
                ],
                next12=next12(quantity),
                money=next12(revenue(quantity, price)),
                price_moved=before is not None and list(before[1]) != list(price),
            )
        )  # fmt: skip
        before = (quantity, price)
    return found[::-1]


def _note(line: Line) -> str:
    """What the plan makes of a line that nobody handed in."""
    if line.status == Line.Status.MISSED:
        return f"The plan uses {missed_words(line.cycle)}."
    if not line.live:
        return "This pair has no forecast; it counts as zero until somebody types a quantity."
    return ""
