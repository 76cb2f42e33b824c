"""The page on which the API is read and tried out, for people who are signed in."""

import functools
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_safe
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularSwaggerSplitView
from rest_framework.request import Request
from rest_framework.response import Response


class Description(SchemaGenerator):
    """The description, made once in a process: it is the same for everybody, takes a third of a second, and no limit
    counts who asks for it."""

    def get_schema(self, request: Any = None, public: bool = False) -> Any:
        return _described()


@functools.cache
def _described() -> Any:
    return SchemaGenerator().get_schema(public=True)


class Documentation(SpectacularSwaggerSplitView):
    """Swagger UI within a page of the portal."""

    template_name = "api/docs.html"
    url_name = "api-openapi"
    throttle_classes = ()

    @extend_schema(exclude=True)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The page, or with `?script` what starts it."""
        response: Response = super().get(request, *args, **kwargs)
        # The style sheet of Swagger UI holds its arrows and ticks as data. Of this page alone, and images only.
        response._csp_update = {"img-src": ["data:"]}  # type: ignore[attr-defined]
        return response


_shown = Documentation.as_view()


@login_required
@require_safe
def page(request: HttpRequest) -> HttpResponseBase:
    """The page as browsers read it: who is not signed in is led to the sign-in page, and a write is refused as by all
    pages, which the view of an API would do in words for programs."""
    return _shown(request)
