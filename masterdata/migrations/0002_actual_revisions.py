"""Every change of an actual is kept, whatever the path: statement triggers, so that a bulk load pays once."""

from django.db import migrations

# A load names its batch in sop.batch for its transaction; a single edit gets a batch of its own.
FORWARD = """
CREATE SEQUENCE masterdata_batch;
CREATE FUNCTION masterdata_current_batch() RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
  IF coalesce(current_setting('sop.batch', true), '') = '' THEN
    PERFORM set_config('sop.batch', nextval('masterdata_batch')::text, true);
  END IF;
  RETURN current_setting('sop.batch')::bigint;
END $$;
CREATE FUNCTION masterdata_actual_values(actual masterdata_actual) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
  SELECT jsonb_build_object('quantity', actual.quantity, 'amount', actual.amount, 'cost', actual.cost)
$$;
CREATE FUNCTION masterdata_actual_revise() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  this_batch bigint := masterdata_current_batch();
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO masterdata_actualrevision (batch, customer_id, product_id, period, old, new, at)
    SELECT this_batch, customer_id, product_id, period, NULL, masterdata_actual_values(added), now() FROM added;
  ELSIF TG_OP = 'DELETE' THEN
    INSERT INTO masterdata_actualrevision (batch, customer_id, product_id, period, old, new, at)
    SELECT this_batch, customer_id, product_id, period, masterdata_actual_values(gone), NULL, now() FROM gone;
  ELSE
    INSERT INTO masterdata_actualrevision (batch, customer_id, product_id, period, old, new, at)
    SELECT this_batch, gone.customer_id, gone.product_id, gone.period, masterdata_actual_values(gone),
           CASE WHEN (gone.customer_id, gone.product_id, gone.period)
                     = (added.customer_id, added.product_id, added.period)
                THEN masterdata_actual_values(added) END, now()
      FROM gone JOIN added USING (id)
     WHERE (gone.customer_id, gone.product_id, gone.period, gone.quantity, gone.amount, gone.cost)
           IS DISTINCT FROM
           (added.customer_id, added.product_id, added.period, added.quantity, added.amount, added.cost);
    -- A changed key is one actual that went and one that came.
    INSERT INTO masterdata_actualrevision (batch, customer_id, product_id, period, old, new, at)
    SELECT this_batch, added.customer_id, added.product_id, added.period, NULL, masterdata_actual_values(added), now()
      FROM gone JOIN added USING (id)
     WHERE (gone.customer_id, gone.product_id, gone.period)
           <> (added.customer_id, added.product_id, added.period);
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER masterdata_actual_added AFTER INSERT ON masterdata_actual
  REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION masterdata_actual_revise();
CREATE TRIGGER masterdata_actual_gone AFTER DELETE ON masterdata_actual
  REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION masterdata_actual_revise();
CREATE TRIGGER masterdata_actual_changed AFTER UPDATE ON masterdata_actual
  REFERENCING OLD TABLE AS gone NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION masterdata_actual_revise();
CREATE FUNCTION masterdata_revision_keep() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'revisions of actuals are kept as they were written' USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER masterdata_revision_keep BEFORE UPDATE OR DELETE ON masterdata_actualrevision
  FOR EACH ROW EXECUTE FUNCTION masterdata_revision_keep();
"""

BACKWARD = """
DROP TRIGGER masterdata_revision_keep ON masterdata_actualrevision;
DROP FUNCTION masterdata_revision_keep();
DROP TRIGGER masterdata_actual_changed ON masterdata_actual;
DROP TRIGGER masterdata_actual_gone ON masterdata_actual;
DROP TRIGGER masterdata_actual_added ON masterdata_actual;
DROP FUNCTION masterdata_actual_revise();
DROP FUNCTION masterdata_actual_values(masterdata_actual);
DROP FUNCTION masterdata_current_batch();
DROP SEQUENCE masterdata_batch;
"""


class Migration(migrations.Migration):
    dependencies = [("masterdata", "0001_initial")]

    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
