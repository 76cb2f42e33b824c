"""The data folder (VAR): what lies where in it, whose it is, and who uses it now."""

import contextlib
import fcntl
import os
import pwd
import time
from collections.abc import Iterator
from pathlib import Path

from sop_portal.supervisor import kernel
from sop_portal.supervisor.errors import CannotStart, FolderBusy

PROJECT = Path(__file__).resolve().parent.parent.parent
# How long the servers of a supervisor that was killed may take to follow it.
_AFTERMATH_SECONDS = 20.0


class Folder:
    """One data folder.

    `postgres` and `valkey` hold the servers' data, `static`, `uploads` and `mail` the portal's files, `log` the logs.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self.postgres = self.path / "postgres"
        self.valkey = self.path / "valkey"
        self.static = self.path / "static"
        self.uploads = self.path / "uploads"
        self.temporary = self.uploads / "tmp"
        self.mail = self.path / "mail"
        self.logs = self.path / "log"
        self.servers_env = self.path / "servers.env"
        self.identity: kernel.Identity | None = None

    def prepare(self) -> None:
        """Make what is missing, and settle which user the children of root run as.

        Nothing that exists changes its mode or owner. Raises CannotStart when the folder cannot be used.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._check_owner(self.servers_env, os.geteuid())
            self.identity = self._unprivileged() if os.geteuid() == 0 else None
            self.logs.mkdir(mode=0o700, exist_ok=True)
            for folder in (self.postgres, self.valkey, self.static, self.uploads, self.temporary, self.mail):
                self._make(folder)
        except OSError as problem:
            raise CannotStart(
                f"The data folder {self.path} cannot be used ({problem.strerror}): name another one with VAR=."
            ) from problem
        self._check_owner(self.postgres, self.identity.uid if self.identity else os.geteuid())

    def child_needs_everything(self, *needs: tuple[Path, int]) -> bool:
        """Whether a child of root must pass file permissions to have `needs`: pairs of a path and os.R_OK and so on."""
        return self.identity is not None and not kernel.can_reach(self.identity, needs)

    def _check_owner(self, path: Path, uid: int) -> None:
        with contextlib.suppress(FileNotFoundError):
            owner = path.stat().st_uid
            if owner != uid:
                raise CannotStart(
                    f"{path} belongs to the user {_name(owner)}: use the user who started the portal there first, "
                    "or name another folder with VAR=."
                )

    def _unprivileged(self) -> kernel.Identity:
        """Whoever has the servers' data already, else nobody."""
        with contextlib.suppress(FileNotFoundError):
            status = self.postgres.stat()
            if status.st_uid != 0:
                return kernel.Identity(status.st_uid, status.st_gid)
        try:
            entry = pwd.getpwnam("nobody")
        except KeyError:
            return kernel.Identity(65_534, 65_534)
        return kernel.Identity(entry.pw_uid, entry.pw_gid)

    def _make(self, folder: Path) -> None:
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        # Also when an earlier start was cut off between the two lines, which leaves an empty folder of root's.
        status = folder.stat()
        if self.identity is not None and status.st_uid == 0 and not any(folder.iterdir()):
            os.chown(folder, self.identity.uid, self.identity.gid)


class Lock:
    """The exclusive hold on a data folder, kept until this process and every server it started have ended.

    The servers inherit the descriptor: after a supervisor was killed, the folder is free only when they are gone too.
    """

    def __init__(self, folder: Folder, purpose: str) -> None:
        self._path = folder.path / "lock"
        self._folder = folder
        self._purpose = purpose
        self.descriptor = -1

    def acquire(self) -> None:
        """Take it. Raises FolderBusy, naming the folder and the process that holds it.

        When that process is gone and only its servers linger, they are waited for.
        """
        descriptor = _open(self._path)
        until = time.monotonic() + _AFTERMATH_SECONDS
        while not _locked(descriptor, fcntl.LOCK_EX):
            number, purpose = _holder(descriptor)
            if _exists(number) or time.monotonic() > until:
                os.close(descriptor)
                raise FolderBusy(
                    f"The data folder {self._folder.path} is in use by process {number} ({purpose}): "
                    "stop that first, or name another folder with VAR=."
                )
            time.sleep(0.1)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()} {self._purpose}\n".encode(), 0)
        self.descriptor = descriptor

    def release(self) -> None:
        """Let it go."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


class Users:
    """Who uses the servers of a data folder without having started them: each holds a share of a second lock."""

    def __init__(self, folder: Folder) -> None:
        self._path = folder.path / "users.lock"

    @contextlib.contextmanager
    def share(self) -> Iterator[bool]:
        """Hold a share; yields False when the servers are being stopped."""
        if not self._path.parent.is_dir():
            yield False
            return
        descriptor = _open(self._path)
        try:
            yield _locked(descriptor, fcntl.LOCK_SH)
        finally:
            os.close(descriptor)

    @contextlib.contextmanager
    def none_left(self) -> Iterator[None]:
        """Wait until nobody holds a share and let nobody in while the block runs."""
        descriptor = _open(self._path)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def any(self) -> bool:
        """Whether somebody holds a share now."""
        descriptor = _open(self._path)
        try:
            return not _locked(descriptor, fcntl.LOCK_EX)
        finally:
            os.close(descriptor)


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as problem:
        raise CannotStart(
            f"The data folder {path.parent} cannot be used ({problem.strerror}): use the user who started the portal "
            "there first, or name another folder with VAR=."
        ) from problem


def _locked(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(descriptor: int) -> tuple[int, str]:
    number, _, purpose = os.pread(descriptor, 200, 0).decode(errors="replace").strip().partition(" ")
    return (int(number) if number.isdigit() else 0), purpose or "starting"


def _exists(number: int) -> bool:
    return number > 0 and Path(f"/proc/{number}").exists()


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
