"""Bodies of writes, read by hand: a thousand lines of sixteen cells are too many for a serializer a cell.

Numbers are texts or JSON numbers, exact; null clears a cell. What makes sense is said by the services.
"""

import datetime as dt
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import islice
from typing import Any

from django.utils.http import parse_etags
from rest_framework.request import Request

from forecasts.models import Line
from forecasts.reasons import Reason
from forecasts.services import LineEdit
from sop_portal.lib import periods
from sop_portal.lib.api.fields import NUMBER
from sop_portal.lib.api.problems import Fault, Invalid, RevisionMissing, escaped
from sop_portal.lib.api.shapes import MOST_NAMED
from sop_portal.lib.text import NOTE_LIMIT

LARGEST_ID = 2**63 - 1
LARGEST_REVISION = 2**31 - 1
MOST_ITEMS = 10_000
# Faults that an answer names: one for each item, however many each has.
MOST_FAULTS = MOST_ITEMS
LARGEST_BODY = 25 * 1024 * 1024
_NUMBER = re.compile(NUMBER)
# `"7"` or the ETag of a line, whose digits before the point are the revision.
_MATCH = re.compile(r'(?:W/)?"?([0-9]{1,10})(?:\.[0-9a-f]+)?"?')
CELL_FIELDS = ("quantity", "unit_price")

Cells = dict[dt.date, Decimal | None]


@dataclass
class Edit:
    """What is wanted of one line; of a bulk the line may be named by its pair."""

    line_id: int | None
    revision: int | None
    pair: tuple[str, str] | None = None
    # Where the cell of a period (YYYY-MM) stands in the body.
    places: Mapping[str, int] = field(default_factory=dict)
    quantity: Cells = field(default_factory=dict)
    unit_price: Cells = field(default_factory=dict)
    risk_class: int | None = None
    notes: str | None = None

    def of(self, line_id: int, revision: int) -> LineEdit:
        """The same for the service."""
        return LineEdit(line_id, revision, self.quantity, self.unit_price, self.risk_class, self.notes)


class Reader:
    """One object of a body: takes its fields one by one, and collects what is wrong with them."""

    def __init__(self, data: Any, pointer: str, faults: list[Fault]) -> None:
        self.pointer, self.faults = pointer, faults
        self.places: dict[str, int] = {}
        self.data: Mapping[str, Any] = {}
        if isinstance(data, dict):
            self.data = data
        else:
            self.wrong("", "invalid", "This is no object.")

    def wrong(self, name: str, code: str, detail: str) -> None:
        """Note what is wrong with one field, or with the whole object; beyond MOST_FAULTS nothing is noted any more."""
        if len(self.faults) < MOST_FAULTS:
            self.faults.append(Fault(f"{self.pointer}/{escaped(name)}" if name else self.pointer, code, detail))

    def only(self, known: Iterable[str], read_only: Iterable[str] = ()) -> None:
        """Names beside `known` have no business here."""
        for name in islice((name for name in self.data if name not in known), MOST_NAMED):
            shown, kept = str(name)[:100], name in read_only
            self.wrong(
                shown,
                "read_only" if kept else "unknown",
                f"'{shown}' cannot be written." if kept else f"There is no field '{shown}'.",
            )

    def whole(self, name: str, most: int, *, least: int = 1) -> int | None:
        """A whole number, None when it is missing. Null is none: taken for missing, it would seem to have cleared something."""
        if name not in self.data:
            return None
        value = self.data[name]
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            self.wrong(name, "invalid", f"{name} is a whole number from {least} to {most:,}.")
            return None
        return value

    def text(self, name: str, most: int, *, required: bool = False) -> str | None:
        """A text, None when it is missing; null is none."""
        if name not in self.data:
            if required:
                self.wrong(name, "required", f"{name} is missing.")
            return None
        value = self.data[name]
        if not isinstance(value, str) or len(value) > most:
            self.wrong(name, "invalid", f"{name} is a text of at most {most:,} characters.")
            return None
        return value

    def items(self, name: str) -> list[Any]:
        """A list of 1 to MOST_ITEMS."""
        value = self.data.get(name)
        if not isinstance(value, list) or not 1 <= len(value) <= MOST_ITEMS:
            self.wrong(name, "invalid", f"{name} is a list of 1 to {MOST_ITEMS:,}.")
            return []
        return value

    def cells(self) -> tuple[Cells, Cells]:
        """Quantities and prices by period; `places` keeps where each period stands."""
        quantity: Cells = {}
        price: Cells = {}
        listed = self.data.get("cells", [])
        if not isinstance(listed, list) or len(listed) > 16:
            self.wrong("cells", "invalid", "cells is a list of at most 16.")
            return quantity, price
        for place, cell in enumerate(listed):
            one = Reader(cell, f"{self.pointer}/cells/{place}", self.faults)
            one.only(("period", *CELL_FIELDS))
            period = one.period()
            if period is None:
                continue
            if periods.key(period) in self.places:
                one.wrong("period", "invalid", f"{periods.long_label(period)} stands twice.")
            self.places[periods.key(period)] = place
            for name, values in (("quantity", quantity), ("unit_price", price)):
                if name in one.data:
                    values[period] = one.number(name)
        return quantity, price

    def period(self) -> dt.date | None:
        """The month of a cell."""
        value = self.data.get("period")
        try:
            return periods.parse(value if isinstance(value, str) else "")
        except ValueError:
            self.wrong("period", "invalid", "Write a month as 2027-01, or as its first day 2027-01-01.")
            return None

    def number(self, name: str) -> Decimal | None:
        """An exact number; whether it makes sense is the service's to say."""
        value = self.data[name]
        if value is None:
            return None
        if isinstance(value, int) and not isinstance(value, bool):
            return Decimal(value)
        if isinstance(value, str) and _NUMBER.fullmatch(value):
            return Decimal(value)
        self.wrong(name, "invalid", f"{name} is a number such as 1200.5, as a text or a JSON number, or null.")
        return None

    def edit(self) -> Edit:
        """Cells, risk class and notes."""
        quantity, price = self.cells()
        return Edit(
            line_id=None,
            revision=self.whole("revision", LARGEST_REVISION),
            places=self.places,
            quantity=quantity,
            unit_price=price,
            risk_class=self.whole("risk_class", 3, least=0),
            notes=self.text("notes", NOTE_LIMIT * 50),
        )

    def reason(self, name: str = "change_reason") -> Reason | None:
        """Why the plan changed much: {"why": ..., "words": ...}; None when it is missing."""
        if name not in self.data:
            return None
        inner = Reader(self.data[name], f"{self.pointer}/{name}", self.faults)
        inner.only(("why", "words"))
        return Reason.typed(inner.text("why", 100) or "", inner.text("words", 10_000) or "")


def opened(request: Request, known: Iterable[str], read_only: Iterable[str] = ()) -> Reader:
    """The object of a request's body. Raises Invalid when it is none."""
    faults: list[Fault] = []
    reader = Reader(request.data if request.data is not None else {}, "", faults)
    if not isinstance(request.data, dict) and faults:
        raise Invalid(faults)
    reader.only(known, read_only)
    return reader


def closed(reader: Reader) -> None:
    """Refuse a body of which anything was wrong."""
    if reader.faults:
        raise Invalid(reader.faults)


def revision_of(request: Request, reader: Reader, line: Line) -> int:
    """The revision that the author of a write saw, by the header or the field; 0 for a state that `line` never had.

    Raises RevisionMissing.
    """
    given, matched = reader.data.get("revision"), revision_matched(request, line)
    if given is None and matched is None:
        raise RevisionMissing("Say which revision you saw: If-Match with the ETag of the line, or the field revision.")
    if given is not None and matched not in (None, given):
        raise Invalid([Fault("?If-Match", "invalid", "If-Match and revision name different states; send one of them.")])
    # What reads cells has read this field already, and said what is wrong with it.
    if matched is not None or any(fault.pointer == f"{reader.pointer}/revision" for fault in reader.faults):
        return matched or 0
    return reader.whole("revision", LARGEST_REVISION) or 0


def revision_matched(request: Request, line: Line) -> int | None:
    """The revision that If-Match names, None without the header; 0 when none of its ETags is one of a line.

    Of several it is that of `line` where they name it. Raises Invalid for what is no ETag, and for `*`: a write of a line
    says what its author saw.
    """
    header = request.headers.get("If-Match")
    if header is None:
        return None
    seen = [header.strip()] if _MATCH.fullmatch(header.strip()) else parse_etags(header)
    if not seen or "*" in seen:
        raise Invalid([Fault("?If-Match", "invalid", 'If-Match is the ETag of the line, or its revision: "7".')])
    found = {int(match[1]) for match in map(_MATCH.fullmatch, seen) if match}
    return line.revision if line.revision in found else max(found, default=0)


# What a line has beside the fields of an edit; written by operations of their own, or not at all.
READ_ONLY = (
    "id", "cycle_id", "customer_id", "customer_name", "item_code", "description", "unit_of_measure", "owner_id",
    "status", "live", "change_reason", "decision_comment", "first_period", "quantity", "unit_price", "quantity_source",
    "price_source", "edited_at", "submitted_at", "submitted_by_id", "decided_at", "decided_by_id",
)  # fmt: skip
EDITABLE = ("revision", "cells", "risk_class", "notes")


def missing_cells(line: Line, edit: Edit) -> list[Fault]:
    """The periods that a whole line leaves out."""
    return [
        Fault("/cells", "required", f"{name} of {periods.long_label(period)} is missing; PATCH changes some cells.")
        for period in line.cycle.periods
        for name in CELL_FIELDS
        if period not in getattr(edit, name)
    ][:3]
