"""Months of the trail as files: written from the sealed entries, and proved by their seal wherever they are read.

A file is gzipped JSON, one array a line: what it is, then each block followed by its entries in the order in which they
were sealed, both in their canonical text. The same month gives the same bytes again.
"""

import contextlib
import dataclasses
import datetime as dt
import gzip
import hashlib
import os
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
from django.conf import settings
from django.db import connection, transaction

from audit import canonical
from audit.models import Tombstone
from sop_portal.lib.errors import Conflict

_PART = 1000
_AT_ONCE = 2000
# Entries of blocks that are read with one statement, unless one block holds more.
_TOGETHER = 50_000
_LEVEL = 6
_STALE = dt.timedelta(days=1)


class Broken(Exception):
    """An archive that is not what was sealed; the message is a sentence without its name."""


@dataclasses.dataclass(frozen=True, slots=True)
class Archive:
    """A file that was written. sha256: of its bytes."""

    name: str
    sha256: str
    size: int
    entries: int


@dataclasses.dataclass(frozen=True, slots=True)
class Kept:
    """A month that left the trail. is_missing: whether its archive should be there and is not."""

    stone: Tombstone
    is_missing: bool


class _Root:
    """The root of a block, made from its entries one by one; see `canonical.ROOT`."""

    def __init__(self) -> None:
        self._root, self._ids, self._digests = hashlib.sha256(), [], bytearray()  # type: ignore[var-annotated]
        self.entries = 0

    def add(self, number: int, line: bytes) -> None:
        """The next entry, its id and its text."""
        self._ids.append(str(number))
        self._digests += hashlib.sha256(line).digest()
        self.entries += 1
        if len(self._ids) == _PART:
            self._close_part()

    def hexdigest(self) -> str:
        """The root; "" for no entries."""
        if self._ids:
            self._close_part()
        return self._root.hexdigest() if self.entries else ""

    def _close_part(self) -> None:
        self._root.update(hashlib.sha256(",".join(self._ids).encode() + bytes(self._digests)).digest())
        self._ids, self._digests = [], bytearray()


def folder() -> Path:
    """Where the archives lie; made when it is missing."""
    path = Path(settings.AUDIT_ARCHIVE_DIR)
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def kept() -> list[Kept]:
    """Every month that left the trail, the newest first."""
    place = Path(settings.AUDIT_ARCHIVE_DIR)
    stones = Tombstone.objects.order_by("-month")
    return [Kept(stone, bool(stone.archive) and not (place / stone.archive).is_file()) for stone in stones]


def name_of(month: dt.date) -> str:
    """What the file of `month` is called."""
    return f"audit-{month:%Y-%m}.jsonl.gz"


def write(month: dt.date) -> Archive:
    """Write the sealed entries of `month` and prove them on the way. Takes the place of an earlier file of the month.

    Raises Conflict when an entry is not what was sealed, OSError.
    """
    place = folder()
    _sweep(place)
    # Readable by this user only.
    descriptor, name = tempfile.mkstemp(prefix=f".{name_of(month)}.", suffix=".part", dir=place)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as raw:
            # Without a name and a time in the header, so that the same month gives the same bytes.
            with gzip.GzipFile(filename="", mode="wb", compresslevel=_LEVEL, fileobj=raw, mtime=0) as packed:
                entries = _write_month(packed, month)
            raw.flush()
            os.fsync(raw.fileno())
        sha256, size = hash_of(temporary), temporary.stat().st_size
        temporary.replace(place / name_of(month))
        _sync(place)
    finally:
        temporary.unlink(missing_ok=True)
    return Archive(name_of(month), sha256, size, entries)


def hash_of(path: Path) -> str:
    """SHA-256 of the bytes of a file. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_month(packed: gzip.GzipFile, month: dt.date) -> int:
    with transaction.atomic(), connection.cursor() as cursor:
        canonical.use_own_words(cursor)
        # The expressions of `canonical`; never input.
        cursor.execute(
            f"SELECT b.number, b.entries, b.root, b.hash, {canonical.BLOCK_TEXT} FROM audit_sealblock AS b "
            "WHERE b.month = %s AND b.kind = 'entries' ORDER BY b.number",
            [month],
        )
        blocks = cursor.fetchall()
        total = sum(entries for _, entries, _, _, _ in blocks)
        packed.write(orjson.dumps(["archive", 1, f"{month:%Y-%m}", total, len(blocks)]) + b"\n")
        for group in _groups(blocks):
            lines = _lines(group[0][0], group[-1][0], month)
            for number, entries, wanted, its_hash, text in group:
                packed.write(text.encode() + b"\n")
                root = _Root()
                for _ in range(entries):
                    identity, line = next(lines, (0, b""))
                    root.add(identity, line)
                    packed.write(line + b"\n")
                if root.hexdigest() != wanted or hashlib.sha256(text.encode()).hexdigest() != its_hash:
                    raise Conflict(
                        f"{month:%B %Y} is not what was sealed in block {number}, so it is neither archived nor dropped: "
                        "run verify_audit."
                    )
    return int(total)


def _groups(blocks: list[tuple[Any, ...]]) -> Iterator[list[tuple[Any, ...]]]:
    """Neighbouring blocks, some at a time: most hold a handful of entries, and an import's holds a million."""
    group: list[tuple[Any, ...]] = []
    size = 0
    for block in blocks:
        if group and size + block[1] > _TOGETHER:
            yield group
            group, size = [], 0
        group.append(block)
        size += block[1]
    if group:
        yield group


def _lines(first: int, last: int, month: dt.date) -> Iterator[tuple[int, bytes]]:
    """Id and text of the sealed entries of these blocks, in their order."""
    query = f"""
        SELECT e.id, {canonical.ENTRY_TEXT}
          FROM audit_sealblock AS b JOIN audit_sealpart AS p ON p.block = b.number
         CROSS JOIN unnest(p.ids) WITH ORDINALITY AS one(id, place)
          JOIN audit_entry AS e ON e.id = one.id
         WHERE b.number BETWEEN %(first)s AND %(last)s AND b.month = %(month)s AND b.kind = 'entries'
           AND e.at BETWEEN (SELECT min(first_at) FROM audit_sealblock
                              WHERE number BETWEEN %(first)s AND %(last)s AND month = %(month)s AND kind = 'entries')
                        AND (SELECT max(last_at) FROM audit_sealblock
                              WHERE number BETWEEN %(first)s AND %(last)s AND month = %(month)s AND kind = 'entries')
         ORDER BY p.block, p.part, one.place
    """
    with connection.chunked_cursor() as cursor:
        # The expressions of `canonical`; never input.
        cursor.execute(query, {"first": first, "last": last, "month": month})
        while rows := cursor.fetchmany(_AT_ONCE):
            for number, text in rows:
                yield number, text.encode()


def blocks_of(path: Path) -> Iterator[tuple[list[Any], str, str]]:
    """The blocks of a file: the block's array, the hash of its text, the root of its entries as they are in the file.

    Raises Broken, OSError.
    """
    block: list[Any] | None = None
    its_hash, root = "", _Root()
    for line, row in _rows(path):
        if row[0] == "block":
            if block is not None:
                yield block, its_hash, root.hexdigest()
            block, its_hash, root = row, hashlib.sha256(line).hexdigest(), _Root()
        elif row[0] == 1 and len(row) == len(canonical.ENTRY_COLUMNS):
            root.add(row[1], line)
    if block is not None:
        yield block, its_hash, root.hexdigest()


def entries_of(path: Path) -> Iterator[dict[str, Any]]:
    """The entries of a file, by column; proved by their seal as they come. Raises Broken, OSError.

    A file that was tampered with raises at the latest when its last entry was given.
    """
    block: list[Any] | None = None
    root = _Root()
    for line, row in _rows(path):
        if row[0] == "block":
            _prove(block, root)
            block, root = row, _Root()
        elif row[0] == 1 and len(row) == len(canonical.ENTRY_COLUMNS):
            root.add(row[1], line)
            yield dict(zip(canonical.ENTRY_COLUMNS, row, strict=True))
    _prove(block, root)


def _prove(block: list[Any] | None, root: _Root) -> None:
    if block is not None and root.hexdigest() != block[13]:
        raise Broken(f"does not hold the entries that were sealed in block {block[2]}")


def _rows(path: Path) -> Iterator[tuple[bytes, list[Any]]]:
    try:
        with gzip.open(path, "rb") as file:
            for whole in file:
                line = whole.rstrip(b"\n")
                row = orjson.loads(line)
                if not isinstance(row, list) or not row or row[0] not in ("archive", "block", 1):
                    raise Broken("holds a line that is no part of an archive")
                yield line, row
    except (EOFError, gzip.BadGzipFile, zlib.error, orjson.JSONDecodeError) as problem:
        raise Broken(f"cannot be read to its end ({problem})") from problem


def _sweep(place: Path) -> None:
    """Remove what a process left that died while it wrote."""
    before = dt.datetime.now(dt.UTC) - _STALE
    for path in place.glob(".audit-*.part"):
        with contextlib.suppress(FileNotFoundError):
            if dt.datetime.fromtimestamp(path.stat().st_mtime, dt.UTC) < before:
                path.unlink()


def _sync(place: Path) -> None:
    descriptor = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
