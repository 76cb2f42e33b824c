"""Log lines: one per request, readable by machines, without secrets and without lines smuggled in."""

import io
import json
import logging
import logging.config
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from django.conf import settings
from django.test import Client

from sop_portal.accounts.tokens import password_link
from sop_portal.lib import logs
from tests.factories import make_user


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What is logged as JSON while the test runs."""
    logs.configure({"format": "json", "level": "INFO"})
    stream = io.StringIO()
    (handler,) = [one for one in logging.getLogger().handlers if type(one) is logging.StreamHandler]
    handler.setStream(stream)
    yield stream
    logging.config.dictConfig(logs.dictionary(settings.LOG_FORMAT))


def read(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_request_is_one_line(lines: io.StringIO, client: Client, db: None) -> None:
    client.get("/nothing-here?secret=1", headers={"X-Request-ID": "id-of-the-request"}, REMOTE_ADDR="203.0.113.9")
    (line,) = [line for line in read(lines) if line["event"] == "request"]
    assert (line["method"], line["path"], line["status"], line["ip"], line["request_id"], line["level"]) == (
        "GET", "/nothing-here", 404, "203.0.113.9", "id-of-the-request", "info",
    )  # fmt: skip


def test_secret_of_a_link_is_not_logged(lines: io.StringIO, client: Client, db: None) -> None:
    link = password_link(make_user())
    client.get(link[link.index("/accounts/") :])
    token = link.rstrip("/").rpartition("-")[2]
    assert "password/reset/key" in lines.getvalue()
    assert token not in lines.getvalue()


def test_a_line_break_in_an_address_begins_no_line(lines: io.StringIO, client: Client, db: None) -> None:
    client.get("/a%0a%0dfaked")
    assert len(read(lines)) == len(lines.getvalue().splitlines())
    assert "/a%0A%0Dfaked" in lines.getvalue()


def test_exceptions_and_plain_loggers_are_json_too(lines: io.StringIO) -> None:
    structlog.get_logger("portal").warning("cache away", problem="x")
    try:
        raise ValueError("odd")
    except ValueError:
        logging.getLogger("other.package").exception("it broke")
    first, second = read(lines)
    assert (first["event"], first["problem"], first["logger"]) == ("cache away", "x", "portal")
    assert second["event"] == "it broke"
    assert "ValueError: odd" in second["exception"]
