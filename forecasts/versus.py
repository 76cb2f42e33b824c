"""What the lines of a cycle held in the plan before it: the figures behind "vs last cycle"."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from forecasts.metrics import Numbers, added, revenue
from forecasts.models import QuantitySource, Snapshot
from sop_portal.lib.keys import among


@dataclass(frozen=True)
class Earlier:
    """The mandatory months of a line in the earlier plan; `covered` says which of them that plan reached."""

    covered: tuple[bool, ...]
    quantity: Numbers
    unit_price: Numbers

    @property
    def money(self) -> Decimal:
        return self.sum(revenue(self.quantity, self.unit_price))

    def sum(self, values: Iterable[Decimal | None]) -> Decimal:
        """The sum of values over the covered months; blanks count as nothing."""
        return added(value for value, known in zip(values, self.covered, strict=False) if known)


def earlier_plans(line_ids: Iterable[int], mandatory: int) -> dict[int, Earlier]:
    """Line -> what an earlier plan gave it when its cycle opened; lines that no plan reached are missing."""
    snapshots = (
        Snapshot.objects.filter(line__in=among(line_ids), event=Snapshot.Event.OPEN)
        .order_by("line_id", "-pk")
        .distinct("line_id")
        .values_list("line_id", f"quantity__0_{mandatory}", "quantity_source", f"unit_price__0_{mandatory}")
    )
    found = {}
    for line_id, quantity, source, price in snapshots:
        covered = tuple(letter == QuantitySource.CARRIED.value for letter in source[:mandatory])
        if any(covered):
            found[line_id] = Earlier(covered, quantity, price)
    return found
