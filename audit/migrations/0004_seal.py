"""Sealing: blocks of committed entries, chained by hash, with the digest of each entry.

A block holds the entries of one month that transactions `from_xact` (with it) to `to_xact` (without it) wrote: all of
them are over when the block is made, so none can join later. Several blocks of one run have the same span and differ by
month, so that a month can go with its blocks complete. Ids above `after_id` up to `until_id` tell a restored trail from
what came after: in another server the numbers of transactions begin anew.

The canonical text of an entry is a JSON array of every column; the same text makes the lines of archives.
"""

from django.db import migrations, models

FORWARD = """
ALTER TABLE audit_sealblock
    ADD COLUMN kind text NOT NULL DEFAULT 'entries',
    ADD COLUMN after_id bigint NOT NULL DEFAULT 0,
    ADD COLUMN until_id bigint NOT NULL DEFAULT 9223372036854775807,
    ADD COLUMN month date,
    ADD COLUMN last_id bigint NOT NULL DEFAULT 0,
    ADD COLUMN root text NOT NULL,
    ADD CONSTRAINT audit_sealblock_kind_known CHECK (kind IN ('entries', 'retention')),
    ADD CONSTRAINT audit_sealblock_month_begins CHECK (extract(day FROM month) = 1),
    ADD CONSTRAINT audit_sealblock_never_forks UNIQUE (previous_hash);
ALTER TABLE audit_sealblock ALTER COLUMN sealed_at DROP DEFAULT;
CREATE INDEX audit_sealblock_month ON audit_sealblock (month, number);

-- Up to a thousand entries of a block, in the order of (at, id): which they are, and the digest of each.
CREATE TABLE audit_sealpart (
    block bigint NOT NULL,
    part int NOT NULL,
    first_at timestamptz NOT NULL,
    last_at timestamptz NOT NULL,
    ids bigint[] NOT NULL,
    digests bytea[] NOT NULL,
    PRIMARY KEY (block, part),
    CONSTRAINT audit_sealpart_pairs CHECK (cardinality(ids) = cardinality(digests) AND cardinality(ids) > 0)
);
CREATE TRIGGER audit_sealpart_no_change BEFORE UPDATE OR DELETE ON audit_sealpart
    FOR EACH ROW EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_sealpart_no_truncate BEFORE TRUNCATE ON audit_sealpart EXECUTE FUNCTION audit_refuse();

CREATE FUNCTION audit_micros(instant timestamptz) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT (extract(epoch FROM instant) * 1000000)::bigint
$$;

CREATE FUNCTION audit_entry_text(e audit_entry) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT json_build_array(1, e.id, audit_micros(e.at), e.tx, e.xact, e.actor_id, e.actor_label, e.on_behalf_of_id,
                            e.on_behalf_label, e.action, e.entity_type, e.entity_id, e.label, e.changes, e.ip,
                            e.user_agent, e.source, e.request_id, e.severity, e.specificity)::text
$$;

CREATE FUNCTION audit_block_text(b audit_sealblock) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT json_build_array('block', 1, b.number, b.kind, b.from_xact, b.to_xact, b.after_id, b.until_id,
                            b.month::text, b.entries, audit_micros(b.first_at), audit_micros(b.last_at), b.last_id,
                            b.root, b.previous_hash, audit_micros(b.sealed_at))::text
$$;

CREATE FUNCTION audit_append_block(b audit_sealblock) RETURNS audit_sealblock LANGUAGE plpgsql
SET search_path = public, pg_temp SET timezone = 'UTC' SET datestyle = 'ISO' AS $$
DECLARE
    last audit_sealblock;
BEGIN
    SELECT * INTO last FROM audit_sealblock ORDER BY number DESC LIMIT 1;
    b.number := coalesce(last.number, 0) + 1;
    b.previous_hash := coalesce(last.hash, '');
    b.last_id := greatest(b.last_id, last.last_id, 0);
    b.sealed_at := portal_now();
    b.hash := encode(sha256(convert_to(audit_block_text(b), 'UTF8')), 'hex');
    -- Numbers have no gaps: a sequence would leave one behind each run that was broken off.
    INSERT INTO audit_sealblock OVERRIDING SYSTEM VALUE SELECT b.*;
    RETURN b;
END $$;
REVOKE ALL ON FUNCTION audit_append_block(audit_sealblock) FROM PUBLIC;

-- Seals up to `max_entries` entries, or one larger transaction; `more` when there are others. Without any result another
-- process is sealing. Anybody may call it: it only ever adds what is missing.
CREATE FUNCTION audit_seal(max_entries int, OUT blocks int, OUT entries bigint, OUT more boolean) LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp SET timezone = 'UTC' SET datestyle = 'ISO' AS $$
DECLARE
    farthest CONSTANT bigint := 9223372036854775807;
    last audit_sealblock;
    made audit_sealblock;
    lower bigint;
    upper bigint;
    cut bigint;
    horizon bigint;
    unborn bigint;
    ahead bigint;
    found record;
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtext('audit_seal')) THEN
        RETURN;
    END IF;
    blocks := 0;
    entries := 0;
    SELECT * INTO last FROM audit_sealblock ORDER BY number DESC LIMIT 1;
    made.kind := 'entries';
    made.until_id := farthest;
    IF last.until_id < farthest THEN
        made.after_id := last.until_id;
        lower := 0;
    ELSE
        made.after_id := coalesce(last.after_id, 0);
        lower := coalesce(last.to_xact, 0);
    END IF;

    -- One statement, hence one snapshot: in it no entry of this server can have a number that is not given yet.
    SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint, pg_snapshot_xmax(pg_current_snapshot())::text::bigint,
           (SELECT max(id) FROM audit_entry
             WHERE xact >= pg_snapshot_xmax(pg_current_snapshot()) AND id > made.after_id)
      INTO horizon, unborn, ahead;
    IF lower > unborn OR ahead IS NOT NULL THEN
        -- The trail was restored from another server, whose transactions are all over; ids went on from there.
        made.until_id := greatest(coalesce(last.last_id, 0), coalesce(ahead, 0));
        upper := farthest;
        more := true;
    ELSE
        SELECT xact::text::bigint INTO cut FROM audit_entry
         WHERE xact >= lower::text::xid8 AND xact < horizon::text::xid8 AND id > made.after_id
         ORDER BY xact OFFSET max_entries LIMIT 1;
        more := cut IS NOT NULL;
        upper := coalesce(cut, horizon);
        IF more AND NOT EXISTS (
            SELECT FROM audit_entry
             WHERE xact >= lower::text::xid8 AND xact < cut::text::xid8 AND id > made.after_id
        ) THEN
            upper := cut + 1;
        END IF;
    END IF;
    made.from_xact := lower;
    made.to_xact := upper;

    FOR found IN
        WITH picked AS MATERIALIZED (
            SELECT e.id, e.at, date_trunc('month', e.at)::date AS month,
                   sha256(convert_to(audit_entry_text(e), 'UTF8')) AS digest,
                   row_number() OVER (PARTITION BY date_trunc('month', e.at) ORDER BY e.at, e.id) - 1 AS place
              FROM audit_entry AS e
             WHERE e.xact >= lower::text::xid8 AND e.xact < upper::text::xid8
               AND e.id > made.after_id AND e.id <= made.until_id
        ), numbered AS (
            SELECT *, coalesce(last.number, 0) + dense_rank() OVER (ORDER BY month) AS block FROM picked
        ), parts AS (
            SELECT block, month, (place / 1000)::int AS part, min(at) AS first_at, max(at) AS last_at,
                   max(id) AS last_id, array_agg(id ORDER BY place) AS ids, array_agg(digest ORDER BY place) AS digests,
                   string_agg(digest, ''::bytea ORDER BY place) AS joined
              FROM numbered GROUP BY block, month, place / 1000
        ), kept AS (
            INSERT INTO audit_sealpart (block, part, first_at, last_at, ids, digests)
            SELECT block, part, first_at, last_at, ids, digests FROM parts
        )
        SELECT block, month, sum(cardinality(ids))::bigint AS entries, min(first_at) AS first_at,
               max(last_at) AS last_at, max(last_id) AS last_id,
               encode(sha256(string_agg(
                   sha256(convert_to(array_to_string(ids, ','), 'UTF8') || joined), ''::bytea ORDER BY part
               )), 'hex') AS root
          FROM parts GROUP BY block, month ORDER BY block
    LOOP
        made.month := found.month;
        made.entries := found.entries;
        made.first_at := found.first_at;
        made.last_at := found.last_at;
        made.last_id := found.last_id;
        made.root := found.root;
        IF (audit_append_block(made)).number <> found.block THEN
            RAISE EXCEPTION 'Block % of the audit trail got another number.', found.block;
        END IF;
        blocks := blocks + 1;
        entries := entries + found.entries;
    END LOOP;
    IF blocks = 0 AND made.until_id < farthest THEN
        made.entries := 0;
        made.root := '';
        PERFORM audit_append_block(made);
        blocks := 1;
    END IF;
END $$;

-- What the others may do with the tables of the trail: the chain is written by the functions of its owner alone.
CREATE FUNCTION audit_narrow_all() RETURNS void LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    part regclass;
BEGIN
    FOR part IN SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = 'audit_entry'::regclass LOOP
        PERFORM audit_narrow(part, ARRAY[]::text[]);
    END LOOP;
    PERFORM audit_narrow('audit_entry', ARRAY['SELECT', 'INSERT', 'UPDATE']);
    PERFORM audit_narrow('audit_sealblock', ARRAY['SELECT']);
    PERFORM audit_narrow('audit_sealpart', ARRAY['SELECT']);
END $$;
REVOKE ALL ON FUNCTION audit_narrow_all() FROM PUBLIC;

-- The partition of this month and of the `months_ahead` next ones. Anybody may call it: it only ever adds what is missing.
CREATE OR REPLACE FUNCTION audit_ensure_partitions(months_ahead int) RETURNS int LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    first timestamptz;
    name text;
    part regclass;
    made int := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('audit_ensure_partitions'));
    FOR ahead IN 0 .. least(greatest(months_ahead, 0), 24) LOOP
        first := date_trunc('month', now()) + make_interval(months => ahead);
        name := 'audit_entry_' || to_char(first, 'YYYY_MM');
        -- Rows that the net already caught stay there: nothing in the trail is ever moved.
        CONTINUE WHEN to_regclass(name) IS NOT NULL OR EXISTS (
            SELECT FROM audit_entry_default WHERE at >= first AND at < first + interval '1 month'
        );
        EXECUTE format('CREATE TABLE %I (LIKE audit_entry INCLUDING ALL)', name);
        EXECUTE format('ALTER TABLE audit_entry ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                       name, first, first + interval '1 month');
        EXECUTE format('CREATE TRIGGER audit_entry_no_truncate BEFORE TRUNCATE ON %I EXECUTE FUNCTION audit_refuse()',
                       name);
        made := made + 1;
    END LOOP;
    PERFORM audit_narrow_all();
    RETURN made;
END $$;

SELECT audit_narrow_all();
"""

BACKWARD = """
-- The partition of this month and of the `months_ahead` next ones. Anybody may call it: it only ever adds what is missing.
CREATE OR REPLACE FUNCTION audit_ensure_partitions(months_ahead int) RETURNS int LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    first timestamptz;
    name text;
    part regclass;
    made int := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('audit_ensure_partitions'));
    FOR ahead IN 0 .. least(greatest(months_ahead, 0), 24) LOOP
        first := date_trunc('month', now()) + make_interval(months => ahead);
        name := 'audit_entry_' || to_char(first, 'YYYY_MM');
        -- Rows that the net already caught stay there: nothing in the trail is ever moved.
        CONTINUE WHEN to_regclass(name) IS NOT NULL OR EXISTS (
            SELECT FROM audit_entry_default WHERE at >= first AND at < first + interval '1 month'
        );
        EXECUTE format('CREATE TABLE %I (LIKE audit_entry INCLUDING ALL)', name);
        EXECUTE format('ALTER TABLE audit_entry ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                       name, first, first + interval '1 month');
        EXECUTE format('CREATE TRIGGER audit_entry_no_truncate BEFORE TRUNCATE ON %I EXECUTE FUNCTION audit_refuse()',
                       name);
        made := made + 1;
    END LOOP;
    FOR part IN SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = 'audit_entry'::regclass LOOP
        PERFORM audit_narrow(part, ARRAY[]::text[]);
    END LOOP;
    PERFORM audit_narrow('audit_entry', ARRAY['SELECT', 'INSERT', 'UPDATE']);
    PERFORM audit_narrow('audit_sealblock', ARRAY['SELECT', 'INSERT']);
    RETURN made;
END $$;

DROP FUNCTION audit_narrow_all();
DROP FUNCTION audit_seal(int);
DROP FUNCTION audit_append_block(audit_sealblock);
DROP FUNCTION audit_block_text(audit_sealblock);
DROP FUNCTION audit_entry_text(audit_entry);
DROP FUNCTION audit_micros(timestamptz);
DROP TABLE audit_sealpart;
ALTER TABLE audit_sealblock DROP COLUMN kind, DROP COLUMN after_id, DROP COLUMN until_id, DROP COLUMN month,
    DROP COLUMN last_id, DROP COLUMN root, DROP CONSTRAINT audit_sealblock_never_forks,
    ALTER COLUMN sealed_at SET DEFAULT clock_timestamp();
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0003_indexes"), ("conf", "0001_setting_and_clock")]

    operations = [
        migrations.RunSQL(FORWARD, BACKWARD),
        migrations.CreateModel(
            name="SinkMark",
            fields=[
                ("sink", models.TextField(primary_key=True, serialize=False)),
                ("number", models.BigIntegerField()),
            ],
            options={"default_permissions": ()},
        ),
    ]
