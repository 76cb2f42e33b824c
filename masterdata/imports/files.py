"""Uploaded files: kept in a private folder under names of ours, opened within the limits of their kind."""

import hashlib
import secrets
from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path

from django.conf import settings

from masterdata.imports.kinds import FEW, Kind
from masterdata.models import ImportRun
from sop_portal import conf
from sop_portal.lib.errors import Refused, TooLarge
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
ARCHIVE = ".zip"
# Macros are never run, and separated texts are read alike however they are called.
SAME = {".xlsx": (".xlsx", ".xlsm"), ".csv": (".csv", ".txt", ".tsv")}


def largest() -> int:
    """How many bytes an import may have."""
    return int(conf.get("max_import_file_size_mb")) * MEGABYTE


def largest_list() -> int:
    """How many bytes a file may have that people keep by hand: a list, or one planning workbook."""
    return min(largest(), int(conf.get("max_file_upload_size_mb")) * MEGABYTE)


def largest_of(kind: Kind) -> int:
    """How many bytes a file of this kind may have; facts come by the hundred thousand."""
    return largest() if kind.rows > FEW else largest_list()


def endings(*, archives: bool = False) -> list[str]:
    """The endings of names that may be uploaded, those that are the same in another dress included."""
    allowed = [other for ending in conf.get("allowed_file_extensions") for other in SAME.get(ending, (ending,))]
    return [*allowed, ARCHIVE] if archives else allowed


def wrong_ending(file_name: str, *, archives: bool = False) -> str:
    """Why a file of this name is not taken, "" if it is."""
    allowed = endings(archives=archives)
    if file_name.lower().endswith(tuple(allowed)):
        return ""
    return (
        f"{label_of(file_name)} is not taken: uploads end in {', '.join(allowed)}. Save it as one of these; which they "
        "are is a setting of the portal."
    )


def require_ending(file_name: str, *, archives: bool = False) -> None:
    """Raise Refused for a file whose name does not end as uploads may."""
    if refusal := wrong_ending(file_name, archives=archives):
        raise Refused(refusal)


def stored_path(run: ImportRun) -> Path:
    """Where the file of `run` is kept; the name is ours, never the user's."""
    return settings.UPLOAD_DIR / run.stored_as


def keep_file(chunks: Iterable[bytes], most: int | None = None) -> tuple[str, int, str]:
    """Write an upload of at most so many bytes, by default those of an import, into the private folder.

    Returns its name there, its size and SHA-256. Raises TooLarge.
    """
    most = largest() if most is None else most
    settings.UPLOAD_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
    name = f"{secrets.token_hex(16)}{ENDING}"
    path = settings.UPLOAD_DIR / name
    digest, size = hashlib.sha256(), 0
    try:
        with path.open("xb") as kept:
            for chunk in chunks:
                size += len(chunk)
                if size > most:
                    raise TooLarge(f"The file is larger than {most // MEGABYTE} MB, the largest that is taken here.")
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
        size=largest_of(kind),
        unpacked=UNPACKED,
        rows=kind.rows + ABOVE,
        cells=MOST_CELLS,
    )
    return open_tables(path, limits=limits)
