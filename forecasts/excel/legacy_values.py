"""Single cells of an old planning workbook: quantities, prices, item codes, groups, months."""

import calendar
import datetime as dt
import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from sop_portal.lib.errors import Refused
from sop_portal.lib.numbers import MAX_QUANTITY, DecimalMark, parse_number
from sop_portal.lib.workbook import Cell, ErrorCell

VOLUME_STEP = Decimal("0.000001")
PRICE_STEP = Decimal("0.0001")
ERROR_TEXT = re.compile(r"#(DIV/0!|REF!|VALUE!|N/A|NAME\?|NUM!|NULL!|SPILL!|CALC!|GETTING_DATA)", re.IGNORECASE)
LONGEST_CODE = 40

_NO_CODE = {
    "", "-", "--", "0", "?", "#", "n/a", "na", "none", "new", "new item", "new code", "tbd", "tba", "tbc", "pending",
    "x", "xx", "xxx", "no code",
}  # fmt: skip
_TOTAL = re.compile(r"(sub|grand)?[\s-]*totals?\b", re.IGNORECASE)
_ALL = re.compile(r"(sub|grand)?[\s-]*totals?|total general|gran total")
_PROVISIONAL = re.compile(r"new[\s-]+(item|product|sku)s?[\s:.#-]+(?!codes?\b)[^\W_].{2,}", re.IGNORECASE)
_GROUP = re.compile(r"(G\s?[0-9]{1,3})\b[\s\-–—:.]*(.*)", re.IGNORECASE | re.DOTALL)
_WORDS_AROUND = re.compile(
    r"\b(sum of|qty|quantity|vol|volume|price|sales|fcst|forecast|plan|cases|units)\b|^q[- ](?=[a-z])|[$()]"
)
_MONTHS = {name.casefold(): number for number, name in enumerate(calendar.month_name) if name}
_SHORT = {name[:3]: number for name, number in _MONTHS.items()} | {
    "sept": 9, "ene": 1, "abr": 4, "ago": 8, "set": 9, "dic": 12,
    "enero": 1, "febrero": 2, "marzo": 3, "abril": 4, "mayo": 5, "junio": 6, "julio": 7, "agosto": 8,
    "septiembre": 9, "octubre": 10, "noviembre": 11, "diciembre": 12,
}  # fmt: skip
_MONTH_NUMBER = _SHORT | _MONTHS
# Serial numbers of 2000-01-01 and 2099-12-31: what lies between may be a month heading.
_FIRST_SERIAL, _LAST_SERIAL = 36526, 73050
_EXCEL_EPOCH = dt.date(1899, 12, 30)
_DAYS_1904 = 1462


def clean(value: Cell) -> str:
    """The cell as one line of text, NFC, runs of blanks as one; numbers without a needless ".0"."""
    if value is None or isinstance(value, ErrorCell):
        return ""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        value = int(value)
    text = str(value)
    if text.isascii() and text.isprintable() and "_x" not in text:
        return " ".join(text.split())
    text = unicodedata.normalize("NFC", text.replace("_x000D_", " "))
    return " ".join("".join(" " if unicodedata.category(mark) in ("Cc", "Cf") else mark for mark in text).split())


@dataclass(frozen=True, slots=True)
class Amount:
    """A quantity or price as read. `problem` is "", "error", "refused", "text" or "ambiguous"; `shown` what stood there.

    With "error" and "refused" the value is None, with "text" and "ambiguous" it was taken.
    """

    value: Decimal | None
    problem: Literal["", "error", "refused", "text", "ambiguous"] = ""
    shown: str = ""


BLANK = Amount(None)


def amount(
    value: Cell, step: Decimal, decimal_mark: DecimalMark, largest: Decimal = MAX_QUANTITY, *, signed: bool = False
) -> Amount:
    """The number in a cell from 0 to `largest`, rounded to `step`; blanks and lone dashes are no answer.

    signed: numbers below 0 are taken too.
    """
    if value is None:
        return BLANK
    if isinstance(value, ErrorCell):
        return Amount(None, "error", value.code)
    if isinstance(value, str):
        return _written(value, step, decimal_mark, largest)
    if isinstance(value, bool):
        return Amount(None, "refused", str(value).upper())
    if isinstance(value, dt.date):
        # A number that somebody formatted as a date: small ones are what was typed, recent days are real dates.
        day = value.date() if isinstance(value, dt.datetime) else value
        if day.year >= 1950 or day < _EXCEL_EPOCH:
            return Amount(None, "refused", day.isoformat())
        return Amount(Decimal((day - _EXCEL_EPOCH).days), "text", day.isoformat())
    number = Decimal(repr(value))
    # A result of formulas may lie below 0 by the noise of binary fractions; that is 0.
    if not number.is_finite() or not (-largest if signed else -step / 2) <= number <= largest:
        return Amount(None, "refused", f"{value:,}")
    rounded = number.quantize(step)
    return Amount(rounded if signed and rounded else abs(rounded))


def _written(text: str, step: Decimal, decimal_mark: DecimalMark, largest: Decimal) -> Amount:
    shown = clean(text)
    if not shown.strip("-–— "):
        return BLANK
    if ERROR_TEXT.fullmatch(shown):
        return Amount(None, "error", shown)
    try:
        number = parse_number(text, decimal_mark, max_decimals=20, max_value=largest)
    except Refused:
        return Amount(None, "refused", shown[:60])
    if number.value is None:
        return BLANK
    return Amount(number.value.quantize(step), "ambiguous" if number.ambiguous else "text", shown)


def item_code(value: Cell) -> str:
    """The item code in a cell, "" when there is none: 110001.0 and "110001.0" are 110001; leading zeros stay."""
    if isinstance(value, bool | dt.date):
        return ""
    code = clean(value).lstrip("'").strip()
    if re.fullmatch(r"[0-9]+\.0+", code):
        code = code.partition(".")[0]
    if code.casefold() in _NO_CODE or len(code) > LONGEST_CODE or is_total(code) or ERROR_TEXT.fullmatch(code):
        return ""
    if is_provisional(code):
        return code
    sentence = not re.search(r"[0-9]", code) and " " in code
    if sentence or code.startswith("-") or code.count(" ") > 3 or not re.search(r"\w", code):
        return ""
    return code


def is_provisional(code: str) -> bool:
    """Whether an item code only says which new item it will be: "New item boiler onions"."""
    return bool(_PROVISIONAL.fullmatch(code))


def is_total(text: str) -> bool:
    """Whether a text heads a row or column of sums."""
    return bool(_TOTAL.match(text))


def is_sum_of(text: str, names: Collection[str]) -> bool:
    """Whether a label names a sum: "Grand Total", or "Alder Total" below the rows of Alder; "Total Produce" is a name.

    names: the labels seen above, in lower case.
    """
    bare = text.casefold().strip(" :.*")
    if _ALL.fullmatch(bare):
        return True
    found = re.fullmatch(r"(.+?)[\s-]+totals?|totals?[\s-]+(.+)", bare)
    return bool(found) and (found[1] or found[2]).strip() in names  # type: ignore[index]


def group(value: Cell) -> tuple[str, str] | None:
    """Code and name of a product group written as "G01 - Garlic Production"; None for anything else."""
    found = _GROUP.fullmatch(clean(value))
    if not found:
        return None
    code = found[1].replace(" ", "").upper()
    return code, found[2].strip() or code


@dataclass(frozen=True, slots=True)
class MonthHead:
    """A heading that names a month; `period` is None when it names no year."""

    period: dt.date | None


def month_head(value: Cell, date1904: bool = False) -> MonthHead | None:
    """The month that a heading names: a date, a serial number or text such as "Nov-25", "Nov 2025", "2025-11"."""
    if isinstance(value, bool) or value is None or isinstance(value, ErrorCell):
        return None
    if isinstance(value, dt.date):
        return _head(value.year, value.month)
    if isinstance(value, int | float):
        return _serial(float(value), date1904)
    text = _WORDS_AROUND.sub(" ", clean(value).casefold()).strip(" -:.,'’*")
    if re.fullmatch(r"[0-9]{5}(\.0+)?", text):
        return _serial(float(text), date1904)
    return _named(text) or _numbered(text)


def _serial(number: float, date1904: bool) -> MonthHead | None:
    days = number + (_DAYS_1904 if date1904 else 0)
    if not _FIRST_SERIAL <= days <= _LAST_SERIAL:
        return None
    day = _EXCEL_EPOCH + dt.timedelta(days=int(days))
    return _head(day.year, day.month)


def _head(year: int, month: int) -> MonthHead | None:
    year += 2000 if year < 100 else 0
    return MonthHead(dt.date(year, month, 1)) if 2000 <= year <= 2099 and 1 <= month <= 12 else None


def _named(text: str) -> MonthHead | None:
    gap = r"[\s\-/.,'’_]*"
    year = r"([0-9]{4}|[0-9]{2})"
    name = r"([a-z]{3,10})\.?"
    for pattern, month_at, year_at in (
        (rf"{name}{gap}{year}", 1, 2),
        (rf"[0-9]{{1,2}}(?:st|nd|rd|th)?{gap}{name}{gap}{year}", 1, 2),
        (rf"{name}\s+[0-9]{{1,2}}(?:st|nd|rd|th)?,?\s+([0-9]{{4}})", 1, 2),
        (rf"([0-9]{{4}}){gap}{name}", 2, 1),
    ):
        found = re.fullmatch(pattern, text)
        if found and found[month_at] in _MONTH_NUMBER:
            return _head(int(found[year_at]), _MONTH_NUMBER[found[month_at]])
    found = re.fullmatch(name, text)
    return MonthHead(None) if found and found[1] in _MONTH_NUMBER else None


def _numbered(text: str) -> MonthHead | None:
    if found := re.fullmatch(r"([0-9]{4})[-/.]([0-9]{1,2})([-/.][0-9]{1,2})?([ t][0-9:.]+)?", text):
        return _head(int(found[1]), int(found[2]))
    if found := re.fullmatch(r"([0-9]{1,2})[-/.]([0-9]{4})", text):
        return _head(int(found[2]), int(found[1]))
    if found := re.fullmatch(r"([0-9]{1,2})[-/.]([0-9]{1,2})[-/.]([0-9]{4}|[0-9]{2})", text):
        # American order, as these books come from there; a first number above 12 can only be the day.
        first, second = int(found[1]), int(found[2])
        return _head(int(found[3]), second if first > 12 else first)
    return None
