"""The hash of every block, kept outside the database: whoever owns the tables could write the whole chain anew, but not
what a file on another machine or a log server already holds.

Each block is written at least once; a process that dies between writing and noting it down writes it again.
"""

import os
import re
import syslog
from collections.abc import Iterable, Iterator
from pathlib import Path

from django.conf import settings
from django.db import connection, transaction

from audit.models import SealBlock, SinkMark

SYSLOG = "syslog"
AT_A_TIME = 1000

_LINE = re.compile(r"\S+ block=(\d{1,18}) entries=\d+ hash=([0-9a-f]{64})\Z")


def write_out() -> int:
    """Write the blocks that the sink of AUDIT_SEAL_SINK does not have yet; returns how many. Raises OSError."""
    name = settings.AUDIT_SEAL_SINK
    written = 0
    while name:
        with transaction.atomic():
            count = _write_next(name)
        written += count
        if count < AT_A_TIME:
            break
    return written


def _write_next(name: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtext('audit_sink'))")
        if not cursor.fetchone()[0]:
            return 0
    mark = SinkMark.objects.filter(pk=name).first()
    blocks = list(SealBlock.objects.filter(number__gt=mark.number if mark else 0).order_by("number")[:AT_A_TIME])
    if blocks:
        lines = [f"{b.sealed_at:%Y-%m-%dT%H:%M:%SZ} block={b.number} entries={b.entries} hash={b.hash}" for b in blocks]
        if name == SYSLOG:
            _tell_syslog(lines)
        else:
            _append(Path(name), lines)
        SinkMark.objects.update_or_create(pk=name, defaults={"number": blocks[-1].number})
    return len(blocks)


def _tell_syslog(lines: Iterable[str]) -> None:
    syslog.openlog("sop-audit", 0, syslog.LOG_AUTHPRIV)
    for line in lines:
        syslog.syslog(syslog.LOG_NOTICE, line)


def _append(path: Path, lines: Iterable[str]) -> None:
    text = "".join(f"{line}\n" for line in lines).encode()
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if _is_torn(path):
            text = b"\n" + text
        while text:
            text = text[os.write(descriptor, text) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _is_torn(path: Path) -> bool:
    """Whether the last line was broken off."""
    with path.open("rb") as file:
        if file.seek(0, os.SEEK_END) == 0:
            return False
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"


def read(path: Path) -> Iterator[tuple[int, str]]:
    """Number and hash of each block that a file tells of. Lines that are broken off tell of none. Raises OSError."""
    with path.open(encoding="ascii", errors="replace") as file:
        for line in file:
            found = _LINE.match(line.rstrip("\n"))
            if found:
                yield int(found[1]), found[2]
