"""Every entry is written into every index of the trail: two pairs of them do with one each.

The key in the order of time is the index of the list, and the index that keeps an object's entry of a transaction single
also finds the history of the object.
"""

from django.db import migrations

FORWARD = """
ALTER TABLE audit_entry DROP CONSTRAINT audit_entry_pkey, ADD PRIMARY KEY (at, id);
DROP INDEX audit_entry_at;
DROP INDEX audit_entry_entity;
DROP INDEX audit_entry_merge;
CREATE UNIQUE INDEX audit_entry_object ON audit_entry (entity_type, entity_id, at, tx);
"""

BACKWARD = """
DROP INDEX audit_entry_object;
CREATE UNIQUE INDEX audit_entry_merge ON audit_entry (tx, entity_type, entity_id, at);
CREATE INDEX audit_entry_entity ON audit_entry (entity_type, entity_id, at, id);
CREATE INDEX audit_entry_at ON audit_entry (at, id);
ALTER TABLE audit_entry DROP CONSTRAINT audit_entry_pkey, ADD PRIMARY KEY (id, at);
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0002_grants")]

    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
