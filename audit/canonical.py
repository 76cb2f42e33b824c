"""The canonical texts over which the seal is made, as SQL expressions of an entry `e`, a block `b`, a part `p`, a tombstone `t`.

The database has functions that say the same (`audit_entry_text`, `audit_block_text`), which sealing uses. Verifying does
not trust those: the owner of the tables could change them, but nothing that stands in `pg_catalog`.
"""

from typing import Any

from django.db import connection


def _micros(instant: str) -> str:
    return f"(extract(epoch FROM {instant}) * 1000000)::bigint"


def _digest(text: str) -> str:
    return f"sha256(convert_to({text}, 'UTF8'))"


# Every column, in an order that never changes; the first item is the number of this form.
ENTRY_TEXT = (
    f"json_build_array(1, e.id, {_micros('e.at')}, e.tx, e.xact, e.actor_id, e.actor_label, e.on_behalf_of_id, "
    "e.on_behalf_label, e.action, e.entity_type, e.entity_id, e.label, e.changes, e.ip, e.user_agent, e.source, "
    "e.request_id, e.severity, e.specificity)::text"
)
ENTRY_DIGEST = _digest(ENTRY_TEXT)
ENTRY_COLUMNS = (
    "form", "id", "at", "tx", "xact", "actor_id", "actor_label", "on_behalf_of_id", "on_behalf_label", "action",
    "entity_type", "entity_id", "label", "changes", "ip", "user_agent", "source", "request_id", "severity", "specificity",
)  # fmt: skip
BLOCK_TEXT = (
    "json_build_array('block', 1, b.number, b.kind, b.from_xact, b.to_xact, b.after_id, b.until_id, b.month::text, "
    f"b.entries, {_micros('b.first_at')}, {_micros('b.last_at')}, b.last_id, b.root, b.previous_hash, "
    f"{_micros('b.sealed_at')})::text"
)
BLOCK_HASH = f"encode({_digest(BLOCK_TEXT)}, 'hex')"
TOMBSTONE_TEXT = (
    "json_build_array('tombstone', 1, t.month::text, t.entries, t.blocks, t.last_hash, t.archive, t.archive_hash, "
    f"t.archive_bytes, t.dropped_by, {_micros('t.dropped_at')})::text"
)
TOMBSTONE_HASH = f"encode({_digest(TOMBSTONE_TEXT)}, 'hex')"
# Of the digests of up to a thousand entries and of which entries they are.
PART_DIGEST = (
    "sha256(convert_to(array_to_string(p.ids, ','), 'UTF8') || (SELECT string_agg(one.digest, ''::bytea ORDER BY "
    "one.place) FROM unnest(p.digests) WITH ORDINALITY AS one(digest, place)))"
)
# An aggregate over the parts of a block.
ROOT = f"encode(sha256(string_agg({PART_DIGEST}, ''::bytea ORDER BY p.part)), 'hex')"


def use_own_words(cursor: Any) -> None:
    """Let the names in these expressions mean what `pg_catalog` says, until the transaction ends."""
    cursor.execute("SET LOCAL search_path = pg_catalog, public, pg_temp")
    cursor.execute("SET LOCAL timezone = 'UTC'")


def one_snapshot() -> None:
    """Let the transaction that begins here see one state of the database, and change none."""
    with connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        use_own_words(cursor)
