"""Servers for tests: fast, without durability, in a folder of their own that goes with them."""

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from sop_portal.supervisor import environment, kernel
from sop_portal.supervisor.errors import FolderBusy, Stopped
from sop_portal.supervisor.folder import PROJECT, Folder, Lock
from sop_portal.supervisor.portal import stopping_on_signals
from sop_portal.supervisor.servers import Servers

_PREFIX = "sop-test-"


def run(command: Sequence[str]) -> int:
    """Run `command` beside throwaway servers and return its exit code.

    It finds them, the two database roles, a SECRET_KEY and a VAR of its own in its environment. With DATABASE_URL and
    REDIS_URL set beforehand it uses those servers. Raises CannotStart, and Stopped when asked to stop.
    """
    _clear_away()
    with stopping_on_signals((signal.SIGTERM, signal.SIGHUP)):
        path = Path(tempfile.mkdtemp(prefix=_PREFIX))
        folder = Folder(path)
        try:
            if not environment.own_servers_wanted():
                return _call(command, environment.portal(folder, {"SECRET_KEY": secrets.token_urlsafe(64)}, 8000))
            with Servers(folder, "tests", throwaway=True) as servers:
                return _call(command, environment.portal(folder, servers.access.environment(), 8000))
        finally:
            shutil.rmtree(path, ignore_errors=True)


def _clear_away() -> None:
    """Delete the folders of those that were killed: a gigabyte or more each, and nobody else would."""
    for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        # A lock that nobody has written into yet is of one that is just being made. Another's folder is theirs to delete,
        # and what a link leads to is nothing that was made here.
        with contextlib.suppress(FolderBusy, OSError):
            if not path.is_symlink() and path.stat().st_uid == os.geteuid() and (path / "lock").stat().st_size:
                lock = Lock(Folder(path), "clearing away")
                lock.acquire()
                shutil.rmtree(path, ignore_errors=True)
                lock.release()


def _call(command: Sequence[str], env: dict[str, str]) -> int:
    """Run `command` in the foreground, as ourselves, and return its exit code."""
    parent = os.getpid()

    def prepare() -> None:
        kernel.die_with_parent(signal.SIGKILL, parent)

    process = subprocess.Popen(command, cwd=PROJECT, env=env, preexec_fn=prepare)
    try:
        return process.wait()
    except BaseException as reason:
        # Ctrl-C reached it too, so it is given the time to clean up after itself.
        if isinstance(reason, Stopped):
            process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        raise
