"""The outbox and the notices."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Notification",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("kind", models.CharField(max_length=64)),
                ("key", models.CharField(max_length=200)),
                ("title", models.CharField(max_length=200)),
                ("url", models.CharField(blank=True, max_length=500)),
                ("created_at", models.DateTimeField()),
                ("read_at", models.DateTimeField(blank=True, null=True)),
                (
                    "user",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "notice",
                "ordering": ["-created_at", "-pk"],
                "default_permissions": (),
                "indexes": [
                    models.Index(fields=["user", "created_at", "id"], name="notification_of_user"),
                    models.Index(condition=models.Q(("read_at", None)), fields=["user"], name="notification_unread"),
                    models.Index(fields=["created_at"], name="notification_age"),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("kind", "key"), name="notification_once"),
                    models.CheckConstraint(
                        condition=models.Q(("url", ""), ("url__regex", "^/([^/\\\\]|$)"), _connector="OR"),
                        name="notification_url_is_ours",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="OutboxMail",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("kind", models.CharField(max_length=64)),
                ("key", models.CharField(max_length=200)),
                ("address", models.EmailField(blank=True, max_length=254, verbose_name="address")),
                ("subject", models.CharField(max_length=200)),
                ("text", models.TextField(blank=True)),
                ("html", models.TextField(blank=True, verbose_name="HTML")),
                ("context", models.JSONField(blank=True, default=dict)),
                ("attachments", models.JSONField(blank=True, default=list)),
                ("message_id", models.CharField(max_length=300, unique=True, verbose_name="Message-ID")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("pending", "Pending"),
                            ("sending", "Being sent"),
                            ("sent", "Sent"),
                            ("failed", "Failed"),
                            ("suppressed", "Suppressed"),
                        ],
                        default="pending",
                        max_length=10,
                    ),
                ),
                ("error", models.TextField(blank=True)),
                ("attempts", models.PositiveSmallIntegerField(default=0)),
                ("created_at", models.DateTimeField(verbose_name="queued")),
                ("next_attempt_at", models.DateTimeField(verbose_name="next attempt")),
                ("sent_at", models.DateTimeField(blank=True, null=True, verbose_name="sent")),
                ("lease", models.UUIDField(blank=True, editable=False, null=True)),
                ("leased_until", models.DateTimeField(blank=True, editable=False, null=True)),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="to",
                    ),
                ),
            ],
            options={
                "verbose_name": "mail",
                "verbose_name_plural": "mails",
                "ordering": ["-created_at", "-pk"],
                "permissions": [("send_outboxmail", "Can send mails again and send a test mail")],
                "default_permissions": ("view",),
                "indexes": [
                    models.Index(
                        condition=models.Q(("state__in", ["pending", "sending"])),
                        fields=["next_attempt_at"],
                        name="outboxmail_open",
                    ),
                    models.Index(fields=["created_at", "id"], name="outboxmail_queued"),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("kind", "key"), name="outboxmail_once"),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("lease__isnull", False), ("leased_until__isnull", False), ("state", "sending")),
                            models.Q(
                                models.Q(("state", "sending"), _negated=True),
                                ("lease__isnull", True),
                                ("leased_until__isnull", True),
                            ),
                            _connector="OR",
                        ),
                        name="outboxmail_leased_while_sending",
                    ),
                ],
            },
        ),
    ]
