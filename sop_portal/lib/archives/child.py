"""The process that unpacks an archive from outside. It runs alone: started by its path, it imports nothing of ours
but its neighbour that reads workbooks in the same way.

Reads its orders (JSON) from the command line, writes JSON lines to standard output: one per member; or one line
{"refused": code, ...}, or {"document": true} for a zip that is one document.
"""

import os
import posixpath
import sys
import zipfile
import zlib
from pathlib import Path
from typing import Any, BinaryIO

import orjson

sys.path.insert(0, str(Path(__file__).parent.parent / "workbook"))

from child import CHUNK, SMALL_FILE, bind

WORKBOOKS = (b"PK\x03\x04", bytes.fromhex("d0cf11e0a1b11ae1"))
# What only a document has at its top level: Office's and OpenDocument's.
DOCUMENT = {"[Content_Types].xml", "mimetype"}
ARCHIVES = (".zip", ".7z", ".rar", ".gz", ".tgz", ".tar", ".bz2", ".xz")


class Refusal(Exception):
    """The archive is not taken; `answer` says why."""

    def __init__(self, code: str, **facts: Any) -> None:
        super().__init__(code)
        self.answer = {"refused": code, **facts}


class TooBig(Exception):
    """One member is too big."""


def wanted(entry: zipfile.ZipInfo) -> bool:
    """Whether an entry is a file that somebody packed on purpose: no folder, no helper file of a system or of Excel."""
    parts = entry.filename.replace("\\", "/").split("/")
    return (
        not entry.is_dir() and not any(part.startswith((".", "~$", "__MACOSX")) for part in parts) and bool(parts[-1])
    )


def unpack(archive: zipfile.ZipFile, packed: int, orders: dict[str, Any], out: BinaryIO) -> None:
    """Write the members under numbers and tell of each one."""
    entries = archive.infolist()
    if len(entries) > orders["entries"]:
        raise Refusal("too_many_parts")
    if DOCUMENT & {entry.filename for entry in entries}:
        out.write(b'{"document":true}\n')
        return
    unpacked, files = 0, 0
    for entry in filter(wanted, entries):
        stored = f"{files:04d}"
        told: dict[str, Any] = {"member": posixpath.basename(entry.filename.replace("\\", "/")), "stored": stored}
        target = os.path.join(orders["folder"], stored)
        try:
            size = extract(archive, entry, target, orders, unpacked, packed)
        except TooBig:
            told["because"] = "size"
        except (RuntimeError, NotImplementedError):
            told["because"] = "encrypted" if entry.flag_bits & 1 else "damaged"
        except (zipfile.BadZipFile, zlib.error, EOFError):
            told["because"] = "damaged"
        else:
            if size is None:
                if not entry.filename.lower().endswith(ARCHIVES):
                    continue
                told["because"] = "nested"
            else:
                unpacked += size
                if is_archive(target):
                    os.unlink(target)
                    told["because"] = "nested"
        files += 1
        if files > orders["most"]:
            raise Refusal("too_many_files", files=sum(map(wanted, entries)))
        out.write(orjson.dumps(told) + b"\n")


def extract(
    archive: zipfile.ZipFile, entry: zipfile.ZipInfo, target: str, orders: dict[str, Any], before: int, packed: int
) -> int | None:
    """Write one member; None when it begins like no workbook. What it declares and what comes out are both bounded."""
    if entry.flag_bits & 1:
        raise RuntimeError("encrypted")
    size = 0
    with archive.open(entry) as source:
        head = source.read(8)
        if not head.startswith(WORKBOOKS):
            return None
        if entry.file_size > orders["size"]:
            raise TooBig
        with open(target, "xb") as kept:
            chunk = head
            while chunk:
                size += len(chunk)
                if size > orders["size"]:
                    raise TooBig
                check_sizes(before + size, packed, orders)
                kept.write(chunk)
                chunk = source.read(CHUNK)
    return size


def is_archive(path: str) -> bool:
    """Whether a member is a zip of files again; one that is damaged is left to the reader of workbooks."""
    try:
        with zipfile.ZipFile(path) as archive:
            return not DOCUMENT & set(archive.namelist())
    except zipfile.BadZipFile:
        return False


def check_sizes(unpacked: int, packed: int, orders: dict[str, Any]) -> None:
    """Refuse archives that unpack too far; a small one may be as repetitive as it likes."""
    if unpacked > orders["unpacked"] or (unpacked > SMALL_FILE and unpacked > packed * orders["ratio"]):
        raise Refusal("unpacks_too_far")


def main() -> None:
    """Answer on standard output; a damaged archive ends with a status other than 0 and the cause on standard error."""
    orders = orjson.loads(sys.argv[1])
    bind(orders)
    out = sys.stdout.buffer
    try:
        with zipfile.ZipFile(orders["path"]) as archive:
            unpack(archive, os.path.getsize(orders["path"]), orders, out)
    except Refusal as refusal:
        out.write(orjson.dumps(refusal.answer) + b"\n")
    except MemoryError:
        out.write(b'{"refused":"too_big_in_memory"}\n')
    out.flush()


if __name__ == "__main__":
    main()
