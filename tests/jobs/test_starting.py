"""Each process says in the log how it starts, step by step, and how it ends; the trail tells both."""

import http.client
import json
import signal
from typing import Any

import pytest

from audit.models import Entry
from sop_portal.supervisor import ports
from tests.jobs import processes

pytestmark = pytest.mark.usefixtures("committed")

STEPS = ["1 configuration checked", "2 database reached", "3 migrations are all applied", "4 settings read",
         "5 schedules are in place", "6 ready"]  # fmt: skip


def told(process: processes.Process) -> list[dict[str, Any]]:
    """What the process logged about starting and ending."""
    found = [json.loads(line) for line in process.lines if line.startswith("{")]
    return [line for line in found if line.get("logger") == "sop_portal.starting"]


def entries(part: str) -> list[str]:
    found = Entry.objects.filter(entity_type="system", entity_id=part).order_by("at", "id")
    return list(found.values_list("action", flat=True))


@pytest.mark.parametrize("part", ["worker", "beat", "web"])
def test_a_process_starts_in_order_and_ends_in_order(part: str) -> None:
    port = ports.next_free(8100)
    start = {
        "worker": lambda: processes.worker("start"), "beat": processes.beat, "web": lambda: processes.web(port),
    }[part]  # fmt: skip
    process = start()
    with processes.running(process):
        process.wait_for("6 ready")
        if part == "web":
            connection = http.client.HTTPConnection(ports.LOOPBACK, port, timeout=30)
            connection.request("GET", "/health")
            assert connection.getresponse().read() == b"ok"
            connection.close()
        processes.wait_until(lambda: entries(part))
        assert process.end(signal.SIGTERM) == 0
    lines = told(process)
    assert [line["event"] for line in lines][:6] == STEPS
    assert {line["part"] for line in lines} == {part}
    assert lines[3]["changed"] == 0 and lines[4]["off"] == 0
    assert lines[-1]["event"] == "ended"
    assert entries(part) == ["system_startup", "system_shutdown"]
