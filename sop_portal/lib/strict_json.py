"""Reading JSON strictly: what is not JSON, or could be read in two ways, is refused with a sentence."""

import json
from collections.abc import Callable
from typing import Any, NoReturn

import orjson

DEEPEST = 20
# Values that a document may hold, roughly: ten thousand lines with all their cells are half as many. Of nothing but empty
# lists, 25 MB would become half a gigabyte of them.
MOST_PARTS = 1_500_000
_BLANKS = b" \n\r\t"


class NotJson(ValueError):
    """Why a body cannot be read, as a sentence."""


def loads(body: bytes, parse_float: Callable[[str], Any]) -> Any:
    """A JSON document in UTF-8: no NaN, no name twice in one object, not nested deeper than DEEPEST, of MOST_PARTS at most.

    parse_float: what a number with decimals or exponent becomes, so that none is read as the float beside it.
    Raises NotJson with what is wrong and where.
    """
    _refuse_too_many(body)
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as problem:
        raise NotJson(f"The body is not UTF-8: byte {problem.start} cannot be read.") from problem
    try:
        document = json.loads(text, object_pairs_hook=_unique, parse_constant=_constant, parse_float=parse_float)
    except json.JSONDecodeError as problem:
        raise NotJson(
            f"The body is not JSON: {problem.msg} in line {problem.lineno}, column {problem.colno}."
        ) from problem
    except RecursionError as problem:
        raise NotJson(f"The body is nested deeper than {DEEPEST} levels.") from problem
    except NotJson:
        raise
    except (ValueError, ArithmeticError) as problem:
        # A whole number of more digits than Python reads, or an exponent beyond every number.
        raise NotJson("The body holds a number with too many digits.") from problem
    _refuse_too_deep(document, body)
    return document


def loads_exact(body: bytes) -> Any | None:
    """The same document at a third of the cost, numbers with decimals as floats; None unless each of them says exactly
    what stood there, for `loads` to read.

    Raises NotJson.
    """
    _refuse_too_many(body)
    try:
        document = orjson.loads(body)
        again = orjson.dumps(document)
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return None
    # What is written like this again, apart from blanks, has no name twice, and no number of other digits.
    if again != body and again.translate(None, _BLANKS) != body.translate(None, _BLANKS):
        return None
    _refuse_too_deep(document, body)
    return document


def _refuse_too_many(body: bytes) -> None:
    if len(body) > MOST_PARTS and sum(map(body.count, (b",", b"[", b"{"))) > MOST_PARTS:
        raise NotJson(f"The body holds more than {MOST_PARTS:,} values; send it in smaller parts.")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        # Looked up, not counted: a body may hold very many names.
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        shown = twice[:60].encode("utf-8", "replace").decode()
        raise NotJson(f"The name '{shown}' occurs twice in one object.")
    return found


def _constant(name: str) -> NoReturn:
    raise NotJson(f"{name} is not a number that JSON knows.")


def _refuse_too_deep(document: Any, body: bytes) -> None:
    """Refuse lists and objects that are nested deeper than DEEPEST levels; a level is looked at in one go."""
    level = [document] if type(document) in (dict, list) else []
    depth = 0
    # No more can be found than are begun, so that what the last of them hold is not looked at.
    rest = body.count(b"[") + body.count(b"{") - len(level)
    while level and rest and depth < DEEPEST:
        level = [
            part
            for value in level
            for part in (value.values() if type(value) is dict else value)
            if type(part) is dict or type(part) is list
        ]
        rest -= len(level)
        depth += 1
    if level and depth == DEEPEST:
        raise NotJson(f"The body is nested deeper than {DEEPEST} levels.")
