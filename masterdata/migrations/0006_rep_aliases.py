"""Names that old workbooks use for sales reps."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import sop_portal.lib.text


class Migration(migrations.Migration):
    dependencies = [
        ("masterdata", "0005_succession"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="RepAlias",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("key", sop_portal.lib.text.NameField(max_length=200, unique=True)),
                ("name", sop_portal.lib.text.NameField(max_length=200)),
                (
                    "rep",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="rep_aliases",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "rep aliases",
                "ordering": ["key"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("key", ""), _negated=True),
                        name="repalias_has_key",
                        violation_error_message="An alias needs a name.",
                    )
                ],
            },
        ),
    ]
