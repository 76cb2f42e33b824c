"""One child process: started so that it cannot outlive us, stopped in steps, with a log of its own."""

import contextlib
import math
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from sop_portal.supervisor import kernel

_HELD = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
_LOG_LIMIT = 5_000_000


@contextlib.contextmanager
def signals_held() -> Iterator[None]:
    """Keep the signals that stop us waiting, so that none arrives between making a child and noting it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _HELD)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Child:
    """A child process of the supervisor.

    name: for people; death_signal: what the kernel sends it when we die; identity: whom it runs as when we are root;
    reach_everything: see `kernel.give_up_root`; stdin: text fed to it; keep_open: descriptors it inherits; output: a
    file made anew for what it prints, which otherwise goes to its log like its errors.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str | os.PathLike[str]],
        *,
        log: Path,
        env: Mapping[str, str],
        cwd: Path,
        death_signal: int,
        identity: kernel.Identity | None = None,
        reach_everything: bool = False,
        stdin: str = "",
        keep_open: Sequence[int] = (),
        output: Path | None = None,
    ) -> None:
        self.name = name
        self.command = [os.fspath(part) for part in command]
        self.log = log
        self.env = dict(env)
        self.cwd = cwd
        self.death_signal = death_signal
        self.identity = identity
        self.reach_everything = reach_everything
        self.stdin = stdin
        self.keep_open = tuple(keep_open)
        self.output = output
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Its process number while it runs."""
        return self._process.pid if self._process is not None and self.running else None

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """What it ended with; None before that; minus the signal's number if a signal ended it."""
        return None if self._process is None else self._process.poll()

    def start(self) -> None:
        """Start it, with a session of its own so that Ctrl-C in the terminal reaches only us."""
        parent = os.getpid()

        def prepare() -> None:
            if self.identity is not None:
                kernel.give_up_root(self.identity, reach_everything=self.reach_everything)
            # After the change of user, which clears it.
            kernel.die_with_parent(self.death_signal, parent)
            for number in (*_HELD, signal.SIGQUIT):
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_SETMASK, ())

        with (
            signals_held(),
            open_log(self.log) as log,
            open_log(self.output or self.log, fresh=bool(self.output)) as out,
        ):
            self._process = subprocess.Popen(
                self.command,
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=log,
                cwd=self.cwd,
                env=self.env,
                preexec_fn=prepare,
                start_new_session=True,
                pass_fds=self.keep_open,
            )
            assert self._process.stdin is not None
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.write(self.stdin.encode())
                self._process.stdin.close()

    def wait(self, seconds: float = math.inf) -> bool:
        """Whether it has ended within `seconds`."""
        until = time.monotonic() + seconds
        while self.running:
            if time.monotonic() >= until:
                return False
            time.sleep(0.05)
        return True

    def stop(self, *steps: tuple[int, float]) -> bool:
        """End it by `steps`, pairs of a signal and the seconds it is given, then by force.

        Returns whether it was running.
        """
        if self._process is None or not self.running:
            return False
        for number, seconds in steps:
            self._process.send_signal(number)
            if self.wait(seconds):
                return True
        # The whole session goes: its number cannot be taken by another while we have not collected the leader.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        return True

    def last_lines(self, count: int = 8) -> str:
        """The end of its log, indented for people."""
        with contextlib.suppress(OSError), self.log.open("rb") as file:
            file.seek(max(0, self.log.stat().st_size - 4000))
            lines = file.read().decode(errors="replace").splitlines()[-count:]
            return "\n".join(f"    {line}" for line in lines)
        return ""


@contextlib.contextmanager
def open_log(path: Path, *, fresh: bool = False) -> Iterator[int]:
    """A descriptor that appends to the log at `path`; a log that grew large is put aside first, one generation.

    fresh: what the file held is dropped.
    """
    with contextlib.suppress(FileNotFoundError):
        if path.stat().st_size > _LOG_LIMIT:
            path.replace(path.with_suffix(".log.1"))
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | (os.O_TRUNC if fresh else 0)
    descriptor = os.open(path, flags, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
