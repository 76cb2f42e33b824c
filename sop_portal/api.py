"""Where the JSON API lives, and refusals as problem JSON for callers that are no operation of it.

`views.py` and `middleware.py` are where refusals become pages.
"""

from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.http import HttpRequest, JsonResponse

from sop_portal.lib.api import problems
from sop_portal.lib.errors import DomainError, Refused

PREFIX = "/api/"
_JSON = ("application/json", problems.CONTENT_TYPE)


def wants_json(request: HttpRequest) -> bool:
    """Whether the caller sends or asks for JSON rather than a page."""
    if request.path.startswith(PREFIX) or request.content_type in _JSON:
        return True
    return request.get_preferred_type(["text/html", *_JSON]) in _JSON


def problem(status: int, title: str, detail: str, **extra: Any) -> JsonResponse:
    """One problem as JSON; `extra` stands beside its title, status and detail."""
    return _sent(problems.body(status, title, detail, **extra))


def from_refusal(refusal: DomainError) -> JsonResponse:
    """A refusal as JSON, with its sentences per line and the data it carries."""
    members = problems.of_refusal(refusal)
    if isinstance(refusal, Refused) and refusal.lines:
        members["lines"] = refusal.lines
    return _sent(members)


def _sent(members: dict[str, Any]) -> JsonResponse:
    return JsonResponse(
        members, status=members["status"], encoder=DjangoJSONEncoder, content_type=problems.CONTENT_TYPE
    )
