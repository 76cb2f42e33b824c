"""Cells as fields of PostgreSQL's COPY text format, a column of many rows at a time.

Runs in the reading process, which imports nothing of ours, and in the portal for CSV. What is no value stands behind
`MARK`, a character of the private use area that no text of ours may hold.
"""

import datetime as dt
import math
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any

MARK = "\ue000"
NO_RESULT = "formula"
FORMULA = MARK + NO_RESULT
FIELDS = MARK + "fields "
BLANK = r"\N"

# In cells joined by line feeds: what COPY escapes, and blanks at the edge of a cell.
_AWKWARD = re.compile(r"[\x00-\x09\x0b-\x1f\\]|\n[^\S\n]|[^\S\n]\n")
# U+0000 cannot be stored; the neighbour that takes its place is refused as invisible, like every control character.
_NO_ZERO = str.maketrans({"\x00": "\x01"})
_ESCAPES = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r", "\x00": "\x01"})
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_LETTERS = {"t": "\t", "n": "\n", "r": "\r"}
# What the exporter writes before texts that a spreadsheet would run; `sheets.csv_text` is the other half.
_PREFIXED = re.compile("'(?='*[=+\\-@\t\r＝＋－＠])")


def cell_text(value: Any) -> str:
    """One value of a workbook as text, "" for a blank one.

    Numbers in plain decimals, dates and times in ISO 8601, durations as hours:minutes:seconds, TRUE and FALSE.
    """
    kind = type(value)
    if kind is str:
        return normal(value).translate(_NO_ZERO)
    if value is None:
        return ""
    if kind is bool:
        return "TRUE" if value else "FALSE"
    if kind is float:
        if not math.isfinite(value):
            return MARK + "#NUM!"
        return _shortest(value)
    if kind is dt.datetime:
        return value.isoformat() if value.time() != dt.time() else value.date().isoformat()
    if kind is dt.timedelta:
        seconds = round(value.total_seconds())
        return (
            f"{'-' if seconds < 0 else ''}{abs(seconds) // 3600:02}:{abs(seconds) // 60 % 60:02}:{abs(seconds) % 60:02}"
        )
    return str(value)


def _shortest(value: float) -> str:
    text = repr(value)
    if "e" in text:
        text = format(Decimal(text), "f")
    text = text.removesuffix(".0")
    return "0" if text == "-0" else text


def normal(text: str) -> str:
    """`text` in Unicode NFC, trimmed, line ends as line feeds: one spelling for what looks the same."""
    return unicodedata.normalize("NFC", text).strip().replace("\r\n", "\n").replace("\r", "\n")


def unprefixed(text: str) -> str:
    """A text of a CSV file without the prefix of our own exports."""
    return text[1:] if text[:1] == "'" and _PREFIXED.match(text) else text


def escaped(text: str) -> str:
    """A text as a field of COPY's text format."""
    return text.translate(_ESCAPES) if text else BLANK


def read_lines(block: bytes) -> Iterator[tuple[int, list[str | None]]]:
    """The lines of a block as the number of their row and their fields, None for blank ones."""
    for line in block.decode().removesuffix("\n").split("\n"):
        number, *fields = line.split("\t")
        if "\\" in line:
            yield int(number), [None if field == BLANK else _ESCAPED.sub(_unescaped, field) for field in fields]
        else:
            yield int(number), list(fields)


def _unescaped(found: re.Match[str]) -> str:
    return _LETTERS.get(found[1], found[1])


def book_fields(column: Sequence[Any]) -> list[str]:
    """A column of values of a workbook as fields."""
    kinds = set(map(type, column))
    if kinds == {str}:
        return text_fields(column)
    if kinds == {float}:
        joined = "\n".join(map(repr, column)) + "\n"
        # Exponents, infinities and minus zero take the long way.
        if not ("e" in joined or "n" in joined or "-0.0\n" in joined):
            return joined.replace(".0\n", "\n")[:-1].split("\n")
    elif kinds == {dt.date}:
        return list(map(str, column))
    return [escaped(cell_text(value)) for value in column]


def csv_fields(column: Sequence[str]) -> list[str]:
    """A column of texts of a CSV file as fields, without the prefix of our own exports."""
    return text_fields(column, unprefixed)


def text_fields(column: Sequence[str], before: Callable[[str], str] | None = None) -> list[str]:
    """A column of texts as fields; `before` is applied to each text that starts with `'`."""
    together = "".join(column)
    # Codes are taken as they are: nothing in them is escaped, and no blank could stand at an edge.
    if together.isascii() and together.isprintable() and not any(sign in together for sign in " '\\"):
        return [field or BLANK for field in column] if "" in column else list(column)
    joined = "\n".join(["", *column, ""])
    if (
        joined.count("\n") > len(column) + 1
        or _AWKWARD.search(joined)
        or not (joined.isascii() or unicodedata.is_normalized("NFC", joined))
        or (before and "\n'" in joined)
    ):
        if before:
            column = [before(text) for text in column]
        return [escaped(normal(text)) for text in column]
    fields = joined[1:-1].split("\n")
    return [field or BLANK for field in fields] if "\n\n" in joined else fields


def copy_lines(numbers: Iterable[int], columns: Sequence[Sequence[str]]) -> bytes:
    """Lines of a row's number and its fields; rows whose fields are all blank are left out."""
    blank = "\t".join([BLANK] * len(columns))
    bodies = list(map("\t".join, zip(*columns, strict=True)))
    if blank in bodies:
        kept = [f"{number}\t{body}\n" for number, body in zip(numbers, bodies, strict=True) if body != blank]
    else:
        kept = [f"{number}\t{body}\n" for number, body in zip(numbers, bodies, strict=True)]
    return "".join(kept).encode()
