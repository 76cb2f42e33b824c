"""`python -m sop_portal.supervisor run [--end-with-parent] | servers | test -- COMMAND | psql [--owner] [ARGUMENTS]`."""

import argparse
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from urllib.parse import urlsplit

from sop_portal.supervisor import binaries, environment, kernel, throwaway
from sop_portal.supervisor.command import servers_for
from sop_portal.supervisor.errors import CannotStart, Stopped
from sop_portal.supervisor.portal import Portal, say, stopping_on_signals
from sop_portal.supervisor.servers import Servers
from sop_portal.supervisor.watch import Watch


def run(arguments: Sequence[str]) -> int:
    """The whole portal, until it is asked to stop; with --end-with-parent also when what started us ends."""
    if "--end-with-parent" in arguments:
        kernel.die_with_parent(signal.SIGTERM, os.getppid())
    port = os.environ.get("PORT", "")
    if port and not (port.isdigit() and 0 < int(port) < 65_536):
        raise CannotStart(f"PORT must be a number from 1 to 65535, not '{port}'.")
    if os.environ.get("HOST", "127.0.0.1") not in ("127.0.0.1", "localhost"):
        raise CannotStart("HOST must be 127.0.0.1 here: a portal for others is set up as in docs/operations.md.")
    Portal(
        environment.data_folder(),
        port=int(port) if port else None,
        demo=not environment.switched_off(os.environ.get("DEMO")),
        admin=os.environ.get("ADMIN_EMAIL") or "admin@example.com",
    ).run()
    return 0


def servers() -> int:
    """PostgreSQL and Valkey alone, until asked to stop."""
    folder = environment.data_folder()
    with stopping_on_signals(), contextlib.suppress(Stopped), Servers(folder, "servers") as both:
        say(f"PostgreSQL and Valkey are up; {folder.servers_env} says how to reach them. Ctrl-C stops them.")
        try:
            Watch((), both.children).keep_up(say)
        finally:
            say(f"Stopped {', '.join(both.stop())}.")
    return 0


def psql(arguments: Sequence[str]) -> int:
    """A psql session as the role that serves, or with --owner as the one that owns the tables."""
    name = "DATABASE_URL"
    if arguments[:1] == ["--owner"]:
        name, arguments = "DATABASE_OWNER_URL", arguments[1:]
    with servers_for(["manage.py", "dbshell"]):
        url = urlsplit(os.environ[name])
        # By the environment, since the list of processes shows every argument.
        signal.signal(signal.SIGINT, lambda number, frame: None)  # Ctrl-C is psql's
        env = os.environ | {"PGPASSWORD": url.password or ""}
        address = url._replace(netloc=url.netloc.replace(f":{url.password}@", "@")).geturl()
        return subprocess.run([binaries.postgres_program("psql"), *arguments, address], env=env).returncode


def main(arguments: Sequence[str]) -> int:
    """Do what `arguments` ask; a start that is impossible is one message and exit code 1."""
    parser = argparse.ArgumentParser(prog="python -m sop_portal.supervisor", description=__doc__)
    parser.add_argument("what", choices=("run", "servers", "test", "psql"))
    parser.add_argument("rest", nargs=argparse.REMAINDER, help="for test the command, for run and psql their options")
    chosen = parser.parse_args(arguments)
    rest = chosen.rest[1:] if chosen.rest[:1] == ["--"] else chosen.rest
    try:
        if sys.platform != "linux":
            raise CannotStart("The portal's own servers run on Linux only: set DATABASE_URL and REDIS_URL.")
        if chosen.what == "run":
            return run(rest)
        if chosen.what == "servers":
            return servers()
        if chosen.what == "psql":
            return psql(rest)
        if not rest:
            parser.error("test needs the command to run")
        return throwaway.run(rest)
    except CannotStart as reason:
        print(reason, file=sys.stderr)
        return 1
    except (KeyboardInterrupt, Stopped):
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
