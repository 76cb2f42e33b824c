"""The portal's own PostgreSQL: made once, started, given its two roles."""

import os
import shutil
import signal
import time
from collections.abc import Iterable
from pathlib import Path

import psycopg
from psycopg import sql

from sop_portal.supervisor import binaries
from sop_portal.supervisor.access import APP, DATABASE, OWNER, SUPERUSER, Access, password
from sop_portal.supervisor.errors import CannotStart
from sop_portal.supervisor.folder import Folder
from sop_portal.supervisor.ports import LOOPBACK
from sop_portal.supervisor.process import Child

# A database for tests may lose everything with the machine; the real one nothing.
_THROWAWAY = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=300")


class Postgres:
    """PostgreSQL of one data folder. throwaway: for tests, fast and without durability."""

    def __init__(self, folder: Folder, access: Access, *, keep_open: Iterable[int], throwaway: bool) -> None:
        self._folder = folder
        self._access = access
        self._data = folder.postgres / "data"
        self._throwaway = throwaway
        program = binaries.postgres_program("postgres")
        self._everything = folder.child_needs_everything(
            (program, os.R_OK | os.X_OK),
            (program.parent.parent / "share" / "postgres.bki", os.R_OK),
            (folder.postgres, os.W_OK | os.X_OK),
        )
        # Immediate shutdown: what was committed is in the log and recovered at the next start.
        self.child = self._child(program, *self._options(), death_signal=signal.SIGQUIT, keep_open=tuple(keep_open))

    def start(self) -> None:
        """Start it, making the cluster first if there is none. Raises CannotStart."""
        if not (self._data / "PG_VERSION").exists():
            self._make_cluster()
        self._forget_stale_pid_file()
        self.child.start()

    def wait_ready(self) -> None:
        """Wait until it answers, however long recovery takes, and see to roles and database. Raises CannotStart."""
        while True:
            if not self.child.running:
                raise CannotStart(f"PostgreSQL ended while starting; {self.child.log} says:\n{self.child.last_lines()}")
            try:
                with psycopg.connect(self._access.superuser_url, autocommit=True, connect_timeout=5) as connection:
                    self._set_up(connection)
                return
            except psycopg.OperationalError:
                time.sleep(0.05)

    def stop(self) -> bool:
        """Stop it: ends the sessions and writes everything out. Returns whether it was running."""
        return self.child.stop((signal.SIGINT, 60), (signal.SIGQUIT, 20))

    def _options(self) -> Iterable[str]:
        settings = [
            f"port={self._access.postgres_port}",
            f"listen_addresses={LOOPBACK}",
            "unix_socket_directories=",
            "timezone=UTC",
            "log_timezone=UTC",
            "log_line_prefix=%m [%p] ",
            *(_THROWAWAY if self._throwaway else ()),
        ]
        yield from ("-D", str(self._data))
        for setting in settings:
            yield from ("-c", setting)

    def _child(self, program: Path, *arguments: str, death_signal: int, keep_open: tuple[int, ...] = ()) -> Child:
        return Child(
            "PostgreSQL",
            [program, *arguments],
            log=self._folder.logs / "postgres.log",
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "HOME": str(self._folder.postgres)},
            cwd=Path("/"),
            death_signal=death_signal,
            identity=self._folder.identity,
            reach_everything=self._everything,
            keep_open=keep_open,
        )

    def _make_cluster(self) -> None:
        """Make the cluster beside its place and move it there whole, so that a cut-off start leaves no half of one."""
        fresh, secret = self._folder.postgres / "data.new", self._folder.postgres / "password"
        shutil.rmtree(fresh, ignore_errors=True)
        secret.unlink(missing_ok=True)
        descriptor = os.open(secret, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(password(self._access.superuser_url))
            if self._folder.identity is not None:
                os.fchown(file.fileno(), self._folder.identity.uid, self._folder.identity.gid)
        arguments = ["-D", str(fresh), "-U", SUPERUSER, "-A", "scram-sha-256", f"--pwfile={secret}", "-E", "UTF8"]
        arguments += ["--data-checksums", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        if self._throwaway:
            arguments.append("--no-sync")
        maker = self._child(binaries.postgres_program("initdb"), *arguments, death_signal=signal.SIGKILL)
        try:
            maker.start()
            maker.wait()
        finally:
            maker.stop()
            secret.unlink()
        if maker.exit_code != 0:
            raise CannotStart(f"The database could not be made; {maker.log} says:\n{maker.last_lines()}")
        fresh.rename(self._data)

    def _forget_stale_pid_file(self) -> None:
        """Remove a pid file that no PostgreSQL stands behind.

        Its number may meanwhile be another process of the same user, and PostgreSQL would then refuse to start. We
        hold the folder's lock, which our own servers hold too; one started by hand shows in its working directory.
        """
        for process in Path("/proc").iterdir():
            if process.name.isdigit() and _working_directory(process) == self._data:
                raise CannotStart(
                    f"Process {process.name}, which the portal has not started, runs PostgreSQL on {self._data}: "
                    "stop it first."
                )
        (self._data / "postmaster.pid").unlink(missing_ok=True)

    def _set_up(self, connection: psycopg.Connection) -> None:
        """Make the two roles and the database if the database, which comes last, is not there."""
        if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
            return
        for role, url, extra in ((OWNER, self._access.owner_url, "CREATEDB"), (APP, self._access.database_url, "")):
            known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone()
            connection.execute(
                sql.SQL("{} ROLE {} LOGIN {} PASSWORD {}").format(
                    sql.SQL("ALTER" if known else "CREATE"),
                    sql.Identifier(role),
                    sql.SQL(extra),
                    sql.Literal(password(url)),
                )
            )
        # In the template, so that every database made later has it too: the portal's and those of the tests.
        template = self._access.superuser_url.rsplit("/", 1)[0] + "/template1"
        with psycopg.connect(template) as inside:
            for statement in (
                f"ALTER SCHEMA public OWNER TO {OWNER}",
                f"GRANT USAGE ON SCHEMA public TO {APP}",
                f"ALTER DEFAULT PRIVILEGES FOR ROLE {OWNER} GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {APP}",
                f"ALTER DEFAULT PRIVILEGES FOR ROLE {OWNER} GRANT USAGE ON SEQUENCES TO {APP}",
            ):
                # One of the lines above, made of constants, never input.
                inside.execute(statement)
        connection.execute(
            sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(DATABASE), sql.Identifier(OWNER))
        )


def _working_directory(process: Path) -> Path | None:
    try:
        return Path(os.readlink(process / "cwd"))
    except OSError:
        return None
