"""The view that every operation of the API is: counted, scoped by its token, strict, conditional."""

from typing import Any

from django.http import HttpResponseBase
from django.utils.cache import get_conditional_response, patch_vary_headers
from rest_framework import exceptions
from rest_framework.negotiation import BaseContentNegotiation, DefaultContentNegotiation
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from sop_portal.lib.api import problems
from sop_portal.lib.api.conditions import etag_of, refuse_match
from sop_portal.lib.api.problems import Fault, Invalid

NUL = "\0"


class ApiView(APIView):
    """One address of the API; who may ask, how often and in which form is said by the settings of the framework."""

    # The scope a token needs; None: read or write, by the verb.
    token_scope: str | None = None
    # The largest body in bytes; None: that of every other page.
    body_limit: int | None = None
    # The permission of those who may send files here; None: nobody sends any.
    takes_files: str | None = None
    # The verbs whose author may say by If-Match what they saw.
    takes_match: tuple[str, ...] = ()
    # What stays possible while a person has to choose a new password.
    open_before_new_password = False

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """As the framework's, but a request that shows a bad token, or asks for what is not sent, is counted too."""
        self.format_kwarg = None
        failure: exceptions.APIException | None = None
        try:
            self.perform_authentication(request)
        except exceptions.AuthenticationFailed as problem:
            failure = problem
        try:
            renderer, media_type = self.perform_content_negotiation(request)
            request.accepted_renderer, request.accepted_media_type = renderer, media_type
        except exceptions.NotAcceptable as problem:
            failure = problem
        self.check_throttles(request)
        if failure is not None:
            raise failure
        self.check_permissions(request)
        _refuse_nul(request)
        _refuse_compressed(request)
        verb = request.method or ""
        if verb not in (*SAFE_METHODS, *self.takes_match) and hasattr(self, verb.lower()):
            refuse_match(request)

    def finalize_response(self, request: Request, response: HttpResponseBase, *args: Any, **kw: Any) -> Response:
        """Adds what is left of the limit, and answers 304 where the caller holds the same already."""
        final: Response = super().finalize_response(request, response, *args, **kw)  # type: ignore[arg-type]
        patch_vary_headers(final, ["Accept", "Authorization", "Cookie"])
        for name, value in getattr(request._request, "limit_headers", {}).items():
            final[name] = value
        if (
            request.method in ("GET", "HEAD")
            and final.status_code == 200
            and hasattr(final, "add_post_render_callback")
        ):
            final.add_post_render_callback(lambda rendered: _conditional(request, rendered))
        return final


def _refuse_nul(request: Request) -> None:
    """Refuse addresses with a NUL in them: no value that is stored has one, and the database takes none."""
    if NUL in request.path:
        raise exceptions.NotFound(problems.NOT_FOUND)
    faults = [
        Fault(f"?{name.replace(NUL, '')}", "invalid", f"{name.replace(NUL, '')}: There is a NUL in it; leave it out.")
        for name, values in request.query_params.lists()
        if NUL in name or any(NUL in value for value in values)
    ]
    if faults:
        raise Invalid(faults)


def _refuse_compressed(request: Request) -> None:
    """Refuse bodies that nobody would unpack: they would be told that they are not JSON."""
    coding = request.headers.get("Content-Encoding", "identity")
    if coding.strip().lower() not in ("", "identity"):
        refusal = exceptions.UnsupportedMediaType(coding)
        refusal.detail = "Bodies are taken as they are; send this one without Content-Encoding."  # type: ignore[assignment]
        raise refusal


def _conditional(request: Request, response: Any) -> Any:
    """The answer, named by its contents; 304 when `If-None-Match` names it."""
    if response.streaming:
        return response
    etag = response.get("ETag")
    if etag is None:
        etag = etag_of(response.content)
        response["ETag"] = etag
    if not request.headers.get("If-None-Match"):
        return response
    answer: Any = get_conditional_response(request._request, etag=etag, response=response)
    if answer is not None and answer is not response:
        for name in ("Vary", *getattr(request._request, "limit_headers", {})):
            answer[name] = response[name]
    return answer


class AnyForm(BaseContentNegotiation):
    """Answers with JSON whatever is asked for: what a file is, its operation says."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        return DefaultContentNegotiation().select_parser(request, parsers)

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> Any:
        return renderers[0], renderers[0].media_type


class FileView(ApiView):
    """An operation whose answer is a file; refusals are problems as everywhere."""

    content_negotiation_class = AnyForm


class NothingHere(ApiView):
    """Every address under the API that no operation has."""

    schema = None
    permission_classes = ()

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        raise exceptions.NotFound(problems.NOT_FOUND)

    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Never reached: `initial` has answered already."""
        raise exceptions.NotFound(problems.NOT_FOUND)
