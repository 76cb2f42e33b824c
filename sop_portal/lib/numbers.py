"""Numbers as people write them: one reading, or a refusal that names the text.

`static/js` holds the same rules for the grid; `tests/data/numbers.json` is the list both must agree on.
"""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from sop_portal.lib.errors import Refused

DecimalMark = Literal[".", ","]
MAX_QUANTITY = Decimal("9999999.99")

_SPACES = "\u0020\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000"
_EDGES = re.compile(rf"^[{_SPACES}\t\r\n]+|[{_SPACES}\t\r\n]+$")
_ANY_SPACE = re.compile(rf"[{_SPACES}]")
_ANY_APOSTROPHE = re.compile("['\u2019\u02bc]")
# Unicode's currency signs (category Sc) in the ranges that occur; at most one, before or after the number.
_CURRENCY = "[$\u00a2-\u00a5\u20a0-\u20cf]"
_CURRENCY_EDGE = re.compile(rf"^{_CURRENCY}[{_SPACES}]*|[{_SPACES}]*{_CURRENCY}$")
_PLAIN = re.compile(r"[0-9]+")
_LONGEST = 60


@dataclass(frozen=True, slots=True)
class Number:
    """A number read from text; `value` is None for a blank, `ambiguous` says that the decimal mark decided."""

    value: Decimal | None
    ambiguous: bool = False


def parse_number(
    text: str,
    decimal_mark: DecimalMark = ".",
    *,
    max_decimals: int = 2,
    max_value: Decimal = MAX_QUANTITY,
) -> Number:
    """The number that `text` writes, blank being None.

    Accepted: ASCII digits, thousands in threes by one kind of mark (space of any width, apostrophe, point or comma),
    one decimal mark of either kind, one currency sign. Where both readings fit ("1,234") `decimal_mark` decides and
    the answer is marked ambiguous. The writer's own decimal mark twice ("1.234.567") is a slip, never thousands.
    Raises Refused with one sentence for everything else, for more than `max_decimals` decimals and for values
    above `max_value`.
    """
    bare = _EDGES.sub("", text)
    if not bare:
        return Number(None)
    if len(bare) > _LONGEST:
        raise _refusal(text, max_decimals, max_value)
    bare = _CURRENCY_EDGE.sub("", bare, count=1)
    bare = _ANY_APOSTROPHE.sub("'", _ANY_SPACE.sub(" ", bare))
    other: DecimalMark = "," if decimal_mark == "." else "."
    own, foreign = _read(bare, decimal_mark), _read(bare, other)
    if own is None and foreign is not None and bare.count(decimal_mark) > 1 and other not in bare:
        foreign = None
    digits = own if own is not None else foreign
    if digits is None or len(digits.partition(".")[2]) > max_decimals:
        raise _refusal(text, max_decimals, max_value)
    value = Decimal(digits)
    if value > max_value:
        raise _refusal(text, max_decimals, max_value)
    return Number(value, own is not None and foreign is not None and Decimal(own) != Decimal(foreign))


def _read(bare: str, mark: DecimalMark) -> str | None:
    """`bare` as digits with a point, when it is exact with `mark` as its decimal mark; else None."""
    whole, found, fraction = bare.partition(mark)
    if found and not _PLAIN.fullmatch(fraction):
        return None
    if not whole:
        return f"0.{fraction}" if found else None
    if not _PLAIN.fullmatch(whole):
        for grouping in (" ", "'", "," if mark == "." else "."):
            if re.fullmatch(rf"[1-9][0-9]{{0,2}}(?:{re.escape(grouping)}[0-9]{{3}})+", whole):
                whole = whole.replace(grouping, "")
                break
        else:
            return None
    return f"{whole}.{fraction}" if found else whole


def _refusal(text: str, max_decimals: int, max_value: Decimal) -> Refused:
    shown = text.strip() if len(text) <= _LONGEST else f"{text.strip()[:_LONGEST]}…"
    sentence = f"'{shown}' is not a number from 0 to {max_value:,}"
    fraction = re.fullmatch(r"[0-9 ,.']*[.,]([0-9]+)", shown)
    if fraction and len(fraction[1]) > max_decimals:
        sentence += f" with at most {max_decimals} decimals"
    return Refused(sentence)
