"""Refusals as RFC 9457 problem JSON: `type, title, status, detail, errors: [{pointer, code, detail}]`.

`type` is `about:blank` where the status says all, else a name of ours that stays the same for ever.
"""

import dataclasses
import re
from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import Any

import structlog
from django.core.exceptions import (
    NON_FIELD_ERRORS,
    ObjectDoesNotExist,
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
    TooManyFilesSent,
)
from django.core.exceptions import ValidationError as ModelError
from django.db import DataError
from django.http import Http404
from rest_framework import exceptions
from rest_framework.response import Response

from sop_portal.lib.errors import DomainError, Refused

CONTENT_TYPE = "application/problem+json"
# How one signs in, as every 401 says.
CHALLENGE = 'Bearer realm="api"'
NOT_FOUND = "There is nothing at this address, or nothing you may see."

log = structlog.get_logger(__name__)


@dataclasses.dataclass(frozen=True)
class Fault:
    """What is wrong with one part of a request.

    pointer: the JSON pointer of the part ("/items/3/quantity"), or the name of a parameter behind "?".
    """

    pointer: str
    code: str
    detail: str


class Invalid(exceptions.APIException):
    """The shape of a request is wrong (400): fields that are missing, unknown, of another type or not to be written."""

    status_code = 400

    def __init__(self, faults: Iterable[Fault], detail: str = "") -> None:
        self.faults = list(faults)
        super().__init__(detail or " ".join(fault.detail for fault in self.faults[:3]))


class NotAccepted(DomainError):
    """The values do not make sense (422); each fault names its place."""

    status = 422
    title = "Not accepted"

    def __init__(self, faults: Iterable[Fault], detail: str = "", **extra: Any) -> None:
        self.faults = list(faults)
        more = len(self.faults) - 3
        said = " ".join(fault.detail for fault in self.faults[:3])
        super().__init__(detail or (f"{said} And {more:,} more." if more > 0 else said), **extra)


class RevisionMissing(DomainError):
    """A write that must say which revision its author saw does not (428)."""

    status = 428
    title = "Precondition required"


class RevisionStale(DomainError):
    """Somebody saved in between (412); `extra` carries what is stored now, faults name which of several it is about."""

    status = 412
    title = "Precondition failed"

    def __init__(self, detail: str, faults: Iterable[Fault] = (), **extra: Any) -> None:
        self.faults = list(faults)
        super().__init__(detail, **extra)


def body(
    status: int, title: str, detail: str, *, kind: str = "about:blank", faults: Iterable[Fault] = (), **extra: Any
) -> dict[str, Any]:
    """The members of one problem; `extra` stands beside those of the standard."""
    errors = [dataclasses.asdict(fault) for fault in faults]
    return {
        "type": kind,
        "title": title,
        "status": status,
        "detail": detail,
        "errors": errors,
        **extra,
    }


def of_refusal(refusal: DomainError) -> dict[str, Any]:
    """The problem of a refusal by a service."""
    kind = f"urn:sop:{_words(type(refusal).__name__)}"
    lines = refusal.lines if isinstance(refusal, Refused) else {}
    faults = [Fault(pointer_of(place), "refused", sentence) for place, sentence in lines.items()]
    if isinstance(refusal, NotAccepted | RevisionStale):
        faults = refusal.faults
    return body(refusal.status, refusal.title, refusal.detail, kind=kind, faults=faults, **refusal.extra)


def answer(status: int, detail: str, *, title: str = "", faults: Iterable[Fault] = (), **extra: Any) -> Response:
    """A problem as the answer of a view."""
    members = body(status, title or HTTPStatus(status).phrase, detail, faults=faults, **extra)
    return Response(members, status=status, content_type=CONTENT_TYPE)


def handle(exception: Exception, context: Mapping[str, Any]) -> Response | None:
    """The exception handler of the API; None leaves it to Django's, which answers 500."""
    if isinstance(exception, DomainError):
        members = of_refusal(exception)
        response = Response(members, status=exception.status, content_type=CONTENT_TYPE)
        if (wait := getattr(exception, "retry_after", None)) is not None:
            response["Retry-After"] = str(wait)
        if exception.status == 401:
            response["WWW-Authenticate"] = CHALLENGE
        return response
    if isinstance(exception, Http404 | ObjectDoesNotExist):
        return answer(404, NOT_FOUND)
    if isinstance(exception, PermissionDenied):
        return answer(403, str(exception) or "Your role does not allow this.")
    if isinstance(exception, ModelError):
        return answer(422, " ".join(exception.messages), title="Not accepted", faults=list(_of_model(exception)))
    if isinstance(exception, RequestDataTooBig | TooManyFilesSent):
        return answer(413, "What was sent is larger than this operation takes. Send it in smaller parts.")
    if isinstance(exception, SuspiciousOperation | DataError | UnicodeEncodeError) or "NUL (0x00)" in str(exception):
        log.warning("unusable request", problem=str(exception))
        return answer(400, "Something in this request cannot be stored, such as a number out of range or an invisible "
                           "character. Nothing was saved.")  # fmt: skip
    if isinstance(exception, exceptions.APIException):
        return _of_framework(exception)
    return None


def _of_framework(exception: exceptions.APIException) -> Response:
    status = exception.status_code
    if isinstance(exception, Invalid):
        response = answer(status, str(exception.detail), faults=exception.faults)
    elif isinstance(exception, exceptions.ValidationError):
        faults = list(_of_serializer(exception.detail))
        response = answer(400, " ".join(fault.detail for fault in faults[:3]), faults=faults)
    else:
        response = answer(status, str(exception.detail))
    if (header := getattr(exception, "auth_header", None)) is not None:
        response["WWW-Authenticate"] = header
    if (wait := getattr(exception, "wait", None)) is not None:
        response["Retry-After"] = str(int(wait))
    return response


def _of_serializer(detail: Any, pointer: str = "") -> Iterator[Fault]:
    """The errors of a serializer, however deep, each with its place."""
    if isinstance(detail, Mapping):
        for name, part in detail.items():
            own = name in ("non_field_errors", NON_FIELD_ERRORS)
            yield from _of_serializer(part, pointer if own else f"{pointer}/{escaped(name)}")
    elif isinstance(detail, list | tuple):
        for place, part in enumerate(detail):
            nested = isinstance(part, Mapping | list | tuple)
            if nested and part:
                yield from _of_serializer(part, f"{pointer}/{place}")
            elif not nested:
                yield from _of_serializer(part, pointer)
    else:
        yield Fault(pointer, getattr(detail, "code", None) or "invalid", _sentence(pointer, detail))


def _of_model(problem: ModelError) -> Iterator[Fault]:
    """The errors of a model, field by field."""
    if not hasattr(problem, "error_dict"):
        for message in problem.messages:
            yield Fault("", "invalid", message)
        return
    for name, errors in problem.error_dict.items():
        for error in errors:
            for message in error.messages:
                yield Fault("" if name == NON_FIELD_ERRORS else pointer_of(name), error.code or "invalid", message)


def _sentence(pointer: str, detail: Any) -> str:
    """A serializer's words, beginning with the field that they do not name themselves."""
    name = pointer.rpartition("/")[2]
    return f"{name}: {detail}" if name and not name.isdigit() else str(detail)


def pointer_of(place: Any) -> str:
    """The JSON pointer of what a service names: a field, a number in a list, or several of these."""
    parts = place if isinstance(place, tuple | list) else (place,)
    return "".join(f"/{escaped(part)}" for part in parts)


def escaped(part: Any) -> str:
    """One part of a JSON pointer (RFC 6901)."""
    return str(part).replace("~", "~0").replace("/", "~1")


def _words(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower()
