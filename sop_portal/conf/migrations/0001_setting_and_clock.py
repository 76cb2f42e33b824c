"""The table of settings, and the clock of deadlines as an SQL function."""

from django.db import migrations, models

# VOLATILE and not the transaction's start: a deadline is compared after locks have been waited for.
CREATE_CLOCK = """
CREATE FUNCTION portal_now() RETURNS timestamptz LANGUAGE sql VOLATILE
AS $$ SELECT clock_timestamp() $$
"""


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Setting",
            fields=[
                ("key", models.CharField(max_length=100, primary_key=True, serialize=False)),
                ("value", models.JSONField()),
                ("updated_at", models.DateTimeField(auto_now=True)),
            ],
            options={"ordering": ["key"], "default_permissions": ("change", "view")},
        ),
        migrations.RunSQL(CREATE_CLOCK, "DROP FUNCTION portal_now()"),
    ]
