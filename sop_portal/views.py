"""Health and readiness, and the pages of errors."""

import sys

import redis
import structlog
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core.cache import cache
from django.core.exceptions import RequestDataTooBig
from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from sop_portal import database, heartbeat
from sop_portal.mail import health as outbox
from sop_portal.pages import answer

RETRY_AFTER = 5

log = structlog.get_logger(__name__)
# Once this process has seen all its migrations applied they stay so; looking costs a tenth of a second.
_migrated = False


@login_not_required
@require_safe
@never_cache
def health(request: HttpRequest) -> HttpResponse:
    """Whether this process answers; asks nothing of others."""
    return HttpResponse("ok", content_type="text/plain")


@login_not_required
@require_safe
@never_cache
def ready(request: HttpRequest) -> JsonResponse:
    """Whether the portal can serve: 503 without database or with migrations to run, "degraded" when a helper is
    away."""
    parts = {"database": _database()}
    if parts["database"] != "ok":
        return _unavailable(parts)
    parts |= {"cache": _cache(), "broker": _broker(), "worker": _alive("worker"), "beat": _alive("beat")}
    parts["mail"] = outbox.state()
    status = "ok" if set(parts.values()) == {"ok"} else "degraded"
    return JsonResponse({"status": status, "parts": parts})


def _unavailable(parts: dict[str, str]) -> JsonResponse:
    return JsonResponse({"status": "unavailable", "parts": parts}, status=503, headers={"Retry-After": RETRY_AFTER})


def _database() -> str:
    global _migrated
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        if not _migrated:
            executor = MigrationExecutor(connection)
            _migrated = not executor.migration_plan(executor.loader.graph.leaf_nodes())
    except Error:
        return "away"
    return "ok" if _migrated else "migrations pending"


def _cache() -> str:
    try:
        cache.get("ready")
    except (redis.RedisError, OSError):
        return "away"
    return "ok"


def _broker() -> str:
    try:
        with redis.Redis.from_url(settings.CELERY_BROKER_URL, socket_connect_timeout=1, socket_timeout=1) as client:
            client.ping()
    except (redis.RedisError, OSError):
        return "away"
    return "ok"


def _alive(part: str) -> str:
    try:
        return "ok" if heartbeat.lives(part) else "silent"
    except (redis.RedisError, OSError):
        return "unknown"


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400, or 413 for a body over the limit."""
    if isinstance(exception, RequestDataTooBig):
        return too_large(request, settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
    return answer(
        request,
        "errors/refused.html",
        400,
        "Not understood",
        "The portal could not read this request. Nothing was saved; go back and try again.",
    )


def length_required(request: HttpRequest) -> HttpResponse:
    """411 for a body that is sent in chunks."""
    return answer(
        request,
        "errors/refused.html",
        411,
        "Length required",
        "What was sent does not say how long it is (Transfer-Encoding), so it was not read. Nothing was saved; send it "
        "with its Content-Length.",
    )


def too_large(request: HttpRequest, limit: int) -> HttpResponse:
    """413 for a body of more than `limit` bytes."""
    return answer(
        request,
        "errors/413.html",
        413,
        "Too large",
        f"What was sent is larger than {limit / 2**20:g} MB. Nothing was saved; send it in smaller parts.",
    )


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """403: may be seen, not done."""
    return answer(
        request,
        "errors/403.html",
        403,
        "Not allowed",
        str(exception) or "Your role does not allow this. Ask an administrator if it should.",
    )


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """404: missing and not yours look the same."""
    return answer(
        request,
        "errors/404.html",
        404,
        "Not found",
        "There is nothing at this address, or nothing you may see. Check the address, or start from the home page.",
    )


def server_error(request: HttpRequest) -> HttpResponse:
    """503 while the database is away, else 500. Neither page needs the database."""
    if database.is_away(sys.exc_info()[1]):
        return database_away(request)
    return answer(
        request,
        "errors/500.html",
        500,
        "Something went wrong",
        "The portal made a mistake. It is recorded under the number below. Try again; if it happens again, "
        "tell an administrator this number.",
    )


def database_away(request: HttpRequest) -> HttpResponse:
    """503 with the time after which to try again. The broken connection is dropped, so the next request makes its
    own."""
    if not connection.in_atomic_block:
        connection.close_if_unusable_or_obsolete()
    if request.path_info == reverse("ready"):
        # Asked by somebody who is signed in, it is missed while their session is looked for.
        return _unavailable({"database": "away"})
    response = answer(
        request,
        "errors/503.html",
        503,
        "Back in a moment",
        "The portal cannot reach its database or is too busy right now. What you had saved is safe. "
        "Try again in a few seconds.",
    )
    response["Retry-After"] = str(RETRY_AFTER)
    return response


@login_not_required
def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403 for a form whose secret does not fit: an old page, or a page of somebody else."""
    log.info("csrf check failed", reason=reason)
    return answer(
        request,
        "errors/csrf.html",
        403,
        "This page is out of date",
        "The page you sent this from is too old, or was opened before you signed in. Nothing was saved. "
        "Open the page again and repeat it.",
    )


def method_not_allowed(request: HttpRequest, allowed: str) -> HttpResponse:
    """405 with a body."""
    response = answer(
        request,
        "errors/refused.html",
        405,
        "Not possible here",
        "This address does not take what was sent to it. Start from the home page.",
    )
    response["Allow"] = allowed
    return response


def unusable_text(request: HttpRequest) -> HttpResponse:
    """400 for text that the database cannot hold."""
    return answer(
        request,
        "errors/refused.html",
        400,
        "Not understood",
        "Something in this request cannot be stored, such as a number out of range or an invisible character. "
        "Nothing was saved.",
    )
