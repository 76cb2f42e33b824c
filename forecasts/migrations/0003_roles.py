"""What the seeded roles may do with lines."""

from django.db import migrations

from sop_portal.lib.permissions import grants

ALL = ("line", "view_all_lines", "Can see every line")
TEAM = ("line", "view_team_lines", "Can see the lines of the own team")
OWN = ("line", "edit_own_lines", "Can edit and submit own lines")
ANY = ("line", "edit_any_line", "Can edit and submit lines on behalf of a rep")
DECIDE_TEAM = ("line", "decide_team_lines", "Can approve, reject, return and adjust lines of the own team")
DECIDE_ANY = ("line", "decide_any_line", "Can approve, reject, return and adjust every line")


class Migration(migrations.Migration):
    dependencies = [("forecasts", "0002_guards"), ("accounts", "0002_roles")]

    operations = [
        migrations.RunPython(
            grants(
                "forecasts",
                {
                    "sales_rep": [OWN],
                    "manager": [TEAM, DECIDE_TEAM],
                    "admin": [ALL, ANY, DECIDE_ANY],
                    "viewer": [ALL],
                },
            ),
            migrations.RunPython.noop,
        )
    ]
