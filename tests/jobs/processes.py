"""Real processes of the portal on the test's database: web, workers and beats, and what they print."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from django.conf import settings
from django.db import connection

PROJECT = Path(__file__).resolve().parent.parent.parent
# A Redis database of its own, so that no other worker takes the messages.
FIRST_REDIS_DATABASE = 8


class Process:
    """One started process and the lines it has printed."""

    def __init__(self, *command: str, kind: str, **extra: str) -> None:
        self.lines: list[str] = []
        self._process = subprocess.Popen(
            [sys.executable, *command],
            cwd=PROJECT,
            env={**_environment(), "SOP_PROCESS": kind, **extra},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.lines.append(line.rstrip("\n"))

    def has(self, words: str) -> bool:
        """Whether a printed line holds these words."""
        return any(words in line for line in list(self.lines))

    def wait_for(self, words: str, seconds: float = 60) -> None:
        """Wait until a printed line holds these words."""
        wait_until(lambda: self.has(words), seconds, lambda: "\n".join(self.lines))

    def end(self, number: int = signal.SIGTERM, seconds: float = 60) -> int:
        """Send it a signal and wait for its end. Returns its exit code."""
        if self._process.poll() is None:
            self._process.send_signal(number)
        code = self._process.wait(seconds)
        self._reader.join(5)
        return code


def worker(name: str, **extra: str) -> Process:
    """A worker that does one task at a time, in a process of its own."""
    return Process(
        "-m", "celery", "--app", "sop_portal.celery:app", "worker", "--loglevel", "INFO", "--concurrency", "1",
        "--without-mingle", "--without-gossip", "--hostname", f"{name}@test", kind="worker", **extra,
    )  # fmt: skip


def beat(**extra: str) -> Process:
    """The process that keeps the schedules."""
    return Process(
        "-m", "celery", "--app", "sop_portal.celery:app", "beat", "--pidfile=", "--loglevel", "INFO", "--max-interval",
        "1", kind="beat", **extra,
    )  # fmt: skip


def web(port: int) -> Process:
    """One process that serves pages."""
    return Process(
        "-m", "gunicorn", "--config", "python:sop_portal.gunicorn_conf", "sop_portal.wsgi:application",
        kind="web", PORT=str(port), WEB_PROCESSES="1",
    )  # fmt: skip


@contextmanager
def running(*processes: Process) -> Iterator[None]:
    """See that none of them outlives the block."""
    try:
        yield
    finally:
        for process in processes:
            process.end(signal.SIGKILL)


def wait_until(condition: Callable[[], Any], seconds: float = 60, told: Callable[[], str] = lambda: "") -> None:
    """Wait for a condition."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, f"not within {seconds} s: {told()}"
        time.sleep(0.1)


def redis_url() -> str:
    """Where the processes of the test meet, and none of another worker's tests; there are sixteen."""
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    return urlunsplit(urlsplit(settings.REDIS_URL)._replace(path=f"/{FIRST_REDIS_DATABASE + number % 8}"))


def _environment() -> dict[str, str]:
    database = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{connection.settings_dict['NAME']}")
    return {
        **{name: value for name, value in os.environ.items() if name != "DATABASE_OWNER_URL"},
        "SOP_ENV": "local",
        "DATABASE_URL": urlunsplit(database),
        "REDIS_URL": redis_url(),
        "LOG_FORMAT": "json",
    }
