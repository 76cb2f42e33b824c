"""Pages of other origins: those that are named call the API with a token, all others do not, and no page of the portal."""

import datetime as dt
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.test import Client

from audit.context import acting
from audit.models import Entry
from sop_portal.conf.services import set_value
from sop_portal.lib import ratelimit
from tests.api.helpers import API, Program, program_of
from tests.factories import make_user

pytestmark = pytest.mark.django_db

NAMED, OTHER = "https://dashboard.example.com", "https://dashboard.example.com.evil.example"
ALLOWED = "Access-Control-Allow-Origin"


@pytest.fixture(autouse=True)
def named(settings: Any) -> None:
    settings.CORS_ALLOWED_ORIGINS = [NAMED, "https://[2001:db8::1]:8443"]


def names(header: str) -> set[str]:
    return {name.strip().lower() for name in header.split(",")}


def about_origins(answer: Any) -> list[str]:
    return [name for name in answer.headers if name.lower().startswith("access-control-")]


def preflight(address: str = f"{API}/customers", origin: str = NAMED, method: str = "PATCH", headers: str = "") -> Any:
    """What a browser sends before a request that no form could make: never a token, never a cookie."""
    asked = {"Origin": origin, "Access-Control-Request-Method": method}
    return Client().options(address, headers={**asked, "Access-Control-Request-Headers": headers} if headers else asked)


def test_a_preflight_is_answered_without_signing_in() -> None:
    answer = preflight(headers="authorization,content-type,idempotency-key,if-match")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer[ALLOWED] == NAMED
    assert names(answer["Access-Control-Allow-Methods"]) == {"delete", "get", "patch", "post", "put"}
    wanted = {"authorization", "content-type", "if-match", "if-none-match", "idempotency-key"}
    assert wanted <= names(answer["Access-Control-Allow-Headers"])
    assert "x-csrftoken" not in names(answer["Access-Control-Allow-Headers"])
    assert answer["Access-Control-Max-Age"] == "3600"
    assert "origin" in names(answer["Vary"])
    assert "Access-Control-Allow-Credentials" not in answer


def test_a_preflight_counts_as_no_request_and_leaves_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[Any] = []
    monkeypatch.setattr(ratelimit, "count", lambda *args: counted.append(args))
    before = Entry.objects.count()
    assert preflight().status_code == 200
    assert preflight(f"{API}/auth/login", method="POST").status_code == 200
    assert counted == []
    assert Entry.objects.count() == before


def test_a_named_page_reads_the_answer_and_what_its_headers_say() -> None:
    answer = program_of(make_user("viewer"))("GET", "/auth/me", Origin=NAMED)
    assert answer.status_code == 200
    assert answer[ALLOWED] == NAMED
    exposed = names(answer["Access-Control-Expose-Headers"])
    assert exposed == {
        "content-disposition", "etag", "idempotency-replayed", "location", "retry-after", "x-ratelimit-limit",
        "x-ratelimit-remaining", "x-ratelimit-reset", "x-request-id",
    }  # fmt: skip
    assert names(answer["Vary"]) >= {"origin", "accept", "authorization", "cookie"}
    assert "Access-Control-Allow-Credentials" not in answer


def test_what_answers_expose_is_what_they_carry() -> None:
    """A header that the API sends to programs, and that pages could not read, would be found out late."""
    program = program_of(make_user("viewer"))
    sent = set(program("GET", "/auth/me").headers) | set(program("GET", "/nothing").headers)
    told = {"content-type", "content-length", "cache-control"}
    general = {
        "vary", "allow", "x-frame-options", "x-content-type-options", "referrer-policy", "permissions-policy",
        "cross-origin-opener-policy", "content-security-policy", "www-authenticate", "strict-transport-security",
    }  # fmt: skip
    exposed = names(program("GET", "/auth/me", Origin=NAMED)["Access-Control-Expose-Headers"])
    assert {name.lower() for name in sent} - exposed - told - general == set()


@pytest.mark.parametrize("status", [304, 401, 403, 404, 405, 406, 412, 413, 415, 429])
def test_a_named_page_reads_refusals_as_well(status: int) -> None:
    admin = program_of(make_user("admin"))
    customer = {"customer_id": "C1", "name": "Elm"}

    def stale() -> Any:
        assert admin("POST", "/customers", customer).status_code == 201
        return admin("PATCH", "/customers/C1", {"name": "Oak"}, Origin=NAMED, If_Match='"other"')

    def counted_out() -> Any:
        with acting("system", source="command"):
            set_value("rate_limit_requests_per_minute", 2, by=None)
        with time_machine.travel(dt.datetime.now(dt.UTC), tick=False):
            return [admin("GET", "/auth/me", Origin=NAMED) for _ in range(3)][-1]

    def unchanged() -> Any:
        return admin("GET", "/auth/me", Origin=NAMED, If_None_Match=admin("GET", "/auth/me")["ETag"])

    asked = {
        304: unchanged,
        401: lambda: Program()("GET", "/auth/me", Origin=NAMED),
        403: lambda: program_of(make_user("viewer"))("GET", "/settings", Origin=NAMED),
        404: lambda: admin("GET", "/nothing", Origin=NAMED),
        405: lambda: admin("PUT", "/auth/me", {}, Origin=NAMED),
        406: lambda: admin("GET", "/auth/me", Origin=NAMED, Accept="text/csv"),
        412: stale,
        413: lambda: admin("POST", "/tokens", b" " * 3_000_000, Origin=NAMED),
        415: lambda: admin._client.post(f"{API}/tokens", {"name": "a"}, headers={**admin._headers, "Origin": NAMED}),
        429: counted_out,
    }
    answer = asked[status]()
    assert answer.status_code == status
    assert answer[ALLOWED] == NAMED
    assert "origin" in names(answer["Vary"])


@pytest.mark.parametrize(
    "origin",
    [
        OTHER, "null", "file://", "http://dashboard.example.com", "https://dashboard.example.com:8443",
        "https://sub.dashboard.example.com", "https://example.com", "https://[", "*", "",
    ],
)  # fmt: skip
def test_other_origins_get_no_leave(origin: str) -> None:
    answer = program_of(make_user("viewer"))("GET", "/auth/me", Origin=origin)
    assert answer.status_code == 200
    assert about_origins(answer) == []
    # A cache must not hand one page what was sent to another.
    assert "origin" in names(answer["Vary"])
    assert about_origins(preflight(origin=origin)) == []


@pytest.mark.parametrize(
    "address",
    ["/", "/customers/", "/audit/", "/admin/", "/accounts/login/", "/api/docs", "/health", "/ready", "/api/v10"],
)
def test_nothing_but_the_api_is_opened(address: str) -> None:
    client = Client()
    client.force_login(make_user("admin"), backend="sop_portal.accounts.backends.EmailOrUsernameBackend")
    assert about_origins(client.get(address, headers={"Origin": NAMED})) == []
    assert about_origins(preflight(address)) == []


@pytest.mark.parametrize("address", ["/api/openapi.json", "/api/schema", f"{API}/cycles", f"{API}/cycles/"])
def test_the_description_is_part_of_it(address: str) -> None:
    assert preflight(address, method="GET")[ALLOWED] == NAMED


def test_a_session_does_not_write_from_another_origin() -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(make_user("admin"), backend="sop_portal.accounts.backends.EmailOrUsernameBackend")
    answer = client.post(
        f"{API}/tokens", {"name": "stolen"}, content_type="application/json", headers={"Origin": NAMED}
    )
    assert answer.status_code == 403
    assert "Access-Control-Allow-Credentials" not in answer


@pytest.fixture
def off(settings: Any) -> Iterator[None]:
    settings.CORS_ALLOWED_ORIGINS = []
    yield


@pytest.mark.usefixtures("off")
def test_unless_origins_are_named_there_is_none_of_it() -> None:
    assert preflight().status_code == 401
    assert about_origins(preflight()) == []
    answer = program_of(make_user("viewer"))("GET", "/auth/me", Origin=NAMED)
    assert about_origins(answer) == []
    assert "origin" not in names(answer["Vary"])


@pytest.mark.parametrize(
    ("origins", "words"),
    [
        ("*", "Refusing to start: CORS_ORIGINS contains '*', which stands for anybody. Name each origin in full."),
        ("http://a.example, nonsense", "CORS_ORIGINS contains 'nonsense', which is no origin."),
    ],
)
def test_the_portal_does_not_start_with_origins_that_are_none(origins: str, words: str) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "showmigrations", "conf"],
        cwd=Path(__file__).parents[2], env={**os.environ, "CORS_ORIGINS": origins}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert words in done.stderr
