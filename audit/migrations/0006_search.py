"""Searching: what is said in each part of a block, so that a search reads only parts where all of it is said.

Nothing is written for it when entries are: the words are gathered when they are sealed.
"""

from django.db import migrations

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

TABLES_BEFORE = "    PERFORM audit_narrow('audit_tombstone', ARRAY['SELECT']);"
TABLES_AFTER = TABLES_BEFORE + "\n    PERFORM audit_narrow('audit_sealwords', ARRAY['SELECT']);"
SEAL_BEFORE = """
-- Seals up to `max_entries` entries, or one larger transaction; `more` when there are others. Without any result another
-- process is sealing. Anybody may call it: it only ever adds what is missing.
CREATE OR REPLACE FUNCTION audit_seal(max_entries int, OUT blocks int, OUT entries bigint, OUT more boolean) LANGUAGE plpgsql
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
"""

FORWARD = """
-- One row for up to 250 entries of a part, in its order: the keys of the first and the last, and every word of their
-- labels, their request ids and the marks of what filters choose by, each between two line ends. Kept as it is and in the
-- table itself, since a search reads all of it.
CREATE TABLE audit_sealwords (
    block bigint NOT NULL,
    part int NOT NULL,
    slice int NOT NULL,
    first_at timestamptz NOT NULL,
    last_at timestamptz NOT NULL,
    first_id bigint NOT NULL,
    last_id bigint NOT NULL,
    entries int NOT NULL,
    words text NOT NULL,
    PRIMARY KEY (block, part, slice),
    -- Immediate constraints of one statement are checked at its end, when both rows are there.
    FOREIGN KEY (block, part) REFERENCES audit_sealpart ON UPDATE CASCADE ON DELETE CASCADE
) WITH (toast_tuple_target = 8160);
ALTER TABLE audit_sealwords ALTER COLUMN words SET STORAGE EXTERNAL;

CREATE FUNCTION audit_said(e audit_entry) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT upper(e.label) || ' ' || upper(e.request_id) || E' \\x01source:' || e.source || E' \\x01action:' || e.action
           || E' \\x01type:' || e.entity_type || E' \\x01severity:' || e.severity || E' \\x01actor:'
           || CASE WHEN e.actor_id IS NULL AND e.actor_label = 'system' THEN 'system'
                   ELSE coalesce(e.actor_id::text, '') END
$$;

CREATE FUNCTION audit_words(said text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT E'\\n' || string_agg(word, E'\\n') || E'\\n'
      FROM (SELECT word FROM unnest(string_to_array(said, ' ')) AS word GROUP BY word) AS words
$$;

-- What is sealed already.
INSERT INTO audit_sealwords (block, part, slice, first_at, last_at, first_id, last_id, entries, words)
SELECT p.block, p.part, (one.place - 1) / 250, min(e.at), max(e.at), (array_agg(e.id ORDER BY one.place))[1],
       (array_agg(e.id ORDER BY one.place DESC))[1], count(*), audit_words(string_agg(audit_said(e), ' '))
  FROM audit_sealpart AS p CROSS JOIN unnest(p.ids) WITH ORDINALITY AS one(id, place)
  JOIN audit_entry AS e ON e.id = one.id AND e.at BETWEEN p.first_at AND p.last_at
 GROUP BY p.block, p.part, (one.place - 1) / 250;

-- Seals up to `max_entries` entries, or one larger transaction; `more` when there are others. Without any result another
-- process is sealing. Anybody may call it: it only ever adds what is missing.
CREATE OR REPLACE FUNCTION audit_seal(max_entries int, OUT blocks int, OUT entries bigint, OUT more boolean) LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp SET timezone = 'UTC' SET datestyle = 'ISO' SET work_mem = '64MB' AS $$
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
        -- Digests first, so that only what is needed further is sorted.
        WITH picked AS MATERIALIZED (
            SELECT e.id, e.at, date_trunc('month', e.at)::date AS month,
                   sha256(convert_to(audit_entry_text(e), 'UTF8')) AS digest, audit_said(e) AS said
              FROM audit_entry AS e
             WHERE e.xact >= lower::text::xid8 AND e.xact < upper::text::xid8
               AND e.id > made.after_id AND e.id <= made.until_id
        ), placed AS MATERIALIZED (
            SELECT *, coalesce(last.number, 0) + dense_rank() OVER (ORDER BY month) AS block,
                   row_number() OVER (PARTITION BY month ORDER BY at, id) - 1 AS place FROM picked
        ), parts AS MATERIALIZED (
            SELECT block, month, (place / 1000)::int AS part, min(at) AS first_at, max(at) AS last_at,
                   max(id) AS last_id, array_agg(id ORDER BY place) AS ids, array_agg(digest ORDER BY place) AS digests,
                   string_agg(digest, ''::bytea ORDER BY place) AS joined
              FROM placed GROUP BY block, month, place / 1000
        ), kept AS (
            INSERT INTO audit_sealpart (block, part, first_at, last_at, ids, digests)
            SELECT block, part, first_at, last_at, ids, digests FROM parts
        ), noted AS (
            INSERT INTO audit_sealwords (block, part, slice, first_at, last_at, first_id, last_id, entries, words)
            SELECT block, place / 1000, place % 1000 / 250, min(at), max(at), (array_agg(id ORDER BY place))[1],
                   (array_agg(id ORDER BY place DESC))[1], count(*), audit_words(string_agg(said, ' '))
              FROM placed GROUP BY block, place / 1000, place % 1000 / 250
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
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0005_retention")]

    operations = [
        migrations.RunSQL(
            FORWARD + NARROW % TABLES_AFTER + "SELECT audit_narrow_all();",
            NARROW % TABLES_BEFORE
            + SEAL_BEFORE
            + "DROP FUNCTION audit_words(text); DROP FUNCTION audit_said(audit_entry); DROP TABLE audit_sealwords;",
        ),
    ]
