"""Proving that the sealed trail is what it was: no entry altered, removed or added, no block forged.

Digests are made again from the rows where they lie; only what does not fit comes to this process, so that memory does
not grow with the trail. Everything is read in one snapshot.
"""

import dataclasses
import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from audit import archives, canonical, sink
from audit.models import FARTHEST, SealBlock, Tombstone

# Beyond these, problems are counted only.
TOLD = 1000
_LINES = 1000


@dataclasses.dataclass(frozen=True, slots=True)
class Problem:
    """Something that does not fit. kind: altered, removed, added, block, digests, tombstone, archive, sink."""

    kind: str
    sentence: str
    block: int | None = None
    entry: int | None = None


@dataclasses.dataclass(slots=True)
class Report:
    """What verifying found. entries: how many live ones are sealed; unsealed_since: when the oldest other one began.

    archived: entries that were proved in archives, of `tombstones` months that are not live any more.
    """

    blocks: int = 0
    entries: int = 0
    tombstones: int = 0
    archived: int = 0
    last_hash: str = ""
    unsealed: int = 0
    unsealed_since: dt.datetime | None = None
    problems: list[Problem] = dataclasses.field(default_factory=list)
    problem_count: int = 0

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        return not self.problem_count

    def add(self, problem: Problem) -> None:
        """Note a problem."""
        self.problem_count += 1
        if len(self.problems) < TOLD:
            self.problems.append(problem)


@dataclasses.dataclass(frozen=True, slots=True)
class _Span:
    """The numbers of transactions and the ids that a block covers; see the migration that makes blocks."""

    from_xact: int
    to_xact: int
    after_id: int
    until_id: int

    def is_followed_by(self, other: "_Span") -> bool:
        """Whether nothing lies between this span and `other`, and nothing in both; equal ones are of one run."""
        if other == self:
            return True
        if self.until_id < FARTHEST:
            return (other.from_xact, other.after_id) == (0, self.until_id)
        return (other.from_xact, other.after_id) == (self.to_xact, self.after_id)


_START = _Span(0, 0, 0, FARTHEST)


def verify(*, sink_file: Path | None = None, with_archives: bool = True) -> Report:
    """Prove the chain, every sealed entry, the archives of dropped months and, where there is a file of hashes, that
    the chain is the one it tells of.

    sink_file: by default that of AUDIT_SEAL_SINK. Raises OSError when it cannot be read.
    """
    report = Report()
    with transaction.atomic(durable=True):
        canonical.one_snapshot()
        last, dropped = _check_chain(report)
        stones = _check_tombstones(report, dropped)
        _check_digests(report)
        with connection.cursor() as cursor:
            _count_tail(cursor, report, last)
            for month in _months(cursor):
                _check_month(cursor, report, month, last)
    # Files may take longer than a transaction may stand idle; what they are compared with only grows.
    if with_archives:
        for stone in stones:
            _check_archive(report, stone)
    file = sink_file or _file_of_the_sink()
    if file is not None:
        _check_sink(report, file)
    return report


def _check_chain(report: Report) -> tuple[_Span, dict[dt.date, tuple[int, str]]]:
    """Every block by itself and after the one before. Returns the last one's span, and number and root of the block
    that tells of each dropped month."""
    number, last_hash, span, month = 0, "", _START, None
    dropped: dict[dt.date, tuple[int, str]] = {}
    query = (
        "SELECT b.number, b.kind, b.from_xact, b.to_xact, b.after_id, b.until_id, b.month, b.entries, b.previous_hash, "
        f"b.root, b.hash, {canonical.BLOCK_HASH} FROM audit_sealblock AS b ORDER BY b.number"
    )
    for found, kind, lower, upper, after, until, its_month, entries, previous, root, its_hash, wanted in _stream(query):
        if found != number + 1:
            report.add(Problem("block", f"Blocks {number + 1} to {found - 1} are missing.", number + 1))
        if previous != last_hash:
            report.add(Problem("block", f"Block {found} does not continue block {number}.", found))
        if its_hash != wanted:
            report.add(Problem("block", f"Block {found} was altered.", found))
        following = _Span(lower, upper, after, until)
        same_run = following == span and month is not None and its_month is not None and its_month > month
        if not (span.is_followed_by(following) and (following != span or same_run or kind == "retention")):
            report.add(
                Problem("block", f"Block {found} leaves out entries after block {number}, or repeats some.", found)
            )
        number, last_hash, span, month = found, its_hash, following, its_month
        report.blocks += 1
        if kind == "entries":
            report.entries += entries
        else:
            # Its block comes later than those of its entries, which are live no more.
            report.entries -= entries
            dropped[its_month] = found, root
    report.last_hash = last_hash
    return span, dropped


def _check_tombstones(report: Report, dropped: dict[dt.date, tuple[int, str]]) -> list[Tombstone]:
    """Each tombstone against the block that tells of it, and the other way round."""
    query = (
        f"SELECT t.month, {canonical.TOMBSTONE_HASH}, t.entries, (SELECT coalesce(sum(b.entries), 0) "
        "FROM audit_sealblock AS b WHERE b.month = t.month AND b.kind = 'entries') FROM audit_tombstone AS t"
    )
    known = {month: (its_hash, entries, sealed) for month, its_hash, entries, sealed in _stream(query)}
    report.tombstones = len(known)
    for month in sorted({*known, *dropped}):
        number, root = dropped.get(month, (None, ""))
        if number is None:
            report.add(Problem("tombstone", f"No block tells that {month:%B %Y} was dropped."))
        elif month not in known:
            report.add(
                Problem("tombstone", f"The tombstone of {month:%B %Y} is gone, of which block {number} tells.", number)
            )
        elif known[month][0] != root or known[month][1] != known[month][2]:
            report.add(Problem("tombstone", f"The tombstone of {month:%B %Y} was altered.", number))
    return list(Tombstone.objects.all())


def _check_archive(report: Report, stone: Tombstone) -> None:
    """The file of a dropped month against its hash, and what it holds against the blocks of that month."""
    if not stone.archive:
        return
    path = archives.folder() / Path(stone.archive).name
    words = f"{path}, the archive of {stone},"
    try:
        if archives.hash_of(path) != stone.archive_hash:
            report.add(Problem("archive", f"{words} is not the file that was written."))
            return
        found = {block[2]: (its_hash, root) for block, its_hash, root in archives.blocks_of(path)}
    except archives.Broken as problem:
        report.add(Problem("archive", f"{words} {problem}."))
        return
    except OSError as problem:
        report.add(Problem("archive", f"{words} cannot be read: {problem.strerror}."))
        return
    for block in SealBlock.objects.filter(month=stone.month, kind=SealBlock.Kind.ENTRIES).iterator():
        if found.pop(block.number, None) != (block.hash, block.root):
            report.add(Problem("archive", f"{words} does not hold what block {block.number} sealed.", block.number))
        else:
            report.archived += block.entries
    for number in found:
        report.add(Problem("archive", f"{words} holds block {number}, which is none of that month.", number))


def _check_digests(report: Report) -> None:
    """The lists of digests against the blocks they belong to."""
    query = (
        "SELECT coalesce(b.number, listed.block) FROM (SELECT * FROM audit_sealblock WHERE kind = 'entries' "
        "AND NOT (month IS NOT NULL AND month IN (SELECT month FROM audit_tombstone))) AS b "
        "FULL JOIN (SELECT p.block, sum(cardinality(p.ids)) AS entries, "
        f"{canonical.ROOT} AS root FROM audit_sealpart AS p GROUP BY p.block) AS listed ON listed.block = b.number "
        "WHERE b.root IS DISTINCT FROM coalesce(listed.root, '') OR b.entries <> coalesce(listed.entries, 0) ORDER BY 1"
    )
    for (number,) in _stream(query):
        report.add(Problem("digests", f"The list of digests of block {number} was altered.", number))


def _count_tail(cursor: Any, report: Report, last: _Span) -> None:
    """What is not sealed yet."""
    cursor.execute(f"SELECT count(*), min(e.at) FROM audit_entry AS e WHERE {_TAIL}", _tail_from(last))
    report.unsealed, report.unsealed_since = cursor.fetchone()


def _months(cursor: Any) -> list[dt.date]:
    """Every month that has entries, found by jumps over an index, or blocks."""
    cursor.execute(
        "WITH RECURSIVE seen (month) AS (SELECT date_trunc('month', min(at)) FROM audit_entry UNION ALL "
        "SELECT (SELECT date_trunc('month', min(at)) FROM audit_entry WHERE at >= seen.month + interval '1 month') "
        "FROM seen WHERE seen.month IS NOT NULL) SELECT month::date FROM seen WHERE month IS NOT NULL "
        "UNION SELECT month FROM audit_sealblock WHERE kind = 'entries' AND month IS NOT NULL "
        "AND month NOT IN (SELECT month FROM audit_tombstone) ORDER BY 1"
    )
    return [month for (month,) in cursor.fetchall()]


def _check_month(cursor: Any, report: Report, month: dt.date, last: _Span) -> None:
    """Each entry of `month` against the digest it was sealed with."""
    query = f"""
        SELECT sealed.block, sealed.id, live.id
          FROM (SELECT p.block, one.id, one.digest FROM audit_sealblock AS b JOIN audit_sealpart AS p ON p.block = b.number
                 CROSS JOIN unnest(p.ids, p.digests) AS one(id, digest)
                 WHERE b.month = %(month)s AND b.kind = 'entries') AS sealed
          FULL JOIN (SELECT e.id, {canonical.ENTRY_DIGEST} AS digest, {_TAIL} AS is_tail FROM audit_entry AS e
                      WHERE e.at >= %(month)s::timestamptz
                        AND e.at < %(month)s::timestamptz + interval '1 month') AS live ON live.id = sealed.id
         WHERE sealed.digest IS DISTINCT FROM live.digest AND NOT (sealed.id IS NULL AND live.is_tail)
         ORDER BY coalesce(sealed.id, live.id)
    """
    for block, sealed, live in _stream(query, {"month": month, **_tail_from(last)}):
        when = f"{month:%B %Y}"
        if sealed is None:
            report.add(Problem("added", f"Entry {live} of {when} was added after its time was sealed.", None, live))
        elif live is None:
            report.add(
                Problem("removed", f"Entry {sealed} of {when}, sealed in block {block}, is gone.", block, sealed)
            )
        else:
            report.add(
                Problem("altered", f"Entry {live} of {when}, sealed in block {block}, was altered.", block, live)
            )


# Whether an entry `e` is one that the next block will hold.
_TAIL = "(e.xact >= (%(xact)s::text)::xid8 AND e.id > %(after)s)"


def _tail_from(last: _Span) -> dict[str, int]:
    if last.until_id < FARTHEST:
        return {"xact": 0, "after": last.until_id}
    return {"xact": last.to_xact, "after": last.after_id}


def _file_of_the_sink() -> Path | None:
    name = settings.AUDIT_SEAL_SINK
    return Path(name) if name and name != sink.SYSLOG and Path(name).exists() else None


def _check_sink(report: Report, file: Path) -> None:
    """The hashes outside the database against those within."""
    lines: dict[int, set[str]] = {}
    for number, its_hash in sink.read(file):
        lines.setdefault(number, set()).add(its_hash)
        if len(lines) == _LINES:
            _compare(report, file, lines)
            lines = {}
    _compare(report, file, lines)


def _compare(report: Report, file: Path, lines: dict[int, set[str]]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT number, hash FROM audit_sealblock WHERE number = ANY(%s)", [list(lines)])
        stored = dict(cursor.fetchall())
    for number, hashes in lines.items():
        if hashes != {stored.get(number)}:
            words = "is not the one" if number in stored else "is gone; its hash is"
            report.add(Problem("sink", f"Block {number} {words} that {file} tells of.", number))


def _stream(query: str, params: Any = None) -> Iterator[tuple[Any, ...]]:
    """Rows one by one, whatever their number."""
    with connection.chunked_cursor() as cursor:
        # The queries of this module, put together from the expressions of `canonical`; never input.
        cursor.execute(query, params)
        while rows := cursor.fetchmany(2000):
            yield from rows
