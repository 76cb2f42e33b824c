"""Error answers: a page, a fragment for htmx, or problem JSON, saying what happened and what to do."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.cache import patch_vary_headers

from sop_portal import api
from sop_portal.lib.errors import DomainError, Refused
from sop_portal.lib.htmx import wants_fragment
from sop_portal.lib.ratelimit import TooMany

# Pages of these may not ask the database for anything, who is signed in included.
_WITHOUT_DATABASE = {500, 503}


def answer(request: HttpRequest, template: str, status: int, title: str, detail: str, **context: Any) -> HttpResponse:
    """The answer `status` in the form the caller understands.

    Templates get `status`, `title`, `detail`, `request_id` and `context`.
    """
    if api.wants_json(request):
        return _with_vary(api.problem(status, title, detail))
    context |= {"status": status, "title": title, "detail": detail, "request_id": getattr(request, "request_id", "")}
    if wants_fragment(request):
        template = "errors/_refused.html"
    html = render_to_string(template, context, None if status in _WITHOUT_DATABASE else request)
    return _with_vary(HttpResponse(html, status=status))


def refusal_answer(request: HttpRequest, refusal: DomainError) -> HttpResponse:
    """What a service said, in the form the caller understands."""
    if api.wants_json(request):
        response: HttpResponse = _with_vary(api.from_refusal(refusal))
    else:
        template = "errors/429.html" if refusal.status == 429 else "errors/refused.html"
        lines = refusal.lines if isinstance(refusal, Refused) else {}
        response = answer(
            request,
            template,
            refusal.status,
            refusal.title,
            refusal.detail,
            lines=lines,
            retry_after=getattr(refusal, "retry_after", None),
        )
    if isinstance(refusal, TooMany):
        response["Retry-After"] = str(refusal.retry_after)
    return response


def _with_vary(response: HttpResponse) -> HttpResponse:
    patch_vary_headers(response, ["Accept", "HX-Request"])
    return response
