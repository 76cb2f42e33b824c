"""The trail in its final form: partitioned by month, growing only, one entry per object and transaction."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

FORWARD = """
CREATE SEQUENCE audit_entry_id_seq AS bigint;

CREATE TABLE audit_entry (
    id bigint NOT NULL DEFAULT nextval('audit_entry_id_seq'),
    at timestamptz NOT NULL DEFAULT now(),
    tx uuid NOT NULL,
    -- What sealing orders by: the order of ids is not the order of commits.
    xact xid8 NOT NULL DEFAULT pg_current_xact_id(),
    actor_id bigint,
    actor_label text NOT NULL DEFAULT '',
    on_behalf_of_id bigint,
    on_behalf_label text NOT NULL DEFAULT '',
    action text NOT NULL,
    entity_type text NOT NULL,
    entity_id text NOT NULL,
    label text NOT NULL DEFAULT '',
    changes jsonb NOT NULL DEFAULT '{}',
    ip inet,
    user_agent text NOT NULL DEFAULT '',
    source text NOT NULL,
    request_id text NOT NULL DEFAULT '',
    severity text NOT NULL DEFAULT 'INFO',
    specificity smallint NOT NULL,
    CONSTRAINT audit_entry_severity_known CHECK (severity IN ('INFO', 'WARNING', 'ERROR', 'CRITICAL')),
    CONSTRAINT audit_entry_changes_object CHECK (jsonb_typeof(changes) = 'object'),
    PRIMARY KEY (id, at)
) PARTITION BY RANGE (at);

ALTER SEQUENCE audit_entry_id_seq OWNED BY audit_entry.id;

CREATE UNIQUE INDEX audit_entry_merge ON audit_entry (tx, entity_type, entity_id, at);
CREATE INDEX audit_entry_at ON audit_entry (at, id);
CREATE INDEX audit_entry_entity ON audit_entry (entity_type, entity_id, at, id);
CREATE INDEX audit_entry_actor ON audit_entry (actor_id, at, id);
CREATE INDEX audit_entry_action ON audit_entry (action, at, id);
CREATE INDEX audit_entry_severity ON audit_entry (severity, at, id) WHERE severity <> 'INFO';
CREATE INDEX audit_entry_xact ON audit_entry (xact);

CREATE TABLE audit_sealblock (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    from_xact bigint NOT NULL,
    to_xact bigint NOT NULL,
    entries bigint NOT NULL,
    first_at timestamptz,
    last_at timestamptz,
    previous_hash text NOT NULL,
    hash text NOT NULL UNIQUE,
    sealed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT audit_sealblock_order CHECK (from_xact <= to_xact AND entries >= 0)
);

CREATE FUNCTION audit_tx() RETURNS uuid LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    known text := current_setting('audit.tx', true);
BEGIN
    IF coalesce(known, '') = '' THEN
        known := set_config('audit.tx', gen_random_uuid()::text, true);
    END IF;
    RETURN known::uuid;
END $$;

-- First before, last after. A field that has its first value again is no change; a secret has no values to compare.
CREATE FUNCTION audit_merge(earlier jsonb, later jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(jsonb_object_agg(field, pair), '{}')
      FROM (
            SELECT field,
                   CASE WHEN NOT earlier ? field THEN later -> field
                        WHEN NOT later ? field THEN earlier -> field
                        ELSE jsonb_build_array(earlier -> field -> 0, later -> field -> 1)
                   END AS pair,
                   earlier ? field AND later ? field AS both_sides
              FROM (SELECT jsonb_object_keys(earlier) UNION SELECT jsonb_object_keys(later)) AS names (field)
           ) AS pairs
     WHERE NOT both_sides OR pair -> 0 <> pair -> 1 OR pair -> 1 = '"changed"'
$$;

CREATE FUNCTION audit_graver(first text, second text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN array_position(ARRAY['INFO', 'WARNING', 'ERROR', 'CRITICAL'], second)
                   > array_position(ARRAY['INFO', 'WARNING', 'ERROR', 'CRITICAL'], first)
                THEN second ELSE first END
$$;

CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'The audit trail can only grow: % on % is refused.', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END $$;

CREATE TRIGGER audit_entry_now BEFORE INSERT ON audit_entry FOR EACH ROW
    WHEN (NEW.at <> now() OR NEW.xact <> pg_current_xact_id()) EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_entry_merge_only BEFORE UPDATE ON audit_entry FOR EACH ROW
    WHEN (OLD.xact <> pg_current_xact_id() OR OLD.at <> now()
          OR (NEW.id, NEW.at, NEW.tx, NEW.xact, NEW.entity_type, NEW.entity_id)
             IS DISTINCT FROM (OLD.id, OLD.at, OLD.tx, OLD.xact, OLD.entity_type, OLD.entity_id))
    EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_entry_no_delete BEFORE DELETE ON audit_entry FOR EACH ROW EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_entry_no_truncate BEFORE TRUNCATE ON audit_entry EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_sealblock_no_change BEFORE UPDATE OR DELETE ON audit_sealblock
    FOR EACH ROW EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_sealblock_no_truncate BEFORE TRUNCATE ON audit_sealblock EXECUTE FUNCTION audit_refuse();

-- Takes from everybody but the owner what goes beyond `allowed`; default privileges of a database may give more.
CREATE FUNCTION audit_narrow(relation regclass, allowed text[]) RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    given record;
BEGIN
    FOR given IN
        SELECT CASE WHEN acl.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(role.rolname) END AS grantee,
               acl.privilege_type
          FROM pg_class CROSS JOIN LATERAL aclexplode(pg_class.relacl) AS acl
          LEFT JOIN pg_roles AS role ON role.oid = acl.grantee
         WHERE pg_class.oid = relation AND acl.grantee <> pg_class.relowner AND acl.privilege_type <> ALL (allowed)
    LOOP
        EXECUTE format('REVOKE %s ON %s FROM %s', given.privilege_type, relation, given.grantee);
    END LOOP;
END $$;
REVOKE ALL ON FUNCTION audit_narrow(regclass, text[]) FROM PUBLIC;

-- The partition of this month and of the `months_ahead` next ones. Anybody may call it: it only ever adds what is missing.
CREATE FUNCTION audit_ensure_partitions(months_ahead int) RETURNS int LANGUAGE plpgsql SECURITY DEFINER
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

-- A net: an entry is never refused because a month is missing.
CREATE TABLE audit_entry_default PARTITION OF audit_entry DEFAULT;
CREATE TRIGGER audit_entry_no_truncate BEFORE TRUNCATE ON audit_entry_default EXECUTE FUNCTION audit_refuse();
SELECT audit_ensure_partitions(3);
"""

BACKWARD = """
DROP TABLE audit_entry;
DROP TABLE audit_sealblock;
DROP FUNCTION audit_ensure_partitions(int);
DROP FUNCTION audit_narrow(regclass, text[]);
DROP FUNCTION audit_refuse();
DROP FUNCTION audit_graver(text, text);
DROP FUNCTION audit_merge(jsonb, jsonb);
DROP FUNCTION audit_tx();
"""

USER = {
    "db_constraint": False,
    "null": True,
    "on_delete": django.db.models.deletion.DO_NOTHING,
    "related_name": "+",
    "to": settings.AUTH_USER_MODEL,
}


class Migration(migrations.Migration):
    initial = True

    dependencies = [migrations.swappable_dependency(settings.AUTH_USER_MODEL)]

    operations = [
        migrations.RunSQL(FORWARD, BACKWARD),
        migrations.CreateModel(
            name="Entry",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("at", models.DateTimeField(help_text="Start of the transaction.")),
                (
                    "tx",
                    models.UUIDField(
                        help_text="Names the transaction; entries with the same one were committed together."
                    ),
                ),
                ("actor", models.ForeignKey(**USER)),
                ("actor_label", models.TextField()),
                ("on_behalf_of", models.ForeignKey(**USER)),
                ("on_behalf_label", models.TextField()),
                ("action", models.TextField()),
                ("entity_type", models.TextField()),
                ("entity_id", models.TextField()),
                ("label", models.TextField()),
                ("changes", models.JSONField(help_text="{field: [before, after]}")),
                ("ip", models.GenericIPAddressField(null=True)),
                ("user_agent", models.TextField()),
                ("source", models.TextField()),
                ("request_id", models.TextField()),
                (
                    "severity",
                    models.TextField(
                        choices=[("INFO", "Info"), ("WARNING", "Warning"), ("ERROR", "Error"), ("CRITICAL", "Critical")]
                    ),
                ),
                (
                    "specificity",
                    models.SmallIntegerField(help_text="How much the action tells, for merging within a transaction."),
                ),
            ],
            options={
                "db_table": "audit_entry",
                "ordering": ["-at", "-id"],
                "managed": False,
                "default_permissions": ("view",),
                "verbose_name_plural": "entries",
            },
        ),
        migrations.CreateModel(
            name="SealBlock",
            fields=[
                ("number", models.BigAutoField(primary_key=True, serialize=False)),
                ("from_xact", models.BigIntegerField()),
                ("to_xact", models.BigIntegerField()),
                ("entries", models.BigIntegerField()),
                ("first_at", models.DateTimeField(null=True)),
                ("last_at", models.DateTimeField(null=True)),
                ("previous_hash", models.TextField()),
                ("hash", models.TextField()),
                ("sealed_at", models.DateTimeField()),
            ],
            options={
                "db_table": "audit_sealblock",
                "ordering": ["number"],
                "managed": False,
                "default_permissions": ("view",),
            },
        ),
    ]
