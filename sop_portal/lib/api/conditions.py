"""`ETag` and `If-Match`: who writes may say which state they saw, and is refused when it is another one."""

import hashlib
from typing import Any
from urllib.parse import quote

from django.utils.http import parse_etags
from rest_framework.request import Request
from rest_framework.response import Response

from sop_portal.lib.api.bodies import JSONRenderer
from sop_portal.lib.api.problems import Fault, Invalid, RevisionStale

# What changes a thing that has an address; its writes may say which state their author saw.
CHANGING = ("PUT", "PATCH", "DELETE")


def etag_of(content: bytes) -> str:
    """The name of a state: a digest of how it is sent, by what processors have instructions for."""
    return f'"{hashlib.sha256(content).hexdigest()[:24]}"'


def require_match(request: Request, now: Any) -> None:
    """Refuse when the caller names the state they saw and `now`, as it would be sent, is another one.

    Raises RevisionStale with the present state, and Invalid for a header that names none: passed over, it would let
    somebody overwrite what they meant to keep.
    """
    header = request.headers.get("If-Match")
    if header is None:
        return
    # What compresses answers on the way marks their names as weak.
    seen = [name.removeprefix("W/") for name in parse_etags(header)]
    if not seen:
        raise Invalid([Fault("?If-Match", "invalid", "If-Match is the ETag of the answer you read, in its quotes.")])
    if "*" not in seen and etag_of(JSONRenderer().render(now)) not in seen:
        raise RevisionStale("Somebody changed this after you read it; read it again.", current=now)


def refuse_match(request: Request) -> None:
    """Refuse a write that names the state it saw where nobody looks at that: it would overwrite what it meant to keep."""
    if "If-Match" in request.headers:
        raise Invalid([Fault("?If-Match", "not_taken", "This operation does not look at If-Match; send it without.")])


def named(now: Any) -> Response:
    """What a write left behind as its answer, with the name that the next `If-Match` takes."""
    return Response(now, headers={"ETag": etag_of(JSONRenderer().render(now))})


def created(request: Request, now: Any, key: Any) -> Response:
    """What was added to the list that `request` went to, with its name and the address at which `key` finds it."""
    answer = named(now)
    answer.status_code = 201
    answer["Location"] = address_below(request, key)
    return answer


def address_below(request: Request, key: Any) -> str:
    """The address of what `key` finds in the list that `request` went to, with or without a slash at its end."""
    return request.build_absolute_uri(f"{request.path.rstrip('/')}/{quote(str(key), safe='')}")
