"""Starting supervisors as a person would, and looking at the processes they leave."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from sop_portal.supervisor import access

PROJECT = Path(__file__).resolve().parent.parent.parent
# What the environment of the tests themselves says about servers must not reach a supervisor under test.
_OURS = {
    "DATABASE_URL", "DATABASE_OWNER_URL", "REDIS_URL", "SECRET_KEY", "VAR", "PORT", "HOST", "SITE_URL", "STATIC_ROOT",
    "SOP_ENV", "SOP_PROCESS", "DEMO", "UPLOAD_DIR",
}  # fmt: skip


def clean(**extra: str) -> dict[str, str]:
    """The environment without what the tests themselves run with."""
    return {name: value for name, value in os.environ.items() if name not in _OURS} | extra


class Supervisor:
    """A started `python -m sop_portal.supervisor`, its printed lines and its process."""

    def __init__(
        self,
        *arguments: str,
        env: Mapping[str, str],
        cwd: Path = PROJECT,
        python: str = sys.executable,
        user: int | None = None,
    ) -> None:
        self.lines: list[str] = []
        identity = {} if user is None else {"user": user, "group": user, "extra_groups": []}
        self.process = subprocess.Popen(
            [python, *(arguments or ("-m", "sop_portal.supervisor", "servers"))],
            cwd=cwd,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            **identity,  # type: ignore[arg-type]
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def wait_for(self, words: str, seconds: float = 60) -> str:
        """The first printed line that holds `words`; fails when the process ends without it."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            ended = self.process.poll() is not None
            if ended:
                self._reader.join(5)
            for line in list(self.lines):
                if words in line:
                    return line
            assert not ended, f"ended with {self.process.returncode}: {self.lines}"
            time.sleep(0.05)
        raise AssertionError(f"'{words}' was not printed in {seconds} s: {self.lines}")

    def end(self, number: int = signal.SIGINT, seconds: float = 60) -> int:
        """Send it a signal and return its exit code."""
        self.process.send_signal(number)
        code = self.process.wait(seconds)
        self._reader.join(5)
        return code


@contextmanager
def servers(var: Path, **kwargs: object) -> Iterator[Supervisor]:
    """PostgreSQL and Valkey on `var`, up; ended at the end of the block if they still are."""
    extra = kwargs.pop("env", {})
    assert isinstance(extra, dict)
    supervisor = Supervisor(env=clean(VAR=str(var), **extra), **kwargs)  # type: ignore[arg-type]
    try:
        supervisor.wait_for("are up")
        yield supervisor
    finally:
        if supervisor.process.poll() is None:
            supervisor.end()


def run(arguments: Sequence[str], **env: str) -> subprocess.CompletedProcess[str]:
    """Run Python with `arguments` to its end."""
    return subprocess.run(
        [sys.executable, *arguments], cwd=PROJECT, env=clean(**env), capture_output=True, text=True, timeout=120
    )


def known(var: Path) -> access.Access:
    """What the data folder's servers.env says."""
    found = access.load(var / "servers.env")
    assert found is not None
    return found


def descendants(number: int) -> set[tuple[int, int]]:
    """Every process below process `number`, as its number and its start time, which tells a reused number apart."""
    parents: dict[int, list[int]] = {}
    for process in _numbers():
        parent = _status(process)
        if parent is not None:
            parents.setdefault(parent[0], []).append(process)
    found: set[tuple[int, int]] = set()
    todo = list(parents.get(number, []))
    while todo:
        process = todo.pop()
        status = _status(process)
        if status is not None:
            found.add((process, status[1]))
        todo += parents.get(process, [])
    return found


def left(processes: set[tuple[int, int]]) -> set[tuple[int, int]]:
    """Those of `processes` that still live."""
    alive = set()
    for process, started in processes:
        status = _status(process)
        if status is not None and status[1] == started:
            alive.add((process, started))
    return alive


def gone_within(processes: set[tuple[int, int]], seconds: float) -> bool:
    """Whether none of `processes` lives after at most `seconds`."""
    until = time.monotonic() + seconds
    while left(processes):
        if time.monotonic() > until:
            return False
        time.sleep(0.1)
    return True


def status_field(process: int, name: str) -> str:
    """One line of /proc/<process>/status."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return line.split(":", 1)[1].strip()
    raise AssertionError(name)


def _numbers() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _status(process: int) -> tuple[int, int] | None:
    """Parent and start time of a process that lives; None for one that ended, collected or not."""
    try:
        text = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return None
    state, parent, *rest = text.rsplit(")", 1)[1].split()
    return None if state == "Z" else (int(parent), int(rest[17]))
