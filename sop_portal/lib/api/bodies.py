"""How operations read and write JSON."""

import json
from collections.abc import Callable
from typing import Any

import orjson
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.utils.serializer_helpers import ReturnDict, ReturnList

from sop_portal.lib import strict_json


class Written(str):
    """A number with decimals or exponent, as its digits stood in the document: 0.1 is one tenth, not the float beside
    it."""

    __slots__ = ()


class JSONParser(BaseParser):
    """A JSON document as `strict_json` reads it."""

    media_type = "application/json"
    # What a number with decimals or exponent becomes.
    written: Callable[[str], Any] = Written
    # Whether it may be a float as well, where that is written with the same digits again.
    takes_floats = False

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        """The document. Raises ParseError with a sentence that says what is wrong and where."""
        body = stream.read()
        try:
            document = strict_json.loads_exact(body) if self.takes_floats else None
            if document is None:
                document = strict_json.loads(body, self.written)
        except strict_json.NotJson as refusal:
            raise ParseError(str(refusal)) from refusal
        if b"\\ud" in body or b"\\uD" in body:
            _refuse_halves(document)
        return document


def _refuse_halves(document: Any) -> None:
    """Refuse halves of surrogate pairs: escapes may write them, but no answer and no table can hold them."""
    try:
        json.dumps(document, ensure_ascii=False, default=str).encode()
    except UnicodeEncodeError as problem:
        raise ParseError("The body holds half of a surrogate pair, which is no character.") from problem


class JSONRenderer(BaseRenderer):
    """JSON by orjson. Decimals are texts of their digits, instants ISO 8601 in UTC."""

    media_type = "application/json"
    format = "json"
    charset = None

    def render(self, data: Any, media_type: str | None = None, renderer_context: Any = None) -> bytes:
        """The document; nothing at all for an answer without a body."""
        if data is None:
            return b""
        try:
            return orjson.dumps(data, default=_plain, option=orjson.OPT_UTC_Z)
        except orjson.JSONEncodeError:
            # Keys that are no texts are rare, and whoever looks out for them takes longer over every row.
            return orjson.dumps(data, default=_plain, option=orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS)


def _plain(value: Any) -> Any:
    if isinstance(value, ReturnDict):
        return dict(value)
    if isinstance(value, ReturnList):
        return list(value)
    return str(value)
