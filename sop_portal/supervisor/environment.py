"""What the environment says to the supervisor, and what the supervisor says to the portal's processes."""

import contextlib
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from sop_portal.supervisor.errors import CannotStart
from sop_portal.supervisor.folder import PROJECT, Folder

# What only commands may have: with it the portal could change its own tables.
OWNER_ONLY = ("DATABASE_OWNER_URL", "DATABASE_OWNER_URL_FILE")


def data_folder() -> Folder:
    """The folder that VAR names, else `var` in the project."""
    return Folder(Path(os.environ.get("VAR") or PROJECT / "var"))


def given(name: str) -> bool:
    """Whether the variable `name` is set, itself or as `name`_FILE."""
    return bool(os.environ.get(name) or os.environ.get(f"{name}_FILE"))


def own_servers_wanted() -> bool:
    """Whether the portal's own servers are to be used. Raises CannotStart when half of the others is named."""
    database, redis = given("DATABASE_URL"), given("REDIS_URL")
    if database != redis:
        missing = "REDIS_URL" if database else "DATABASE_URL"
        raise CannotStart(f"{missing} is not set: set both DATABASE_URL and REDIS_URL, or neither.")
    return not database


def kept_secret_key(folder: Folder) -> str:
    """The SECRET_KEY of a portal on servers of the person's own, made once and kept in the data folder."""
    path = folder.path / "secret-key"
    with contextlib.suppress(FileExistsError):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(secrets.token_urlsafe(64))
    return path.read_text(encoding="utf-8")


def switched_off(value: str | None) -> bool:
    """Whether a variable such as DEMO says no."""
    return (value or "").strip().lower() in {"0", "false", "no", "off"}


def portal(folder: Folder, servers: Mapping[str, str], port: int) -> dict[str, str]:
    """The whole environment of a command of the portal; what the person has set beforehand stays.

    servers: the variables that name the servers. port: where the portal is served.
    """
    preset = {
        "SOP_ENV": "local",
        "SITE_URL": f"http://127.0.0.1:{port}",
        "STATIC_ROOT": str(folder.static),
        **servers,
    }
    return {
        **os.environ,
        **{name: value for name, value in preset.items() if not given(name)},
        "SOP_PROCESS": "command",
        "VAR": str(folder.path),
        "HOST": "127.0.0.1",
        "PORT": str(port),
    }


def serving(environment: Mapping[str, str], process: str) -> dict[str, str]:
    """`environment` for the web, worker or beat: named, and without the owner's password."""
    return {name: value for name, value in environment.items() if name not in OWNER_ONLY} | {"SOP_PROCESS": process}
