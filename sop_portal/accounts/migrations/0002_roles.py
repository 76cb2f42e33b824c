"""The roles, and what administrators may do with users and roles. Reversing leaves them, since people have them."""

from django.db import migrations

from sop_portal.lib.permissions import grants, model_permissions

ACCOUNTS = {
    "sales_rep": [],
    "manager": [],
    "admin": [
        ("user", "access_admin", "Can use the admin pages"),
        ("user", "manage_users", "Can manage users and their roles"),
        *model_permissions("user", "add", "change", "view"),
    ],
    "viewer": [],
}


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0001_initial"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]
    operations = [
        migrations.RunPython(grants("accounts", ACCOUNTS), migrations.RunPython.noop),
        migrations.RunPython(
            grants("auth", {"admin": model_permissions("group", "change", "view")}), migrations.RunPython.noop
        ),
        migrations.RunPython(
            grants("django_celery_beat", {"admin": model_permissions("periodictask", "change", "view")}),
            migrations.RunPython.noop,
        ),
    ]
