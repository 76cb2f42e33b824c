"""Refusals as RFC 9457 problem JSON; `views.py` and `middleware.py` are where they become pages."""

from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.http import HttpRequest, JsonResponse

from sop_portal.lib.errors import DomainError, Refused

_JSON = ("application/json", "application/problem+json")


def wants_json(request: HttpRequest) -> bool:
    """Whether the caller sends or asks for JSON rather than a page."""
    if request.content_type in _JSON:
        return True
    return request.get_preferred_type(["text/html", *_JSON]) in _JSON


def problem(status: int, title: str, detail: str, **extra: Any) -> JsonResponse:
    """One problem as JSON; `extra` stands beside its title, status and detail."""
    body = {"title": title, "status": status, "detail": detail, **extra}
    return JsonResponse(body, status=status, encoder=DjangoJSONEncoder, content_type="application/problem+json")


def from_refusal(refusal: DomainError) -> JsonResponse:
    """A refusal as JSON, with its sentences per line and the data it carries."""
    lines = {"lines": refusal.lines} if isinstance(refusal, Refused) and refusal.lines else {}
    return problem(refusal.status, refusal.title, refusal.detail, **{**refusal.extra, **lines})
