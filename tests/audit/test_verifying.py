"""Verifying: whatever an owner of the tables does to the sealed trail is found, with the entry or block it was done to."""

import io
import json
import random

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection

from audit import canonical, verifying
from audit.models import Entry, SealBlock
from audit.verifying import verify
from tests.audit.sealed import found, seal_all, tamper, write
from tests.conftest import owner_connection

pytestmark = pytest.mark.usefixtures("committed", "claimed")

TEXTS = (
    "actor_label", "on_behalf_label", "action", "entity_type", "entity_id", "label", "user_agent", "source", "request_id",
)  # fmt: skip
# Column -> what one small change of its stored value is.
CHANGES = {
    **dict.fromkeys(TEXTS, "overlay({column} placing chr(33 + (ascii({column} || 'x') + 1) %% 90) from 1 for 1)"),
    "id": "id + 1000000", "at": "at + interval '1 microsecond'", "tx": "gen_random_uuid()",
    "xact": "(xact::text::bigint - 1)::text::xid8", "actor_id": "coalesce(actor_id, 0) + 1",
    "on_behalf_of_id": "coalesce(on_behalf_of_id, 0) + 1", "changes": "changes || '{{\"size\": [1, 3]}}'",
    "ip": "'10.0.0.1'", "severity": "'ERROR'", "specificity": "specificity + 1",
}  # fmt: skip


@pytest.fixture
def trail() -> list[int]:
    """Twenty entries in seven blocks; their ids."""
    seal_all()
    for n in range(5):
        write(*(f"{n}{m}" for m in range(4)))
        if n % 2:
            seal_all()
    seal_all()
    return list(Entry.objects.filter(entity_type="thing").order_by("id").values_list("id", flat=True))


def block_of(entry: int) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT block FROM audit_sealpart WHERE %s = ANY(ids)", [entry])
        return cursor.fetchone()[0]


def columns(table: str) -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0", [table])
        return {name for (name,) in cursor.fetchall()}


def test_every_stored_column_is_under_the_seal():
    assert set(CHANGES) == columns("audit_entry")


def test_the_database_and_the_verifier_say_the_same(trail):
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM audit_entry AS e WHERE audit_entry_text(e) <> {canonical.ENTRY_TEXT}")
        assert cursor.fetchone() == (0,)
        cursor.execute(f"SELECT count(*) FROM audit_sealblock AS b WHERE audit_block_text(b) <> {canonical.BLOCK_TEXT}")
        assert cursor.fetchone() == (0,)


def test_a_hundred_changes_of_one_field_are_found_a_hundred_times(trail):
    chance = random.Random(20)
    names = [*CHANGES, *chance.choices([*CHANGES], k=100 - len(CHANGES))]
    with owner_connection() as owner:
        owner.execute("ALTER TABLE audit_entry DISABLE TRIGGER USER")
        for name in names:
            entry = chance.choice(trail)
            block = block_of(entry)
            (before,) = owner.execute("SELECT e FROM audit_entry AS e WHERE id = %s", [entry]).fetchone()
            change = CHANGES[name].format(column=name)
            owner.execute(f"UPDATE audit_entry SET {name} = {change} WHERE id = %s", [entry])
            (after,) = owner.execute(
                "SELECT e FROM audit_entry AS e WHERE id = ANY(%s)", [[entry, entry + 1000000]]
            ).fetchone()
            assert after != before
            wanted = {("altered", block, entry)}
            if name == "id":
                wanted = {("removed", block, entry), ("added", None, entry + 1000000)}
            assert found() == wanted, name
            owner.execute("DELETE FROM audit_entry WHERE id = ANY(%s)", [[entry, entry + 1000000]])
            owner.execute("INSERT INTO audit_entry SELECT (%s::audit_entry).*", [before])
        owner.execute("ALTER TABLE audit_entry ENABLE TRIGGER USER")
    assert verify().ok


def test_entries_that_were_removed_are_named(trail):
    gone = [trail[0], trail[7], trail[-1]]
    wanted = {("removed", block_of(entry), entry) for entry in gone}
    tamper("DELETE FROM audit_entry WHERE id = ANY(%s)", [gone])
    assert found() == wanted


@pytest.mark.parametrize("at", ["at", "at + interval '1 second'", "at - interval '5 years'"])
def test_an_entry_that_was_added_is_named(trail, at):
    tamper(
        "INSERT INTO audit_entry SELECT (e).* FROM (SELECT jsonb_populate_record(e, jsonb_build_object('id', 77777, "
        f"'at', {at}, 'tx', gen_random_uuid())) AS e FROM audit_entry AS e WHERE id = %s) AS copy",
        [trail[3]],
    )
    assert found() == {("added", None, 77777)}


def test_an_entry_that_was_moved_to_another_month_is_named(trail):
    block = block_of(trail[2])
    tamper("UPDATE audit_entry SET at = at - interval '3 months' WHERE id = %s", [trail[2]])
    assert found() == {("removed", block, trail[2]), ("added", None, trail[2])}


def test_every_change_of_a_block_is_found(trail):
    number = SealBlock.objects.all()[2].number
    changes = {
        "kind": "'retention'", "month": "month - interval '1 month'", "root": "reverse(root)", "hash": "reverse(hash)",
        "previous_hash": "reverse(previous_hash)", "first_at": "first_at + interval '1 microsecond'",
        "last_at": "last_at + interval '1 microsecond'", "sealed_at": "sealed_at + interval '1 microsecond'",
        "until_id": "until_id - 1",
        **{name: f"{name} + 1" for name in ("from_xact", "to_xact", "after_id", "entries", "last_id")},
    }  # fmt: skip
    assert {*changes, "number"} == columns("audit_sealblock")
    with owner_connection() as owner:
        owner.execute("ALTER TABLE audit_sealblock DISABLE TRIGGER USER")
        for name, change in changes.items():
            (before,) = owner.execute("SELECT b FROM audit_sealblock AS b WHERE number = %s", [number]).fetchone()
            owner.execute(f"UPDATE audit_sealblock SET {name} = {change} WHERE number = %s", [number])
            assert ("block", number, None) in found(), name
            owner.execute("DELETE FROM audit_sealblock WHERE number = %s", [number])
            owner.execute(
                "INSERT INTO audit_sealblock OVERRIDING SYSTEM VALUE SELECT (%s::audit_sealblock).*", [before]
            )
        owner.execute("ALTER TABLE audit_sealblock ENABLE TRIGGER USER")
    assert verify().ok


def test_a_block_that_was_removed_is_found(trail):
    number = SealBlock.objects.all()[1].number
    tamper("DELETE FROM audit_sealblock WHERE number = %s", [number])
    kinds = found()
    assert {("block", number, None), ("block", number + 1, None), ("digests", number, None)} <= kinds


@pytest.mark.parametrize(
    "change", ["ids = ids[2:] || ids[1]", "digests = digests[2:] || digests[1]",
               "ids = ids[2:], digests = digests[2:]", "part = part + 1, block = block + 100"]
)  # fmt: skip
def test_digests_that_were_altered_are_found(trail, change):
    number = SealBlock.objects.all()[1].number
    tamper(f"UPDATE audit_sealpart SET {change} WHERE block = %s", [number])
    assert ("digests", number, None) in found()


FORGE = """
SELECT setval(pg_get_serial_sequence('audit_sealblock', 'number'), 1);
DELETE FROM audit_sealblock;
DELETE FROM audit_sealpart;
UPDATE audit_entry SET label = 'Forged' WHERE entity_id = '12';
SELECT audit_seal(1000000);
"""


def test_a_chain_that_was_written_anew_is_found_by_the_hashes_outside(trail, tmp_path, settings):
    """Inside the database nothing is left to tell by."""
    settings.AUDIT_SEAL_SINK = str(tmp_path / "hashes.log")
    seal_all()
    tamper(FORGE)
    assert SealBlock.objects.count() >= 1
    numbers = {number for kind, number, _ in found() if kind == "sink"}
    assert 1 in numbers
    settings.AUDIT_SEAL_SINK = ""
    assert verify().ok
    assert not verify(sink_file=tmp_path / "hashes.log").ok


def test_blocks_cut_off_the_end_are_found_by_the_hashes_outside(trail, tmp_path, settings):
    settings.AUDIT_SEAL_SINK = str(tmp_path / "hashes.log")
    seal_all()
    last = SealBlock.objects.last().number
    tamper("DELETE FROM audit_sealpart WHERE block = %s", [last])
    tamper("DELETE FROM audit_sealblock WHERE number = %s", [last])
    assert found() == {("sink", last, None)}


def test_functions_of_the_database_are_not_trusted(trail):
    """Whoever makes sealing blind makes nothing intact that was not."""
    with owner_connection() as owner:
        (text,) = owner.execute("SELECT pg_get_functiondef('audit_entry_text'::regproc)").fetchone()
        try:
            owner.execute(
                "CREATE OR REPLACE FUNCTION audit_entry_text(e audit_entry) RETURNS text LANGUAGE sql STABLE AS "
                "$$ SELECT json_build_array(e.id)::text $$; "
                "CREATE FUNCTION public.sha256(bytea) RETURNS bytea LANGUAGE sql AS $$ SELECT ''::bytea $$"
            )
            write("blind")
            seal_all()
            assert {kind for kind, _, _ in found()} == {"altered"}
        finally:
            owner.execute(text)
            owner.execute("DROP FUNCTION IF EXISTS public.sha256(bytea)")


def run(*arguments: str) -> tuple[int, str]:
    out = io.StringIO()
    try:
        call_command("verify_audit", *arguments, stdout=out)
    except SystemExit as end:
        return int(end.code or 0), out.getvalue()
    return 0, out.getvalue()


def test_the_command_tells_what_is_intact(trail):
    write("tail")
    code, text = run()
    assert code == 0
    assert f"intact: {verify().entries} entries in {SealBlock.objects.count()} blocks" in text
    assert "Not sealed yet: 1 entries" in text
    code, text = run("--json")
    told = json.loads(text)
    # That the trail was looked at is an entry of its own.
    assert (code, told["ok"], told["unsealed"], told["problems"]) == (0, True, 2, [])


def test_the_command_tells_what_is_not(trail, monkeypatch):
    tamper("UPDATE audit_entry SET label = 'Forged' WHERE id = ANY(%s)", [trail[:3]])
    code, text = run()
    assert code == 1
    assert f"Entry {trail[0]} of" in text
    assert "tampered with: 3 problems" in text
    code, text = run("--json")
    told = json.loads(text)
    assert (code, told["ok"], told["problem_count"]) == (1, False, 3)
    assert [problem["entry"] for problem in told["problems"]] == trail[:3]
    monkeypatch.setattr(verifying, "TOLD", 1)
    assert "and 2 more" in run()[1]


def test_the_command_says_when_it_cannot_look(tmp_path):
    with pytest.raises(CommandError) as refusal:
        call_command("verify_audit", "--sink", str(tmp_path / "nothing"))
    assert refusal.value.returncode == 2
