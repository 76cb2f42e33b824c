"""One cell of a file: the value that its text writes, or a sentence that says what to do.

Plain numbers never come here, the database reads them itself (`plain_pattern`). Everything else does, each distinct
text once.
"""

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal

from django.core.exceptions import ValidationError
from django.core.validators import EmailValidator

from masterdata.imports.kinds import NUMBERS, Column
from sop_portal.lib.errors import Refused
from sop_portal.lib.numbers import DecimalMark, parse_number
from sop_portal.lib.tables import MARK, fault
from sop_portal.lib.text import NOTE_LIMIT, normal, plain_note, plain_text

WORDS = {"quantity": "a quantity", "money": "an amount", "price": "a price", "whole": "a whole number"}
YES = {"yes", "y", "true", "1", "active", "x", "on"}
NO = {"no", "n", "false", "0", "inactive", "off"}
MONTHS = {
    name[:length]: number
    for number, name in enumerate(
        ("january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
         "december"), 1
    )
    for length in (3, 4, 9)
}  # fmt: skip
FIRST_YEAR, LAST_YEAR = 2000, 2099
LONGEST = 60
# From so many significant digits on, a number of a workbook was worked out: nobody types them, and of the binary
# fractions that a division leaves one in a hundred thousand is written with fewer.
COMPUTED = 12
_LARGEST = Decimal(10) ** LONGEST
# The usual 28 digits are fewer than a text may have that is refused with a sentence.
EXACT = Context(prec=2 * LONGEST)

_ISO = re.compile(r"(\d{4})-(\d{1,2})(?:-(\d{1,2}))?(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?)?")
_YEAR_FIRST = re.compile(r"(\d{4})[./ ](\d{1,2})(?:[./ ](\d{1,2}))?")
_SERIAL = re.compile(r"[34567]\d{4}(?:\.\d+)?")
_PACKED = re.compile(r"(\d{4})(\d{2})(\d{2})?")
_MONTH_YEAR = re.compile(r"(\d{1,2})[-./](\d{4})")
_DAY_MONTH = re.compile(r"(\d{1,2})[-./](\d{1,2})[-./](\d{4})")
_NAMED = re.compile(r"(?:(\d{1,2})[-. ]+)?([A-Za-z]+)\.?[-. ,/']*(?:(\d{1,2}),? +)?(\d{4}|\d{2})")


class Unreadable(Exception):
    """A text that is not what its column holds; the message is the sentence."""


@dataclass(frozen=True)
class Cell:
    """A value read: as plain text that the database takes, and whether the decimal mark had to decide."""

    text: str
    ambiguous: bool = False


def plain_digits(column: Column) -> int:
    """How many digits before the point a plain number has at most.

    A digit less than the limit has: what rounds up to the limit is no number for the database.
    """
    return max(1, (column.limit or _LARGEST).adjusted() - 1)


def may_be_too_long(column: Column, texts: Sequence[str]) -> str:
    """The SQL that some of these texts, in no shape but a plain number's, may have more digits or decimals than fit."""
    longest = f"greatest({', '.join(f'octet_length({text})' for text in texts)})"
    decimals = [f"{text} LIKE '%.{'_' * ((column.places or 0) + 1)}%'" for text in texts]
    return f"({' OR '.join([f'{longest} > {plain_digits(column)}', *decimals])})"


def plain_pattern(column: Column, *, own_points: bool, counted: bool = True) -> str:
    """A pattern of PostgreSQL for the numbers that mean the same to everybody.

    own_points: a point is the decimal mark in this file, so "1.234" is plain too; else it may stand for thousands.
    counted: no more digits than `plain_digits` are taken, nor decimals than the column keeps, zeros at the end apart.
    Counting costs the database more than all the rest, so it is for texts that `may_be_too_long` only.
    """
    sign = "-?" if column.signed else ""
    digits = plain_digits(column)
    some, many = (f"{{1,{digits}}}", f"{{4,{digits}}}") if counted else ("+", "{4,}")
    if column.type == "whole":
        return f"{sign}[0-9]{some}"
    kept = column.places or 0
    decimals = f"[0-9]{{1,{kept}}}0*" if counted else "[0-9]+"
    if own_points:
        return rf"{sign}[0-9]{some}(?:\.{decimals})?"
    # Three digits behind a point may be thousands.
    four = "[0-9]{4,}"
    if counted:
        four = f"[0-9]{{4,{kept}}}0*" if kept >= 4 else f"[0-9]{{{kept}}}0{{{4 - kept},}}"
    not_threes = rf"[0-9]{some}\.(?:[0-9]{{1,{min(2, kept)}}}|{four})"
    return rf"{sign}(?:[0-9]{some}|[0-9]{many}\.{decimals}|0\.{decimals}|{not_threes})"


def read(column: Column, text: str, mark: DecimalMark = ".", *, computed: bool = False) -> Cell:
    """The value that `text`, which is not blank, writes in `column`. Raises Unreadable.

    computed: the text may be a binary fraction that a workbook worked out, with more decimals than anybody typed.
    """
    if text.startswith(MARK):
        raise Unreadable(f"The cell {fault(text)}.")
    if column.type in NUMBERS:
        return _number(column, text, mark, computed=computed)
    if column.type == "period":
        return Cell(period(text).isoformat())
    if column.type == "date":
        return Cell(day(text).isoformat())
    if column.type == "yes_no":
        return Cell(_yes_no(text))
    if column.type == "choice":
        return Cell(_choice(column, text))
    return Cell(_text(column, text))


def _number(column: Column, text: str, mark: DecimalMark, *, computed: bool) -> Cell:
    what = WORDS[column.type]
    negative, bare = _without_sign(text)
    try:
        number = parse_number(bare, mark, max_decimals=LONGEST, max_value=_LARGEST)
    except Refused:
        number = None
    if number is None or number.value is None:
        raise Unreadable(f"'{_shown(text)}' is not {what}; write a plain number such as {_example(column)}.")
    step = Decimal(1).scaleb(-(column.places or 0))
    value = number.value.quantize(step, ROUND_HALF_UP, EXACT)
    if column.type == "whole" and value != number.value:
        raise Unreadable(f"'{_shown(text)}' is not {what}; write it without decimals.")
    if column.limit is not None and value >= column.limit:
        raise Unreadable(f"'{_shown(text)}' is too large; {what} must be below {column.limit.normalize():,f}.")
    if negative and number.value and not column.signed:
        raise Unreadable(f"'{_shown(text)}' is below 0; {what} must be 0 or more.")
    if value != number.value and not (computed and value and len(number.value.as_tuple().digits) >= COMPUTED):
        found, kept = len(f"{number.value:f}".partition(".")[2].rstrip("0")), column.places or 0
        raise Unreadable(f"'{_shown(text)}' has {found} decimals; {what} has at most {kept}. Round it to {kept}.")
    return Cell(f"{'-' if negative and value else ''}{value:f}", number.ambiguous)


def _example(column: Column) -> str:
    return "14" if column.type == "whole" else "1000"


def _without_sign(text: str) -> tuple[bool, str]:
    """Whether a number is negative, as people and ledgers write it ("-5", "5-", "(5)"), and the rest of its text."""
    if text[:1] in "-−":
        return True, text[1:]
    if text[-1:] in "-−":
        return True, text[:-1]
    if text.startswith("(") and text.endswith(")"):
        return True, text[1:-1]
    return False, text


def period(text: str) -> dt.date:
    """The month that a text names, as its first day; a day in it means the month. Raises Unreadable."""
    return day(text, month_is_meant=True).replace(day=1)


def day(text: str, *, month_is_meant: bool = False) -> dt.date:
    """The day that a text writes; a month alone is its first day. Raises Unreadable.

    Days before months and months before days are both written: what could be either is refused, unless only the month
    is asked for and both readings name the same one.
    """
    remedy = "2027-01 or Jan 2027" if month_is_meant else "2027-01-31"
    what, form = ("month", "%b %Y") if month_is_meant else ("day", "%d %b %Y")
    # A spreadsheet counts days, and shows the count once a cell has lost its format.
    lost = " or give the column a date format" if _SERIAL.fullmatch(text) else ""
    wrong = Unreadable(f"'{_shown(text)}' is not a {what}; write it like {remedy}{',' if lost else ''}{lost}.")
    readings = {reading for reading in _readings(text) if reading is not None}
    if month_is_meant:
        readings = {reading.replace(day=1) for reading in readings}
    if len(readings) > 1:
        raise Unreadable(
            f"'{_shown(text)}' may be {' or '.join(one.strftime(form) for one in sorted(readings))}; "
            f"write it like {remedy}."
        )
    if not readings:
        raise wrong
    (found,) = readings
    if not FIRST_YEAR <= found.year <= LAST_YEAR:
        raise Unreadable(f"'{_shown(text)}' lies outside the years {FIRST_YEAR} to {LAST_YEAR}; correct the year.")
    return found


def _readings(text: str) -> list[dt.date | None]:
    for pattern in (_ISO, _YEAR_FIRST, _PACKED):
        if found := pattern.fullmatch(text):
            return [_date(found[1], found[2], found[3] or "1")]
    if found := _MONTH_YEAR.fullmatch(text):
        return [_date(found[2], found[1], "1")]
    if found := _DAY_MONTH.fullmatch(text):
        return [_date(found[3], found[2], found[1]), _date(found[3], found[1], found[2])]
    if (found := _NAMED.fullmatch(text)) and (month := MONTHS.get(found[2].lower())) and not (found[1] and found[3]):
        year = found[4] if len(found[4]) == 4 else f"20{found[4]}"
        return [_date(year, str(month), found[1] or found[3] or "1")]
    return []


def _date(year: str, month: str, day: str) -> dt.date | None:
    try:
        return dt.date(int(year), int(month), int(day))
    except ValueError:
        return None


def _yes_no(text: str) -> str:
    word = text.casefold()
    if word in YES or word in NO:
        return "true" if word in YES else "false"
    raise Unreadable(f"'{_shown(text)}' is neither Yes nor No; write one of them.")


def _choice(column: Column, text: str) -> str:
    word = text.casefold()
    for value, words in column.choices:
        if word in (value.casefold(), words.casefold(), f"{value} {words}".casefold()):
            return value
    offered = ", ".join(words for _, words in column.choices)
    raise Unreadable(f"'{_shown(text)}' is not offered here; write one of {offered}.")


def _text(column: Column, text: str) -> str:
    """A text as it is stored: within its length, without invisible characters, addresses well formed."""
    bare = normal(text)
    longest = column.max_length or NOTE_LIMIT
    if len(bare) > longest:
        raise Unreadable(f"The text has {len(bare):,} characters; at most {longest:,} are kept. Shorten it.")
    try:
        (plain_note if column.type == "note" else plain_text)(bare)
        if column.type == "email":
            EmailValidator(f"'{_shown(bare)}' is not an e-mail address; write one like name@example.com.")(bare)
    except ValidationError as refusal:
        raise Unreadable(" ".join(refusal.messages)) from refusal
    return bare


def _shown(text: str) -> str:
    """A text as it is quoted in a sentence."""
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
