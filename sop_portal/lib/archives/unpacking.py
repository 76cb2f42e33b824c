"""Having a limited child process unpack a zip of workbooks, and packing several uploads into one such zip.

The names in an archive are labels: members are written under numbers into a folder of ours, so that no name can lead
anywhere. Archives inside an archive are not opened.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson
import structlog

from sop_portal.lib.errors import DomainError, Refused, TooLarge
from sop_portal.lib.workbook import Limits

log = structlog.get_logger(__name__)

MB = 1024 * 1024
CHILD = Path(__file__).with_name("child.py")
ZIP = b"PK\x03\x04"
EMPTY_ZIP = b"PK\x05\x06"
CHUNK = 1 << 20

SENTENCES = {
    "too_many_parts": "The archive holds more than {limits.entries:,} entries. Put the workbooks into smaller archives.",
    "too_many_files": "The archive holds {files:,} workbooks; at most {most:,} are taken at once. "
    "Put them into smaller archives.",
    "unpacks_too_far": "The archive unpacks to more than {unpacked_mb:,} MB, or to more than {limits.ratio} times its "
    "size, and was not opened. Put the workbooks into smaller archives.",
    "too_big_in_memory": "The archive needs more than {memory_mb} MB or {limits.seconds} seconds to be unpacked. "
    "Put the workbooks into smaller archives.",
    "damaged": "The archive is damaged or was cut off on its way. Pack the workbooks again and upload that file.",
}
MEMBERS = {
    "encrypted": "It is protected by a password inside the archive. Pack it without one.",
    "nested": "It is an archive inside the archive and was not opened. Take its workbooks out and pack those.",
    "size": "It has more than {size_mb:,} MB. Delete unused sheets, rows and pictures in it.",
    "damaged": "It is damaged inside the archive. Pack it again.",
}


@dataclass(frozen=True, slots=True)
class Member:
    """One file of an archive: its label, and where it was unpacked, or why not."""

    name: str
    path: Path | None
    refused: str = ""


def is_zip(path: Path) -> bool:
    """Whether a file begins as a zip archive does; workbooks do, too."""
    with path.open("rb") as source:
        return source.read(4) in (ZIP, EMPTY_ZIP)


def unpack(path: Path, folder: Path, *, limits: Limits, most: int) -> list[Member] | None:
    """The members of the archive at `path`, unpacked into `folder`, in the order of their names.

    None when it is one document (a workbook is a zip, too). Files that cannot be a workbook are left out. Raises
    TooLarge beyond `limits` (of each member, and of all together) and `most` files, Refused for a damaged archive.
    """
    orders = orjson.dumps({
        "path": os.path.abspath(path), "folder": os.path.abspath(folder), "parent": os.getpid(),
        "memory": limits.memory, "seconds": limits.seconds, "output": limits.unpacked, "entries": limits.entries,
        "unpacked": limits.unpacked, "ratio": limits.ratio, "size": limits.size, "most": most,
    })  # fmt: skip
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as complaints:
        # Isolated (-I) and with an environment of its own: neither secrets nor open connections reach the child.
        child = subprocess.Popen(
            [sys.executable, "-I", str(CHILD), orders.decode()],
            stdin=subprocess.DEVNULL, stdout=out, stderr=complaints, env={"LANG": "C.UTF-8"}, close_fds=True,
        )  # fmt: skip
        try:
            status = child.wait(limits.seconds)
        except subprocess.TimeoutExpired:
            raise _refusal("too_big_in_memory", limits) from None
        finally:
            if child.poll() is None:
                child.kill()
                child.wait()
        out.seek(0)
        lines = [orjson.loads(line) for line in out] if status == 0 else []
        if status != 0:
            complaints.seek(max(0, complaints.seek(0, os.SEEK_END) - 2000))
            cause = complaints.read().decode("utf-8", "replace")
            log.info("archive_unreadable", status=status, cause=cause)
            raise _refusal("too_big_in_memory" if status < 0 or "MemoryError" in cause else "damaged", limits)
    found = []
    for line in lines:
        if "refused" in line:
            raise _refusal(line.pop("refused"), limits, most=most, **line)
        if "document" in line:
            return None
        if "member" in line:
            said = line.get("because", "")
            sentence = MEMBERS[said].format(size_mb=limits.size // MB) if said else ""
            found.append(Member(line["member"], None if said else folder / line["stored"], sentence))
    return sorted(found, key=lambda member: member.name.casefold())


def _refusal(code: str, limits: Limits, **facts: object) -> DomainError:
    sentence = SENTENCES[code].format(
        limits=limits, unpacked_mb=limits.unpacked // MB, memory_mb=limits.memory // MB, **facts
    )
    return Refused(sentence) if code == "damaged" else TooLarge(sentence)


def bundle(target: Path, files: Sequence[tuple[str, Iterable[bytes]]], *, limit: int) -> int:
    """Pack uploads into one zip at `target`, as they are. Returns their size. Raises TooLarge beyond `limit` bytes.

    files: (label, chunks). Nothing is left of an archive that was not finished.
    """
    size = 0
    try:
        with zipfile.ZipFile(target, "x", zipfile.ZIP_STORED) as archive:
            for number, (name, chunks) in enumerate(files):
                with archive.open(zipfile.ZipInfo(f"{number}/{name}"), "w", force_zip64=True) as member:
                    for chunk in chunks:
                        size += len(chunk)
                        if size > limit:
                            raise TooLarge(
                                f"The files have more than {limit // MB:,} MB together, the most an import may have. "
                                "Upload them in several parts."
                            )
                        member.write(chunk)
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    return size


def unbundle(path: Path, folder: Path) -> list[tuple[str, Path]]:
    """The uploads that `bundle` packed, written into `folder` under numbers: (label, path) in their order."""
    found = []
    with zipfile.ZipFile(path) as archive:
        for number, entry in enumerate(archive.infolist()):
            target = folder / f"{number:04d}"
            with archive.open(entry) as source, target.open("xb") as kept:
                shutil.copyfileobj(source, kept, CHUNK)
            found.append((entry.filename.partition("/")[2], target))
    return found
