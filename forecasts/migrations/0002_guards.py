"""What the database itself refuses: impossible cells, and writes to lines that take no input."""

from django.db import migrations

CELLS = """
ALTER TABLE forecasts_line
  ADD CONSTRAINT line_quantity_possible CHECK (
    array_ndims(quantity) = 1 AND array_lower(quantity, 1) = 1 AND cardinality(quantity) = 16
    AND 0 <= ALL (quantity) AND 9999999.99 >= ALL (quantity)),
  ADD CONSTRAINT line_unit_price_possible CHECK (
    array_ndims(unit_price) = 1 AND array_lower(unit_price, 1) = 1 AND cardinality(unit_price) = 16
    AND 0 <= ALL (unit_price) AND 9999999999.9999 >= ALL (unit_price));
ALTER TABLE forecasts_snapshot
  ADD CONSTRAINT snapshot_quantity_possible CHECK (
    array_ndims(quantity) = 1 AND array_lower(quantity, 1) = 1 AND cardinality(quantity) = 16
    AND 0 <= ALL (quantity) AND 9999999.99 >= ALL (quantity)),
  ADD CONSTRAINT snapshot_unit_price_possible CHECK (
    array_ndims(unit_price) = 1 AND array_lower(unit_price, 1) = 1 AND cardinality(unit_price) = 16
    AND 0 <= ALL (unit_price) AND 9999999999.9999 >= ALL (unit_price));
"""

# The services that decide, recall, open, close, publish and import old plans set sop.line_move for their transaction.
# Everything else may only write lines that take input now, by the database's clock.
INPUT = """
CREATE FUNCTION forecasts_line_guard() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  state text;
  deadline timestamptz;
  wanted record;
BEGIN
  IF current_setting('sop.line_move', true) = 'on' THEN
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
  END IF;
  -- What a line is before a change decides: a new owner's extension or another cycle must not open it.
  IF TG_OP = 'INSERT' THEN
    wanted := NEW;
  ELSE
    wanted := OLD;
  END IF;
  SELECT cycle.status, greatest(cycle.closes_at, share.deadline_extension) INTO state, deadline
    FROM cycles_cycle AS cycle
    LEFT JOIN cycles_participant AS share ON share.cycle_id = cycle.id AND share.rep_id = wanted.owner_id
   WHERE cycle.id = wanted.cycle_id;
  IF state IS DISTINCT FROM 'open' OR portal_now() >= deadline THEN
    RAISE EXCEPTION 'line % takes no input: its cycle is % and its deadline is %', wanted.id, state, deadline
      USING ERRCODE = 'check_violation', CONSTRAINT = 'line_takes_input';
  END IF;
  IF TG_OP = 'UPDATE' AND NOT (OLD.status IN ('draft', 'rejected')
      AND (NEW.status IN (OLD.status, 'draft') OR (OLD.status = 'draft' AND NEW.status = 'submitted'))) THEN
    RAISE EXCEPTION 'line % is % and takes no input that makes it %', wanted.id, OLD.status, NEW.status
      USING ERRCODE = 'check_violation', CONSTRAINT = 'line_takes_input';
  END IF;
  IF TG_OP = 'UPDATE' AND (OLD.cycle_id, OLD.customer_id, OLD.product_id)
                          IS DISTINCT FROM (NEW.cycle_id, NEW.customer_id, NEW.product_id) THEN
    RAISE EXCEPTION 'line % stays with its cycle, customer and product', wanted.id
      USING ERRCODE = 'check_violation', CONSTRAINT = 'line_takes_input';
  END IF;
  IF TG_OP <> 'UPDATE' AND wanted.status <> 'draft' THEN
    RAISE EXCEPTION 'line % is % and takes no input', wanted.id, wanted.status
      USING ERRCODE = 'check_violation', CONSTRAINT = 'line_takes_input';
  END IF;
  RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END $$;
CREATE TRIGGER forecasts_line_guard_update BEFORE UPDATE ON forecasts_line FOR EACH ROW
  WHEN (OLD.quantity IS DISTINCT FROM NEW.quantity OR OLD.unit_price IS DISTINCT FROM NEW.unit_price
        OR OLD.risk_class IS DISTINCT FROM NEW.risk_class OR OLD.status IS DISTINCT FROM NEW.status
        OR OLD.cycle_id IS DISTINCT FROM NEW.cycle_id OR OLD.customer_id IS DISTINCT FROM NEW.customer_id
        OR OLD.product_id IS DISTINCT FROM NEW.product_id OR OLD.owner_id IS DISTINCT FROM NEW.owner_id
        OR OLD.notes IS DISTINCT FROM NEW.notes OR OLD.quantity_source IS DISTINCT FROM NEW.quantity_source
        OR OLD.price_source IS DISTINCT FROM NEW.price_source OR OLD.live IS DISTINCT FROM NEW.live)
  EXECUTE FUNCTION forecasts_line_guard();
CREATE TRIGGER forecasts_line_guard_insert BEFORE INSERT OR DELETE ON forecasts_line FOR EACH ROW
  EXECUTE FUNCTION forecasts_line_guard();
"""

SNAPSHOTS = """
CREATE FUNCTION forecasts_snapshot_keep() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'snapshots are kept as they were taken' USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER forecasts_snapshot_keep BEFORE UPDATE OR DELETE ON forecasts_snapshot FOR EACH ROW
  EXECUTE FUNCTION forecasts_snapshot_keep();
CREATE TRIGGER forecasts_snapshot_keep_all BEFORE TRUNCATE ON forecasts_snapshot FOR EACH STATEMENT
  EXECUTE FUNCTION forecasts_snapshot_keep();
"""


class Migration(migrations.Migration):
    dependencies = [("forecasts", "0001_initial"), ("conf", "0001_setting_and_clock")]

    operations = [
        migrations.RunSQL(
            CELLS,
            "ALTER TABLE forecasts_line DROP CONSTRAINT line_quantity_possible, DROP CONSTRAINT line_unit_price_possible;"
            "ALTER TABLE forecasts_snapshot DROP CONSTRAINT snapshot_quantity_possible, "
            "DROP CONSTRAINT snapshot_unit_price_possible;",
        ),
        migrations.RunSQL(
            INPUT,
            "DROP TRIGGER forecasts_line_guard_insert ON forecasts_line;"
            "DROP TRIGGER forecasts_line_guard_update ON forecasts_line; DROP FUNCTION forecasts_line_guard();",
        ),
        migrations.RunSQL(
            SNAPSHOTS,
            "DROP TRIGGER forecasts_snapshot_keep_all ON forecasts_snapshot;"
            "DROP TRIGGER forecasts_snapshot_keep ON forecasts_snapshot; DROP FUNCTION forecasts_snapshot_keep();",
        ),
    ]
