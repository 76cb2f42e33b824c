"""Every entry is written into every index of the trail: what was done is found by the words of sealing, as sources and
types are, so it needs no index of its own; and ids tell objects apart sooner than types, of which most entries of a
transaction have the same.
"""

from django.db import migrations

FORWARD = """
DROP INDEX audit_entry_action;
DROP INDEX audit_entry_object;
CREATE UNIQUE INDEX audit_entry_object ON audit_entry (entity_id, entity_type, at, tx);
"""

BACKWARD = """
DROP INDEX audit_entry_object;
CREATE UNIQUE INDEX audit_entry_object ON audit_entry (entity_type, entity_id, at, tx);
CREATE INDEX audit_entry_action ON audit_entry (action, at, id);
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0006_search")]

    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
