"""Pages of other origins in Chromium: a named one calls the API with a token and reads what comes back, others read nothing."""

from typing import Any

import pytest

from sop_portal.accounts import bearer
from tests.factories import make_customer, make_user

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

# Asks for `path` of the portal with what fetch takes, and tells what a script of the page gets to see.
ASK = """
async ([base, path, options]) => {
    try {
        const answer = await fetch(base + path, options);
        return {status: answer.status, body: await answer.text(), headers: Object.fromEntries(answer.headers)};
    } catch (problem) {
        return {refused: String(problem)};
    }
}
"""
REFUSED = {"refused": "TypeError: Failed to fetch"}


@pytest.fixture
def origins(elsewhere: list[str], settings: Any) -> list[str]:
    """Named before the portal starts, as the environment is."""
    settings.CORS_ALLOWED_ORIGINS = elsewhere[:1]
    return elsewhere


@pytest.fixture
def ask(origins: list[str], portal: Any) -> Any:
    """What a script on a page of one of the origins gets: ask(origin, path, user of the browser, options of fetch)."""

    def asked(origin: str, path: str, user: Any = None, **options: Any) -> dict[str, Any]:
        page = portal.page(user)
        page.goto(origin)
        found: dict[str, Any] = page.evaluate(ASK, [portal.base_url, path, options])
        return found

    return asked


def with_token(user: Any, **more: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {bearer.issue(user).access}", **more}


def test_a_named_page_reads_and_writes_with_a_token(origins: list[str], ask: Any) -> None:
    admin = make_user("admin")
    make_customer(customer_id="A/1", name="Elm Supply")
    address = "/api/v1/customers/A%2F1"
    read = ask(origins[0], address, headers=with_token(admin))
    assert read["status"] == 200
    assert "Elm Supply" in read["body"]
    assert {"etag", "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset", "x-request-id"} <= set(
        read["headers"]
    )
    headers = with_token(admin, **{"Content-Type": "application/json", "If-Match": read["headers"]["etag"]})
    body = '{"name": "Oak Supply"}'
    assert ask(origins[0], address, method="PATCH", body=body, headers=headers)["status"] == 200
    stale = ask(origins[0], address, method="PATCH", body=body.replace("Oak", "Fir"), headers=headers)
    assert stale["status"] == 412
    assert "Oak Supply" in stale["body"]
    key = with_token(admin, **{"Content-Type": "application/json", "Idempotency-Key": "one"})
    body = '{"customer_id": "B", "name": "Fir Provisions"}'
    made = [ask(origins[0], "/api/v1/customers", method="POST", body=body, headers=key) for _ in range(2)]
    assert [answer["status"] for answer in made] == [201, 201]
    assert made[1]["headers"]["idempotency-replayed"] == "true"


def test_a_page_that_is_not_named_reads_nothing(origins: list[str], ask: Any) -> None:
    admin = make_user("admin")
    assert ask(origins[1], "/api/v1/auth/me", headers=with_token(admin)) == REFUSED
    assert ask(origins[1], "/api/v1/settings/public") == REFUSED


def test_a_session_is_no_leave_for_a_named_page(origins: list[str], ask: Any) -> None:
    admin = make_user("admin")
    assert ask(origins[0], "/api/v1/auth/me", admin)["status"] == 401
    # The browser takes the cookie along to the same machine, and keeps the answer from the page.
    assert ask(origins[0], "/api/v1/auth/me", admin, credentials="include") == REFUSED
    assert ask(origins[0], "/customers/", admin) == REFUSED
