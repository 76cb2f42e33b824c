"""The whole portal on one machine, with an empty database."""

import json
import signal
import socket
import urllib.request
from pathlib import Path

import pytest

from sop_portal.supervisor import ports
from tests.supervisor import machine


def start(var: Path, port: int) -> machine.Supervisor:
    """The portal on `var`, served; static files, which take longest, are left out by naming a folder for them."""
    portal = machine.Supervisor(
        "-m", "sop_portal.supervisor", "run",
        env=machine.clean(VAR=str(var), PORT=str(port), STATIC_ROOT=str(var / "none"), DEMO="0", ADMIN_EMAIL="first@example.com"),
    )  # fmt: skip
    portal.wait_for("Ctrl-C stops everything", 240)
    return portal


def environment_of(process: int) -> dict[str, str]:
    """What process `process` was started with."""
    text = Path(f"/proc/{process}/environ").read_bytes().decode()
    return dict(line.split("=", 1) for line in text.split("\0") if "=" in line)


@pytest.mark.slow
def test_the_whole_portal_starts_serves_stops_in_order_and_dies_with_its_parent(made: Path) -> None:
    port = ports.choose()
    portal = start(made, port)
    try:
        assert f"The S&OP portal is at http://127.0.0.1:{port}/" in portal.lines
        assert any(f"http://127.0.0.1:{port}/" in line for line in portal.lines[portal.lines.index("") + 2 :])
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=10) as answer:
            assert json.load(answer)["status"] == "ok"
        serving = {}
        for process, _ in machine.descendants(portal.process.pid):
            env = environment_of(process)
            if "SOP_PROCESS" in env:
                serving.setdefault(env["SOP_PROCESS"], []).append(env)
        assert set(serving) == {"web", "worker", "beat"}
        for env in (env for several in serving.values() for env in several):
            assert "DATABASE_OWNER_URL" not in env
            assert env["DATABASE_URL"] == machine.known(made).database_url
        assert machine.run(["manage.py", "migrate", "--check"], VAR=str(made)).returncode == 0

        children = machine.descendants(portal.process.pid)
        assert portal.end(signal.SIGINT) == 0
        assert portal.lines[-1].startswith("Stopped web, beat, worker, Valkey, PostgreSQL.")
        assert not machine.left(children)

        portal = start(made, port)
        children = machine.descendants(portal.process.pid)
        portal.end(signal.SIGKILL)
        assert machine.gone_within(children, 10), machine.left(children)
    finally:
        if portal.process.poll() is None:
            portal.end()


def test_a_port_that_was_asked_for_and_is_taken_is_refused_in_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = machine.run(["-m", "sop_portal.supervisor", "run"], VAR=str(tmp_path), PORT=str(port))
    assert refused.returncode == 1
    assert refused.stdout + refused.stderr == f"Port {port} is in use by something else: name another one with PORT=.\n"


def test_other_machines_are_not_served(tmp_path: Path) -> None:
    refused = machine.run(["-m", "sop_portal.supervisor", "run"], VAR=str(tmp_path), HOST="0.0.0.0")
    assert refused.returncode == 1
    assert len(refused.stderr.splitlines()) == 1
    assert not (tmp_path / "postgres").exists()
