"""Cycles that were opened before it was counted were opened once."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("cycles", "0003_extending_and_reopening")]

    operations = [
        migrations.RunSQL(
            "UPDATE cycles_cycle SET times_opened = 1 WHERE opened_at IS NOT NULL", migrations.RunSQL.noop
        )
    ]
