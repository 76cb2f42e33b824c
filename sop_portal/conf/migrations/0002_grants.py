"""Admins may see and change settings."""

from django.db import migrations

from sop_portal.lib.permissions import grants, model_permissions


class Migration(migrations.Migration):
    dependencies = [
        ("conf", "0001_setting_and_clock"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [
        migrations.RunPython(
            grants("conf", {"admin": model_permissions("setting", "change", "view")}), migrations.RunPython.noop
        ),
    ]
