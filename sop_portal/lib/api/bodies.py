"""Reading and writing JSON strictly: what is not JSON, or could be read in two ways, is refused."""

import json
from typing import Any, NoReturn

import orjson
from django.core.exceptions import RequestDataTooBig
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.utils.serializer_helpers import ReturnDict, ReturnList

DEEPEST = 20


class JSONParser(BaseParser):
    """A JSON document in UTF-8: no NaN, no name twice in one object, not nested deeper than DEEPEST."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        """The document. Raises ParseError with a sentence that says what is wrong and where."""
        try:
            text = stream.read().decode("utf-8")
        except RequestDataTooBig:
            raise
        except UnicodeDecodeError as problem:
            raise ParseError(f"The body is not UTF-8: byte {problem.start} cannot be read.") from problem
        try:
            document = json.loads(text, object_pairs_hook=_unique, parse_constant=_constant, parse_float=_number)
        except json.JSONDecodeError as problem:
            raise ParseError(
                f"The body is not JSON: {problem.msg} in line {problem.lineno}, column {problem.colno}."
            ) from problem
        except RecursionError as problem:
            raise ParseError(f"The body is nested deeper than {DEEPEST} levels.") from problem
        except ValueError as problem:
            # A whole number of more digits than Python reads.
            raise ParseError("The body holds a number with too many digits.") from problem
        if _is_too_deep(document):
            raise ParseError(f"The body is nested deeper than {DEEPEST} levels.")
        if "\\ud" in text or "\\uD" in text:
            _refuse_halves(document)
        return document


def _refuse_halves(document: Any) -> None:
    """Refuse halves of surrogate pairs: escapes may write them, but no answer and no table can hold them."""
    try:
        json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError as problem:
        raise ParseError("The body holds half of a surrogate pair, which is no character.") from problem


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ParseError(f"The name '{twice[:100]}' stands twice in one object.")
    return found


def _constant(name: str) -> NoReturn:
    raise ParseError(f"{name} is not a number that JSON knows.")


def _number(digits: str) -> Any:
    """Numbers with decimals stay as they are written: a quantity of 0.1 is one tenth, not the float beside it."""
    return Written(digits)


class Written(str):
    """A number with decimals or exponent, as its digits stood in the document."""

    __slots__ = ()


def _is_too_deep(document: Any) -> bool:
    """Whether lists and objects are nested deeper than DEEPEST levels; a level is looked at in one go."""
    level = [document] if type(document) in (dict, list) else []
    depth = 0
    while level and depth < DEEPEST:
        level = [
            part
            for value in level
            for part in (value.values() if type(value) is dict else value)
            if type(part) is dict or type(part) is list
        ]
        depth += 1
    return bool(level)


class JSONRenderer(BaseRenderer):
    """JSON by orjson. Decimals are texts of their digits, instants ISO 8601 in UTC."""

    media_type = "application/json"
    format = "json"
    charset = None

    def render(self, data: Any, media_type: str | None = None, renderer_context: Any = None) -> bytes:
        """The document; nothing at all for an answer without a body."""
        if data is None:
            return b""
        return orjson.dumps(data, default=_plain, option=orjson.OPT_NON_STR_KEYS | orjson.OPT_UTC_Z)


def _plain(value: Any) -> Any:
    if isinstance(value, ReturnDict):
        return dict(value)
    if isinstance(value, ReturnList):
        return list(value)
    return str(value)
