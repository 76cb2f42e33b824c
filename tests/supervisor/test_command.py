"""Management commands beside running servers and alone; throwaway servers; psql."""

import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from sop_portal.supervisor import command, throwaway
from sop_portal.supervisor.folder import Folder, Lock
from tests.supervisor import machine

# What manage.py does around Django, with `BODY` in Django's place.
AROUND = """
import os, sys, time, psycopg
from pathlib import Path
from sop_portal.supervisor.command import servers_for
from sop_portal.supervisor.errors import CannotStart
here = Path(os.environ["VAR"])
try:
    with servers_for(["manage.py", *sys.argv[1:]]):
        def role():
            with psycopg.connect(os.environ["DATABASE_URL"]) as database:
                return database.execute("SELECT current_user").fetchone()[0]
        BODY
except CannotStart as reason:
    sys.exit(str(reason))
"""


def managing(var: Path, *arguments: str, body: str = "print(role())", **env: str) -> subprocess.CompletedProcess[str]:
    return machine.run(["-c", AROUND.replace("BODY", body), *arguments], VAR=str(var), **env)


def test_a_command_starts_servers_for_its_own_duration_and_stops_them_also_after_an_error(made: Path) -> None:
    for body, code in (("print(role())", 0), ("print(role()); 1 / 0", 1)):
        done = managing(made, "shell", body=body)
        assert (done.returncode, done.stdout) == (code, "sop_app\n")
        # The lock is free only when the servers, who share it, are gone.
        with machine.servers(made) as alone:
            assert alone.lines[0].startswith("PostgreSQL and Valkey are up")


def test_the_first_command_on_a_new_folder_finds_its_tables_made(made: Path) -> None:
    for is_new in (True, False):
        done = machine.run(["manage.py", "create_admin", "rosa@example.com"], VAR=str(made))
        assert done.returncode == 0, done.stderr
        assert ("The data folder is new: its tables are made first." in done.stderr) is is_new
        assert "/accounts/password/reset/key/" in done.stdout


def test_a_command_uses_the_servers_that_run_and_leaves_them_up(made: Path) -> None:
    with machine.servers(made) as supervisor:
        before = machine.descendants(supervisor.process.pid)
        assert managing(made, "shell").stdout == "sop_app\n"
        assert managing(made, "migrate").stdout == "sop_owner\n"
        assert before <= machine.descendants(supervisor.process.pid)


def test_a_command_that_started_the_servers_waits_for_another_that_uses_them(made: Path) -> None:
    first = machine.Supervisor(
        "-c",
        AROUND.replace(
            "BODY", "print('up', flush=True)\n        while not (here / 'second').exists(): time.sleep(.05)"
        ),
        "shell",
        env=machine.clean(VAR=str(made)),
    )
    first.wait_for("up")
    # It lets the first one end in its middle and still has its database afterwards.
    second = managing(made, "shell", body="(here / 'second').touch(); time.sleep(1.5); print(role())")
    assert (second.returncode, second.stdout) == (0, "sop_app\n")
    assert first.process.wait(30) == 0


def test_a_terminated_command_stops_its_servers(made: Path) -> None:
    waiting = machine.Supervisor(
        "-c", AROUND.replace("BODY", "print('up', flush=True); time.sleep(60)"), "shell",
        env=machine.clean(VAR=str(made)),
    )  # fmt: skip
    waiting.wait_for("up")
    children = machine.descendants(waiting.process.pid)
    assert waiting.end(15) == 128 + 15
    assert not machine.left(children)
    assert "database system is shut down" in (made / "log" / "postgres.log").read_text()


def test_commands_without_a_database_start_nothing(tmp_path: Path) -> None:
    var = tmp_path / "var"
    done = managing(var, "check", body="print(os.environ.get('DATABASE_URL'), len(os.environ['SECRET_KEY']) >= 50)")
    assert (done.returncode, done.stdout) == (0, "None True\n")
    assert not var.exists()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], False),
        (["help"], False),
        (["--version"], False),
        (["migrate", "--help"], False),
        (["check"], False),
        (["check", "--database", "default"], True),
        (["makemigrations"], True),
        (["import_legacy", "a.xlsx"], True),
    ],
)
def test_which_commands_need_a_database(arguments: list[str], expected: bool) -> None:
    assert command.needs_database(["manage.py", *arguments]) is expected


def test_servers_named_in_the_environment_are_used_and_none_started(made: Path, tmp_path: Path) -> None:
    with machine.servers(made):
        known = machine.known(made)
        named = {"DATABASE_URL": known.database_url, "DATABASE_OWNER_URL": known.owner_url}
        assert managing(tmp_path / "none", "shell", **named).stdout == "sop_app\n"
        assert managing(tmp_path / "none", "migrate", **named).stdout == "sop_owner\n"
        assert not (tmp_path / "none").exists()


def test_one_server_named_and_the_other_not_is_refused(tmp_path: Path) -> None:
    refused = machine.run(["-m", "sop_portal.supervisor", "run"], VAR=str(tmp_path), DATABASE_URL="postgresql://x@h/d")
    assert refused.returncode == 1
    assert refused.stderr == "REDIS_URL is not set: set both DATABASE_URL and REDIS_URL, or neither.\n"


def test_a_folder_held_by_something_that_does_not_serve_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "_PATIENCE_SECONDS", 0.0)
    for name, value in machine.clean(VAR=str(tmp_path)).items():
        monkeypatch.setenv(name, value)
    for name in ("DATABASE_URL", "SOP_ENV"):
        monkeypatch.delenv(name, raising=False)
    holder = machine.Supervisor(
        "-c",
        "import os, time; from pathlib import Path; from sop_portal.supervisor.folder import Folder, Lock;"
        "lock = Lock(Folder(Path(os.environ['VAR'])), 'make run'); lock.acquire(); print('held', flush=True);"
        "time.sleep(60)",
        env=machine.clean(VAR=str(tmp_path)),
    )
    try:
        holder.wait_for("held")
        words = f"{tmp_path} is in use by process {holder.process.pid} [(]make run[)]"
        with pytest.raises(command.CannotStart, match=words), command.servers_for(["manage.py", "shell"]):
            pass
    finally:
        holder.end(9)


def test_throwaway_servers_go_with_their_folder_and_pass_the_exit_code_on() -> None:
    body = (
        "import os, psycopg, redis;"
        "owner = psycopg.connect(os.environ['DATABASE_OWNER_URL'], autocommit=True);"
        "owner.execute('CREATE DATABASE test_one');"
        "psycopg.connect(os.environ['DATABASE_URL']);"
        "redis.Redis.from_url(os.environ['REDIS_URL']).ping();"
        "print(os.environ['VAR'], os.environ['SOP_ENV']);"
        "raise SystemExit(3)"
    )
    done = machine.run(["-m", "sop_portal.supervisor", "test", "--", sys.executable, "-c", body])
    assert done.returncode == 3, done.stderr
    var, env = done.stdout.split()
    assert env == "local"
    assert not Path(var).exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_throwaway_servers_that_are_stopped_leave_no_folder(number: signal.Signals) -> None:
    body = "import os, time; print('in', os.environ['VAR'], flush=True); time.sleep(60)"
    asked = ["-m", "sop_portal.supervisor", "test", "--", sys.executable, "-c", body]
    killed = machine.Supervisor(*asked, env=machine.clean())
    var = Path(killed.wait_for("in ").split()[1])
    others = machine.descendants(killed.process.pid)
    try:
        killed.process.send_signal(number)
        killed.process.wait(60)
        assert machine.gone_within(others, 20)
        if number == signal.SIGKILL:
            # It could not, so the next one does.
            assert var.exists()
            assert machine.run([*asked[:4], "true"]).returncode == 0
        assert not var.exists()
    finally:
        killed.end(9)


def test_only_folders_of_those_who_are_gone_are_cleared_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    made = {name: tmp_path / f"sop-test-{name}" for name in ("gone", "begun", "used")}
    for path in made.values():
        path.mkdir()
        (path / "lock").write_text("999999999 tests\n")
    (made["begun"] / "lock").write_text("")
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "lock").write_text("a note of mine")
    link = tmp_path / "sop-test-link"
    link.symlink_to(mine)
    lock = Lock(Folder(made["used"]), "tests")
    lock.acquire()
    try:
        assert throwaway.run(["true"]) == 0
    finally:
        lock.release()
    assert {path.name for path in tmp_path.iterdir()} == {"sop-test-begun", "sop-test-used", "sop-test-link", "mine"}
    assert (mine / "lock").read_text() == "a note of mine"


def test_psql_speaks_as_either_role(made: Path) -> None:
    with machine.servers(made):
        for arguments, role in (([], "sop_app"), (["--owner"], "sop_owner")):
            asked = ["-m", "sop_portal.supervisor", "psql", *arguments, "-Atc", "SELECT current_user"]
            done = machine.run(asked, VAR=str(made))
            assert (done.returncode, done.stdout) == (0, f"{role}\n"), done.stderr
