"""What holds on every answer: headers, error pages, limits, and the portal with a helper away."""

import json
import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
import redis
import time_machine
from django.contrib.auth.decorators import login_not_required
from django.contrib.sessions.backends.db import SessionStore
from django.core.cache import cache
from django.core.exceptions import PermissionDenied
from django.db import OperationalError, connection, transaction
from django.db.migrations.recorder import MigrationRecorder
from django.http import Http404, HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.urls import include, path
from django.utils import timezone
from django.views.decorators.http import require_POST

from audit.models import Entry
from sop_portal import heartbeat, middleware, urls, views
from sop_portal.lib import errors, ratelimit
from sop_portal.lib.htmx import render
from sop_portal.lib.language import decimal_mark
from sop_portal.lib.net import client_ip
from tests.accounts.helpers import is_signed_in, sign_in
from tests.factories import PASSWORD, make_user

handler400, handler403, handler404, handler500 = (
    urls.handler400, urls.handler403, urls.handler404, urls.handler500,
)  # fmt: skip


def boom(request: HttpRequest) -> HttpResponse:
    kind = request.GET.get("kind")
    if kind == "refused":
        raise errors.Refused({3: "Line 3 has no price."}, order=7)
    if kind == "conflict":
        raise errors.Conflict("S&OP Dec 2026 closed on 27 Nov 2026.")
    if kind == "notallowed":
        raise errors.NotAllowed("This line belongs to somebody else.")
    if kind == "toolarge":
        raise errors.TooLarge("The file is larger than 10 MB.")
    if kind == "toomany":
        raise ratelimit.TooMany("Wait.", 7)
    if kind == "denied":
        raise PermissionDenied
    if kind == "missing":
        raise Http404
    if kind == "away":
        raise OperationalError("connection refused")
    if kind == "sql":
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT %s::int", ["9" * 20])
    if kind == "nul":
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT %s", ["a\0b"])
    raise RuntimeError("canary of the traceback")


@require_POST
def echo(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"{len(request.POST)}")


@login_not_required
def fragment(request: HttpRequest) -> HttpResponse:
    return render(request, "errors/404.html", "errors/_refused.html", {"detail": "part"})


@login_not_required
def zone(request: HttpRequest) -> HttpResponse:
    return HttpResponse(timezone.get_current_timezone_name())


urlpatterns = [
    path("zone/", zone),
    path("boom/", boom),
    path("echo/", echo),
    path("fragment/", fragment),
    path("", include("sop_portal.urls")),
]


@pytest.fixture
def site(settings: Any, db: None) -> Client:
    settings.ROOT_URLCONF = "tests.test_platform"
    client = Client(raise_request_exception=False)
    client.force_login(make_user("sales_rep"))
    return client


@pytest.fixture
def no_redis(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A Redis that refuses connections."""
    settings.CACHES = {
        "default": {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:1/0"},
    }
    settings.CELERY_BROKER_URL = "redis://127.0.0.1:1/0"
    monkeypatch.setattr(ratelimit, "_away_until", 0.0)
    yield
    ratelimit._away_until = 0.0


class TestHeaders:
    PATHS = (
        ("/accounts/login/", 200),
        ("/accounts/profile/", 200),
        ("/nothing-here", 404),
        ("/boom/", 500),
        ("/boom/?kind=denied", 403),
        ("/boom/?kind=refused", 422),
        ("/boom/?kind=away", 503),
        ("/echo/", 405),
        ("/health", 200),
        ("/static/css/base.css", 200),
    )

    @pytest.mark.parametrize(("address", "status"), PATHS)
    def test_on_every_status(self, site: Client, settings: Any, address: str, status: int) -> None:
        settings.WHITENOISE_USE_FINDERS = True
        settings.WHITENOISE_AUTOREFRESH = True
        site.logout() if address == "/accounts/login/" else None
        answer = site.get(address)
        assert answer.status_code == status
        policy = answer["Content-Security-Policy"]
        assert "unsafe" not in policy
        for part in ("default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"):
            assert part in policy
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert answer["Referrer-Policy"] == "same-origin"
        assert answer.get("X-Frame-Options") == "DENY" or address.startswith("/static/")
        assert "camera=()" in answer["Permissions-Policy"]
        assert len(answer["X-Request-ID"]) >= 8
        if not address.startswith("/static/"):
            assert "no-store" in answer["Cache-Control"]

    def test_https_when_it_is_asked_for(self, site: Client, settings: Any) -> None:
        settings.SECURE_HSTS_SECONDS = 31_536_000
        settings.SECURE_HSTS_INCLUDE_SUBDOMAINS = True
        answer = site.get("/nothing-here", secure=True)
        assert answer["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains"

    def test_request_ids_are_kept_when_well_formed(self, site: Client) -> None:
        assert site.get("/health", headers={"X-Request-ID": "abc-DEF_123.4"})["X-Request-ID"] == "abc-DEF_123.4"
        for odd in ("short", "x" * 65, "<script>alert(1)</script>", "with space in it"):
            assert site.get("/health", headers={"X-Request-ID": odd})["X-Request-ID"] != odd


class TestErrorPages:
    @pytest.mark.parametrize(
        ("kind", "status", "words"),
        [
            ("refused", 422, "Line 3 has no price."),
            ("conflict", 409, "S&amp;OP Dec 2026 closed on 27 Nov 2026."),
            ("notallowed", 403, "This line belongs to somebody else."),
            ("toolarge", 413, "The file is larger than 10 MB."),
            ("toomany", 429, "Wait"),
            ("denied", 403, "You may not do this"),
            ("missing", 404, "nothing here"),
            ("away", 503, "cannot reach its database"),
            ("", 500, "went wrong on our side"),
            ("sql", 400, "cannot be stored"),
            ("nul", 400, "cannot be stored"),
        ],
    )
    def test_say_what_happened(self, site: Client, kind: str, status: int, words: str) -> None:
        answer = site.get("/boom/", {"kind": kind}, headers={"X-Request-ID": "number-to-tell"})
        assert answer.status_code == status
        text = answer.content.decode()
        assert words in text
        assert "number-to-tell" in text
        assert "canary" not in text
        assert "Traceback" not in text

    @pytest.mark.parametrize(("kind", "status"), [("refused", 422), ("missing", 404), ("", 500), ("away", 503)])
    def test_as_json(self, site: Client, kind: str, status: int) -> None:
        answer = site.get("/boom/", {"kind": kind}, headers={"Accept": "application/json"})
        assert (answer.status_code, answer["Content-Type"]) == (status, "application/problem+json")
        body = json.loads(answer.content)
        assert body["status"] == status
        assert body["title"] and body["detail"]
        if kind == "refused":
            assert (body["lines"], body["order"]) == ({"3": "Line 3 has no price."}, 7)

    def test_as_a_fragment(self, site: Client) -> None:
        answer = site.get("/boom/", {"kind": "conflict"}, headers={"HX-Request": "true"})
        assert answer.status_code == 409
        assert answer.content.startswith(b"<div")
        assert "HX-Request" in answer["Vary"]

    def test_retry_after(self, site: Client) -> None:
        assert site.get("/boom/?kind=toomany")["Retry-After"] == "7"
        assert int(site.get("/boom/?kind=away")["Retry-After"]) > 0

    def test_missing_and_foreign_are_one_page(self, site: Client) -> None:
        same = {"headers": {"X-Request-ID": "same-request"}}
        pages = [
            site.get(address, **same).content.decode()
            for address in ("/boom/?kind=missing", "/nothing-here", "/a%00b", "/boom/99999999999999999999")
        ]
        without_tokens = {"\n".join(line for line in page.splitlines() if "csrf" not in line.lower()) for page in pages}
        assert len(without_tokens) == 1

    @pytest.mark.parametrize(
        "address",
        ["/%00", "/accounts/%00/", "/accounts/profile/?next=%00", "/%ff%fe", "/..%2f..%2fetc/passwd", "/?q=%00"],
    )
    def test_odd_addresses_are_never_5xx(self, site: Client, address: str) -> None:
        assert site.get(address).status_code < 500

    def test_a_body_over_the_limit(self, site: Client, settings: Any) -> None:
        settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
        assert site.post("/echo/", {"a": "x" * 2000}).status_code == 413
        settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = 3
        assert site.post("/echo/", {str(n): "x" for n in range(5)}).status_code == 400

    def test_a_wrong_host(self, site: Client) -> None:
        assert site.get("/health", headers={"Host": "evil.example"}).status_code == 400

    def test_a_form_without_its_secret(self, settings: Any, db: None) -> None:
        settings.ROOT_URLCONF = "tests.test_platform"
        client = Client(enforce_csrf_checks=True)
        answer = client.post("/accounts/login/", {"login": "x", "password": "y"})
        assert answer.status_code == 403
        assert b"send it once more" in answer.content

    def test_wrong_verb(self, site: Client) -> None:
        answer = site.get("/echo/")
        assert (answer.status_code, answer["Allow"]) == (405, "POST")
        assert answer.content

    def test_denied_is_on_record(self, site: Client) -> None:
        site.get("/boom/?kind=notallowed")
        entry = Entry.objects.get(action="access_denied")
        assert (entry.label, entry.source) == ("/boom/", "web")


def test_pages_need_a_sign_in(client: Client, db: None) -> None:
    assert client.get("/accounts/profile/")["Location"].startswith("/accounts/login/")
    assert client.get("/health").content == b"ok"


class TestPageAndFragment:
    def test_htmx_gets_the_part(self, site: Client) -> None:
        part = site.get("/fragment/", headers={"HX-Request": "true"})
        assert part.content.startswith(b"<div")
        assert "HX-Request" in part["Vary"]
        for headers in ({}, {"HX-Request": "true", "HX-Boosted": "true"}):
            assert site.get("/fragment/", headers=headers).content.startswith(b"<!doctype html>")


class TestReady:
    def state(self, client: Client) -> tuple[int, dict[str, Any]]:
        answer = client.get("/ready")
        return answer.status_code, json.loads(answer.content)

    def test_ok_and_degraded(self, client: Client, db: None) -> None:
        cache.delete_many(["heartbeat:worker", "heartbeat:beat"])
        assert self.state(client)[1]["parts"]["worker"] == "silent"
        heartbeat.beat("worker")
        heartbeat.beat("beat")
        assert self.state(client) == (
            200,
            {
                "status": "ok",
                "parts": {"database": "ok", "cache": "ok", "broker": "ok", "worker": "ok", "beat": "ok", "mail": "ok"},
            },
        )

    def test_without_redis(self, client: Client, db: None, no_redis: None) -> None:
        status, body = self.state(client)
        assert (status, body["status"]) == (200, "degraded")
        assert body["parts"] == {
            "database": "ok", "cache": "away", "broker": "away", "worker": "unknown", "beat": "unknown",
            "mail": "ok",
        }  # fmt: skip

    def test_pending_migrations(self, client: Client, db: None, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(views, "_migrated", False)
        row = MigrationRecorder(connection).migration_qs.filter(app="accounts").order_by("name").last()
        row.delete()
        status, body = self.state(client)
        assert (status, body["parts"]) == (503, {"database": "migrations pending"})

    def test_without_database(self, client: Client, db: None, monkeypatch: pytest.MonkeyPatch) -> None:
        def away() -> None:
            raise OperationalError("connection refused")

        with monkeypatch.context() as patched:
            patched.setattr(connection, "cursor", away)
            status, body = self.state(client)
        assert (status, body["status"], body["parts"]) == (503, "unavailable", {"database": "away"})

    def test_without_database_for_somebody_signed_in(self, site: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        """Their session is looked for first, so the view is not even reached."""

        def away(*args: Any) -> None:
            raise OperationalError("connection refused")

        with monkeypatch.context() as patched:
            patched.setattr(SessionStore, "_get_session_from_db", away)
            status, body = self.state(site)
        assert (status, body["parts"]) == (503, {"database": "away"})


class TestWithoutRedis:
    def test_pages_and_sign_in_work(self, db: None, no_redis: None) -> None:
        make_user(email="rosa@example.com")
        client = Client()
        assert sign_in(client, "rosa@example.com", PASSWORD).status_code == 302
        assert is_signed_in(client)
        assert ratelimit.is_degraded()
        for _ in range(5):
            sign_in(Client(), "rosa@example.com", "wrong wrong wrong")
        assert sign_in(Client(), "rosa@example.com", PASSWORD).status_code == 429

    def test_a_hanging_one_is_asked_once_in_a_while(self, monkeypatch: pytest.MonkeyPatch, rf: RequestFactory) -> None:
        asked: list[int] = []

        def hangs(*args: Any, **kwargs: Any) -> None:
            asked.append(1)
            raise redis.TimeoutError("slow")

        monkeypatch.setattr(ratelimit, "_away_until", 0.0)
        monkeypatch.setattr(ratelimit, "get_usage", hangs)
        for _ in range(5):
            assert ratelimit.count(rf.get("/"), "pages", "1", "600/m") is None
        assert len(asked) == 1
        monkeypatch.setattr(ratelimit, "_away_until", time.monotonic() - 1)
        ratelimit.count(rf.get("/"), "pages", "1", "600/m")
        assert len(asked) == 2
        monkeypatch.setattr(ratelimit, "_away_until", 0.0)


class TestLimits:
    def test_counts_per_value(self, rf: RequestFactory) -> None:
        for value in ("1", "2"):
            states = [ratelimit.count(rf.get("/"), "things", value, "3/h") for _ in range(4)]
            assert [state.count for state in states if state] == [1, 2, 3, 4]
            assert [state.exceeded for state in states if state] == [False, False, False, True]

    def test_pages_of_one_person(self, site: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(middleware, "PAGES_PER_MINUTE", 3)
        with time_machine.travel(1_795_000_000, tick=False):
            answers = [site.get("/accounts/profile/").status_code for _ in range(5)]
        assert answers == [200, 200, 200, 429, 429]
        other = Client()
        other.force_login(make_user())
        assert other.get("/accounts/profile/").status_code == 200


class TestDatabaseAway:
    def test_in_a_middleware(self, site: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        def away(self: Any, *args: Any, **kwargs: Any) -> None:
            raise OperationalError("server closed the connection unexpectedly")

        with monkeypatch.context() as patched:
            patched.setattr("django.contrib.sessions.backends.db.SessionStore._get_session_from_db", away)
            answer = site.get("/accounts/profile/")
        assert answer.status_code == 503
        assert answer["Retry-After"]
        assert site.get("/accounts/profile/").status_code == 200

    def test_the_page_asks_the_database_nothing(self, site: Client, django_assert_num_queries: Any) -> None:
        with django_assert_num_queries(0):
            views.database_away(RequestFactory().get("/"))

    def test_comes_back_without_restart(self, committed: None, settings: Any) -> None:
        settings.ROOT_URLCONF = "tests.test_platform"
        client = Client(raise_request_exception=False)
        client.force_login(make_user("sales_rep"))
        assert client.get("/accounts/profile/").status_code == 200
        port, connection.settings_dict["PORT"] = connection.settings_dict["PORT"], "1"
        try:
            connection.close()
            answer = client.get("/accounts/profile/")
            assert answer.status_code == 503
            assert Client().get("/health").status_code == 200
        finally:
            connection.settings_dict["PORT"] = port
        assert client.get("/accounts/profile/").status_code == 200

    def test_a_connection_killed_by_the_server(self, committed: None, settings: Any) -> None:
        settings.ROOT_URLCONF = "tests.test_platform"
        client = Client(raise_request_exception=False)
        client.force_login(make_user("sales_rep"))
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            (pid,) = cursor.fetchone()
        # A role may end its own backends.
        given = connection.get_connection_params()
        with psycopg.connect(
            host=given["host"], port=given["port"], user=given["user"], password=given["password"],
            dbname=given["dbname"], autocommit=True,
        ) as other:  # fmt: skip
            other.execute("SELECT pg_terminate_backend(%s)", [pid])
        statuses = [client.get("/accounts/profile/").status_code for _ in range(3)]
        assert statuses[-1] == 200
        assert set(statuses) <= {200, 503}


class TestClientAddress:
    def ip(self, settings: Any, count: int, proxies: list[str], **meta: str) -> str | None:
        settings.TRUSTED_PROXY_COUNT, settings.TRUSTED_PROXIES = count, proxies
        return client_ip(RequestFactory().get("/", **meta))

    def test_headers_say_nothing_without_a_proxy(self, settings: Any) -> None:
        for forged in ("1.2.3.4", "1.2.3.4, 5.6.7.8", "nonsense"):
            assert self.ip(settings, 0, [], REMOTE_ADDR="203.0.113.9", HTTP_X_FORWARDED_FOR=forged) == "203.0.113.9"

    @pytest.mark.parametrize(
        ("count", "forwarded", "expected"),
        [
            (1, "198.51.100.7", "198.51.100.7"),
            (1, "6.6.6.6, 198.51.100.7", "198.51.100.7"),
            (2, "6.6.6.6, 198.51.100.7, 10.0.0.2", "198.51.100.7"),
            (2, "198.51.100.7", "10.0.0.1"),
            (1, "", "10.0.0.1"),
            (1, "6.6.6.6, nonsense", "10.0.0.1"),
            (1, "6.6.6.6, [2001:db8::1]:4711", "2001:db8::1"),
            (1, "6.6.6.6, 198.51.100.7:4711", "198.51.100.7"),
        ],
    )
    def test_counted_from_the_right(self, settings: Any, count: int, forwarded: str, expected: str) -> None:
        got = self.ip(settings, count, ["10.0.0.0/8"], REMOTE_ADDR="10.0.0.1", HTTP_X_FORWARDED_FOR=forwarded)
        assert got == expected

    def test_only_from_the_proxies(self, settings: Any) -> None:
        got = self.ip(settings, 1, ["10.0.0.0/8"], REMOTE_ADDR="203.0.113.9", HTTP_X_FORWARDED_FOR="6.6.6.6")
        assert got == "203.0.113.9"

    def test_a_server_that_tells_none(self, settings: Any) -> None:
        assert self.ip(settings, 0, [], REMOTE_ADDR="") is None


@pytest.mark.parametrize(
    ("header", "mark"),
    [
        ("de-DE,de;q=0.9,en;q=0.5", ","), ("en-US,en;q=0.9", "."), ("fr", ","), ("es-MX", "."), ("es-ES", ","),
        ("it;q=0.8, en;q=0.9", "."), ("tlh, nl", ","), ("*", "."), ("", "."), (";;;q=x", "."), ("de" * 500, "."),
    ],
)  # fmt: skip
def test_decimal_mark(header: str, mark: str) -> None:
    assert decimal_mark(RequestFactory().get("/", headers={"Accept-Language": header})) == mark


def test_times_are_shown_in_ones_own_zone(site: Client) -> None:
    site.force_login(make_user(time_zone="Asia/Tokyo"))
    assert site.get("/zone/").content == b"Asia/Tokyo"
    site.logout()
    assert site.get("/zone/").content == b"UTC"
    assert timezone.get_current_timezone_name() == "UTC"
