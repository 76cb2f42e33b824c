"""Entries with real commits, sealed."""

import time

import psycopg
from django.db import connection

from audit import sealing
from audit.services import Event, record_many
from audit.verifying import Report, verify
from tests.conftest import owner_connection


def write(*names: str, **changes: object) -> None:
    """One transaction with an entry about each thing."""
    record_many(
        Event(action="thing_updated", entity_type="thing", entity_id=name, label=f"Thing {name}",
              changes={"size": [1, 2], **changes})
        for name in names
    )  # fmt: skip


# A transaction that is open anywhere in the server, such as that of a slow test beside this one, keeps entries back.
PATIENCE = 240.0


def settle() -> None:
    """Wait until whatever was written may be sealed."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM audit_entry WHERE xact >= pg_snapshot_xmin(pg_current_snapshot()) "
                "AND xact < pg_snapshot_xmax(pg_current_snapshot())"
            )
            if cursor.fetchone() == (0,):
                return
        time.sleep(0.05)
    raise AssertionError("another transaction keeps entries from being sealed")


def seal_all(**options: int) -> int:
    """Seal until nothing is left."""
    sealed = 0
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        sealed += sealing.seal(**options).entries
        if not unsealed():
            return sealed
        time.sleep(0.05)
    raise AssertionError("another transaction keeps entries from being sealed")


def unsealed() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT (SELECT count(*) FROM audit_entry) - coalesce(sum(CASE kind WHEN 'entries' THEN entries "
            "ELSE -entries END), 0) FROM audit_sealblock"
        )
        return cursor.fetchone()[0]


def tamper(statement: str, params: object = None) -> psycopg.Cursor:
    """What an owner can do who stops the triggers."""
    tables = ("audit_entry", "audit_sealblock", "audit_sealpart", "audit_tombstone")
    with owner_connection() as owner, owner.transaction():
        for table in tables:
            owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        done = owner.execute(statement, params)
        for table in tables:
            owner.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
        return done


def found(report: Report | None = None) -> set[tuple[str, int | None, int | None]]:
    return {(problem.kind, problem.block, problem.entry) for problem in (report or verify()).problems}


def as_restored() -> None:
    """Make it look as if the trail had come from a server whose numbers of transactions were far ahead."""
    ahead = 10**12
    tamper(
        "UPDATE audit_sealblock SET from_xact = CASE from_xact WHEN 0 THEN 0 ELSE from_xact + %(ahead)s END, "
        "to_xact = to_xact + %(ahead)s",
        {"ahead": ahead},
    )
    tamper("UPDATE audit_entry SET xact = (xact::text::bigint + %s)::text::xid8", [ahead])
    with owner_connection() as owner:
        owner.execute("ALTER TABLE audit_sealblock DISABLE TRIGGER USER")
        owner.execute("ALTER TABLE audit_sealpart DISABLE TRIGGER USER")
        owner.execute(SEAL_AGAIN)
        owner.execute("ALTER TABLE audit_sealpart ENABLE TRIGGER USER")
        owner.execute("ALTER TABLE audit_sealblock ENABLE TRIGGER USER")


# What the other server would have sealed: the same blocks over entries with those numbers.
SEAL_AGAIN = """
UPDATE audit_sealpart AS p SET digests = (
    SELECT array_agg(sha256(convert_to(audit_entry_text(e), 'UTF8')) ORDER BY place)
      FROM unnest(p.ids) WITH ORDINALITY AS one(id, place) JOIN audit_entry AS e ON e.id = one.id
);
DO $$
DECLARE
    b audit_sealblock;
    last text := '';
BEGIN
    FOR b IN SELECT * FROM audit_sealblock ORDER BY number LOOP
        b.previous_hash := last;
        SELECT encode(sha256(string_agg(sha256(convert_to(array_to_string(p.ids, ','), 'UTF8') || (
                   SELECT string_agg(one.digest, ''::bytea ORDER BY place)
                     FROM unnest(p.digests) WITH ORDINALITY AS one(digest, place))), ''::bytea ORDER BY part)), 'hex')
          INTO b.root FROM audit_sealpart AS p WHERE p.block = b.number;
        b.hash := encode(sha256(convert_to(audit_block_text(b), 'UTF8')), 'hex');
        UPDATE audit_sealblock SET previous_hash = b.previous_hash, root = b.root, hash = b.hash
         WHERE number = b.number;
        last := b.hash;
    END LOOP;
END $$;
"""
