"""The description of the API (OpenAPI) and its page."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import psycopg
import pytest
from django.core.management import call_command
from django.db import OperationalError
from django.test import Client
from django.urls import get_resolver
from drf_spectacular.generators import SchemaGenerator

from sop_portal import api_docs, api_examples
from sop_portal.accounts import bearer
from sop_portal.api_urls import operations
from sop_portal.lib.api.schema import HEADERS, ON_ALL
from tests.factories import make_customer, make_user
from tests.world import make_world

pytestmark = pytest.mark.django_db

REPLAYED = "Idempotency-Replayed"


@pytest.fixture
def client() -> Client:
    client = Client()
    client.force_login(make_user("viewer"), backend="sop_portal.accounts.backends.EmailOrUsernameBackend")
    return client


@pytest.mark.parametrize(("address", "status"), [("/api/schema", 401), ("/api/openapi.json", 401), ("/api/docs", 302)])
def test_only_people_who_are_signed_in_read_it(client: Client, address: str, status: int) -> None:
    assert client.get(address).status_code == 200
    assert Client().get(address).status_code == status


def test_the_description_is_made_once_in_a_process(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    api_docs._described.cache_clear()
    made = []
    make = SchemaGenerator.get_schema

    def counted(generator: SchemaGenerator, *args: Any, **kwargs: Any) -> Any:
        made.append(generator)
        return make(generator, *args, **kwargs)

    monkeypatch.setattr(SchemaGenerator, "get_schema", counted)
    first = client.get("/api/openapi.json").content
    assert client.get("/api/openapi.json").content == first
    assert client.get("/api/schema").status_code == 200
    assert len(made) == 1


def test_every_operation_is_described_with_its_answers(client: Client) -> None:
    described = json.loads(client.get("/api/openapi.json").content)
    assert described["openapi"] == "3.1.0"
    names = set()
    for path, verbs in described["paths"].items():
        assert not path.endswith("/")
        for verb, operation in verbs.items():
            assert operation["tags"], path
            assert operation["description"], path
            assert operation["operationId"] not in names
            names.add(operation["operationId"])
            assert {"400", "401", "404", "429"} <= operation["responses"].keys(), (path, verb)
    views = {pattern.callback.cls for pattern in operations}
    expected = sum(1 for view in views for verb in ("get", "post", "put", "patch", "delete") if hasattr(view, verb))
    assert len(names) == expected


def test_it_holds_what_linters_and_generators_of_clients_ask_for() -> None:
    described = SchemaGenerator().get_schema(public=True)
    assert described["servers"][0]["url"] == "/"
    assert described["info"]["license"]["identifier"] == "MIT"
    operations = {(path, verb): one for path, verbs in described["paths"].items() for verb, one in verbs.items()}
    # Each group is explained, and none that has no operation.
    tags = [tag["name"] for tag in described["tags"] if tag["description"]]
    assert sorted(tags) == sorted({tag for one in operations.values() for tag in one["tags"]})
    assert sorted(path.removeprefix("/api/v1") for (path, _), one in operations.items() if one["security"] == []) == [
        "/auth/login", "/auth/password-reset", "/auth/password-reset/confirm", "/auth/refresh", "/settings/public",
    ]  # fmt: skip
    for schema in schemas(described):
        assert "array" not in (schema.get("type") or ()) or "items" in schema, schema


def schemas(part: Any) -> Iterator[dict[str, Any]]:
    """Every schema within a part of the description, and whatever else is an object there."""
    if isinstance(part, dict):
        yield part
    for inner in part.values() if isinstance(part, dict) else part if isinstance(part, list | tuple) else ():
        yield from schemas(inner)


def test_an_operation_on_one_thing_is_called_the_same_everywhere() -> None:
    """What a generated client offers can be guessed: verb by verb."""
    words = {"get": "get", "put": "replace", "patch": "change"}
    paths = SchemaGenerator().get_schema(public=True)["paths"]
    of_one = {path: verbs for path, verbs in paths.items() if path.endswith("}") and "put" in verbs}
    assert len(of_one) == 8
    for path, verbs in of_one.items():
        group = path.removeprefix("/api/v1/").split("/")[0].replace("-", "_")
        for verb, word in words.items():
            assert verb not in verbs or verbs[verb]["operationId"] == f"{group}_{word}"


def test_what_a_change_does_not_name_is_given_no_default() -> None:
    described = SchemaGenerator().get_schema(public=True)["components"]["schemas"]
    changes = [name for name in described if name.startswith("Patched")]
    assert len(changes) >= 5
    for name in changes:
        assert not [field for field, schema in described[name]["properties"].items() if "default" in schema], name
        assert "required" not in described[name]
    assert described["CustomerShapeRequest"]["properties"]["is_active"]["default"] is True


def test_every_body_answer_and_address_is_explained_by_an_example(client: Client) -> None:
    """What is shown is what the description allows, so it can be sent as it stands."""
    described = json.loads(client.get("/api/openapi.json").content)
    shown = 0
    for path, verbs in described["paths"].items():
        for verb, operation in verbs.items():
            assert 5 < len(operation["summary"]) <= 120 and not operation["summary"].endswith("."), (path, verb)
            for parameter in operation.get("parameters", ()):
                assert parameter["description"], (path, verb, parameter["name"])
            for part in (operation.get("requestBody", {}), *operation["responses"].values()):
                content = part.get("content", {}).get("application/json")
                if content is not None:
                    found = [one["value"] for one in content.get("examples", {}).values()] or [content["example"]]
                    for value in found:
                        check(value, content["schema"], described, (path, verb))
                        shown += 1
    for status, answer in described["components"]["responses"].items():
        for content in answer.get("content", {}).values():
            check(content["example"], content["schema"], described, status)
            assert status == f"Answer{content['example']['status']}"
    assert shown > 150


def test_no_example_is_left_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each value that the examples are made of stands in one of them."""

    class Noted(dict[str, Any]):
        def __init__(self, values: dict[str, Any]) -> None:
            super().__init__(values)
            self.left = set(values)

        def __getitem__(self, key: str) -> Any:
            self.left.discard(key)
            return super().__getitem__(key)

    names = ("VALUES", "BY_TYPE", "PATHS", "OF_ID", "REFUSED", "BEFORE")
    noted = [Noted(getattr(api_examples, name)) for name in names]
    for name, values in zip(names, noted, strict=True):
        monkeypatch.setattr(api_examples, name, values)
    SchemaGenerator().get_schema(public=True)
    assert [sorted(values.left) for values in noted] == [[]] * len(noted)


def test_answers_have_the_headers_that_are_said() -> None:
    """Programs that were generated read them by these names."""
    make_customer(customer_id="C-1")
    admin = Client(headers={"Authorization": f"Bearer {bearer.issue(make_user('admin')).access}"})
    paths = SchemaGenerator().get_schema(public=True)["paths"]
    new = {"data": {"customer_id": "C-2", "name": "New"}, "content_type": "application/json"}
    key = {"Idempotency-Key": "once"}
    asked: list[tuple[str, str, Any, set[str]]] = [
        ("/customers", "get", admin.get("/api/v1/customers"), {"ETag"}),
        ("/customers", "post", admin.post("/api/v1/customers", **new, headers=key), {"ETag", "Location"}),
        ("/customers", "post", admin.post("/api/v1/customers", **new, headers=key), {"ETag", "Location"} | {REPLAYED}),
        ("/customers/{customer_id}", "patch", admin.patch("/api/v1/customers/C-1", {"name": "A"}, "application/json"), {"ETag"}),
        ("/customers/{customer_id}", "delete", admin.delete("/api/v1/customers/C-1"), set()),
        ("/excel/export/{kind}", "get", admin.get("/api/v1/excel/export/customers?format=csv"), {"Content-Disposition"}),
        ("/excel/templates/{kind}", "get", admin.get("/api/v1/excel/templates/customers"), {"Content-Disposition"}),
        ("/settings/public", "get", Client().get("/api/v1/settings/public"), {"ETag"}),
    ]  # fmt: skip
    ours = {*HEADERS} - {*ON_ALL}
    for path, verb, answer, expected in asked:
        operation = paths[f"/api/v1{path}"][verb]
        said = operation["responses"][str(answer.status_code)]["headers"].keys()
        assert {*ON_ALL} <= set(answer.headers), (path, verb)
        assert ours & set(answer.headers) == expected, (path, verb, answer.headers)
        assert expected <= said <= expected | {*ON_ALL, REPLAYED}, (path, verb)
        held = [one for one in operation.get("parameters", ()) if one["name"] == "If-None-Match"]
        assert bool(held) == ("304" in operation["responses"]) == (verb == "get" and "ETag" in expected)


def test_refusals_are_shown_as_they_are_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    world = make_world()
    line = f"/api/v1/forecasts/{world.lines[0].pk}"
    admin, viewer = (
        Client(headers={"Authorization": f"Bearer {bearer.issue(user).access}"}) for user in (world.admin, world.viewer)
    )
    as_json = {"content_type": "application/json"}
    answers = {
        "400": admin.post("/api/v1/customers", {"colour": "red"}, **as_json),
        "401": Client().get("/api/v1/users", headers={"Authorization": "Bearer sop_1"}),
        "403": viewer.post("/api/v1/jobs/clear_sessions/run"),
        "404": admin.get("/api/v1/cycles/999999"),
        "406": admin.get("/api/v1/users", headers={"Accept": "image/png"}),
        "411": admin.post(
            "/api/v1/customers", {"customer_id": "C"}, **as_json, headers={"Transfer-Encoding": "chunked"}
        ),
        "413": admin.post("/api/v1/customers", "x" * 3 * 2**20, **as_json),
        "415": admin.post("/api/v1/customers", "red", content_type="text/plain"),
        "428": Client(headers={"Authorization": f"Bearer {bearer.issue(world.rep).access}"}).patch(
            line, {"notes": "x"}, **as_json
        ),
    }
    monkeypatch.setattr("cycles.api.cycles.CycleList.get", database_away)
    answers["503"] = admin.get("/api/v1/cycles")
    shown = SchemaGenerator().get_schema(public=True)["components"]["responses"]
    for status, answer in answers.items():
        assert shown[f"Answer{status}"]["headers"].keys() <= set(answer.headers), status
        (content,) = shown[f"Answer{status}"]["content"].values()
        assert answer.status_code == int(status), answer.content
        assert answer.json() == content["example"], status


def database_away(*_: Any, **__: Any) -> None:
    raise OperationalError from psycopg.OperationalError("server closed the connection unexpectedly")


def check(value: Any, schema: dict[str, Any], described: dict[str, Any], where: Any) -> None:
    whole = {**schema, "components": described["components"]}
    formats = jsonschema.Draft202012Validator.FORMAT_CHECKER
    problems = list(jsonschema.Draft202012Validator(whole, format_checker=formats).iter_errors(value))
    assert not problems, (where, [(list(problem.absolute_path), problem.message[:200]) for problem in problems])


def test_the_description_beside_the_code_is_that_of_the_code() -> None:
    stored = (Path(__file__).parents[2] / "docs/openapi.yaml").read_text(encoding="utf-8")
    made = io.StringIO()
    call_command("spectacular", validate=True, fail_on_warn=True, stdout=made)
    assert made.getvalue().strip() == stored.strip(), "run `make schema`, and look at what changed"


def test_the_page_of_the_description_keeps_to_the_policy(client: Client) -> None:
    """Its images may be data, as those of Swagger UI's style sheet are; nothing else differs, and on no other page."""
    for address in ("/api/docs", "/api/docs?script="):
        page = client.get(address)
        policy = page["Content-Security-Policy"]
        assert "unsafe" not in policy
        assert b"<style" not in page.content
        assert b"<script>" not in page.content
        elsewhere = client.get("/")["Content-Security-Policy"]
        assert "data:" not in elsewhere
        assert set(policy.split("; ")) ^ set(elsewhere.split("; ")) == {"img-src 'self'", "img-src 'self' data:"}


def test_addresses_of_the_api_are_served_by_operations_of_it() -> None:
    from sop_portal.lib.api.views import ApiView

    for pattern in operations:
        assert issubclass(pattern.callback.cls, ApiView)
    assert get_resolver().resolve("/api/v1/nothing/at/all").view_name == "api-nothing"
