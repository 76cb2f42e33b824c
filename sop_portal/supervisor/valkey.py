"""The portal's own Valkey: broker and cache."""

import os
import signal
import socket
import time
from collections.abc import Iterable
from pathlib import Path

from sop_portal.supervisor import binaries
from sop_portal.supervisor.access import Access
from sop_portal.supervisor.errors import CannotStart
from sop_portal.supervisor.folder import Folder
from sop_portal.supervisor.ports import LOOPBACK
from sop_portal.supervisor.process import Child


class Valkey:
    """Valkey of one data folder. throwaway: for tests, keeps nothing."""

    def __init__(self, folder: Folder, access: Access, *, keep_open: Iterable[int], throwaway: bool) -> None:
        self._access = access
        program = binaries.valkey_program()
        settings = {
            "bind": LOOPBACK,
            "port": access.valkey_port,
            "dir": _quoted(folder.valkey),
            "requirepass": access.redis_password,
            "maxmemory-policy": "noeviction",
            "appendonly": "no" if throwaway else "yes",
            "appendfsync": "everysec",
            "save": '""',
            "daemonize": "no",
        }
        self.child = Child(
            "Valkey",
            # The settings come by standard input, since the list of processes shows every argument.
            [program, "-"],
            stdin="".join(f"{name} {value}\n" for name, value in settings.items()),
            log=folder.logs / "valkey.log",
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "HOME": str(folder.valkey)},
            cwd=Path("/"),
            death_signal=signal.SIGTERM,
            identity=folder.identity,
            reach_everything=folder.child_needs_everything(
                (program, os.R_OK | os.X_OK), (folder.valkey, os.W_OK | os.X_OK)
            ),
            keep_open=tuple(keep_open),
        )

    def start(self) -> None:
        """Start it."""
        self.child.start()

    def wait_ready(self) -> None:
        """Wait until it answers, however long it reads its data. Raises CannotStart."""
        while not answers(self._access):
            if not self.child.running:
                raise CannotStart(f"Valkey ended while starting; {self.child.log} says:\n{self.child.last_lines()}")
            time.sleep(0.05)

    def stop(self) -> bool:
        """Stop it: writes everything out. Returns whether it was running."""
        return self.child.stop((signal.SIGTERM, 20))


def answers(access: Access) -> bool:
    """Whether a Valkey with our password answers at our port."""
    try:
        with socket.create_connection((LOOPBACK, access.valkey_port), timeout=2) as connection:
            connection.sendall(f"AUTH {access.redis_password}\r\nPING\r\n".encode())
            with connection.makefile("rb") as lines:
                return lines.readline() == b"+OK\r\n" and lines.readline() == b"+PONG\r\n"
    except OSError:
        return False


def _quoted(path: Path) -> str:
    return '"' + str(path).replace("\\", "\\\\").replace('"', '\\"') + '"'
