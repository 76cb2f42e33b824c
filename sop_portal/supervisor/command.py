"""Servers for one management command: those that run, or its own for its duration."""

import contextlib
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence

import psycopg

from sop_portal.supervisor import environment
from sop_portal.supervisor import servers as own
from sop_portal.supervisor.access import Access
from sop_portal.supervisor.access import load as load_access
from sop_portal.supervisor.errors import CannotStart, FolderBusy
from sop_portal.supervisor.folder import Folder, Users

# Commands that ask neither server anything.
WITHOUT_DATABASE = {
    "check",
    "collectstatic",
    "compilemessages",
    "diffsettings",
    "findstatic",
    "help",
    "makemessages",
    "startapp",
    "startproject",
    "version",
}
# Commands that change tables, which the role that serves may not.
AS_OWNER = {"createcachetable", "flush", "migrate"}
# How long servers that another process is starting or stopping are waited for.
_PATIENCE_SECONDS = 30.0


@contextlib.contextmanager
def servers_for(arguments: Sequence[str], *, with_tables: bool = False) -> Iterator[None]:
    """Set the environment for the management command in `arguments` (as sys.argv) and have its servers running.

    with_tables: servers that are started for the command get their tables first when they have none, as in a new
    folder. With DATABASE_URL set, or outside SOP_ENV=local, nothing is started. Raises CannotStart.
    """
    if environment.given("DATABASE_URL") or os.environ.get("SOP_ENV", "local") != "local":
        _use_owner(arguments)
        yield
        return
    folder = environment.data_folder()
    if not needs_database(arguments):
        known = load_access(folder.servers_env) if os.access(folder.servers_env, os.R_OK) else None
        _export(folder, known)
        yield
        return
    with contextlib.ExitStack() as stack:
        _export(folder, _reach(folder, stack, with_tables and arguments[1] not in AS_OWNER))
        _use_owner(arguments)
        yield


def needs_database(arguments: Sequence[str]) -> bool:
    """Whether the management command in `arguments` (as sys.argv) asks the servers anything."""
    command = arguments[1] if len(arguments) > 1 else "help"
    if command.startswith("-") or {"--help", "-h"} & set(arguments[2:]):
        return False
    return command not in WITHOUT_DATABASE or any(word.startswith("--database") for word in arguments[2:])


def _reach(folder: Folder, stack: contextlib.ExitStack, with_tables: bool) -> Access:
    """Servers that stay up until `stack` is left: those of another process, or own ones."""
    until = time.monotonic() + _PATIENCE_SECONDS
    while True:
        # A share is taken before asking, so that a command that started the servers cannot stop them in between.
        with contextlib.ExitStack() as attempt:
            if attempt.enter_context(Users(folder).share()):
                access = own.running(folder)
                if access is not None:
                    stack.enter_context(attempt.pop_all())
                    return access
        servers = own.Servers(folder, "manage.py")
        try:
            servers.__enter__()
        except FolderBusy as busy:
            if time.monotonic() > until:
                raise CannotStart(f"{busy} Its servers do not answer yet.") from busy
            time.sleep(0.3)
            continue
        stack.callback(_stop, servers)
        # Without this a plain kill would end us before we have stopped them.
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
        if with_tables and not _has_tables(servers.access):
            _make_tables()
        return servers.access


def _has_tables(access: Access) -> bool:
    with psycopg.connect(access.database_url) as database:
        row = database.execute("SELECT to_regclass('public.django_migrations') IS NOT NULL").fetchone()
    return bool(row and row[0])


def _make_tables() -> None:
    """What `make run` does before anything else; nobody else can be about to do it, since the folder is ours."""
    print("The data folder is new: its tables are made first.", file=sys.stderr, flush=True)
    migrate = [sys.executable, sys.argv[0], "migrate", "--noinput", "--verbosity", "0"]
    if subprocess.run(migrate, stdin=subprocess.DEVNULL, stdout=sys.stderr.fileno()).returncode != 0:
        raise CannotStart("The tables could not be made; what is above says why.")


def _stop(servers: own.Servers) -> None:
    """Stop our own servers once no other command uses them."""
    users = Users(servers.folder)
    try:
        if users.any():
            print("Another command still uses these servers; they stop when it ends.", file=sys.stderr)
        with users.none_left():
            servers.stop()
    finally:
        servers.stop()


def _export(folder: Folder, access: Access | None) -> None:
    """Put into the environment what the settings read."""
    named = access.environment() if access else {"SECRET_KEY": secrets.token_urlsafe(64)}
    os.environ.update(environment.portal(folder, named, access.web_port if access else 8000))


def _use_owner(arguments: Sequence[str]) -> None:
    """Let a command that changes tables connect as their owner, and as nobody else."""
    owner = {name: os.environ.pop(name, "") for name in environment.OWNER_ONLY}
    if len(arguments) > 1 and arguments[1] in AS_OWNER and any(owner.values()):
        for name, value in owner.items():
            serving = name.replace("_OWNER", "")
            os.environ.pop(serving, None)
            if value:
                os.environ[serving] = value
    else:
        os.environ.update({name: value for name, value in owner.items() if value})
