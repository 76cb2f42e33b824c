"""What an edit of one line means: whether it makes sense, whether it was made before, what it changes."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Context, Decimal
from typing import Any

from django.core.exceptions import ValidationError

from forecasts.models import MAX_PRICE, MAX_QUANTITY, NONE, Line
from forecasts.services.writing import cell_label, line_label
from sop_portal.lib import periods
from sop_portal.lib.errors import StaleRevision
from sop_portal.lib.risk import RISK_LABELS
from sop_portal.lib.text import normal, plain_note

Cells = Mapping[dt.date, Decimal | None]
# Characters that a number may be written with; one that is refused is repeated in its sentence up to here.
LONGEST = 60
# Enough digits for such a number in front of and behind its point.
_EXACT = Context(prec=2 * LONGEST)


@dataclass(frozen=True)
class LineEdit:
    """What one author wants of one line: the revision they saw and the cells that change; None clears a cell."""

    line_id: int
    revision: int
    quantity: Cells = field(default_factory=dict)
    unit_price: Cells = field(default_factory=dict)
    risk_class: int | None = None
    notes: str | None = None


@dataclass
class Change:
    """What an edit really changes of a line, field -> [before, after]."""

    fields: dict[str, list[Any]] = field(default_factory=dict)


def check_edit(line: Line, edit: LineEdit, bad_cells: list[dict[str, Any]]) -> list[str]:
    """Sentences about what does not make sense in `edit`."""
    sentences = []
    positions = line.cycle.positions
    for name, cells, largest, places in (
        ("quantity", edit.quantity, MAX_QUANTITY, 6),
        ("unit_price", edit.unit_price, MAX_PRICE, 4),
    ):
        for period, value in cells.items():
            if period not in positions:
                sentence = f"{periods.long_label(period)} is not one of the 16 periods of {line.cycle}."
            elif value is None or _fits(value, largest, places):
                continue
            else:
                most = f" with at most {places} decimals" if value.is_finite() and 0 <= value <= largest else ""
                sentence = (
                    f"{cell_label(line, positions[period])}: '{_written(value)}' is not a number from 0 to {largest:,}"
                    f"{most}."
                )
            sentences.append(sentence)
            bad_cells.append({"line": line.pk, "period": periods.key(period), "field": name, "sentence": sentence})
    if edit.risk_class is not None and edit.risk_class not in RISK_LABELS:
        sentences.append(f"{line_label(line)}: the risk class must be 0 to 3.")
    if edit.notes is not None:
        try:
            plain_note(edit.notes)
        except ValidationError as problem:
            sentences.extend(f"{line_label(line)}: {message}" for message in problem.messages)
    return sentences


def _written(value: Decimal) -> str:
    """A refused number as its sentence repeats it: in digits, unless they would fill pages."""
    exponent = value.as_tuple().exponent
    return (f"{value:f}" if isinstance(exponent, int) and abs(exponent) <= LONGEST else str(value))[:LONGEST]


def _fits(value: Decimal, largest: Decimal, places: int) -> bool:
    """Whether `value` is a number from 0 to `largest` with at most `places` decimals, zeros at their end aside."""
    if not value.is_finite():
        return False
    text = str(value)
    if "E" not in text and len(text) <= LONGEST:
        return 0 <= value <= largest and len(text.partition(".")[2].rstrip("0")) <= places
    # The exponent comes first. 1e-999999999 lies between 0 and `largest`, would be written out with a gigabyte of
    # zeros, and rounds to 0 where decimals are counted with the usual precision.
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int) or abs(exponent) > LONGEST or not 0 <= value <= largest:
        return False
    return exponent >= -places or int(value.normalize(_EXACT).as_tuple().exponent) >= -places


def already_there(line: Line, edit: LineEdit, by: Any) -> bool:
    """Whether a stale edit is a repeated request: the same author saved exactly this before."""
    if line.edited_by_id != by.pk:
        return False
    positions = line.cycle.positions
    for values, cells in ((line.quantity, edit.quantity), (line.unit_price, edit.unit_price)):
        for period, value in cells.items():
            if period not in positions or values[positions[period]] != value:
                return False
    if edit.risk_class is not None and edit.risk_class != line.risk_class:
        return False
    return edit.notes is None or normal(edit.notes) == line.notes


def apply_edit(line: Line, edit: LineEdit, source: str, change: Change) -> None:
    """Put the values of `edit`, which passed `check_edit`, on `line` and note before and after."""
    answered = False
    positions = line.cycle.positions
    for name, values, cells, sources in (
        ("quantity", line.quantity, edit.quantity, "quantity_source"),
        ("unit_price", line.unit_price, edit.unit_price, "price_source"),
    ):
        letters = list(getattr(line, sources))
        for period, value in cells.items():
            position = positions[period]
            letter = NONE if value is None else source
            before = values[position]
            if before != value:
                change.fields[f"{name} {periods.key(period)}"] = [number_text(before), number_text(value)]
            elif letters[position] == letter or value is None:
                continue
            else:
                # Typing the carried value again is an answer: it is now the person's own.
                change.fields[f"{sources} {periods.key(period)}"] = [letters[position], letter]
            values[position] = value
            letters[position] = letter
            answered = answered or (name == "quantity" and value is not None)
        setattr(line, sources, "".join(letters))
    if edit.risk_class is not None and (edit.risk_class != line.risk_class or line.risk_is_default):
        change.fields["risk_class"] = [line.risk_class, edit.risk_class]
        line.risk_class, line.risk_is_default = edit.risk_class, False
    if edit.notes is not None and normal(edit.notes) != line.notes:
        change.fields["notes"] = [line.notes, normal(edit.notes)]
        line.notes = normal(edit.notes)
    if not change.fields:
        return
    if answered and not line.live:
        line.live = True
        change.fields["live"] = [False, True]
    if line.status == Line.Status.REJECTED:
        change.fields["status"] = [line.status, Line.Status.DRAFT.value]
        line.status = Line.Status.DRAFT
    line.revision += 1


def number_text(value: Decimal | None) -> str | None:
    """A number in digits with a point and no more zeros than it needs, as JSON and the audit trail keep it.

    None for a blank.
    >>> number_text(Decimal("1200.500000")), number_text(Decimal("1E+3")), number_text(Decimal("0.00"))
    ('1200.5', '1000', '0')
    """
    if value is None:
        return None
    text = str(value)
    if "E" in text:
        text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def stale_lines(lines: Sequence[Line]) -> StaleRevision:
    """The refusal that names lines somebody else saved, with their values as stored."""
    names = ", ".join(line_label(line) for line in lines[:3])
    more = f" and {len(lines) - 3} more" if len(lines) > 3 else ""
    return StaleRevision(
        f"Somebody else saved {names}{more} since you loaded it; their values are shown, yours are kept beside them.",
        stale=[
            {
                "line": line.pk,
                "revision": line.revision,
                "status": line.status,
                "quantity": [number_text(value) for value in line.quantity],
                "quantity_source": line.quantity_source,
                "unit_price": [number_text(value) for value in line.unit_price],
                "price_source": line.price_source,
                "risk_class": line.risk_class,
            }
            for line in lines
        ],
    )
