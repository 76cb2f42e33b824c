"""PostgreSQL and Valkey of one data folder together."""

from types import TracebackType

import psycopg

from sop_portal.supervisor import access as access_file
from sop_portal.supervisor import valkey
from sop_portal.supervisor.access import Access
from sop_portal.supervisor.errors import CannotStart
from sop_portal.supervisor.folder import Folder, Lock
from sop_portal.supervisor.postgres import Postgres
from sop_portal.supervisor.process import Child
from sop_portal.supervisor.valkey import Valkey


class Servers:
    """The servers of `folder`, running while the `with` block does.

    purpose: what to call us when another asks who holds the folder. throwaway: for tests, fast and without
    durability. Entering raises CannotStart, or FolderBusy when another process has the folder.
    """

    def __init__(self, folder: Folder, purpose: str, *, throwaway: bool = False) -> None:
        self.folder = folder
        self.lock = Lock(folder, purpose)
        self._throwaway = throwaway
        self.access: Access
        self._postgres: Postgres | None = None
        self._valkey: Valkey | None = None

    def claim(self) -> None:
        """Take the folder, before anything is started. Raises CannotStart."""
        self.folder.prepare()
        self.lock.acquire()

    def start(self) -> None:
        """Start both and wait until they answer. Raises CannotStart."""
        try:
            self.access = self._settle_access()
            keep_open = [self.lock.descriptor]
            self._postgres = Postgres(self.folder, self.access, keep_open=keep_open, throwaway=self._throwaway)
            self._valkey = Valkey(self.folder, self.access, keep_open=keep_open, throwaway=self._throwaway)
            self._valkey.start()
            self._postgres.start()
            self._valkey.wait_ready()
            self._postgres.wait_ready()
        except BaseException:
            self.stop()
            raise

    def __enter__(self) -> "Servers":
        self.claim()
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def children(self) -> list[Child]:
        """Their processes."""
        return [server.child for server in (self._postgres, self._valkey) if server is not None]

    def stop(self) -> list[str]:
        """Stop Valkey, then PostgreSQL, and let the folder go; returns the names of those that ran, in order."""
        stopped = [
            server.child.name for server in (self._valkey, self._postgres) if server is not None and server.stop()
        ]
        self.lock.release()
        return stopped

    def _settle_access(self) -> Access:
        """The ports and secrets of the folder: those it has, or new ones for a new folder."""
        known = access_file.load(self.folder.servers_env)
        if known is None and (self.folder.postgres / "data").exists():
            raise CannotStart(
                f"{self.folder.servers_env} is gone, and with it the passwords of the database in "
                f"{self.folder.postgres}: restore the file, or name another folder with VAR=."
            )
        settled = known.with_free_ports() if known else Access.new()
        if settled != known:
            access_file.save(self.folder.servers_env, settled)
        return settled


def running(folder: Folder) -> Access | None:
    """How to reach the servers of `folder` if both answer to its passwords now."""
    known = access_file.load(folder.servers_env)
    if known is None or not valkey.answers(known):
        return None
    try:
        psycopg.connect(known.database_url, connect_timeout=5).close()
    except psycopg.OperationalError:
        return None
    return known
