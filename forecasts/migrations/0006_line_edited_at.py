"""Lines that were edited since somebody looked are found by index: programs that keep a copy ask for them again and again."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("forecasts", "0005_kept_prices")]

    operations = [
        migrations.AddIndex(
            model_name="line",
            index=models.Index(fields=["edited_at"], name="line_edited_at"),
        ),
    ]
