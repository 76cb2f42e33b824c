"""`Idempotency-Key`: a POST that is sent again, because its answer was lost, has its effect once.

The key and the answer are kept in the transaction of the effect, per user and for a day, so that either both exist or
neither. A second request that comes while the first is worked on waits for it.
"""

import datetime as dt
import functools
import hashlib
import re
from collections.abc import Callable, Iterator
from typing import Any

import orjson
import psycopg
from django.apps import apps
from django.core.files.uploadedfile import UploadedFile
from django.db import OperationalError, connection, transaction
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from sop_portal.lib.api.bodies import JSONRenderer
from sop_portal.lib.api.problems import Fault, Invalid
from sop_portal.lib.errors import Conflict, Refused

HEADER = "Idempotency-Key"
KEPT_FOR = dt.timedelta(hours=24)
_WELLFORMED = re.compile(r"[\x21-\x7e]{1,200}")
# What of an answer is kept beside its body.
_HEADERS = ("ETag", "Location")

_CLAIM = """
INSERT INTO accounts_idempotencykey (user_id, key, fingerprint, at, status, body, headers)
VALUES (%s, %s, %s, %s, 0, '', '{}') ON CONFLICT (user_id, key) DO NOTHING
"""

Post = Callable[..., Response]


def repeatable(post: Post) -> Post:
    """Let a view's `post` honour the header; its effect must lie in the database, all of it."""

    @functools.wraps(post)
    def once(view: Any, request: Request, *args: Any, **kwargs: Any) -> Response:
        key = request.headers.get(HEADER)
        if key is None:
            return post(view, request, *args, **kwargs)
        if not _WELLFORMED.fullmatch(key):
            raise Invalid([Fault(f"?{HEADER}", "invalid", f"{HEADER} takes 1 to 200 visible ASCII characters.")])
        return _once(request, key, lambda: post(view, request, *args, **kwargs))

    once.is_repeatable = True  # type: ignore[attr-defined]
    return once


def _once(request: Request, key: str, act: Callable[[], Response]) -> Response:
    # Lives with the tokens: this layer has no models.
    keys: Any = apps.get_model("accounts", "IdempotencyKey")
    fingerprint = _fingerprint(request)
    with transaction.atomic():
        kept = _claim(keys, int(request.user.pk or 0), key, fingerprint)
        if kept is not None:
            if kept.fingerprint != fingerprint:
                raise Refused(f"This {HEADER} was used for another request; choose a new one for each request.")
            return _again(kept)
        response = act()
        if response.status_code >= 400:
            transaction.set_rollback(True)
            return response
        keys.objects.filter(user_id=request.user.pk, key=key).update(
            status=response.status_code,
            body=JSONRenderer().render(response.data),
            headers={name: response[name] for name in _HEADERS if name in response},
        )
        return response


def _claim(keys: Any, user_id: int, key: str, fingerprint: str) -> Any:
    """The request that has this key, or None when it is ours now."""
    now = timezone.now()
    keys.objects.filter(user_id=user_id, key=key, at__lt=now - KEPT_FOR).delete()
    try:
        with connection.cursor() as cursor:
            cursor.execute(_CLAIM, [user_id, key, fingerprint, now])
            if cursor.rowcount:
                return None
    except OperationalError as waited:
        if not isinstance(waited.__cause__, psycopg.errors.LockNotAvailable):
            raise
        raise Conflict(f"The first request with this {HEADER} is still being worked on; ask again.") from waited
    return keys.objects.get(user_id=user_id, key=key)


def _fingerprint(request: Request) -> str:
    """A digest of what is asked: method, address and body."""
    digest = hashlib.sha256(f"{request.method} {request.get_full_path()}\n{request.content_type}\n".encode())
    if (request.content_type or "").startswith("multipart/"):
        for part in _parts(request.data):
            digest.update(part)
    else:
        digest.update(request.body)
    return digest.hexdigest()


def _parts(data: Any) -> Iterator[bytes]:
    """The fields and files of a form, in order of their names; the boundary between them differs each time."""
    for name in sorted(data):
        for value in data.getlist(name):
            yield f"\n{name}=".encode()
            if isinstance(value, UploadedFile):
                yield from value.chunks()
                value.seek(0)
            else:
                yield str(value).encode("utf-8", "replace")


def _again(kept: Any) -> Response:
    """The answer that the first request got."""
    data = orjson.loads(bytes(kept.body)) if kept.body else None
    return Response(data, status=kept.status, headers={**kept.headers, "Idempotency-Replayed": "true"})
