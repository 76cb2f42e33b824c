"""What tells that jobs do not run: a banner for those who can see to it, on every page."""

from collections.abc import Iterator

import pytest
from django.core.cache import cache
from django.test import Client

from audit.context import acting
from sop_portal import heartbeat
from sop_portal.conf import services as conf
from sop_portal.lib import ratelimit
from tests.factories import make_user

pytestmark = pytest.mark.django_db

PAGES = ("/", "/admin/", "/cycles/")


@pytest.fixture(autouse=True)
def silence() -> Iterator[None]:
    """Nobody gives signs of life but the test."""
    parts = [f"heartbeat:{part}" for part in heartbeat.PARTS]
    cache.delete_many(parts)
    yield
    cache.delete_many(parts)


def banners(client: Client, page: str) -> str:
    text = client.get(page).content.decode()
    return text[text.index('<div class="banner') :].partition("</div>")[0] if '<div class="banner' in text else ""


@pytest.mark.parametrize("page", PAGES)
def test_jobs_that_do_not_run_are_told_to_those_who_start_jobs(client: Client, page: str) -> None:
    client.force_login(make_user("admin"))
    assert "Jobs are not running: the worker and beat (the schedules) gave no sign of life" in banners(client, page)
    for part in heartbeat.PARTS:
        heartbeat.beat(part)
    heartbeat.forget()
    assert banners(client, page) == ""


@pytest.mark.parametrize("role", ["sales_rep", "manager", "viewer"])
def test_others_cannot_do_anything_about_it_and_are_not_told(client: Client, role: str) -> None:
    client.force_login(make_user(role))
    assert banners(client, "/") == ""


def test_the_silent_part_is_named(client: Client) -> None:
    heartbeat.beat("worker")
    client.force_login(make_user("admin"))
    assert "Jobs are not running: beat (the schedules) gave no sign" in banners(client, "/")


def test_it_is_asked_once_in_a_while_and_not_while_redis_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def look(part: str) -> bool:
        asked.append(part)
        return True

    monkeypatch.setattr(heartbeat, "lives", look)
    assert [heartbeat.complaint(), heartbeat.complaint()] == ["", ""]
    assert asked == ["worker", "beat"]
    heartbeat.forget()
    monkeypatch.setattr(ratelimit, "is_degraded", lambda: True)
    assert "Redis cannot be reached" in heartbeat.complaint()
    assert asked == ["worker", "beat"]


def test_the_banner_of_the_trail_stays_everybodys(client: Client) -> None:
    with acting("system", source="command"):
        conf.set_value("enable_audit_logging", "no", by=None)
    client.force_login(make_user("viewer"))
    assert "Audit logging is off" in banners(client, "/")
