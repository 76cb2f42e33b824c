"""Administrators see the outbox and send again what failed."""

from django.db import migrations

from sop_portal.lib.permissions import grants, model_permissions

SEND = ("outboxmail", "send_outboxmail", "Can send mails again and send a test mail")


class Migration(migrations.Migration):
    dependencies = [("mail", "0001_outbox"), ("accounts", "0002_roles")]

    operations = [
        migrations.RunPython(
            grants("mail", {"admin": [*model_permissions("outboxmail", "view"), SEND]}), migrations.RunPython.noop
        )
    ]
