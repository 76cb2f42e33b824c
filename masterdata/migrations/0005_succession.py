"""Whose history counts for whom, as views over `replaced_by`; and no replacement that leads back to where it began."""

import django.db.models.deletion
from django.db import migrations, models

# The number of the lock is that of `services.replacing`: two admins could each make one half of a circle.
CIRCLE = """
CREATE FUNCTION {table}_no_circle() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(5021, {number});
  IF EXISTS (
    WITH RECURSIVE chain(id) AS (
      SELECT NEW.replaced_by_id
      UNION
      SELECT link.replaced_by_id FROM chain JOIN {table} AS link ON link.id = chain.id
       WHERE link.replaced_by_id IS NOT NULL
    )
    SELECT FROM chain WHERE id = NEW.id
  ) THEN
    RAISE EXCEPTION '% % is replaced in a circle', TG_TABLE_NAME, NEW.id
      USING ERRCODE = 'check_violation', CONSTRAINT = '{model}_not_replaced_in_a_circle';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER {table}_no_circle_added AFTER INSERT ON {table} FOR EACH ROW
  WHEN (NEW.replaced_by_id IS NOT NULL) EXECUTE FUNCTION {table}_no_circle();
CREATE TRIGGER {table}_no_circle_changed AFTER UPDATE ON {table} FOR EACH ROW
  WHEN (NEW.replaced_by_id IS NOT NULL AND NEW.replaced_by_id IS DISTINCT FROM OLD.replaced_by_id)
  EXECUTE FUNCTION {table}_no_circle();
"""

BACK_CIRCLE = """
DROP TRIGGER {table}_no_circle_changed ON {table};
DROP TRIGGER {table}_no_circle_added ON {table};
DROP FUNCTION {table}_no_circle();
"""

# Each row counts for itself and for every later link of its chain. `same` is what a link must share to hand on. That
# links are few is said outright, so that the planner knows it.
SUCCESSION = """
CREATE VIEW {table}succession AS
WITH RECURSIVE link AS (
    SELECT old.id, old.replaced_by_id AS heir_id FROM {table} AS old {same} WHERE old.replaced_by_id IS NOT NULL
), chain(origin_id, heir_id) AS (
    SELECT id, heir_id FROM link
    UNION
    SELECT chain.origin_id, link.heir_id FROM chain JOIN link ON link.id = chain.heir_id
)
SELECT counts.origin_id, counts.heir_id, NOT EXISTS (SELECT FROM link WHERE link.id = counts.heir_id) AS is_last
  FROM (SELECT id AS origin_id, id AS heir_id FROM {table} UNION ALL SELECT origin_id, heir_id FROM chain) AS counts;
"""

_SAME_UNIT = "JOIN masterdata_product AS heir ON heir.id = old.replaced_by_id AND heir.uom = old.uom"
KINDS = (
    {"table": "masterdata_product", "model": "product", "number": 1, "same": _SAME_UNIT},
    {"table": "masterdata_customer", "model": "customer", "number": 2, "same": ""},
)


def _succession(name: str, model: str) -> migrations.CreateModel:
    points = {"on_delete": django.db.models.deletion.DO_NOTHING, "to": f"masterdata.{model}"}
    return migrations.CreateModel(
        name=name,
        fields=[
            (
                "pk",
                models.CompositePrimaryKey(
                    "origin", "heir", blank=True, editable=False, primary_key=True, serialize=False
                ),
            ),
            ("is_last", models.BooleanField()),
            ("origin", models.ForeignKey(related_name="heirs", **points)),
            ("heir", models.ForeignKey(related_name="origins", **points)),
        ],
        options={"managed": False},
    )


class Migration(migrations.Migration):
    dependencies = [("masterdata", "0004_imports_of_every_kind")]

    operations = [
        *(migrations.RunSQL(CIRCLE.format(**kind), BACK_CIRCLE.format(**kind)) for kind in KINDS),
        *(
            migrations.RunSQL(SUCCESSION.format(**kind), "DROP VIEW {table}succession;".format(**kind))
            for kind in KINDS
        ),
        _succession("ProductSuccession", "product"),
        _succession("CustomerSuccession", "customer"),
    ]
