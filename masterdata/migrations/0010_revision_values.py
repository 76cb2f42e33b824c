"""Revisions of actuals hold their values in columns instead of two documents of JSON, which cost a load more to put
together than all else of a revision.
"""

from django.db import migrations, models

_VALUES = ("quantity", "amount", "cost")
_COLUMNS = "batch, customer_id, product_id, period, at"
_OLD, _NEW = (", ".join(f"{side}_{name}" for name in _VALUES) for side in ("old", "new"))
_GONE, _ADDED = (", ".join(f"{side}.{name}" for name in _VALUES) for side in ("gone", "added"))
_SAME_KEY = "(gone.customer_id, gone.product_id, gone.period) = (added.customer_id, added.product_id, added.period)"
_LEFT = ", ".join(f"CASE WHEN {_SAME_KEY} THEN added.{name} END" for name in _VALUES)

REVISE = f"""
CREATE OR REPLACE FUNCTION masterdata_actual_revise() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  this_batch bigint := masterdata_current_batch();
  moved bigint;
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO masterdata_actualrevision ({_COLUMNS}, {_NEW})
    SELECT this_batch, customer_id, product_id, period, now(), {_ADDED} FROM added;
  ELSIF TG_OP = 'DELETE' THEN
    INSERT INTO masterdata_actualrevision ({_COLUMNS}, {_OLD})
    SELECT this_batch, customer_id, product_id, period, now(), {_GONE} FROM gone;
  ELSE
    WITH written AS (
      INSERT INTO masterdata_actualrevision ({_COLUMNS}, {_OLD}, {_NEW})
      SELECT this_batch, gone.customer_id, gone.product_id, gone.period, now(), {_GONE}, {_LEFT}
        FROM gone JOIN added USING (id)
       WHERE (gone.customer_id, gone.product_id, gone.period, {_GONE})
             IS DISTINCT FROM (added.customer_id, added.product_id, added.period, {_ADDED})
      RETURNING new_quantity AS left_as
    )
    SELECT count(*) INTO moved FROM written WHERE left_as IS NULL;
    -- A changed key is one actual that went and one that came.
    IF moved > 0 THEN
      INSERT INTO masterdata_actualrevision ({_COLUMNS}, {_NEW})
      SELECT this_batch, added.customer_id, added.product_id, added.period, now(), {_ADDED}
        FROM gone JOIN added USING (id)
       WHERE NOT ({_SAME_KEY});
    END IF;
  END IF;
  RETURN NULL;
END $$;
"""

_DOCUMENT = "jsonb_build_object('quantity', {0}quantity, 'amount', {0}amount, 'cost', {0}cost)"

REVISE_BEFORE = f"""
CREATE OR REPLACE FUNCTION masterdata_actual_revise() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  this_batch bigint := masterdata_current_batch();
  moved bigint;
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO masterdata_actualrevision (batch, customer_id, product_id, period, old, new, at)
    SELECT this_batch, customer_id, product_id, period, NULL, {_DOCUMENT.format("added.")}, now() FROM added;
  ELSIF TG_OP = 'DELETE' THEN
    INSERT INTO masterdata_actualrevision (batch, customer_id, product_id, period, old, new, at)
    SELECT this_batch, customer_id, product_id, period, {_DOCUMENT.format("gone.")}, NULL, now() FROM gone;
  ELSE
    WITH written AS (
      INSERT INTO masterdata_actualrevision (batch, customer_id, product_id, period, old, new, at)
      SELECT this_batch, gone.customer_id, gone.product_id, gone.period, {_DOCUMENT.format("gone.")},
             CASE WHEN {_SAME_KEY} THEN {_DOCUMENT.format("added.")} END, now()
        FROM gone JOIN added USING (id)
       WHERE (gone.customer_id, gone.product_id, gone.period, {_GONE})
             IS DISTINCT FROM (added.customer_id, added.product_id, added.period, {_ADDED})
      RETURNING masterdata_actualrevision.new AS left_as
    )
    SELECT count(*) INTO moved FROM written WHERE left_as IS NULL;
    IF moved > 0 THEN
      INSERT INTO masterdata_actualrevision (batch, customer_id, product_id, period, old, new, at)
      SELECT this_batch, added.customer_id, added.product_id, added.period, NULL, {_DOCUMENT.format("added.")}, now()
        FROM gone JOIN added USING (id)
       WHERE NOT ({_SAME_KEY});
    END IF;
  END IF;
  RETURN NULL;
END $$;
"""


def _places(name: str) -> int:
    return 6 if name == "quantity" else 4


def _rewritten(assignments: str) -> str:
    """The SQL that writes the values of every revision in their other form; nothing else may change one."""
    return (
        "ALTER TABLE masterdata_actualrevision DISABLE TRIGGER masterdata_revision_keep;"
        f"UPDATE masterdata_actualrevision SET {assignments};"
        "ALTER TABLE masterdata_actualrevision ENABLE TRIGGER masterdata_revision_keep;"
    )


_INTO_COLUMNS = ", ".join(
    f"{side}_{name} = ({side}->>'{name}')::numeric(18, {_places(name)})" for side in ("old", "new") for name in _VALUES
)
_INTO_DOCUMENTS = ", ".join(
    f"{side} = CASE WHEN {side}_quantity IS NOT NULL THEN {_DOCUMENT.format(f'{side}_')} END" for side in ("old", "new")
)


class Migration(migrations.Migration):
    dependencies = [("masterdata", "0009_cheaper_revisions")]

    operations = [
        *(
            migrations.AddField(
                "actualrevision", f"{side}_{name}",
                models.DecimalField(max_digits=18, decimal_places=_places(name), null=True),
            )
            for side in ("old", "new")
            for name in _VALUES
        ),
        migrations.RunSQL(_rewritten(_INTO_COLUMNS) + REVISE, REVISE_BEFORE + _rewritten(_INTO_DOCUMENTS)),
        migrations.RemoveField("actualrevision", "old"),
        migrations.RemoveField("actualrevision", "new"),
    ]  # fmt: skip
