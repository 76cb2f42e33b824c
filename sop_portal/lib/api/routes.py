"""Addresses of operations: with and without a slash at the end, and business codes of any characters in them."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote_to_bytes

from django.urls import URLPattern, get_script_prefix, path, register_converter
from django.utils.encoding import repercent_broken_unicode

# What stands for an encoded slash while an address is looked up: a control character, which no code holds.
SLASH = "\x1f"
_ENCODED = re.compile("%2f", re.IGNORECASE)
_ORIGIN = re.compile("^https?://[^/]*", re.IGNORECASE)


def encoded_slashes_kept(environ: Mapping[str, Any]) -> str | None:
    """The path of a request with `SLASH` where its sender encoded a slash; None where nothing is to be kept apart.

    A server hands on the path decoded, in which the code "A/" cannot be told from the code "A" with the slash that
    may follow every address, nor "A/sales" from the sales of "A". What came over the wire can; where a server does not
    hand that on, or something on the way decoded it, slashes belong to codes as far as the addresses around them leave
    them.
    """
    wire = str(environ.get("RAW_URI") or environ.get("REQUEST_URI") or "").partition("?")[0]
    # Proxies are asked for a whole URL, and some hand it on.
    raw = _ORIGIN.sub("", wire)
    decoded = environ.get("PATH_INFO", "")
    if SLASH in decoded or not _ENCODED.search(raw) or _decoded(raw) != decoded:
        return None
    return _decoded(_ENCODED.sub("%1f", raw))


def _decoded(raw: str) -> str:
    """A path as the framework decodes it."""
    return repercent_broken_unicode(unquote_to_bytes(raw)).decode()


def with_query(request: Any, query: str) -> str:
    """The address that `request` went to, with another query. Codes in it are encoded as their sender had to."""
    path = quote(request.path_info).replace(quote(SLASH), "%2F")
    return str(request.build_absolute_uri(f"{get_script_prefix().rstrip('/')}{path}?{query}"))


class CodeConverter:
    """A business code: anything, a percent-encoded slash included, that the addresses around it leave.

    Operations that stand below a code are therefore declared before the code alone.
    """

    regex = ".+"

    def to_python(self, value: str) -> str:
        return value.replace(SLASH, "/")

    def to_url(self, value: str) -> str:
        return value


register_converter(CodeConverter, "code")


def route(address: str, view: Any, name: str) -> list[URLPattern]:
    """The operation `view` (an ApiView class) at `address`, which may be followed by a slash."""
    served = view.as_view()
    return [path(f"{address}/", served, name=name), path(address, served, name=name)]


def without_doubles(endpoints: list[tuple[Any, ...]], **kwargs: Any) -> list[tuple[Any, ...]]:
    """The description of the API names each operation once, without the slash."""
    return [endpoint for endpoint in endpoints if not endpoint[0].endswith("/")]
