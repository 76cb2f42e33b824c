"""The whole portal on one machine: servers, migrations, first data, web, worker and beat."""

import contextlib
import hashlib
import http.client
import json
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from sop_portal.supervisor import access as access_file
from sop_portal.supervisor import environment, ports
from sop_portal.supervisor.errors import CannotStart, Stopped
from sop_portal.supervisor.folder import PROJECT, Folder
from sop_portal.supervisor.process import Child
from sop_portal.supervisor.servers import Servers
from sop_portal.supervisor.watch import Watch

# How long a part may be missing before the address is printed all the same, with its name.
_PATIENCE_SECONDS = 60.0


def say(line: str) -> None:
    """Print `line` for the person, who may have closed the terminal meanwhile."""
    with contextlib.suppress(OSError):
        print(line, flush=True)


@contextlib.contextmanager
def stopping_on_signals(
    numbers: Sequence[signal.Signals] = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP),
) -> Iterator[None]:
    """Turn Ctrl-C, SIGTERM and a closed terminal into Stopped, once: the stopping itself is not interrupted."""

    def stop(number: int, frame: object) -> None:
        for other in numbers:
            signal.signal(other, signal.SIG_IGN)
        raise Stopped

    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Portal:
    """Everything that `make run` starts.

    port: the one asked for, or None for the first free one from 8000. demo: whether an empty database is filled.
    """

    def __init__(self, folder: Folder, *, port: int | None, demo: bool, admin: str) -> None:
        self._folder = folder
        self._asked_port = port
        self._port = 0
        self._demo = demo
        self._admin = admin
        self._environment: dict[str, str] = {}
        self._everything = False
        self._services: list[Child] = []
        self._servers = Servers(folder, "make run")

    def run(self) -> None:
        """Start everything and watch over it until asked to stop. Raises CannotStart."""
        with stopping_on_signals():
            try:
                self._start()
                Watch(self._services, self._servers.children).keep_up(say)
            except Stopped:
                say("\nStopping.")
            finally:
                stopped = self._stop()
                if stopped:
                    say(f"Stopped {', '.join(stopped)}. The data stays in {self._folder.path}.")

    def _start(self) -> None:
        own = environment.own_servers_wanted()
        self._servers.claim()
        self._port = self._settle_port()
        if own:
            say(f"Starting PostgreSQL and Valkey on {self._folder.path}.")
            self._servers.start()
            self._remember_port()
            named = self._servers.access.environment()
        else:
            named = {"SECRET_KEY": environment.kept_secret_key(self._folder)}
        self._environment = environment.portal(self._folder, named, self._port)
        greeting = self._prepare()
        self._services = [self._web(), self._worker(), self._beat()]
        for service in self._services:
            service.start()
        self._wait_ready()
        say(f"\nThe S&OP portal is at {self._environment['SITE_URL']}/")
        if greeting:
            say(greeting)
        say("Ctrl-C stops everything and keeps the data.")

    def _stop(self) -> list[str]:
        """Stop web, beat, worker, Valkey and PostgreSQL, in this order; returns the names of those that ran."""
        stopped = []
        by_name = {service.name: service for service in self._services}
        for name, steps in (
            ("web", ((signal.SIGTERM, 8),)),
            ("beat", ((signal.SIGTERM, 5),)),
            # It has CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT to finish, then hands back what it has not finished.
            ("worker", ((signal.SIGQUIT, 15),)),
        ):
            if name in by_name and by_name[name].stop(*steps):
                stopped.append(name)
        return stopped + self._servers.stop()

    def _settle_port(self) -> int:
        if self._asked_port is None:
            port = ports.next_free(8000)
            if port != 8000:
                say(f"Port 8000 is in use by something else; the portal takes {port}.")
            return port
        if not ports.is_free(self._asked_port):
            raise CannotStart(f"Port {self._asked_port} is in use by something else: name another one with PORT=.")
        return self._asked_port

    def _remember_port(self) -> None:
        """Note the port for commands, which print links."""
        if self._servers.access.web_port != self._port:
            access_file.save(self._folder.servers_env, self._servers.access.at_port(self._port))

    def _prepare(self) -> str:
        """Migrate, collect the static files and fill an empty database; returns what to tell the person at the end."""
        folder = self._folder
        self._everything = folder.child_needs_everything(
            (Path(os.path.realpath(sys.executable)), os.R_OK | os.X_OK),
            (Path(os.__file__), os.R_OK),
            (Path(sys.prefix), os.R_OK | os.X_OK),
            (PROJECT / "sop_portal" / "settings.py", os.R_OK),
            (folder.path, os.X_OK),
            *((path, os.R_OK | os.W_OK | os.X_OK) for path in (folder.static, folder.uploads, folder.mail)),
        )
        # Compressing the static files takes longer than the rest and waits for no database.
        with self._static_files_collected():
            say("Bringing the database up to date.")
            self._run("migrate", "--noinput")
            if self._demo:
                say("Loading the demo company if the database is empty.")
                return self._run("seed_demo", "--if-empty") or self._demo_accounts()
            link = self._run("create_admin", self._admin, "--if-none")
            return link and f"With this link {self._admin}, the first admin, chooses a password; it works once:\n{link}"

    def _demo_accounts(self) -> str:
        """How to sign in where the demo company was loaded by an earlier start."""
        try:
            password = (self._folder.path / "demo-password").read_text(encoding="utf-8").strip()
        except OSError:
            return ""
        return f"Demo accounts: admin@example.com, manager1@example.com, rep1@example.com; password {password}"

    def _run(self, *arguments: str) -> str:
        """Run a management command and return what it printed. Raises CannotStart when it fails."""
        with self._command(*arguments) as output:
            pass
        return output.read_text(encoding="utf-8", errors="replace").strip()

    @contextlib.contextmanager
    def _static_files_collected(self) -> Iterator[None]:
        """Collect the static files while the block runs, if one may have changed."""
        stamp, now = self._folder.path / "static.stamp", _fingerprint()
        if environment.given("STATIC_ROOT") or (stamp.exists() and stamp.read_text(encoding="utf-8") == now):
            yield
            return
        with self._command("collectstatic", "--noinput", "--clear"):
            yield
        stamp.write_text(now, encoding="utf-8")

    @contextlib.contextmanager
    def _command(self, *arguments: str) -> Iterator[Path]:
        """Run a management command beside the block, and wait for it at its end.

        Yields the file with what it prints, whole after the block. Raises CannotStart when it fails.
        """
        output = self._folder.logs / f"{arguments[0]}.out"
        # As root it may pass file permissions in any case: it keeps files in the data folder itself, which is root's.
        child = self._child(
            arguments[0], [sys.executable, "manage.py", *arguments], self._environment, everything=True, output=output
        )
        child.start()
        try:
            yield output
            child.wait()
        finally:
            child.stop((signal.SIGTERM, 5))
        if child.exit_code != 0:
            raise CannotStart(f"manage.py {arguments[0]} failed; {child.log} says:\n{child.last_lines()}")

    def _web(self) -> Child:
        configuration = "python:sop_portal.gunicorn_conf"
        return self._service("web", "gunicorn", "--config", configuration, "sop_portal.wsgi:application")

    def _worker(self) -> Child:
        # There is one worker, so it need not look for others.
        alone = ("--without-mingle", "--without-gossip")
        return self._celery("worker", "--concurrency", "2", *alone)

    def _beat(self) -> Child:
        # Without a pid file: a stale one would keep it from starting.
        return self._celery("beat", "--pidfile=")

    def _celery(self, name: str, *arguments: str) -> Child:
        return self._service(name, "celery", "--app", "sop_portal.celery:app", name, "--loglevel", "INFO", *arguments)

    def _service(self, name: str, module: str, *arguments: str) -> Child:
        return self._child(
            name, [sys.executable, "-m", module, *arguments], environment.serving(self._environment, name)
        )

    def _child(
        self,
        name: str,
        command: list[str],
        env: dict[str, str],
        *,
        everything: bool = False,
        output: Path | None = None,
    ) -> Child:
        identity = self._folder.identity
        if identity is not None:
            # Not root's home, and no compiled files of another user among root's sources.
            env = env | {"HOME": str(self._folder.path), "PYTHONDONTWRITEBYTECODE": "1"}
        return Child(
            name,
            command,
            log=self._folder.logs / f"{name}.log",
            env=env,
            cwd=PROJECT,
            # Their work is in transactions and repeatable jobs, so the sure end is the right one.
            death_signal=signal.SIGKILL,
            identity=identity,
            reach_everything=identity is not None and (everything or self._everything),
            output=output,
        )

    def _wait_ready(self) -> None:
        """Wait until /ready says ok. Raises CannotStart when a part ends meanwhile."""
        until, told = time.monotonic() + _PATIENCE_SECONDS, False
        while True:
            for service in self._services:
                if not service.running:
                    raise CannotStart(
                        f"The process {service.name} ended while starting; {service.log} says:\n{service.last_lines()}"
                    )
            answer = self._ready()
            if answer is not None and answer.get("status") == "ok":
                return
            if time.monotonic() > until and answer is not None:
                parts = answer.get("parts", {})
                away = ", ".join(f"{name} ({state})" for name, state in parts.items() if state != "ok")
                say(f"The portal serves, but not everything is well yet: {away}.")
                return
            if time.monotonic() > until and not told:
                say(f"Still waiting for the portal to answer; see {self._folder.logs / 'web.log'}.")
                told = True
            time.sleep(0.2)

    def _ready(self) -> dict | None:
        """What /ready answers while it answers 200, else None."""
        connection = http.client.HTTPConnection(ports.LOOPBACK, self._port, timeout=10)
        try:
            connection.request("GET", "/ready", headers={"Accept": "application/json"})
            response = connection.getresponse()
            body = response.read()
            return json.loads(body) if response.status == 200 else None
        except (OSError, http.client.HTTPException, ValueError):
            return None
        finally:
            connection.close()


def _fingerprint() -> str:
    """A value that changes when a static file or an installed package may have changed."""
    digest = hashlib.sha256()
    for path in (PROJECT / "requirements.txt", PROJECT / "sop_portal" / "settings.py"):
        digest.update(path.read_bytes())
    for path in sorted((PROJECT / "static").rglob("*")):
        status = path.stat()
        digest.update(f"{path} {status.st_size} {status.st_mtime_ns}\n".encode())
    return digest.hexdigest()
