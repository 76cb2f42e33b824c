"""What the seeded roles may do with cycles."""

from django.db import migrations

from sop_portal.lib.permissions import grants

VIEW = ("cycle", "view_cycle", "Can view cycle")
MOVE = ("cycle", "move_cycle", "Can create, open, close and publish cycles")


class Migration(migrations.Migration):
    dependencies = [("cycles", "0001_initial"), ("accounts", "0002_roles")]

    operations = [
        migrations.RunPython(
            grants("cycles", {"sales_rep": [VIEW], "manager": [VIEW], "viewer": [VIEW], "admin": [VIEW, MOVE]}),
            migrations.RunPython.noop,
        )
    ]
