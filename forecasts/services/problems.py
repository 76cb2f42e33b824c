"""What keeps a line from being submitted."""

from dataclasses import dataclass
from typing import Literal

from forecasts.models import Line
from forecasts.services.writing import cell_label


@dataclass(frozen=True)
class Problem:
    """Why a cell keeps its line from being submitted."""

    position: int
    kind: Literal["blank", "price"]
    sentence: str


def problems(line: Line) -> list[Problem]:
    """What keeps `line` from being submitted, in the order of its periods."""
    found = []
    for position, quantity in enumerate(line.quantity):
        if quantity is None:
            if position < line.cycle.mandatory:
                found.append(
                    Problem(position, "blank", f"{cell_label(line, position)} is blank; enter a quantity or 0.")
                )
        elif quantity > 0 and line.unit_price[position] is None:
            found.append(Problem(position, "price", f"{cell_label(line, position)} has no price; enter one."))
    return found
