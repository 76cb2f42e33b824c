"""What every operation shares: strict JSON, problems, pages, limits, conditional reads, repeats, addresses."""

import datetime as dt
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
import redis
import time_machine
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.exceptions import ParseError
from rest_framework.response import Response

from audit.context import acting
from sop_portal.accounts.models import IdempotencyKey
from sop_portal.conf import services as conf_services
from sop_portal.lib import ratelimit
from sop_portal.lib.api import repeating
from sop_portal.lib.api.bodies import JSONParser
from tests.api.helpers import Program, program_of
from tests.factories import make_customer, make_group, make_product, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def program() -> Program:
    return program_of(make_user("admin"))


def make_tokens(program: Program, *names: str) -> None:
    for name in names:
        assert program("POST", "/tokens", {"name": name, "scopes": ["read"]}).status_code == 201


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("{", "not JSON"),
        (b"\xff\xfe", "not UTF-8"),
        ('{"name": NaN}', "NaN is not a number"),
        ('{"name": Infinity}', "Infinity is not a number"),
        ('{"name": "a", "name": "b"}', "'name' occurs twice"),
        ('{"name": "\\ud800"}', "half of a surrogate pair"),
        ('{"\\uDC00": 1}', "half of a surrogate pair"),
        ("[" * 21 + "]" * 21, "deeper than 20"),
        ("[" * 100_000, "deeper than 20"),
        ('{"days": ' + "9" * 5_000 + "}", "too many digits"),
    ],
)
def test_what_is_not_strictly_json_is_refused(program: Program, body: Any, words: str) -> None:
    answer = program("POST", "/tokens", body)
    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"
    assert words in answer.json()["detail"]


def test_a_name_that_occurs_twice_among_very_many_is_found_at_once() -> None:
    """Counting each of them took half a minute for twenty thousand, and anybody may send them."""
    names = [str(number) for number in range(100_000)]
    body = "{" + ",".join(f'"{name}":0' for name in [*names, names[-1]]) + "}"
    started = time.process_time()
    answer = Program()("POST", "/auth/login", body)
    assert answer.json()["detail"] == "The name '99999' occurs twice in one object."
    assert time.process_time() - started < 5


def test_a_body_of_very_many_values_is_refused_before_it_is_read(program: Program) -> None:
    answer = program("POST", "/forecasts/bulk", b'{"items":[' + b"[]," * 800_000 + b"0]}")
    assert answer.status_code == 400
    assert answer.json()["detail"] == "The body holds more than 1,500,000 values; send it in smaller parts."
    cells = [
        {
            "period": f"{2027 + number // 12}-{number % 12 + 1:02d}",
            "quantity": "1234567.12",
            "unit_price": "1234567.1234",
        }
        for number in range(16)
    ]
    fullest = {"items": [{"id": 1, "revision": 1, "risk_class": 3, "notes": "", "cells": cells}] * 10_000}
    assert program("POST", "/forecasts/bulk", fullest).status_code in (409, 422)


def test_of_very_many_unknown_fields_the_first_are_named() -> None:
    answer = Program()("POST", "/auth/login", {f"field{number}": 0 for number in range(5_000)})
    assert (answer.status_code, len(answer.json()["errors"])) == (400, 100)
    assert len(answer.content) < 20_000


def test_twenty_levels_are_read_and_decimals_stay_as_they_are_written() -> None:
    import io

    read = JSONParser().parse(io.BytesIO(b"[" * 20 + b"0.1" + b"]" * 20))
    for _ in range(20):
        (read,) = read
    assert read == "0.1"
    with pytest.raises(ParseError):
        JSONParser().parse(io.BytesIO(b'{"a": -Infinity}'))


@pytest.mark.parametrize(
    ("method", "address", "headers", "status"),
    [
        ("GET", "/nothing", {}, 404),
        ("POST", "/nothing", {}, 404),
        ("DELETE", "/auth/me", {}, 405),
        ("POST", "/auth/me", {}, 405),
        ("GET", "/auth/me", {"Accept": "text/csv"}, 406),
        ("GET", "/auth/me", {"Accept": "image/png"}, 406),
        ("GET", "/tokens?page=%00", {}, 400),
        ("GET", "/tokens?%00=1", {}, 400),
        ("GET", "/tokens?search=a%00b", {}, 400),
        ("GET", "/customers/a%00b", {}, 404),
        ("GET", "/nothing%00", {}, 404),
        ("GET", "/tokens?page=-1", {}, 400),
        ("GET", f"/tokens?page={10**20}", {}, 400),
        ("GET", "/tokens?page_size=1001", {}, 400),
        ("GET", "/tokens?page=%D9%A1", {}, 400),
        ("GET", "/tokens?ordering=password", {}, 400),
        ("GET", "/tokens?colour=red", {}, 400),
    ],
)
def test_every_refusal_is_a_problem(program: Program, method: str, address: str, headers: Any, status: int) -> None:
    answer = program(method, address, **headers)
    assert answer.status_code == status
    assert answer["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert problem.keys() >= {"type", "title", "status", "detail", "errors"}
    assert problem["status"] == status
    assert answer["X-Request-ID"]
    assert answer["X-RateLimit-Limit"] == "60"
    if status == 400:
        assert problem["errors"][0]["pointer"].startswith("?")


@pytest.mark.parametrize(
    ("verb", "address", "body", "sentence"),
    [
        ("POST", "/customers", [], "This is not an object."),
        ("PATCH", "/settings", {"values": []}, "values: This is not an object."),
        ("PATCH", "/settings", {"values": {}}, "values: Name at least one setting."),
    ],
)
def test_a_body_of_another_shape_is_told_so_in_words_of_json(
    program: Program, verb: str, address: str, body: Any, sentence: str
) -> None:
    answer = program(verb, address, body)
    assert (answer.status_code, answer.json()["detail"]) == (400, sentence)


@pytest.mark.parametrize(("coding", "status"), [("gzip", 415), ("br, gzip", 415), ("identity", 201), ("", 201)])
def test_a_body_that_is_compressed_is_refused_in_words(program: Program, coding: str, status: int) -> None:
    answer = program("POST", "/customers", {"customer_id": "C", "name": "Elm"}, Content_Encoding=coding)
    assert answer.status_code == status
    if status == 415:
        assert answer.json()["detail"] == "Bodies are taken as they are; send this one without Content-Encoding."


@pytest.mark.parametrize("address", ["/customers", "/cycles/1/close", "/nothing"])
def test_a_body_without_its_length_is_not_taken_for_an_empty_one(program: Program, address: str) -> None:
    answer = program("POST", address, {"reason": "x"}, Transfer_Encoding="chunked")
    assert (answer.status_code, answer["Content-Type"]) == (411, "application/problem+json")


def test_another_form_than_json_is_refused_and_so_is_a_body_that_is_too_large(program: Program) -> None:
    made = program._client.generic(
        "POST", "/api/v1/tokens", b"name=a", content_type="application/x-www-form-urlencoded",
        headers=program._headers,
    )  # fmt: skip
    assert made.status_code == 415
    large = program("POST", "/tokens", json.dumps({"name": "x" * 3_000_000}))
    assert (large.status_code, large["Content-Type"]) == (413, "application/problem+json")


def test_nobody_gets_a_problem_that_says_how_to_sign_in() -> None:
    answer = Program()("GET", "/tokens")
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"].startswith("Bearer")
    assert Program()("GET", "/nothing").status_code == 404


def test_pages_lead_to_each_other(program: Program) -> None:
    make_tokens(program, "a", "b", "c")
    first = program("GET", "/tokens?page_size=2&ordering=name").json()
    assert (first["count"], first["previous"]) == (3, None)
    assert [row["name"] for row in first["results"]] == ["a", "b"]
    second = program("GET", first["next"].partition("/api/v1")[2]).json()
    assert (second["next"], [row["name"] for row in second["results"]]) == (None, ["c"])
    assert second["previous"].endswith("page=1")
    assert [row["name"] for row in program("GET", "/tokens?ordering=-name").json()["results"]] == ["c", "b", "a"]
    assert [row["name"] for row in program("GET", "/tokens?search=B").json()["results"]] == ["b"]
    assert program("GET", "/tokens?page=9").json()["results"] == []


@pytest.mark.parametrize(
    ("query", "code", "words"),
    [
        ("regoin=North", "unknown", "There is no parameter 'regoin' here"),
        ("region=", "blank", "region has no value; leave it out"),
        ("region=%20", "blank", "region has no value; leave it out"),
        ("region=&region=North", "blank", "region has no value; leave it out"),
        ("region=North&region=South", "repeated", "region is given more than once"),
        ("page=1&page=2", "repeated", "page is given more than once"),
        ("is_active=True", "invalid", "Write true or false."),
        ("default_risk_class=4", "invalid", "4"),
    ],
)
def test_a_parameter_that_filters_nothing_is_refused(program: Program, query: str, code: str, words: str) -> None:
    (fault,) = program("GET", f"/customers?search=&{query}").json()["errors"]
    assert (fault["pointer"], fault["code"]) == (f"?{query.partition('=')[0]}", code)
    assert words in fault["detail"]


@pytest.mark.parametrize(
    "key", ["cycle_id=0", "cycle_id=1.0", "owner_id=9223372036854775808", "edited_since=2026-11-27"]
)
def test_filters_read_values_as_bodies_do(program: Program, key: str) -> None:
    (fault,) = program("GET", f"/forecasts?{key}").json()["errors"]
    assert fault["pointer"] == f"?{key.partition('=')[0]}"


@pytest.mark.parametrize(
    ("field", "value", "pointer", "words"),
    [
        ("name", 5, "/name", "This is not a text."),
        ("name", 0.5, "/name", "This is not a text."),
        ("days", "90", "/days", "This is not a whole number."),
        ("days", True, "/days", "This is not a whole number."),
    ],
)
def test_a_value_of_another_type_is_refused(program: Program, field: str, value: Any, pointer: str, words: str) -> None:
    (fault,) = program("POST", "/tokens", {"name": "Load", "scopes": ["read"], field: value}).json()["errors"]
    assert (fault["pointer"], fault["code"]) == (pointer, "invalid")
    assert fault["detail"].endswith(words)


def test_an_address_ends_with_a_slash_or_not(program: Program) -> None:
    assert program("GET", "/tokens/").json() == program("GET", "/tokens").json()


def test_what_the_caller_holds_already_is_not_sent_again(program: Program) -> None:
    answer = program("GET", "/auth/me")
    same = program("GET", "/auth/me", If_None_Match=answer["ETag"])
    assert (same.status_code, same.content) == (304, b"")
    assert same["X-RateLimit-Remaining"] == "58"
    assert program("GET", "/auth/me", If_None_Match='"other"').status_code == 200


@pytest.fixture
def one_minute() -> Iterator[None]:
    """The clock stands, so that no new minute begins while requests of one are counted."""
    with time_machine.travel(dt.datetime.now(dt.UTC), tick=False):
        yield


@pytest.mark.usefixtures("one_minute")
def test_the_sixty_first_request_of_a_minute_is_refused(program: Program) -> None:
    for left in range(59, -1, -1):
        answer = program("GET", "/auth/me", X_Forwarded_For=f"10.0.0.{left}")
        assert (answer.status_code, answer["X-RateLimit-Limit"]) == (200, "60")
        assert answer["X-RateLimit-Remaining"] == str(left)
    refused = program("GET", "/auth/me")
    assert refused.status_code == 429
    assert 1 <= int(refused["Retry-After"]) <= 60
    assert refused["X-RateLimit-Remaining"] == "0"
    assert refused.json()["detail"] == ("Rate limit exceeded. Maximum 60 requests per minute allowed. Try again later.")
    assert program_of(make_user("viewer"))("GET", "/auth/me").status_code == 200


@pytest.mark.usefixtures("one_minute")
def test_addresses_count_alike_whatever_they_forge() -> None:
    for _ in range(60):
        assert Program()("GET", "/auth/me", X_Forwarded_For="10.1.1.1").status_code == 401
    assert Program()("GET", "/auth/me", X_Forwarded_For="10.2.2.2").status_code == 429


@pytest.mark.usefixtures("one_minute")
def test_the_limit_follows_its_setting(program: Program) -> None:
    with acting("system", source="command"):
        conf_services.set_value("rate_limit_requests_per_minute", 2, by=None)
    assert [program("GET", "/auth/me").status_code for _ in range(3)] == [200, 200, 429]


def test_whoever_waits_as_long_as_they_are_told_is_served(program: Program) -> None:
    with acting("system", source="command"):
        conf_services.set_value("rate_limit_requests_per_minute", 1, by=None)
    start = dt.datetime.now(dt.UTC)
    with time_machine.travel(start, tick=False):
        reset = int(program("GET", "/auth/me")["X-RateLimit-Reset"])
    for minute, before in enumerate((59.9, 30.5, 1, 0.5, 0.001), start=1):
        # Each in a minute of its own, with one between it and the next.
        moment = reset + 120 * minute - before
        with time_machine.travel(moment, tick=False):
            assert program("GET", "/auth/me").status_code == 200
            refused = program("GET", "/auth/me")
        assert refused.status_code == 429
        assert int(refused["X-RateLimit-Reset"]) == reset + 120 * minute
        with time_machine.travel(moment + int(refused["Retry-After"]), tick=False):
            assert program("GET", "/auth/me").status_code == 200
        with time_machine.travel(int(refused["X-RateLimit-Reset"]) - 0.01, tick=False):
            assert program("GET", "/auth/me").status_code == 429


def test_with_the_cache_away_the_api_serves(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*args: Any, **kwargs: Any) -> Any:
        raise redis.ConnectionError("away")

    monkeypatch.setattr(cache, "incr", away)
    monkeypatch.setattr(cache, "add", away)
    monkeypatch.setattr(ratelimit, "_away_until", 0.0)
    answer = program("GET", "/auth/me")
    assert answer.status_code == 200
    assert answer["X-RateLimit-Limit"] == "60"
    monkeypatch.setattr(ratelimit, "_away_until", 0.0)


class Asked:
    """A request and the view that it reaches, for what `repeatable` does around a post."""

    def __init__(self, user: Any, body: bytes = b"{}", key: str | None = "first") -> None:
        self.user, self.body, self.method, self.content_type = user, body, "POST", "application/json"
        self.headers = {"Idempotency-Key": key} if key is not None else {}

    def get_full_path(self) -> str:
        return "/api/v1/things"


class Thing:
    done = 0

    @repeating.repeatable
    def post(self, request: Any) -> Response:
        type(self).done += 1
        return Response({"number": type(self).done}, status=201, headers={"Location": "/1", "ETag": '"1"'})


def test_a_post_that_is_named_has_its_effect_once() -> None:
    user = make_user()
    Thing.done = 0
    first = Thing().post(Asked(user))
    again = Thing().post(Asked(user))
    assert (first.data, again.data, Thing.done) == ({"number": 1}, {"number": 1}, 1)
    assert (again.status_code, again["Location"], again["Idempotency-Replayed"]) == (201, "/1", "true")
    assert Thing().post(Asked(user, key="second")).data == {"number": 2}
    assert Thing().post(Asked(make_user())).data == {"number": 3}
    assert Thing().post(Asked(user, key=None)).data == {"number": 4}
    with pytest.raises(Exception, match="used for another request"):
        Thing().post(Asked(user, b'{"other": 1}'))
    for key in ("", " ", "é", "x" * 201):
        with pytest.raises(Exception, match="visible ASCII"):
            Thing().post(Asked(user, key=key))
    IdempotencyKey.objects.filter(key="first").update(at="2020-01-01T00:00:00Z")
    assert Thing().post(Asked(user, b'{"other": 1}')).data == {"number": 5}


def test_what_was_refused_may_be_asked_again() -> None:
    user = make_user()

    class Refusing(Thing):
        @repeating.repeatable
        def post(self, request: Any) -> Response:
            make_user()
            return Response({"detail": "no"}, status=422)

    before = type(user).objects.count()
    assert Refusing().post(Asked(user)).status_code == 422
    assert type(user).objects.count() == before
    Thing.done = 0
    assert Thing().post(Asked(user)).status_code == 201


def test_a_list_asks_as_often_for_ten_rows_as_for_one(program: Program) -> None:
    make_tokens(program, "a")
    with CaptureQueriesContext(connection) as one:
        program("GET", "/tokens")
    make_tokens(program, *"bcdefghijk")
    with CaptureQueriesContext(connection) as many:
        program("GET", "/tokens")
    assert len(one) == len(many)


@pytest.mark.parametrize(
    ("verb", "address", "body"),
    [
        ("PATCH", "/settings", {"values": {"rate_limit_requests_per_minute": 90}}),
        ("POST", "/customers", {"customer_id": "C1", "name": "Elm"}),
        ("POST", "/customers/bulk", {"items": [{"customer_id": "C1", "name": "Elm"}]}),
        ("POST", "/tokens", {"name": "Nightly", "scopes": ["read"]}),
    ],
)
def test_a_state_that_nobody_looks_at_is_not_passed_over(program: Program, verb: str, address: str, body: Any) -> None:
    refused = program(verb, address, body, If_Match='"seen"')
    assert (refused.status_code, [fault["pointer"] for fault in refused.json()["errors"]]) == (400, ["?If-Match"])
    assert program("DELETE", "/customers", If_Match='"seen"').status_code == 405
    assert program(verb, address, body).status_code in (200, 201)


@pytest.mark.parametrize(
    ("address", "body", "key"),
    [
        ("/customers", {"customer_id": "A/B 1%2F", "name": "Elm"}, "A%2FB%201%252F"),
        (
            "/settings",
            {"key": "centre", "category": "GENERAL", "kind": "text", "label": "Centre", "value": "1"},
            "centre",
        ),
        ("/users", {"email": "new@example.com", "full_name": "New Rep"}, None),
        ("/cycles", {"first_period": "2027-01", "closes_at": "2031-05-06T07:08:09Z"}, None),
        ("/products", {"item_code": "110/001", "description": "Garlic", "group_code": "G", "uom": "CS"}, "110%2F001"),
        ("/matrix", {"customer_id": "C1", "item_code": "P1"}, None),
        (
            "/sales-history",
            {"customer_id": "C1", "item_code": "P1", "period": "2026-01", "quantity": 1, "amount": 1},
            None,
        ),
    ],
)
def test_what_is_added_is_found_where_the_answer_says(
    program: Program, address: str, body: Any, key: str | None
) -> None:
    make_group(code="G")
    make_customer(customer_id="C1")
    make_product(item_code="P1")
    # With or without a slash at the end of what was asked.
    made = program("POST", f"{address}/", body)
    assert made.status_code == 201, made.content
    below = f"http://testserver/api/v1{address}/"
    assert made["Location"] == below + (key or str(made.json()["id"]))
    found = program("GET", made["Location"].removeprefix("http://testserver/api/v1"))
    assert (found.status_code, found.json(), found["ETag"]) == (200, made.json(), made["ETag"])
