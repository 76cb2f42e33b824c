"""How operations are described in OpenAPI: what all of them share is said here once."""

from collections.abc import Callable, Iterable
from typing import Any, Literal, TypeVar

from django.conf import settings
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter

from sop_portal.lib.api import repeating
from sop_portal.lib.api.lists import SEARCHES, ListView
from sop_portal.lib.api.shapes import Problem, Shape
from sop_portal.lib.api.views import FileView

# What any operation may answer, and what writing ones may.
REFUSALS = {
    "400": "Not understood: the errors name the parts.",
    "401": "Nobody is signed in, or the token is not valid any more.",
    "403": "The role or the scope of the token does not allow this.",
    "404": "Nothing is there, or nothing this person may see.",
    "406": "Only JSON is sent.",
    "429": "Too many requests; Retry-After says how long to wait.",
    "503": "The database is away for a moment; Retry-After says how long.",
}
WRITING = {
    "409": "The state of things stands in the way.",
    "411": "The body does not say how long it is.",
    "413": "The body is too large.",
    "415": "The body has a form that is not taken.",
    "422": "The values do not make sense: the errors name the parts.",
}
STALE = {"412": "Somebody saved in between (If-Match); `current` is what is stored now."}
UNSEEN = {"428": "The write has to name the revision that its author saw."}
_ALL = {**REFUSALS, **WRITING, **STALE, **UNSEEN}
# Headers of answers: what they say, as what, and whether they are there whenever an answer may have them.
HEADERS: dict[str, tuple[str, str, bool]] = {
    "Content-Disposition": ("The name of the file.", "string", True),
    "ETag": ("Names what is answered: for If-None-Match, and for If-Match where a write takes it.", "string", True),
    "Idempotency-Replayed": (
        "`true` on an answer that was given before, to the first request with this Idempotency-Key.", "string", False,
    ),
    "Location": ("The address of what was made, or is worked on.", "string", True),
    "Retry-After": ("How many seconds to wait.", "integer", True),
    "WWW-Authenticate": ("How to sign in.", "string", True),
    "X-RateLimit-Limit": ("Requests in a minute.", "integer", True),
    "X-RateLimit-Remaining": ("Requests left in this minute.", "integer", True),
    "X-RateLimit-Reset": ("When the next minute begins, in seconds since 1970.", "integer", True),
    "X-Request-ID": ("Names this request in the portal's log.", "string", True),
}  # fmt: skip
LIMITS = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")
ON_ALL = (*LIMITS, "X-Request-ID")
# Answered before an operation is reached, and counted by no limit.
UNCOUNTED = {"411", "413", "503"}
# What stands on refusals, and on the answer that the caller holds the same, beside what stands on all.
OF_STATUS = {"304": ["ETag"], "401": ["WWW-Authenticate"], "429": ["Retry-After"], "503": ["Retry-After"]}


Handler = TypeVar("Handler", bound=Callable[..., Any])


def also_answers(*statuses: int) -> Callable[[Handler], Handler]:
    """Say which refusals a handler of a verb answers beside those of all others."""

    def note(handler: Handler) -> Handler:
        handler.also_answers = tuple(map(str, statuses))  # type: ignore[attr-defined]
        return handler

    return note


def tells_address(*statuses: int) -> Callable[[Handler], Handler]:
    """Say which answers of a handler name the address of what they made in `Location`."""

    def note(handler: Handler) -> Handler:
        handler.tells_address = tuple(map(str, statuses))  # type: ignore[attr-defined]
        return handler

    return note


class BearerScheme(OpenApiAuthenticationExtension):
    """How the tokens of `/auth/login` and `/tokens` are shown."""

    target_class = "sop_portal.accounts.api.access.BearerAuthentication"
    name = "bearer"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        """A bearer token in the header."""
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "The access token of /auth/login, or a token made at /tokens.",
        }


class SessionScheme(OpenApiAuthenticationExtension):
    """How the session of the portal's pages is shown."""

    target_class = "rest_framework.authentication.SessionAuthentication"
    name = "cookieAuth"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        """A cookie that browsers send by themselves, from the portal's own pages only."""
        return {
            "type": "apiKey",
            "in": "cookie",
            "name": settings.SESSION_COOKIE_NAME,
            "description": "The session of the portal's own pages, with the header X-CSRFToken in whatever writes. "
            "Pages of other origins show a token instead.",
        }


class PortalSchema(AutoSchema):
    """Lists with their parameters, refusals, limits, conditional reads and repeated writes."""

    def _is_list_view(self, serializer: Any = None) -> bool:
        return isinstance(self.view, ListView) and self.method == "GET"

    def get_override_parameters(self) -> list[Any]:
        """Parameters that no serializer knows."""
        found = list(super().get_override_parameters())
        if isinstance(self.view, ListView) and self.method == "GET":
            found += _of_list(self.view)
        if self._takes_match:
            found.append(
                OpenApiParameter(
                    "If-Match", str, OpenApiParameter.HEADER,
                    description="The ETag that the author of this write saw: refused with 412 when somebody saved in "
                                "between.",
                )
            )  # fmt: skip
        if self._may_be_held:
            found.append(
                OpenApiParameter(
                    "If-None-Match", str, OpenApiParameter.HEADER,
                    description="The ETag of the answer that the caller holds: answered with 304 while it is the same.",
                )
            )  # fmt: skip
        if self._is_repeatable:
            found.append(
                OpenApiParameter(
                    repeating.HEADER, str, OpenApiParameter.HEADER, pattern=r"^[!-~]{1,200}$",
                    description="A name of this request: sent again within 24 hours it has no second effect and gets "
                                "the first answer.",
                )
            )  # fmt: skip
        return found

    def _get_parameters(self) -> list[dict[str, Any]]:
        """Parameters of the address are not left empty."""
        found: list[dict[str, Any]] = super()._get_parameters()
        for each in found:
            schema = each["schema"]
            is_free = schema.get("type") == "string" and not {"enum", "format", "pattern"} & schema.keys()
            if each["in"] == "query" and is_free and each["name"] not in SEARCHES:
                schema.setdefault("minLength", 1)
        return found

    @property
    def _handler(self) -> Any:
        return getattr(self.view, self.method.lower(), None)

    def _map_basic_serializer(self, serializer: Any, direction: Literal["request", "response"]) -> Any:
        """Bodies have no fields beside those that are named."""
        mapped = super()._map_basic_serializer(serializer, direction)
        if direction == "request" and isinstance(serializer, Shape):
            mapped["additionalProperties"] = False
        return mapped

    @property
    def _takes_match(self) -> bool:
        return self.method in getattr(self.view, "takes_match", ())

    @property
    def _is_repeatable(self) -> bool:
        return getattr(self._handler, "is_repeatable", False)

    @property
    def _may_be_held(self) -> bool:
        """Whether the answer has a name, by which the caller may say that they hold it. Files have none."""
        return self.method == "GET" and not isinstance(self.view, FileView)

    def _headers_of(self, status: str) -> list[str]:
        """What stands on an answer to a request that was understood."""
        found = list(ON_ALL)
        if isinstance(self.view, FileView):
            found.append("Content-Disposition")
        if status in getattr(self._handler, "tells_address", ()):
            found.append("Location")
        changes = self._takes_match and self.method != "DELETE"
        adds = status == "201" and "Location" in found and not getattr(self.view, "takes_files", None)
        if adds or (status == "200" and (self._may_be_held or changes)):
            found.append("ETag")
        if self._is_repeatable:
            found.append("Idempotency-Replayed")
        return found

    def _get_response_bodies(self, direction: Literal["request", "response"] = "response") -> Any:
        responses = super()._get_response_bodies(direction)
        if direction != "response":
            return responses
        refusals = REFUSALS if self.method in ("GET", "HEAD") else {**REFUSALS, **WRITING}
        if self._takes_match:
            refusals = {**refusals, **STALE}
        refusals = {**refusals, **{status: _ALL[status] for status in getattr(self._handler, "also_answers", ())}}
        # So that the component is there; `with_shared` refers to it.
        self.resolve_serializer(Problem, direction)
        for status, response in responses.items():
            response["headers"] = _headers(self._headers_of(status))
        for status in refusals:
            responses.setdefault(status, {"$ref": f"#/components/responses/{_named(status)}"})
        if self._may_be_held:
            responses.setdefault("304", {"$ref": f"#/components/responses/{_named('304')}"})
        return dict(sorted(responses.items()))


def _headers(names: Iterable[str]) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in sorted(names)}


def _named(status: str) -> str:
    """The name of an answer that operations share."""
    return f"Answer{status}"


def with_shared(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """The description with what its operations share, said once."""
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    shared: dict[str, Any] = {
        _named(status): {"description": text, "content": content} for status, text in _ALL.items()
    }
    shared[_named("304")] = {"description": "The caller holds the same already (If-None-Match)."}
    for status in ("304", *_ALL):
        common = (name for name in ON_ALL if name not in LIMITS or status not in UNCOUNTED)
        shared[_named(status)]["headers"] = _headers([*common, *OF_STATUS.get(status, ())])
    for operations in result["paths"].values():
        for operation in operations.values():
            # What needs no sign-in says so.
            operation.setdefault("security", [])
    components = result.setdefault("components", {})
    for name, schema in components["schemas"].items():
        if name.startswith("Patched"):
            # A change leaves what it does not name as it is; it gives nothing its default.
            for field in schema.get("properties", {}).values():
                field.pop("default", None)
    components["responses"] = dict(sorted(shared.items()))
    components["headers"] = {
        name: {"description": text, "required": is_always, "schema": {"type": kind}}
        for name, (text, kind, is_always) in HEADERS.items()
    }
    return result


def _of_list(view: ListView) -> list[OpenApiParameter]:
    orders = [name for order in view.orders for name in (order, f"-{order}")]
    found = [
        OpenApiParameter("ordering", str, enum=orders, description="What to order by; a minus turns the order."),
    ]
    if view.searched:
        found.append(OpenApiParameter("search", str, description="Words that all have to be found."))
    return found
