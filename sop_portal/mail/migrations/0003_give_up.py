"""Mails are given up when they are of no use any more."""

import datetime as dt

from django.db import migrations, models
from django.utils import timezone


def in_four_days() -> dt.datetime:
    return timezone.now() + dt.timedelta(days=4)


class Migration(migrations.Migration):
    dependencies = [("mail", "0002_roles")]

    operations = [
        migrations.AddField(
            model_name="outboxmail",
            name="give_up_at",
            field=models.DateTimeField("given up", default=in_four_days),
            preserve_default=False,
        ),
    ]
