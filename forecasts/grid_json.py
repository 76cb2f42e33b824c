"""What the grid's scripts send and get: shape checks by hand, numbers as people type them, answers as plain data.

Request: {"edits": [{"line": 1, "revision": 3, "quantity": {"2027-01": "1,200"}, "unit_price": {...}, "risk_class": 2}]}
with at least one of the three parts. A text is read as typed, by the browser's decimal mark; a JSON number is exact
(undo sends those); "" and null clear a cell.
"""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NoReturn

from forecasts.models import MAX_PRICE, MAX_QUANTITY, Line, cell_position
from forecasts.services import LineEdit, problems
from forecasts.services.values import number_text
from forecasts.services.writing import cell_label, line_label
from sop_portal.lib import periods, strict_json
from sop_portal.lib.errors import DomainError, Refused
from sop_portal.lib.numbers import DecimalMark, parse_number

MAX_EDITS = 2_000
MAX_CELLS = 16
MAX_ID = 2**63 - 1
MAX_REVISION = 2**31 - 1
MAX_TEXT = 200
QUANTITY, PRICE = "quantity", "unit_price"
# Decimals and limit of what people type; imports may keep more.
LIMITS = {QUANTITY: (2, MAX_QUANTITY), PRICE: (4, MAX_PRICE)}
_EDIT_KEYS = {"line", "revision", QUANTITY, PRICE, "risk_class"}


class Malformed(DomainError):
    """A body that is not what the page sends (400); the detail names the field."""

    status = 400
    title = "Not understood"


@dataclass(frozen=True)
class TypedCell:
    """One cell as it came in: text as typed, an exact number, or None."""

    line_id: int
    period: dt.date
    field: str
    raw: str | Decimal | None


@dataclass
class TypedEdit:
    """One line as it came in, of the right shape but with numbers not read yet."""

    line_id: int
    revision: int
    cells: list[TypedCell] = field(default_factory=list)
    risk_class: int | None = None


# --- Shape ----------------------------------------------------------------------------------------------------------


def read_body(body: bytes) -> list[TypedEdit]:
    """The edits of a request's body. Raises Malformed naming the field that is wrong."""
    data = _parse(body)
    _only(data, {"edits"}, "the body")
    edits = data.get("edits")
    if not isinstance(edits, list) or not edits:
        _wrong("edits", "must be a list of at least one line")
    if len(edits) > MAX_EDITS:
        _wrong("edits", f"has {len(edits):,} lines; at most {MAX_EDITS:,} are taken at once")
    return [_edit(edit, f"edits[{n}]") for n, edit in enumerate(edits)]


def _parse(body: bytes) -> dict[str, Any]:
    try:
        data = strict_json.loads(body, Decimal)
    except strict_json.NotJson as refusal:
        raise Malformed(str(refusal)) from refusal
    if not isinstance(data, dict):
        raise Malformed("The body must be an object.")
    return data


def _shown(text: str) -> str:
    """A text of the body as a sentence may print it."""
    return repr(text[:60].encode("utf-8", "replace").decode())


def _wrong(name: str, what: str) -> NoReturn:
    raise Malformed(f"{name} {what}.")


def _only(data: Mapping[str, Any], known: set[str], where: str) -> None:
    for key in data:
        if key not in known:
            raise Malformed(f"{_shown(key)} is not a field of {where}.")


def _integer(data: Mapping[str, Any], key: str, where: str, largest: int) -> int:
    value = data.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= largest:
        _wrong(f"{where}.{key}", "must be a whole number above 0")
    return value


def _edit(data: Any, where: str) -> TypedEdit:
    if not isinstance(data, dict):
        _wrong(where, "must be an object")
    _only(data, _EDIT_KEYS, where)
    edit = TypedEdit(_integer(data, "line", where, MAX_ID), _integer(data, "revision", where, MAX_REVISION))
    for name in (QUANTITY, PRICE):
        cells = data.get(name, {})
        if not isinstance(cells, dict) or len(cells) > MAX_CELLS:
            _wrong(f"{where}.{name}", "must be an object of at most 16 months")
        for key, raw in cells.items():
            period = _period(key, f"{where}.{name}")
            edit.cells.append(TypedCell(edit.line_id, period, name, _value(raw, f"{where}.{name}.{key}")))
    if "risk_class" in data:
        risk = data["risk_class"]
        if not isinstance(risk, int) or isinstance(risk, bool) or not 0 <= risk <= 3:
            _wrong(f"{where}.risk_class", "must be 0, 1, 2 or 3")
        edit.risk_class = risk
    if not edit.cells and edit.risk_class is None:
        _wrong(where, "changes nothing; name quantity, unit_price or risk_class")
    return edit


def _period(key: str, where: str) -> dt.date:
    try:
        if len(key) == len("2027-01"):
            return periods.parse(key)
    except ValueError:
        pass
    _wrong(where, f"names {_shown(key)}, which is not a month written as YYYY-MM")


def _value(raw: Any, where: str) -> str | Decimal | None:
    if raw is None or isinstance(raw, Decimal):
        return raw
    if isinstance(raw, str):
        if len(raw) > MAX_TEXT:
            _wrong(where, f"has {len(raw):,} characters; a number has at most {MAX_TEXT}")
        return raw.encode("utf-8", "replace").decode()
    if isinstance(raw, int) and not isinstance(raw, bool) and abs(raw) < 10**15:
        return Decimal(raw)
    _wrong(where, "must be a text, a number or null")


# --- Numbers --------------------------------------------------------------------------------------------------------


def read_numbers(
    edits: Sequence[TypedEdit], mark: DecimalMark, lines: Any
) -> tuple[list[LineEdit], list[dict[str, Any]]]:
    """The edits with their numbers read, and notes on texts that could have been read in two ways.

    lines: the queryset that may be named in refusals. Raises Refused with position -> sentence, and `cells`.
    """
    found, ambiguous = [], []
    bad: dict[int, list[tuple[TypedCell, str]]] = {}
    for position, edit in enumerate(edits):
        values: dict[str, dict[dt.date, Decimal | None]] = {QUANTITY: {}, PRICE: {}}
        for cell in edit.cells:
            if not isinstance(cell.raw, str):
                values[cell.field][cell.period] = cell.raw
                continue
            places, largest = LIMITS[cell.field]
            try:
                number = parse_number(cell.raw, mark, max_decimals=places, max_value=largest)
            except Refused as refusal:
                bad.setdefault(position, []).append((cell, refusal.detail))
                continue
            values[cell.field][cell.period] = number.value
            if number.ambiguous:
                ambiguous.append((cell, number.value))
        found.append(LineEdit(edit.line_id, edit.revision, values[QUANTITY], values[PRICE], edit.risk_class))
    if bad:
        raise _refused(bad, lines)
    return found, [
        _about(cell, f"'{cell.raw}' was read as {value:,}, because your browser writes decimals with '{mark}'.")
        for cell, value in ambiguous
    ]


def _about(cell: TypedCell, sentence: str) -> dict[str, Any]:
    return {"line": cell.line_id, "period": periods.key(cell.period), "field": cell.field, "sentence": sentence}


def _refused(bad: Mapping[int, list[tuple[TypedCell, str]]], lines: Any) -> Refused:
    """The refusal that names product and month of every text that is no number."""
    ids = {cell.line_id for cells in bad.values() for cell, _ in cells}
    known = {line.pk: line for line in lines.filter(pk__in=ids).select_related("product", "cycle")}
    sentences: dict[int, str] = {}
    cells = []
    for position, refusals in bad.items():
        for cell, sentence in refusals:
            line = known.get(cell.line_id)
            if line is None:
                sentence = "There is no such line among yours in this cycle; reload the page."
            else:
                place = cell_position(line.cycle, cell.period)
                sentence = f"{cell_label(line, place) if place is not None else line_label(line)}: {sentence}"
            cells.append(_about(cell, sentence))
            sentences[position] = f"{sentences[position]} {sentence}" if position in sentences else sentence
    return Refused(sentences, cells=cells)


# --- Answers --------------------------------------------------------------------------------------------------------


def line_answer(line: Line) -> dict[str, Any]:
    """A line as it stands after a save."""
    return {
        "line": line.pk,
        "revision": line.revision,
        "status": line.status,
        "live": line.live,
        "quantity": [number_text(value) for value in line.quantity],
        "quantity_source": line.quantity_source,
        "unit_price": [number_text(value) for value in line.unit_price],
        "price_source": line.price_source,
        "risk_class": line.risk_class,
        "risk_is_default": line.risk_is_default,
        "problems": [
            {
                "period": periods.key(line.cycle.periods[problem.position]),
                "kind": problem.kind,
                "sentence": problem.sentence,
            }
            for problem in problems(line)
        ]
        if line.live
        else [],
    }


def save_answer(lines: Iterable[Line], notes: Sequence[Mapping[str, Any]], saved_at: dt.datetime) -> dict[str, Any]:
    """The answer to a save that was accepted."""
    return {"lines": [line_answer(line) for line in lines], "notes": list(notes), "saved_at": saved_at.isoformat()}
