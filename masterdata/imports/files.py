"""Uploaded files: kept in a private folder under names of ours, opened within the limits of their kind."""

import hashlib
import secrets
from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path

from django.conf import settings

from masterdata.imports.kinds import Kind
from masterdata.models import ImportRun
from sop_portal import conf
from sop_portal.lib.errors import TooLarge
from sop_portal.lib.tables import Limits, OpenTables, open_tables
from sop_portal.lib.text import bad_character, normal

MEGABYTE = 1024 * 1024
# Imports by admins may unpack to three times what other uploads may.
UNPACKED = 300 * MEGABYTE
# A long table of facts has few columns; the memory of the reading process bounds it anyway.
MOST_CELLS = 8_000_000
# Headings and what stands above them.
ABOVE = 25
ENDING = ".upload"


def largest() -> int:
    """How many bytes an import may have."""
    return int(conf.get("max_import_file_size_mb")) * MEGABYTE


def stored_path(run: ImportRun) -> Path:
    """Where the file of `run` is kept; the name is ours, never the user's."""
    return settings.UPLOAD_DIR / run.stored_as


def keep_file(chunks: Iterable[bytes]) -> tuple[str, int, str]:
    """Write an upload into the private folder. Returns its name there, its size and SHA-256. Raises TooLarge."""
    most = largest()
    settings.UPLOAD_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
    name = f"{secrets.token_hex(16)}{ENDING}"
    path = settings.UPLOAD_DIR / name
    digest, size = hashlib.sha256(), 0
    try:
        with path.open("xb") as kept:
            for chunk in chunks:
                size += len(chunk)
                if size > most:
                    raise TooLarge(f"The file is larger than {most // MEGABYTE} MB, the largest an import may be.")
                digest.update(chunk)
                kept.write(chunk)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return name, size, digest.hexdigest()


def forget_file(name: str) -> None:
    """Delete a kept file; one that is gone already is no fault."""
    if name:
        (settings.UPLOAD_DIR / name).unlink(missing_ok=True)


def label_of(file_name: str) -> str:
    """The user's file name as a label: its last part, without characters that could hide something."""
    name = normal(file_name.replace("\\", "/").rsplit("/", 1)[-1])
    return "".join(character for character in name if bad_character(character) is None)[-255:] or "file"


def opened(path: Path, kind: Kind) -> AbstractContextManager[OpenTables]:
    """The tables of the file at `path` within the limits of its kind. Raises Refused or TooLarge."""
    limits = Limits(
        size=largest(),
        unpacked=UNPACKED,
        rows=kind.rows + ABOVE,
        cells=MOST_CELLS,
    )
    return open_tables(path, limits=limits)
