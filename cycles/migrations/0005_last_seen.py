"""When a rep looked at their share of a cycle last."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("cycles", "0004_times_opened")]

    operations = [
        migrations.AddField(
            model_name="participant",
            name="last_seen_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        # Who was seen before this was kept was last seen then, as far as anybody knows.
        migrations.RunSQL(
            "UPDATE cycles_participant SET last_seen_at = first_seen_at WHERE first_seen_at IS NOT NULL",
            migrations.RunSQL.noop,
        ),
    ]
