"""Retention: whole months leave the trail through functions of its owner, which leave a tombstone in the chain.

What guards them stands here and not in the portal: the role that serves can ask for no more than these functions give.
"""

from django.db import migrations, models

NARROW = """
CREATE OR REPLACE FUNCTION audit_narrow_all() RETURNS void LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    part regclass;
BEGIN
    FOR part IN SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = 'audit_entry'::regclass LOOP
        PERFORM audit_narrow(part, ARRAY[]::text[]);
    END LOOP;
    PERFORM audit_narrow('audit_entry', ARRAY['SELECT', 'INSERT', 'UPDATE']);
    PERFORM audit_narrow('audit_sealblock', ARRAY['SELECT']);
    PERFORM audit_narrow('audit_sealpart', ARRAY['SELECT']);
%s
END $$;
"""

FORWARD = """
CREATE TABLE audit_tombstone (
    month date PRIMARY KEY,
    entries bigint NOT NULL,
    blocks bigint NOT NULL,
    last_hash text NOT NULL,
    archive text NOT NULL,
    archive_hash text NOT NULL,
    archive_bytes bigint NOT NULL,
    dropped_by text NOT NULL,
    dropped_at timestamptz NOT NULL,
    CONSTRAINT audit_tombstone_month_begins CHECK (extract(day FROM month) = 1),
    CONSTRAINT audit_tombstone_archive_whole CHECK ((archive = '') = (archive_hash = ''))
);
CREATE TRIGGER audit_tombstone_no_change BEFORE UPDATE OR DELETE ON audit_tombstone
    FOR EACH ROW EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_tombstone_no_truncate BEFORE TRUNCATE ON audit_tombstone EXECUTE FUNCTION audit_refuse();

CREATE FUNCTION audit_tombstone_text(t audit_tombstone) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT json_build_array('tombstone', 1, t.month::text, t.entries, t.blocks, t.last_hash, t.archive, t.archive_hash,
                            t.archive_bytes, t.dropped_by, audit_micros(t.dropped_at))::text
$$;

-- When a month may go, if nothing else stands in the way.
CREATE FUNCTION audit_kept_until(wanted date) RETURNS timestamptz LANGUAGE sql STABLE
SET search_path = public, pg_temp SET timezone = 'UTC' AS $$
    SELECT (wanted + interval '1 month')::timestamptz + make_interval(days => coalesce(
        (SELECT (value #>> '{}')::int FROM conf_setting WHERE key = 'audit_log_retention_days'), 90
    ))
$$;

-- Why no month may go now: time as the clock tells it did not pass. NULL when it did.
CREATE FUNCTION audit_clock_doubt() RETURNS text LANGUAGE plpgsql
SET search_path = public, pg_temp SET timezone = 'UTC' SET datestyle = 'ISO' AS $$
DECLARE
    told CONSTANT text := 'YYYY-MM-DD HH24:MI "UTC"';
    clock timestamptz := portal_now();
    jump record;
BEGIN
    SELECT max(sealed_at) AS before INTO jump FROM audit_sealblock;
    IF jump.before IS NULL THEN
        RETURN 'Nothing of the audit trail is sealed yet; the job seal_audit does that every minute.';
    END IF;
    IF clock < jump.before - interval '1 hour' THEN
        RETURN format('The clock of the database says %s, but the trail was last sealed at %s: set the clock right.',
                      to_char(clock, told), to_char(jump.before, told));
    END IF;
    -- The blocks of the last week, the one before them, and now.
    SELECT before, after INTO jump
      FROM (SELECT sealed_at AS after, lag(sealed_at) OVER (ORDER BY number) AS before
              FROM (SELECT number, sealed_at FROM audit_sealblock
                     WHERE number >= coalesce((SELECT max(number) FROM audit_sealblock
                                                WHERE sealed_at < clock - interval '7 days'), 0)
                    UNION ALL SELECT 9223372036854775807, clock) AS instants) AS steps
     WHERE after - before > interval '31 days' ORDER BY after DESC LIMIT 1;
    IF FOUND THEN
        RETURN format(
            'The clock of the database went from %s to %s without anything being sealed between them: it jumped, or the '
            'portal stood still. Months are dropped again when the trail was sealed for seven days by the new time.',
            to_char(jump.before, told), to_char(jump.after, told)
        );
    END IF;
    RETURN NULL;
END $$;

-- Why a month stays, in a sentence; NULL when it may go.
CREATE FUNCTION audit_kept_because(wanted date) RETURNS text LANGUAGE plpgsql
SET search_path = public, pg_temp SET timezone = 'UTC' SET datestyle = 'ISO' AS $$
DECLARE
    words text := to_char(wanted, 'FMMonth YYYY');
    doubt text;
    stored bigint;
    sealed bigint;
BEGIN
    IF wanted <> date_trunc('month', wanted) THEN
        RETURN format('%s is no first day of a month.', wanted);
    END IF;
    IF audit_kept_until(wanted) > portal_now() THEN
        RETURN format('%s is kept until %s.', words, to_char(audit_kept_until(wanted), 'YYYY-MM-DD'));
    END IF;
    doubt := audit_clock_doubt();
    IF doubt IS NOT NULL THEN
        RETURN doubt;
    END IF;
    SELECT count(*) INTO stored FROM audit_entry
     WHERE at >= wanted::timestamptz AND at < wanted::timestamptz + interval '1 month';
    SELECT coalesce(sum(entries), 0) INTO sealed FROM audit_sealblock WHERE month = wanted AND kind = 'entries';
    IF stored <> sealed THEN
        RETURN format('%s holds %s entries, of which %s are sealed: wait for seal_audit, or run verify_audit.',
                      words, stored, sealed);
    END IF;
    RETURN NULL;
END $$;

-- Drops a month and leaves its tombstone, which is chained as a block; false when that was done before. Whatever stands in
-- the way is refused with SQLSTATE AU001. The short lock_timeout is there for the others, who wait behind the one who waits.
CREATE FUNCTION audit_drop_month(
    wanted date, by_whom text, archive_name text, archive_sha256 text, archive_size bigint
) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp SET timezone = 'UTC' SET datestyle = 'ISO' SET lock_timeout = '500ms' AS $$
DECLARE
    words text := to_char(wanted, 'FMMonth YYYY');
    reason text;
    differing bigint;
    name text := 'audit_entry_' || to_char(wanted, 'YYYY_MM');
    last audit_sealblock;
    made audit_sealblock;
    stone audit_tombstone;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('audit_seal'));
    IF EXISTS (SELECT FROM audit_tombstone WHERE month = wanted) THEN
        RETURN false;
    END IF;
    reason := audit_kept_because(wanted);
    IF reason IS NULL AND coalesce(archive_sha256, '') !~ '^[0-9a-f]{64}$' AND coalesce(
        (SELECT (value #>> '{}')::boolean FROM conf_setting WHERE key = 'audit_archive'), true
    ) THEN
        reason := format('%s has no archive, and the setting audit_archive asks for one.', words);
    END IF;
    IF reason IS NOT NULL THEN
        RAISE EXCEPTION '%', reason USING ERRCODE = 'AU001';
    END IF;

    SELECT count(*) INTO differing
      FROM (SELECT one.id, one.digest FROM audit_sealblock AS b JOIN audit_sealpart AS p ON p.block = b.number
             CROSS JOIN unnest(p.ids, p.digests) AS one(id, digest)
             WHERE b.month = wanted AND b.kind = 'entries') AS sealed
      FULL JOIN (SELECT e.id, sha256(convert_to(audit_entry_text(e), 'UTF8')) AS digest FROM audit_entry AS e
                  WHERE e.at >= wanted::timestamptz AND e.at < wanted::timestamptz + interval '1 month') AS live
        ON live.id = sealed.id
     WHERE sealed.digest IS DISTINCT FROM live.digest;
    IF differing > 0 THEN
        RAISE EXCEPTION '% entries of % differ from their seal: run verify_audit.', differing, words
            USING ERRCODE = 'AU001';
    END IF;

    SELECT * INTO last FROM audit_sealblock ORDER BY number DESC LIMIT 1;
    stone.month := wanted;
    SELECT coalesce(sum(entries), 0), count(*) INTO stone.entries, stone.blocks
      FROM audit_sealblock WHERE month = wanted AND kind = 'entries';
    stone.last_hash := last.hash;
    stone.archive := coalesce(archive_name, '');
    stone.archive_hash := coalesce(archive_sha256, '');
    stone.archive_bytes := coalesce(archive_size, 0);
    stone.dropped_by := by_whom;
    stone.dropped_at := portal_now();

    ALTER TABLE audit_sealpart DISABLE TRIGGER audit_sealpart_no_change;
    DELETE FROM audit_sealpart AS p USING audit_sealblock AS b
     WHERE b.number = p.block AND b.month = wanted AND b.kind = 'entries';
    ALTER TABLE audit_sealpart ENABLE TRIGGER audit_sealpart_no_change;

    -- From here on everybody who writes waits; so nothing is computed any more.
    IF to_regclass(name) IS NOT NULL THEN
        EXECUTE format('DROP TABLE %I', name);
    END IF;
    IF EXISTS (SELECT FROM audit_entry_default
                WHERE at >= wanted::timestamptz AND at < wanted::timestamptz + interval '1 month') THEN
        ALTER TABLE audit_entry_default DISABLE TRIGGER audit_entry_no_delete;
        DELETE FROM audit_entry_default
         WHERE at >= wanted::timestamptz AND at < wanted::timestamptz + interval '1 month';
        ALTER TABLE audit_entry_default ENABLE TRIGGER audit_entry_no_delete;
    END IF;
    INSERT INTO audit_tombstone SELECT stone.*;
    made.kind := 'retention';
    made.from_xact := last.from_xact;
    made.to_xact := last.to_xact;
    made.after_id := last.after_id;
    made.until_id := last.until_id;
    made.month := wanted;
    made.entries := stone.entries;
    made.root := encode(sha256(convert_to(audit_tombstone_text(stone), 'UTF8')), 'hex');
    PERFORM audit_append_block(made);
    RETURN true;
END $$;
"""

BACKWARD = """
DROP FUNCTION audit_drop_month(date, text, text, text, bigint);
DROP FUNCTION audit_kept_because(date);
DROP FUNCTION audit_clock_doubt();
DROP FUNCTION audit_kept_until(date);
DROP FUNCTION audit_tombstone_text(audit_tombstone);
DROP TABLE audit_tombstone;
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0004_seal")]

    operations = [
        migrations.RunSQL(
            FORWARD
            + NARROW % "    PERFORM audit_narrow('audit_tombstone', ARRAY['SELECT']);"
            + "SELECT audit_narrow_all();",
            NARROW % "" + BACKWARD,
        ),
        migrations.CreateModel(
            name="Tombstone",
            fields=[
                ("month", models.DateField(primary_key=True, serialize=False)),
                ("entries", models.BigIntegerField()),
                ("blocks", models.BigIntegerField(help_text="How many blocks held the entries.")),
                ("last_hash", models.TextField(help_text="The last hash of the chain before the month was dropped.")),
                (
                    "archive",
                    models.TextField(help_text="Name of the file that holds the entries; empty where there is none."),
                ),
                ("archive_hash", models.TextField(help_text="SHA-256 of that file.")),
                ("archive_bytes", models.BigIntegerField()),
                ("dropped_by", models.TextField()),
                ("dropped_at", models.DateTimeField()),
            ],
            options={
                "db_table": "audit_tombstone",
                "ordering": ["month"],
                "managed": False,
                "default_permissions": ("view",),
            },
        ),
    ]
