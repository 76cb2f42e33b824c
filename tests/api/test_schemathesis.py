"""The API against its own description: whatever is asked, the answer is one that the description names.

Schemathesis draws requests from the description, right ones and wrong ones, and each is sent as every person in turn.
SCHEMATHESIS_EXAMPLES says how many an operation gets; more than by default are drawn anew each time, and each is sent as
one person by lot. Before them comes a request that must succeed, so that no operation is tried by refusals alone. Of the
bounds of every part of an operation each twentieth is tried, or all of them where more than the default is asked for.
"""

import json
import logging
import os
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from itertools import islice
from typing import Any

import pytest
import schemathesis
from django.conf import settings as portal_settings
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import got_request_exception, request_finished, request_started
from django.db import close_old_connections, transaction
from django.test import override_settings
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiJsonRenderer
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from schemathesis.transport.serialization import Binary

from sop_portal import conf
from tests.api.fuzzed import Company, labels, made_real, make_company
from tests.api.succeeding import Request

DEFAULT = 10
EXAMPLES = int(os.environ.get("SCHEMATHESIS_EXAMPLES", DEFAULT))
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
# Who asks is added to each request. A write that names a state of the past is refused before anything else of it is read.
CONFIG = schemathesis.Config.from_dict(
    {
        "generation": {"with-security-parameters": False},
        "checks": {"negative_data_rejection": {"expected-statuses": ["4XX"]}},
    }
)


@pytest.fixture(scope="module")
def description() -> Any:
    """What schemathesis makes of the description, with the portal itself behind it."""
    made = OpenApiJsonRenderer().render(SchemaGenerator().get_schema(public=True), renderer_context={})
    described = schemathesis.openapi.from_dict(json.loads(made), config=CONFIG)
    described.app = WSGIHandler()
    return described


@pytest.fixture(scope="module")
def company(
    django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Company]:
    """One company for all operations, in a transaction that no request outlives."""
    logging.disable()  # Thousands of requests would be kept for the report of one.
    with (
        # A thousand examples take more than the hour that a mailed link lasts.
        override_settings(UPLOAD_DIR=tmp_path_factory.mktemp("uploads"), PASSWORD_RESET_TIMEOUT=86_400),
        django_db_blocker.unblock(),
        kept_connection(),
        transaction.atomic(),
    ):
        yield make_company(tmp_path_factory.mktemp("books"))
        transaction.set_rollback(True)
    logging.disable(logging.NOTSET)


@contextmanager
def kept_connection() -> Iterator[None]:
    """Requests leave the connection open, which holds the transaction of all of them."""
    ends = (request_started, request_finished)
    for signal in ends:
        signal.disconnect(close_old_connections)
    yield
    for signal in ends:
        signal.connect(close_old_connections)


@pytest.mark.parametrize("label", labels())
def test_answers_are_as_described(label: str, description: Any, company: Company) -> None:
    verb, address = label.split()
    operation = description[address][verb]
    good = company.request(verb, address)
    case = operation.Case(path_parameters={**good.place}, **asks(operation, good))
    statuses = {who: answered_as_described(case, good, who, company.token(who)) for who in company.people}
    assert any(200 <= status < 300 for status in statuses.values()), statuses
    tried = st.tuples(cases(operation), st.integers(0, 2**16))

    @settings(
        max_examples=EXAMPLES,
        derandomize=EXAMPLES <= DEFAULT,
        database=None,
        deadline=None,
        phases=(Phase.explicit, Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(tried)
    def every_answer_is_described(drawn: tuple[Any, int]) -> None:
        case, seed = drawn
        near = made_real(case, company, seed)
        people = list(company.people)
        for who in people if EXAMPLES <= DEFAULT else people[seed % len(people) :][:1]:
            answered_as_described(case, near, who, company.token(who))

    every_answer_is_described()


@pytest.mark.parametrize("label", labels())
def test_bounds_are_answered_as_described(label: str, description: Any, company: Company) -> None:
    verb, address = label.split()
    operation = description[address][verb]
    near = Request(company.request(verb, address).place)
    bounds = operation.schema.iter_coverage_cases(
        operation, generation_modes=list(GenerationMode), generation_config=operation.schema.config.generation
    )
    # All of them are thousands.
    for case in bounds if EXAMPLES > DEFAULT else islice(bounds, 0, None, 20):
        wrong = {place.value for place, part in case.meta.components.items() if part.mode.is_negative}
        if "path" not in wrong:
            case.path_parameters = {**case.path_parameters, **near.place}
        for who in company.people:
            answered_as_described(case, near, who, company.token(who))


def test_every_part_of_an_address_has_values_that_exist(description: Any, company: Company) -> None:
    """Else an operation would answer 404 to all that is tried; values of few kinds are named by the description."""
    parts = {
        (address, parameter["name"])
        for address, verbs in description.raw_schema["paths"].items()
        for operation in verbs.values()
        for parameter in operation.get("parameters", ())
        if parameter["in"] == "path" and "enum" not in parameter["schema"]
    }
    assert parts == {place for place, values in company.places.items() if values and place in parts}


def cases(operation: Any) -> Any:
    """Requests that keep to the description, and such as break it where there is something to break."""
    right, wrong = (operation.as_strategy(generation_mode=mode) for mode in GenerationMode)
    has_parts = operation.body or any(True for _ in operation.iter_parameters())
    return st.one_of(right, wrong) if has_parts else right


def asks(operation: Any, request: Request) -> dict[str, Any]:
    """The body of `request` in the first form that `operation` takes."""
    if request.body is None:
        return {}
    return {"body": request.body, "media_type": next(iter(operation.body)).media_type}


def named_files(case: Any) -> dict[str, Any]:
    """The form of `case` with names for its files; one that is not called as a table is refused before it is read."""
    if case.media_type != "multipart/form-data" or not isinstance(case.body, dict) or "file" not in case.body:
        return {}
    files = case.body["file"] if isinstance(case.body["file"], list) else [case.body["file"]]
    if not all(isinstance(file, Binary) for file in files):
        return {}
    named = [(BytesIO(file.data), "book.xlsx" if file.data.startswith(b"PK") else "table.csv") for file in files]
    words = {name: str(value) for name, value in case.body.items() if name != "file"}
    return {"data": {**words, "file": named}}


def answered_as_described(case: Any, near: Request, who: str, token: str) -> int:
    """Send one request and undo it; its status. Who asked, and what broke the portal, is told with the failure."""
    broken: list[str] = []

    def note(**_: Any) -> None:
        broken.append(traceback.format_exc())

    got_request_exception.connect(note)
    try:
        # Set where it is overridden for this test already: an override for each request would be one in the other.
        portal_settings.RATELIMIT_CACHE_PREFIX = f"test:{os.urandom(8).hex()}:"
        with transaction.atomic():
            near.before()
            answer = case.call(headers={"Authorization": f"Bearer {token}"}, **named_files(case))
            transaction.set_rollback(True)
        assert answer.status_code != 401 or "/auth/" in case.path, "a person who is signed in is not known"
    finally:
        got_request_exception.disconnect(note)
        if case.method != "GET":
            conf.clear_cache()
    # Whether a form with a file keeps to the description, schemathesis knows of those alone that it drew itself.
    put_together = isinstance(near.body, dict) and "file" in near.body
    checks = [check for check in CHECKS if not (put_together and check is negative_data_rejection)]
    try:
        case.validate_response(answer, checks=checks)
    except FailureGroup as failure:
        failure.add_note("\n".join([f"Asked by: {who}", *broken]))
        raise
    return int(answer.status_code)
