"""Writing up to 10,000 rows at once: the items of a body become the rows of an import, all of them or none."""

import functools
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from decimal import Decimal
from itertools import islice
from operator import itemgetter
from typing import Any, ClassVar

import orjson
from drf_spectacular.utils import (
    OpenApiExample,
    extend_schema,
    extend_schema_field,
    extend_schema_view,
)
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from masterdata.api.fields import field_of, help_of
from masterdata.imports.items import write_items
from masterdata.imports.keeping import require_importer
from masterdata.imports.kinds import NUMBERS, Column, Kind
from masterdata.imports.outcome import Outcome
from masterdata.imports.values import plain_pattern
from sop_portal.lib.api.bodies import JSONParser
from sop_portal.lib.api.fields import MONTH, NUMBER
from sop_portal.lib.api.problems import Fault, Invalid, pointer_of
from sop_portal.lib.api.repeating import repeatable
from sop_portal.lib.api.shapes import Shape
from sop_portal.lib.api.views import ApiView
from sop_portal.lib.tables import MARK
from sop_portal.lib.workbook.copytext import BLANK, escaped, normal, text_fields

MOST = 10_000
LARGEST = 25 * 1024 * 1024
OPTIONS = {"clear_blanks": bool, "sum_duplicates": bool, "valid_from": str}

_NUMBER = re.compile(r"-?[0-9]{1,30}(?:\.[0-9]{1,30})?")
# A day within a month would be taken for the whole of it.
_DAYS = {"period": re.compile(MONTH["pattern"]), "date": re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")}
_TEXT: Collection[type] = (str, int)
# Type of a column -> the types of JSON that it takes, and what is said of others.
_TAKES: Mapping[str, tuple[Collection[type], str]] = {
    **dict.fromkeys(NUMBERS, ((int, float, bytes, str), "a number, or a text of its digits such as \"1250.5\"")),
    "period": ((str,), "a month such as \"2027-01\""),
    "date": ((str,), "a day such as \"2027-01-31\""),
    "yes_no": ((bool,), "true or false"),
    "choice": ((int,), "one of the numbers offered"),
}  # fmt: skip


class _Parser(JSONParser):
    """Numbers with decimals are floats or the bytes of their digits. Texts of a class of their own, twenty thousand in a
    body, and the items that hold them would be looked at by the garbage collector, and soon with them all that the process
    has."""

    written = staticmethod(str.encode)
    takes_floats = True


class BulkView(ApiView):
    """Rows of one kind, added where they are missing and changed where they differ."""

    parser_classes = (_Parser,)
    body_limit = LARGEST
    kind: ClassVar[Kind]

    @repeatable
    def post(self, request: Request) -> Response:
        """Write the items of the body."""
        require_importer(request.user, self.kind)
        items, options = _taken(request.data, self.kind)
        fields, plain = _fields(items, self.kind, bool(options.get("clear_blanks")))
        outcome = write_items(self.kind, fields, len(items), plain=plain, options=options, by=request.user)
        return Response(_told(outcome))


class BulkRemark(serializers.Serializer):
    """Something worth knowing that stopped nothing."""

    code = serializers.CharField()
    pointer = serializers.CharField(help_text="The first item that it is about.")
    detail = serializers.CharField()


class BulkResult(serializers.Serializer):
    """What became of the items."""

    items = serializers.IntegerField(help_text="How many were sent.")
    created = serializers.IntegerField(help_text="How many made a row.")
    updated = serializers.IntegerField(help_text="How many changed a row.")
    unchanged = serializers.IntegerField(help_text="How many said what is stored already.")
    batch = serializers.IntegerField(allow_null=True, help_text="The data version of actuals that this made.")
    remarks: Any = BulkRemark(many=True)


def body_of(kind: Kind) -> Any:
    """The body of a bulk operation, for its description."""
    name = f"{kind.title.title().replace(' ', '')}Bulk"
    fields = {column.name: _described(column) for column in kind.columns}
    said: dict[str, Any] = {
        "items": serializers.ListSerializer(
            child=_shape(f"{name}Item", "One of them.", fields)(), min_length=1, max_length=MOST
        ),
        "clear_blanks": serializers.BooleanField(
            default=False,
            help_text='Whether null and "" empty what is stored; else they leave it. All items name the same fields then.',
        ),
    }
    if kind.sums:
        said["sum_duplicates"] = serializers.BooleanField(
            default=False, help_text="Whether items with the same key are added up; else they are refused."
        )
    if "valid_from" in kind.by_name:
        said["valid_from"] = serializers.DateField(
            required=False, help_text="From when prices hold whose item does not say; this month if missing."
        )
    return _shape(name, f"Many {kind.row_words} at once.", said)


def _shape(name: str, words: str, fields: Mapping[str, serializers.Field]) -> type[Shape]:
    return type(name, (Shape,), {"__doc__": words, **fields})


def described(kind: Kind, tag: str, name: str, more: str, *examples: Mapping[str, Any]) -> Any:
    """The description of a bulk operation. more: what is particular about it; examples: items."""
    return extend_schema_view(
        post=extend_schema(
            operation_id=f"{name}_bulk", tags=[tag], request=body_of(kind), responses={200: BulkResult},
            description=f"Add and change up to {MOST:,} {kind.row_words}, all of them or none, by the rules of imports: "
                        f"what is missing or null in an item leaves what is stored. {more}",
            examples=[OpenApiExample(f"Some {kind.row_words}", request_only=True, value={"items": list(examples)})],
        )
    )  # fmt: skip


def _described(column: Column) -> serializers.Field:
    """A column as one field of an item: what need not be filled may be missing, null or empty."""
    said: dict[str, Any] = {
        "required": column.must_be_filled, "allow_null": not column.must_be_filled, "help_text": help_of(column)
    }  # fmt: skip
    if column.type in NUMBERS:
        return _BulkNumber(**said)
    return field_of(column, None, **said) if column.type in _TAKES else _BulkText(**said)


@extend_schema_field({"type": ["string", "number"], "pattern": f"^$|{NUMBER}", "examples": ["1250.5"]})
class _BulkNumber(serializers.Field):
    """A number, which may be empty."""


@extend_schema_field({"type": ["string", "integer"]})
class _BulkText(serializers.Field):
    """A text, which may be empty, or a code that is written as a number."""


def _taken(body: Any, kind: Kind) -> tuple[list[Mapping[str, Any]], dict[str, Any]]:
    """The items and the options of a body. Raises Invalid."""
    if not isinstance(body, dict):
        raise Invalid([Fault("", "invalid", "The body is an object with a list of items.")])
    faults = []
    for name, value in body.items():
        wanted = OPTIONS.get(name)
        if name == "items":
            continue
        if wanted is None:
            faults.append(Fault(pointer_of(name[:100]), "unknown", f"There is no field '{name[:100]}'."))
        elif not isinstance(value, wanted):
            words = "true or false" if wanted is bool else 'a day such as "2027-01-31"'
            faults.append(Fault(f"/{name}", "invalid", f"{name} is {words}."))
    items = body.get("items")
    if not isinstance(items, list) or not 0 < len(items) <= MOST:
        faults.append(Fault("/items", "invalid", f"items is a list of 1 to {MOST:,} objects."))
    else:
        faults += [
            Fault(f"/items/{at}", "invalid", "An item is an object.")
            for at, item in enumerate(items)
            if type(item) is not dict
        ]
    if faults:
        raise Invalid(faults)
    return items, {name: value for name, value in body.items() if name != "items"}  # type: ignore[return-value]


def _fields(
    items: Sequence[Mapping[str, Any]], kind: Kind, is_uniform: bool
) -> tuple[dict[str, Sequence[str]], set[str]]:
    """The columns that items name, as COPY takes them, and those of numbers that the database can take as they are.

    Raises Invalid for unknown names and values of another type.
    """
    faults: list[Fault] = []
    plain: set[str] = set()
    columns = _columns(items)
    forms = set(map(tuple, items if columns is None else items[:1]))
    names = {name for form in forms for name in form}
    if unknown := names - kind.by_name.keys():
        foreign = (
            Fault(pointer_of(("items", at, name[:100])), "unknown", f"There is no field '{name[:100]}'.")
            for at, item in enumerate(items)
            for name in item
            if name in unknown
        )
        faults += islice(foreign, MOST)
    if is_uniform and len({frozenset(form) for form in forms}) > 1:
        faults += [
            Fault(f"/items/{at}", "invalid", "With clear_blanks every item names the same fields as the first one.")
            for at, item in enumerate(items)
            if item.keys() != items[0].keys()
        ]
    found: dict[str, Sequence[str]] = {}
    for column in kind.columns:
        if column.name in names:
            values = [item.get(column.name) for item in items] if columns is None else columns[column.name]
            if column.type in NUMBERS and (numbers := _plain_numbers(column, values)) is not None:
                found[column.name] = numbers
                plain.add(column.name)
            else:
                found[column.name] = _column(column, values, faults)
    if faults:
        some = "One value has" if len(faults) == 1 else f"{len(faults):,} values have"
        raise Invalid(faults, f"{some} another form than allowed here; nothing was saved.")
    return found, plain


def _columns(items: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]] | None:
    """The values by name where all items have the same names, else None."""
    # As many names in all, and every one of them has those of the first.
    if sum(map(len, items)) != len(items[0]) * len(items):
        return None
    try:
        return {name: list(map(itemgetter(name), items)) for name in items[0]}
    except KeyError:
        return None


def _plain_numbers(column: Column, values: Sequence[Any]) -> list[str] | None:
    """The fields of a column all of whose values are numbers as the database takes them; None for the slower way."""
    kinds = set(map(type, values))
    if not kinds <= {int, float, bytes, str}:
        return None
    try:
        joined = orjson.dumps(values)[1:-1].decode() if kinds <= {int, float} else ",".join(map(_digits, values))
    except (orjson.JSONEncodeError, ValueError):
        # A whole number of more digits than any column takes.
        return None
    fields = joined.split(",")
    # A text may hold a comma itself.
    return fields if len(fields) == len(values) and _plain_list(column).fullmatch(joined) else None


@functools.cache
def _plain_list(column: Column) -> re.Pattern[str]:
    """What plain numbers of a column look like, a comma after each but the last."""
    number = plain_pattern(column, own_points=True)
    return re.compile(rf"{number}(?:,{number})*")


def _column(column: Column, values: Sequence[Any], faults: list[Fault]) -> Sequence[str]:
    """The fields of one column, each distinct value read once; what is of another type is added to `faults`."""
    if (plain := _plain(column, values)) is not None:
        return plain
    takes, words = _TAKES.get(column.type, (_TEXT, "a text"))
    read = _READ.get(column.type, _text)
    meant: dict[tuple[type, Any], str | None] = {}
    for key in {(type(value), value) for value in values if type(value) not in (list, dict)}:
        kind, value = key
        meant[key] = BLANK if value is None else read(value) if kind in takes else None
    fields = []
    for at, value in enumerate(values):
        field = meant.get((type(value), value)) if type(value) not in (list, dict) else None
        if field is None:
            faults.append(Fault(f"/items/{at}/{column.name}", "invalid", f"{column.name} is {words}."))
        fields.append(field or BLANK)
    return fields


def _plain(column: Column, values: Sequence[Any]) -> Sequence[str] | None:
    """The fields of a column all of whose values are plain; None for the slower way."""
    if set(map(type, values)) != {str}:
        return None
    if (form := _DAYS.get(column.type)) is not None:
        # Each distinct one is looked at once.
        return values if all(map(form.fullmatch, set(values))) else None
    return text_fields(values) if column.type not in _TAKES and MARK not in "\n".join(values) else None


def _digits(value: float | bytes | str) -> str:
    """A number as it was written. Raises ValueError for a whole one of more digits than Python writes."""
    return value.decode() if isinstance(value, bytes) else str(value)


def _text(value: Any) -> str | None:
    text = normal(str(value))
    return None if text.startswith(MARK) else escaped(text)


def _number(value: Any) -> str | None:
    if value == "":
        return BLANK
    try:
        text = _digits(value)
    except ValueError:
        return None
    if "e" in text.lower() and re.fullmatch(NUMBER, text):
        text = _without_exponent(text)
    return text if _NUMBER.fullmatch(text) else None


def _without_exponent(text: str) -> str:
    """1.5e3 as 1500; what has an exponent that no quantity has stays as it is, and is refused."""
    number = Decimal(text)
    return f"{number:f}" if abs(number.adjusted()) < 30 else text


def _as(form: re.Pattern[str], value: str) -> str | None:
    return value if form.fullmatch(value) else None


def _flag(value: bool) -> str:
    return "TRUE" if value else "FALSE"


_READ: Mapping[str, Callable[[Any], str | None]] = {
    **dict.fromkeys(NUMBERS, _number), "yes_no": _flag,
    **{name: functools.partial(_as, form) for name, form in _DAYS.items()},
}  # fmt: skip


def _told(outcome: Outcome) -> dict[str, Any]:
    return {
        "items": outcome.rows_read,
        "created": outcome.created,
        "updated": outcome.updated,
        "unchanged": outcome.unchanged,
        "batch": outcome.batch,
        "remarks": [
            {"code": remark.code, "pointer": remark.place, "detail": remark.sentence} for remark in outcome.remarks
        ],
    }
