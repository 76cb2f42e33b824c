"""What happens around every request: its id, limits, who acts, and refusals turned into answers."""

import re
import time
import uuid
import zoneinfo
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import structlog
from corsheaders.middleware import CorsMiddleware
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.core.exceptions import MiddlewareNotUsed
from django.db import DataError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import patch_cache_control

from audit.context import acting_in
from audit.services import Event, record
from sop_portal import api, conf, database, pages, views
from sop_portal.lib import ratelimit
from sop_portal.lib.api.routes import encoded_slashes_kept
from sop_portal.lib.errors import DomainError, NotAllowed
from sop_portal.lib.net import client_ip

GetResponse = Callable[[HttpRequest], HttpResponse]

# Pages and autosave of one person; a limit against runaway scripts, not against work.
PAGES_PER_MINUTE = 600

log = structlog.get_logger("request")


class RequestIdMiddleware:
    """Gives the request an id (that of a proxy when it is well-formed), logs one line and sets what every answer
    carries, static files and errors included."""

    _wellformed = re.compile(r"[A-Za-z0-9._-]{8,64}")

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.headers.get("X-Request-ID", "")
        request.request_id = given if self._wellformed.fullmatch(given) else uuid.uuid4().hex  # type: ignore[attr-defined]
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request.request_id)  # type: ignore[attr-defined]
        started = time.perf_counter()
        response = self.get_response(request)
        response["X-Request-ID"] = request.request_id  # type: ignore[attr-defined]
        response["Permissions-Policy"] = "camera=(), geolocation=(), microphone=(), payment=(), usb=()"
        # Static files say themselves how long they keep. The rest is somebody's, also what a middleware answers.
        if "Cache-Control" not in response:
            response["Cache-Control"] = "private, no-store"
        log.info(
            "request",
            method=request.method,
            path=self._path(request),
            status=response.status_code,
            ms=round((time.perf_counter() - started) * 1000),
            ip=client_ip(request),
        )
        return response

    @staticmethod
    def _path(request: HttpRequest) -> str:
        """The path for the log, without the secret of a one-use link."""
        match = request.resolver_match
        if match is not None and "key" in match.kwargs:
            return match.route
        # Quoted again, since a line break in an address must not begin a line of the log.
        return quote(request.path)


class CrossOriginMiddleware(CorsMiddleware):
    """Lets pages of CORS_ORIGINS call the API from a browser; not there at all while none is named.

    It stands before whatever may refuse, so that such a page can read why, and answers a preflight by itself: a browser
    sends it without a token, and it counts as no request.
    """

    def __init__(self, get_response: GetResponse) -> None:
        if not settings.CORS_ALLOWED_ORIGINS:
            raise MiddlewareNotUsed
        super().__init__(get_response)


class EncodedSlashMiddleware:
    """Lets the API tell a slash within a code from one between the parts of an address."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path.startswith("/api/v1/") and (kept := encoded_slashes_kept(request.META)) is not None:
            # For finding the operation only; what is logged and answered reads `path`.
            request.path_info = kept
        return self.get_response(request)


class DatabaseAwayMiddleware:
    """Answers 503 when a view misses the database, 409 when somebody was in its way; what a middleware misses reaches
    `views.server_error`."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """The page that says so, without the noise of a traceback."""
        if not database.is_away(exception):
            return None
        if (refusal := database.in_the_way(exception)) is not None:
            log.warning("waited in vain", problem=str(exception), told=refusal.detail)
            return pages.refusal_answer(request, refusal)
        log.warning("database away", problem=str(exception))
        return views.database_away(request)


class BodyLimitMiddleware:
    """Refuses a body that is larger than its page takes, before any of it is read.

    The check of a form's secret reads the form, and with it stores every file that was sent, before a view can say that
    nobody is signed in. So it stands before that check.
    """

    MEGABYTE = 1024 * 1024
    LARGEST = MEGABYTE * 5 // 2
    # Saving a grid is limited by DATA_UPLOAD_MAX_MEMORY_SIZE.
    GRIDS = frozenset({"forecasts:save", "forecasts:save_form"})
    # Pages that take files, and who may send them.
    FILES = dict.fromkeys(
        ("forecasts:legacy_upload", "masterdata:import_any", "masterdata:import_start"), "masterdata.import_data"
    )

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *args: Any) -> HttpResponse | None:
        """413 for what is too large, 411 for a body without a length: it is empty to Django, and would be lost."""
        if "Transfer-Encoding" in request.headers:
            return views.length_required(request)
        limit = self._limit(request)
        length = request.META.get("CONTENT_LENGTH") or "0"
        if length.isascii() and length.isdigit() and len(length) < 20 and int(length) <= limit:
            return None
        return views.too_large(request, limit)

    def _limit(self, request: HttpRequest) -> int:
        operation = getattr(request.resolver_match.func, "cls", None) if request.resolver_match else None
        if (own := getattr(operation, "body_limit", None)) is not None:
            return int(own)
        # Whoever shows a token is known to the view only, which asks before it reads anything.
        needed = getattr(operation, "takes_files", None)
        if needed is not None and (not request.user.is_authenticated or request.user.has_perm(needed)):
            return self._largest_file()
        page = request.resolver_match.view_name if request.resolver_match else ""
        if page in self.GRIDS:
            return int(settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
        if page in self.FILES and request.user.has_perm(self.FILES[page]):
            return self._largest_file()
        return self.LARGEST

    def _largest_file(self) -> int:
        """A little more than a file may have, for the fields around it."""
        return (int(conf.get("max_import_file_size_mb")) + 1) * self.MEGABYTE


class SessionLimitsMiddleware:
    """Signs people out after a time without a request, and in any case after SESSION_ABSOLUTE_HOURS."""

    # Seconds between two notes of "last seen": not every request writes to the session.
    NOTE_EVERY = 60

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.user.is_authenticated:
            now = time.time()
            signed_in_at = request.session.setdefault("signed_in_at", now)
            last_seen_at = request.session.get("last_seen_at", signed_in_at)
            if now - signed_in_at >= settings.SESSION_ABSOLUTE_HOURS * 3600:
                self._end(request, "You were signed in for a long time; please sign in again.")
            elif now - last_seen_at >= conf.get("session_timeout_minutes") * 60:
                self._end(request, "You were signed out after a while without activity; please sign in again.")
            elif now - last_seen_at >= self.NOTE_EVERY or "last_seen_at" not in request.session:
                request.session["last_seen_at"] = now
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *args: Any) -> None:
        """Say why, now that messages can be taken."""
        if hasattr(request, "session_ended"):
            messages.info(request, request.session_ended)

    @staticmethod
    def _end(request: HttpRequest, sentence: str) -> None:
        logout(request)
        request.session_ended = sentence  # type: ignore[attr-defined]


class NewPasswordMiddleware:
    """Leads people who have to choose a new password there, whatever they ask for, until it is done."""

    # What stays open: choosing it, having a link mailed, signing out, and what says nothing of anybody.
    OPEN = frozenset({
        "account_change_password", "account_reset_password", "account_reset_password_done",
        "account_reset_password_from_key", "account_reset_password_from_key_done", "account_login", "account_logout",
        "health", "ready",
    })  # fmt: skip

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *args: Any) -> HttpResponse | None:
        """To the page of a new password; scripts are told so."""
        name = request.resolver_match.view_name if request.resolver_match else ""
        if not request.user.is_authenticated or not request.user.must_change_password or name in self.OPEN:
            return None
        if name.startswith("api:"):
            # Whoever asks may have signed in by a token, which only the operation reads; it says so itself.
            return None
        if api.wants_json(request):
            refusal = NotAllowed("Choose a new password first: an administrator asks for it.")
            return pages.refusal_answer(request, refusal)
        return redirect("account_change_password")


class PageBudgetMiddleware:
    """Refuses a person's requests beyond PAGES_PER_MINUTE. Operations of the API have a limit of their own."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.user.is_authenticated and not request.path.startswith(api.PREFIX):
            try:
                ratelimit.limit(
                    request,
                    "pages",
                    str(request.user.pk),
                    f"{PAGES_PER_MINUTE}/m",
                    f"More than {PAGES_PER_MINUTE} requests came in a minute. Wait a moment, then go on.",
                )
            except ratelimit.TooMany as refusal:
                return pages.refusal_answer(request, refusal)
        return self.get_response(request)


class ActingMiddleware:
    """Tells the audit trail who acts and from where, shows times in the person's zone, and keeps private pages out of
    caches."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with (
            acting_in(request, source=self._source(request), ip=client_ip(request)),
            timezone.override(self._zone(request)),
        ):
            response = self.get_response(request)
        if "no-store" not in response.get("Cache-Control", ""):
            patch_cache_control(response, private=True, no_store=True)
        return response

    @staticmethod
    def _source(request: HttpRequest) -> str:
        if request.path.startswith(api.PREFIX):
            return "api"
        return "admin" if request.path.startswith(reverse("admin:index")) else "web"

    @staticmethod
    def _zone(request: HttpRequest) -> zoneinfo.ZoneInfo:
        if request.user.is_authenticated:
            return zoneinfo.ZoneInfo(request.user.time_zone)
        return zoneinfo.ZoneInfo("UTC")


class RefusalMiddleware:
    """Turns refusals of services into answers, and puts every 403 on record."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if self._has_nul(request):
            response = views.not_found(request, Http404())
        else:
            response = self.get_response(request)
        if response.status_code == 403 and request.user.is_authenticated:
            record(
                Event(
                    action="access_denied",
                    entity_type="address",
                    label=request.path,
                    changes={"method": (None, request.method)},
                )
            )
        if isinstance(response, HttpResponseNotAllowed) and not response.content:
            return views.method_not_allowed(request, response["Allow"])
        return response

    @staticmethod
    def _has_nul(request: HttpRequest) -> bool:
        """PostgreSQL holds no NUL, so nothing at such an address exists; the API says so itself, after counting it."""
        has = "\0" in request.path or "%00" in request.META.get("QUERY_STRING", "")
        return has and not request.path.startswith("/api/v1/")

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """The answer for what a view raised; None leaves it to Django."""
        if isinstance(exception, DomainError):
            return pages.refusal_answer(request, exception)
        if isinstance(exception, DataError | UnicodeEncodeError) or "NUL (0x00)" in str(exception):
            log.warning("unusable text", problem=str(exception))
            return views.unusable_text(request)
        return None
