"""Imports of every kind of master data: their states, progress, problems, changes and mapped headings."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import sop_portal.lib.text


class Migration(migrations.Migration):
    dependencies = [
        ("masterdata", "0003_roles"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="ImportChange",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("entity", models.CharField(help_text="The model, as app.model.", max_length=50)),
                ("object_id", models.BigIntegerField()),
                ("before", models.JSONField(null=True)),
                ("after", models.JSONField()),
            ],
            options={
                "ordering": ["run", "entity", "object_id"],
            },
        ),
        migrations.CreateModel(
            name="ImportHeading",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("legacy", "Legacy planning workbook"),
                            ("customers", "Customers"),
                            ("products", "Products"),
                            ("matrix", "Pricing matrix"),
                            ("actuals", "Actuals"),
                            ("budget", "Budget"),
                            ("users", "Users"),
                        ],
                        max_length=20,
                    ),
                ),
                ("key", models.CharField(help_text="The heading as it is compared.", max_length=200)),
                ("heading", sop_portal.lib.text.NameField(max_length=200)),
                ("column", models.CharField(blank=True, max_length=50)),
            ],
            options={
                "ordering": ["kind", "key"],
            },
        ),
        migrations.CreateModel(
            name="ImportProblem",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("row", models.PositiveIntegerField(help_text="Counted from 1, as spreadsheets do.")),
                (
                    "column",
                    models.CharField(
                        blank=True, help_text="The name of the column; empty: the whole row.", max_length=50
                    ),
                ),
                ("place", models.CharField(max_length=100)),
                ("value", models.TextField(blank=True)),
                ("sentence", models.TextField()),
            ],
            options={
                "ordering": ["run", "row", "pk"],
            },
        ),
        migrations.CreateModel(
            name="ImportProgress",
            fields=[
                (
                    "run",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="progress",
                        serialize=False,
                        to="masterdata.importrun",
                    ),
                ),
                ("step", models.CharField(blank=True, max_length=100)),
                ("rows_done", models.PositiveIntegerField(default=0)),
                ("rows_all", models.PositiveIntegerField(help_text="Empty while nobody knows.", null=True)),
                ("cancel", models.BooleanField(default=False, help_text="Somebody asked to stop.")),
                ("attempts", models.PositiveSmallIntegerField(default=0)),
                ("updated_at", models.DateTimeField(auto_now=True)),
            ],
        ),
        migrations.AddField(
            model_name="importrun",
            name="applied_by",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="importrun",
            name="batch",
            field=models.BigIntegerField(help_text="The data version that it made of the actuals.", null=True),
        ),
        migrations.AddField(
            model_name="importrun",
            name="layout",
            field=models.JSONField(default=dict, help_text="Sheet, header row and columns as they were found."),
        ),
        migrations.AddField(
            model_name="importrun",
            name="reason",
            field=models.TextField(blank=True, help_text="Why it was refused, failed or could not be undone."),
        ),
        migrations.AddField(
            model_name="importrun",
            name="sample",
            field=models.JSONField(default=dict, help_text="The first new and changed rows, with old and new values."),
        ),
        migrations.AddField(
            model_name="importrun",
            name="undo_batch",
            field=models.BigIntegerField(help_text="The data version that undoing it made.", null=True),
        ),
        migrations.AddField(
            model_name="importrun",
            name="undone_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="importrun",
            name="undone_by",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AlterField(
            model_name="importrun",
            name="kind",
            field=models.CharField(
                choices=[
                    ("legacy", "Legacy planning workbook"),
                    ("customers", "Customers"),
                    ("products", "Products"),
                    ("matrix", "Pricing matrix"),
                    ("actuals", "Actuals"),
                    ("budget", "Budget"),
                    ("users", "Users"),
                ],
                max_length=20,
            ),
        ),
        migrations.AlterField(
            model_name="importrun",
            name="state",
            field=models.CharField(
                choices=[
                    ("queued", "Waiting to be checked"),
                    ("checking", "Being checked"),
                    ("checked", "Checked, nothing written"),
                    ("applying", "Being applied"),
                    ("applied", "Applied"),
                    ("refused", "Refused"),
                    ("failed", "Failed, nothing written"),
                    ("cancelled", "Cancelled, nothing written"),
                    ("undoing", "Being undone"),
                    ("undone", "Undone"),
                ],
                max_length=20,
            ),
        ),
        migrations.AddIndex(
            model_name="importrun",
            index=models.Index(
                condition=models.Q(("state__in", ["queued", "checking", "applying", "undoing"])),
                fields=["id"],
                name="importrun_busy",
            ),
        ),
        migrations.AddField(
            model_name="importchange",
            name="run",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="changes",
                to="masterdata.importrun",
            ),
        ),
        migrations.AddConstraint(
            model_name="importheading",
            constraint=models.UniqueConstraint(
                fields=("kind", "key"),
                name="importheading_key_unique",
                violation_error_message="This heading is already mapped.",
            ),
        ),
        migrations.AddConstraint(
            model_name="importheading",
            constraint=models.CheckConstraint(
                condition=models.Q(("key", ""), _negated=True),
                name="importheading_has_key",
                violation_error_message="A heading needs a name.",
            ),
        ),
        migrations.AddField(
            model_name="importproblem",
            name="run",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="problems",
                to="masterdata.importrun",
            ),
        ),
        migrations.AddConstraint(
            model_name="importchange",
            constraint=models.UniqueConstraint(
                fields=("run", "entity", "object_id"),
                name="importchange_row_unique",
                violation_error_message="A run changes a row once.",
            ),
        ),
        migrations.AddIndex(
            model_name="importproblem",
            index=models.Index(fields=["run", "row", "id"], name="importproblem_by_row"),
        ),
    ]
