"""Addresses of operations: with and without a slash at the end, and business codes of any characters in them."""

from typing import Any

from django.urls import URLPattern, path, register_converter


class CodeConverter:
    """A business code: anything, a percent-encoded slash included, that the addresses around it leave.

    Operations that stand below a code are therefore declared before the code alone.
    """

    regex = ".+"

    def to_python(self, value: str) -> str:
        return value

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
