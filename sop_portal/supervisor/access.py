"""`servers.env`: ports and secrets of one data folder's servers, chosen once and kept."""

import contextlib
import os
import secrets
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from sop_portal.supervisor import ports
from sop_portal.supervisor.errors import CannotStart

DATABASE = "sop"
SUPERUSER, OWNER, APP = "postgres", "sop_owner", "sop_app"


@dataclass(frozen=True)
class Access:
    """How to reach the servers of one data folder.

    database_url serves the portal, owner_url migrates, superuser_url only sets the two roles up; web_port is the
    port the portal was last served at.
    """

    database_url: str
    owner_url: str
    superuser_url: str
    redis_url: str
    secret_key: str
    web_port: int = 8000

    @classmethod
    def new(cls) -> "Access":
        """Fresh secrets and free ports."""
        postgres = ports.choose()
        valkey = ports.choose(postgres)

        def database(role: str, name: str) -> str:
            return f"postgresql://{role}:{secrets.token_urlsafe(24)}@{ports.LOOPBACK}:{postgres}/{name}"

        return cls(
            database_url=database(APP, DATABASE),
            owner_url=database(OWNER, DATABASE),
            superuser_url=database(SUPERUSER, "postgres"),
            redis_url=f"redis://:{secrets.token_urlsafe(24)}@{ports.LOOPBACK}:{valkey}/0",
            secret_key=secrets.token_urlsafe(64),
        )

    @property
    def postgres_port(self) -> int:
        """The port of PostgreSQL."""
        return urlsplit(self.superuser_url).port or 0

    @property
    def valkey_port(self) -> int:
        """The port of Valkey."""
        return urlsplit(self.redis_url).port or 0

    @property
    def redis_password(self) -> str:
        """The password of Valkey."""
        return password(self.redis_url)

    def with_free_ports(self) -> "Access":
        """The same with another port for each server whose port someone else has taken meanwhile."""
        changed = self
        if not ports.is_free(self.postgres_port):
            port = ports.choose(self.valkey_port)
            changed = replace(
                self,
                database_url=_with_port(self.database_url, port),
                owner_url=_with_port(self.owner_url, port),
                superuser_url=_with_port(self.superuser_url, port),
            )
        if not ports.is_free(changed.valkey_port):
            port = ports.choose(changed.postgres_port)
            changed = replace(changed, redis_url=_with_port(self.redis_url, port))
        return changed

    def at_port(self, port: int) -> "Access":
        """The same with the portal served at `port`."""
        return replace(self, web_port=port)

    def environment(self) -> dict[str, str]:
        """What the portal's processes read; the owner's URL is for commands only."""
        return {
            "DATABASE_URL": self.database_url,
            "DATABASE_OWNER_URL": self.owner_url,
            "REDIS_URL": self.redis_url,
            "SECRET_KEY": self.secret_key,
        }


_NAMES = {
    "DATABASE_URL": "database_url",
    "DATABASE_OWNER_URL": "owner_url",
    "DATABASE_SUPERUSER_URL": "superuser_url",
    "REDIS_URL": "redis_url",
    "SECRET_KEY": "secret_key",
    "PORT": "web_port",
}


def load(path: Path) -> Access | None:
    """What `path` says, or None when there is no such file. Raises CannotStart when it cannot be used."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except PermissionError as problem:
        raise CannotStart(
            f"{path} belongs to another user: use the user who started the portal there first, "
            "or name another folder with VAR=."
        ) from problem
    lines = dict(line.split("=", 1) for line in text.splitlines() if "=" in line and not line.startswith("#"))
    missing = sorted(_NAMES.keys() - lines.keys())
    if missing:
        raise CannotStart(f"{path} has no {missing[0]}: restore the file, or name another folder with VAR=.")
    values = {field: lines[name] for name, field in _NAMES.items()}
    return Access(**{**values, "web_port": int(values["web_port"])})  # type: ignore[arg-type]


def save(path: Path, access: Access) -> None:
    """Write `path` whole or not at all, readable by its owner only."""
    text = "# Ports and secrets of the servers in this folder, written by the portal. Keep it with the data.\n"
    text += "".join(f"{name}={getattr(access, field)}\n" for name, field in _NAMES.items())
    fresh = path.with_suffix(".new")
    with contextlib.suppress(FileNotFoundError):
        fresh.unlink()
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def password(url: str) -> str:
    """The password within `url`."""
    return urlsplit(url).password or ""


def _with_port(url: str, port: int) -> str:
    return url.replace(f":{urlsplit(url).port}/", f":{port}/")
