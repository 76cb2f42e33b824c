"""Every route, for every kind of person: what it answers to a read, and that a denied write changes nothing.

A new route without a line here fails. The admin's own routes are one family: they open for admins alone.
"""

import datetime as dt
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.urls import get_resolver, reverse

from audit.context import acting
from sop_portal.accounts import bearer
from tests.factories import answer, make_actual, make_customer, make_entry, make_user, open_cycle, submit

pytestmark = pytest.mark.django_db

WHO = ("anonymous", "rep", "other_rep", "manager", "other_manager", "viewer", "admin")
SIGN_IN = MOVED = 302
OK, NOBODY, NO, GONE, VERB, CLASH = 200, 401, 403, 404, 405, 409

# Route -> what GET answers to each of WHO, in that order. The line and the customer are the rep's; the manager is
# the rep's; the cycle is open and the line submitted.
EVERYBODY = (OK,) * 7
SIGNED_IN = (SIGN_IN, *(OK,) * 6)
ADMINS = (SIGN_IN, *(NO,) * 5, OK)
IN_SCOPE = (SIGN_IN, OK, GONE, OK, GONE, OK, OK)
GET: dict[str, tuple[int, ...]] = {
    "api-docs": SIGNED_IN,
    "api-guide": SIGNED_IN,
    # Read by programs, which are told that they are not signed in.
    "api-schema": (NOBODY, *(OK,) * 6),
    "api-openapi": (NOBODY, *(OK,) * 6),
    "api-nothing": (GONE,) * 7,
    "home": SIGNED_IN,
    "search": SIGNED_IN,
    "health": EVERYBODY,
    "ready": EVERYBODY,
    "account_login": (OK, *(SIGN_IN,) * 6),
    "account_logout": SIGNED_IN,
    "account_change_password": SIGNED_IN,
    "account_reset_password": EVERYBODY,
    "account_reset_password_done": EVERYBODY,
    "account_reset_password_from_key": EVERYBODY,
    "account_reset_password_from_key_done": EVERYBODY,
    "usersessions_list": SIGNED_IN,
    "accounts:profile": SIGNED_IN,
    "accounts:tokens": SIGNED_IN,
    # Nobody has to do with the token of somebody else, administrators included.
    "accounts:token_revoke": (SIGN_IN, OK, *(GONE,) * 5),
    "mail:notices": SIGNED_IN,
    "mail:read": (SIGN_IN, *(VERB,) * 6),
    "mail:read_all": (SIGN_IN, *(VERB,) * 6),
    "audit:list": ADMINS,
    "audit:csv": ADMINS,
    "audit:critical": ADMINS,
    "audit:statistics": ADMINS,
    "audit:seal": ADMINS,
    "audit:mine": SIGNED_IN,
    "audit:history": IN_SCOPE,
    "masterdata:import_list": ADMINS,
    "masterdata:import_any": (SIGN_IN, *(VERB,) * 6),
    "masterdata:import_start": ADMINS,
    "masterdata:import_template": ADMINS,
    "masterdata:import_run": (SIGN_IN, *(NO,) * 5, GONE),
    "masterdata:import_errors": (SIGN_IN, *(NO,) * 5, GONE),
    **dict.fromkeys(
        (f"masterdata:import_{verb}" for verb in ("apply", "undo", "cancel", "headings", "again")),
        (SIGN_IN, *(VERB,) * 6),
    ),
    "masterdata:data": (SIGN_IN, *(MOVED,) * 6),
    "masterdata:customer_list": SIGNED_IN,
    "masterdata:customer": IN_SCOPE,
    "masterdata:customer_products": IN_SCOPE,
    "masterdata:customer_history": IN_SCOPE,
    "masterdata:pair": IN_SCOPE,
    "masterdata:product_list": SIGNED_IN,
    # Every active product may be offered to any customer.
    "masterdata:product": SIGNED_IN,
    "masterdata:product_customers": SIGNED_IN,
    "masterdata:product_history": SIGNED_IN,
    "masterdata:sales_history": SIGNED_IN,
    "masterdata:budget_list": SIGNED_IN,
    "masterdata:export": SIGNED_IN,
    "cycles:list": SIGNED_IN,
    "cycles:create": ADMINS,
    "cycles:detail": SIGNED_IN,
    "cycles:edit": (SIGN_IN, *(NO,) * 5, CLASH),
    "cycles:preflight": (SIGN_IN, *(NO,) * 5, CLASH),
    "cycles:open": ADMINS,
    "cycles:extend": ADMINS,
    "cycles:refresh": ADMINS,
    "cycles:reopen": (SIGN_IN, *(NO,) * 5, CLASH),
    "cycles:ask": (SIGN_IN, OK, *(NO,) * 5),
    "cycles:grant": (SIGN_IN, *(VERB,) * 6),
    "cycles:decline": (SIGN_IN, *(VERB,) * 6),
    "cycles:close": ADMINS,
    "cycles:publish": ADMINS,
    "cycles:delete": ADMINS,
    "forecasts:list": SIGNED_IN,
    "forecasts:grid": IN_SCOPE,
    "forecasts:save": (SIGN_IN, *(VERB,) * 6),
    "forecasts:save_form": (SIGN_IN, *(VERB,) * 6),
    "forecasts:submit": SIGNED_IN,
    "forecasts:recall": (SIGN_IN, *(VERB,) * 6),
    "forecasts:review": (SIGN_IN, NO, NO, OK, OK, NO, OK),
    # Without anything to decide it leads back to the list.
    "forecasts:decide": (SIGN_IN, NO, NO, MOVED, MOVED, NO, MOVED),
    "forecasts:board": (SIGN_IN, NO, NO, OK, OK, OK, OK),
    # Without a cycle in the address there is nobody to remind.
    "forecasts:remind": (SIGN_IN, NO, NO, GONE, GONE, NO, GONE),
    "forecasts:compare": SIGNED_IN,
    "forecasts:compare_file": (SIGN_IN, *(GONE,) * 6),
    "forecasts:board_file": (SIGN_IN, NO, NO, OK, OK, OK, OK),
    "forecasts:line": IN_SCOPE,
    "forecasts:adjust": (SIGN_IN, NO, GONE, CLASH, GONE, NO, CLASH),
    "forecasts:consolidated": SIGNED_IN,
    "forecasts:prices": ADMINS,
    "forecasts:legacy_upload": ADMINS,
    "forecasts:legacy_run": (SIGN_IN, *(NO,) * 5, GONE),
    "forecasts:legacy_names": (SIGN_IN, *(NO,) * 5, GONE),
    "forecasts:legacy_cancel": (SIGN_IN, *(VERB,) * 6),
    "forecasts:legacy_again": (SIGN_IN, *(VERB,) * 6),
}


class World:
    """One submitted line of a rep, whose manager is known, in an open cycle."""

    def __init__(self) -> None:
        self.people: dict[str, Any] = {"anonymous": None}
        self.people["manager"] = make_user("manager")
        self.people["rep"] = make_user("sales_rep", manager=self.people["manager"])
        self.people["other_rep"] = make_user("sales_rep")
        self.people["other_manager"] = make_user("manager")
        self.people["viewer"] = make_user("viewer")
        self.people["admin"] = make_user("admin")
        self.customer = make_customer(sales_rep=self.people["rep"], name="CANARY customer")
        entry = make_entry(customer=self.customer)
        make_actual(entry, dt.date(2026, 12, 1))
        self.cycle = open_cycle(by=self.people["admin"])
        self.line = submit(answer(self.cycle.lines.get(), 5))
        with acting(self.people["rep"], source="web"):
            self.token, _ = bearer.create_token(self.people["rep"], name="CANARY token", scopes=["read"], days=1)

    def url(self, route: str) -> str:
        """The address of `route` for the objects of this world."""
        arguments: dict[str, Any] = {
            "audit:history": {"entity_type": "forecast", "entity_id": self.line.pk},
            "accounts:token_revoke": {"pk": self.token.pk},
            "account_reset_password_from_key": {"uidb36": "1", "key": "set-password"},
            "forecasts:grid": {"cycle_pk": self.cycle.pk, "customer_pk": self.customer.pk},
            "forecasts:save_form": {"cycle_pk": self.cycle.pk, "customer_pk": self.customer.pk},
            "forecasts:line": {"pk": self.line.pk},
            "forecasts:board_file": {"form": "csv"},
            # The world of these tests has one cycle.
            "forecasts:compare_file": {"form": "csv"},
            "forecasts:adjust": {"pk": self.line.pk},
            "forecasts:legacy_run": {"pk": 999_999},
            "masterdata:import_start": {"kind": "actuals"},
            "masterdata:import_template": {"kind": "actuals"},
            "masterdata:import_run": {"pk": 999_999},
            "masterdata:import_errors": {"pk": 999_999},
            "forecasts:legacy_names": {"pk": 999_999},
        }
        customer, product = {"pk": self.customer.pk}, {"pk": self.line.product_id}
        for view in ("customer", "customer_products", "customer_history"):
            arguments[f"masterdata:{view}"] = customer
        for view in ("product", "product_customers", "product_history"):
            arguments[f"masterdata:{view}"] = product
        arguments["masterdata:export"] = {"kind": "customers", "form": "csv"}
        arguments["masterdata:pair"] = {**customer, "product_pk": self.line.product_id}
        if route in arguments:
            return reverse(route, kwargs=arguments[route])
        for kwargs in ({}, {"pk": self.cycle.pk}, {"cycle_pk": self.cycle.pk}):
            try:
                return reverse(route, kwargs=kwargs)
            except Exception:
                continue
        raise AssertionError(f"no address for {route}")


def routes(patterns: Any = None, space: str = "", prefix: str = "") -> Iterator[tuple[str, str]]:
    """Every named route of the resolver with its pattern."""
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        if hasattr(pattern, "url_patterns"):
            inner = f"{pattern.namespace}:" if pattern.namespace else ""
            yield from routes(pattern.url_patterns, space + inner, prefix + str(pattern.pattern))
        else:
            yield f"{space}{pattern.name}", prefix + str(pattern.pattern)


def test_every_route_has_a_line():
    # Operations of the API have a matrix of their own (tests/api/test_access.py).
    named = {name for name, pattern in routes() if not pattern.startswith(("admin/", "api/v1/"))}
    assert named == set(GET)


def fingerprint() -> list[tuple[str, int, str]]:
    """A checksum of every table but those that keep sign-ins and the trail."""
    left = {
        "django_session",
        "usersessions_usersession",
        "audit_sealblock",
        "audit_sealpart",
        "audit_sinkmark",
        "axes_accessattempt",
        "axes_accesslog",
    }
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
        tables = [name for (name,) in cursor.fetchall() if name not in left and not name.startswith("audit_entry")]
        sums = []
        for table in tables:
            cursor.execute(
                f"SELECT count(*), md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM \"{table}\" t"
            )
            sums.append((table, *cursor.fetchone()))
    return sums


def signed_in(world: World) -> dict[str, Client]:
    """A browser for each of WHO."""
    browsers = {}
    for who in WHO:
        browsers[who] = Client()
        if world.people[who] is not None:
            browsers[who].force_login(world.people[who])
    return browsers


def test_what_everybody_may_read():
    world = World()
    found = {
        (route, who): browser.get(world.url(route)).status_code
        for who, browser in signed_in(world).items()
        for route in GET
        if route != "account_logout" or who == "anonymous"
    }
    expected = {
        (route, who): status for route, statuses in GET.items() for who, status in zip(WHO, statuses, strict=True)
    }
    assert {key: status for key, status in found.items() if status != expected[key]} == {}


@pytest.mark.parametrize("verb", ["post", "put", "patch", "delete"])
def test_a_write_that_is_denied_changes_nothing(verb):
    world = World()
    browsers = signed_in(world)
    before = fingerprint()
    body = {"line": f"{world.line.pk}:{world.line.revision}", "act": "approve", "cycle": world.cycle.pk}
    failed = {}
    for who in ("anonymous", "other_rep", "other_manager", "viewer"):
        for route in GET:
            # Signing out, asking for a new password and the own profile are everybody's to do.
            if route in ("account_logout", "account_reset_password", "accounts:profile"):
                continue
            status = getattr(browsers[who], verb)(world.url(route), body if verb == "post" else None).status_code
            if status >= 500:
                failed[route, who] = status
    assert failed == {}
    assert fingerprint() == before


def test_the_admin_opens_for_admins_alone(client):
    world = World()
    pages = [
        reverse(name)
        for name, pattern in routes()
        if name.startswith("admin:") and name.endswith(("_changelist", "_add", ":index")) and "<" not in pattern
    ]
    assert len(pages) > 20
    for who in ("anonymous", "rep", "manager", "viewer"):
        client.logout()
        if world.people[who] is not None:
            client.force_login(world.people[who])
        for page in pages:
            assert client.get(page).status_code in (302, 403), (who, page)
    client.force_login(world.people["admin"])
    # Tables of libraries that nobody edits by hand stay shut for admins too.
    shut = ("/admin/account/", "/admin/usersessions/", "schedule/")
    lists = [page for page in pages if not page.endswith("/add/") and not any(part in page for part in shut)]
    assert len(lists) > 10
    assert {page: status for page in lists if (status := client.get(page).status_code) != 200} == {}


def test_foreign_names_appear_nowhere(client):
    world = World()
    for who in ("other_rep", "other_manager"):
        client.force_login(world.people[who])
        for route in GET:
            answer = client.get(world.url(route))
            body = b"".join(answer.streaming_content) if answer.streaming else answer.content
            assert b"CANARY" not in body, (who, route)


def test_a_foreign_and_a_missing_object_answer_with_the_same_page(client):
    world = World()
    client.force_login(world.people["other_rep"])
    nowhere = {"cycle_pk": world.cycle.pk, "customer_pk": 10**9}
    for route, kwargs in (("forecasts:line", {"pk": 10**9}), ("forecasts:grid", nowhere)):
        foreign, missing = client.get(world.url(route)), client.get(reverse(route, kwargs=kwargs))
        assert (foreign.status_code, missing.status_code) == (404, 404)
        assert _without_ids(foreign) == _without_ids(missing)


def _without_ids(answer: Any) -> str:
    text = re.sub(r"[0-9a-f]{32}|\d{4}-\d\d-\d\dT[\d:.+]+", "ID", answer.content.decode())
    return re.sub(r"""(csrf-token" content=|X-CSRFToken"?: ?|csrfmiddlewaretoken" value=)\S+""", "TOKEN", text)
