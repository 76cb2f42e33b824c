"""Admins may read the trail."""

from django.db import migrations

from sop_portal.lib.permissions import grants, model_permissions


class Migration(migrations.Migration):
    dependencies = [
        ("audit", "0001_trail"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [
        migrations.RunPython(grants("audit", {"admin": model_permissions("entry", "view")}), migrations.RunPython.noop),
    ]
