"""Writing plans that come from old workbooks into a closed cycle of kind legacy."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from audit.services import Event, record_many
from cycles.models import Cycle
from forecasts.models import NONE, Line, PriceSource, QuantitySource, Snapshot
from forecasts.services.values import number_text
from forecasts.services.writing import line_label, past_the_guard, take_snapshots, write_cells
from masterdata.models import Customer, Product
from masterdata.upserts import Tally
from sop_portal.lib import periods
from sop_portal.lib.risk import DEFAULT_RISK_CLASS

BATCH = 1_000


@dataclass(frozen=True)
class PlanRow:
    """One customer and product of an old plan: sixteen quantities and prices by position in the cycle.

    `owner` is the rep whose plan it is; without one, whoever serves the customer.
    """

    customer: Customer
    product: Product
    quantity: Sequence[Decimal | None]
    unit_price: Sequence[Decimal | None]
    risk_class: int | None
    owner: Any = None


class ChangedLine(NamedTuple):
    """A line that was there otherwise: how many values changed, its quantities added up, and who owns it from now on.

    `owner` is "" for a line that had one before.
    """

    label: str
    values: int
    before: Decimal
    after: Decimal
    owner: str


class Written(NamedTuple):
    """What writing a plan did."""

    tally: Tally
    changed: list[ChangedLine]


def write_plan(cycle: Cycle, rows: Sequence[PlanRow], *, by: Any, now: dt.datetime) -> Written:
    """Write the lines of an old plan, submitted as they are; lines with the same cells are left.

    A line that belonged to nobody gets the owner of its row; one that has an owner keeps it.
    Must run in a transaction that holds the import lock.
    """
    tally = Tally()
    Cycle.objects.lock_shared(cycle.pk)
    known = {
        (line.customer_id, line.product_id): line
        for line in Line.objects.filter(cycle=cycle, customer__in={row.customer.pk for row in rows})
        .select_related("customer", "product", "cycle")
        .select_for_update(of=("self",))
    }
    fresh: list[Line] = []
    changed: list[Line] = []
    told: list[ChangedLine] = []
    events: list[Event] = []
    for row in rows:
        line = known.get((row.customer.pk, row.product.pk))
        risk, is_default = _risk(row)
        if line is None:
            fresh.append(_new_line(cycle, row, _owner(row), risk, is_default, now))
            continue
        changes = _differences(line, row, risk)
        values = len(changes)
        adopted = _owner(row) if line.owner_id is None else None
        if adopted is not None:
            line.owner = adopted
            changes["owner"] = (None, f"{adopted} (#{adopted.pk})")
        chosen_now = line.risk_is_default and not is_default
        if not changes and not chosen_now:
            tally.unchanged += 1
            continue
        sums = _total(line.quantity), _total(row.quantity)
        told.append(ChangedLine(line_label(line), values, *sums, owner=str(adopted or "")))
        line.quantity, line.unit_price = list(row.quantity), list(row.unit_price)
        line.quantity_source, line.price_source = _sources(row)
        line.risk_class, line.risk_is_default = risk, is_default
        line.revision += 1
        changed.append(line)
        events.append(
            Event(
                action="forecast_updated",
                entity_type="forecast",
                entity_id=str(line.pk),
                label=line_label(line),
                changes=changes,
            )
        )
    with past_the_guard():
        Line.objects.all().untracked().bulk_create(fresh, batch_size=BATCH)
        if changed:
            _write_owners(changed)
            write_cells(changed, by=by, now=now)
    events.extend(_created(line) for line in fresh)
    take_snapshots([line.pk for line in (*fresh, *changed)], Snapshot.Event.SUBMIT, by=by, now=now)
    record_many(events)
    tally.created, tally.updated = len(fresh), len(changed)
    return Written(tally, told)


def _owner(row: PlanRow) -> Any:
    return row.owner or row.customer.sales_rep


def _write_owners(lines: Sequence[Line]) -> None:
    """Give the lines the owners they have been given; before their snapshots are taken, to which the credit goes."""
    owners: dict[int, list[int]] = {}
    for line in lines:
        if line.owner_id is not None:
            owners.setdefault(line.owner_id, []).append(line.pk)
    for owner, pks in owners.items():
        Line.objects.filter(pk__in=pks, owner=None).untracked().update(owner=owner)


def _total(quantity: Sequence[Decimal | None]) -> Decimal:
    return sum((value for value in quantity if value), Decimal(0))


def _risk(row: PlanRow) -> tuple[int, bool]:
    """The risk class of a row and whether nobody chose it."""
    if row.risk_class is not None:
        return row.risk_class, False
    if row.customer.default_risk_class is not None:
        return row.customer.default_risk_class, True
    return DEFAULT_RISK_CLASS, True


def _sources(row: PlanRow) -> tuple[str, str]:
    quantities = "".join(NONE if value is None else QuantitySource.LEGACY.value for value in row.quantity)
    prices = "".join(NONE if value is None else PriceSource.LEGACY.value for value in row.unit_price)
    return quantities, prices


def _new_line(cycle: Cycle, row: PlanRow, owner: Any, risk: int, is_default: bool, now: dt.datetime) -> Line:
    quantity_source, price_source = _sources(row)
    return Line(
        cycle=cycle,
        customer=row.customer,
        product=row.product,
        owner=owner,
        status=Line.Status.SUBMITTED,
        live=True,
        risk_class=risk,
        risk_is_default=is_default,
        quantity=list(row.quantity),
        quantity_source=quantity_source,
        unit_price=list(row.unit_price),
        price_source=price_source,
        submitted_at=now,
    )


def _created(line: Line) -> Event:
    cells = {
        f"quantity {periods.key(period)}": (None, number_text(value))
        for period, value in zip(line.cycle.periods, line.quantity, strict=True)
        if value is not None
    }
    return Event(
        action="forecast_created",
        entity_type="forecast",
        entity_id=str(line.pk),
        label=line_label(line),
        changes={"status": (None, line.status), **cells},
    )


def _differences(line: Line, row: PlanRow, risk: int) -> dict[str, tuple[Any, Any]]:
    """What a row changes of the line, field -> (before, after)."""
    changes: dict[str, tuple[Any, Any]] = {}
    for name, old, new in (("quantity", line.quantity, row.quantity), ("unit_price", line.unit_price, row.unit_price)):
        for period, before, after in zip(line.cycle.periods, old, new, strict=True):
            if before != after:
                changes[f"{name} {periods.key(period)}"] = (number_text(before), number_text(after))
    if risk != line.risk_class:
        changes["risk_class"] = (line.risk_class, risk)
    return changes
