"""One view for a page and its fragment."""

from collections.abc import Mapping
from typing import Any

from django import shortcuts
from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers


def wants_fragment(request: HttpRequest) -> bool:
    """Whether htmx asks for a part of the page it already shows."""
    htmx: Any = getattr(request, "htmx", None)
    return bool(htmx and not htmx.boosted and not htmx.history_restore_request)


def render(
    request: HttpRequest, page: str, partial: str, context: Mapping[str, Any] | None = None, status: int = 200
) -> HttpResponse:
    """The template `partial` for htmx, else `page`; caches are told that the two differ."""
    response = shortcuts.render(request, partial if wants_fragment(request) else page, context, status=status)
    patch_vary_headers(response, ["HX-Request"])
    return response
