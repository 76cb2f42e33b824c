"""What the seeded roles may do with master data."""

from django.db import migrations

from sop_portal.lib.permissions import grants, model_permissions

ALL = ("customer", "view_all_customers", "Can see every customer")
TEAM = ("customer", "view_team_customers", "Can see the customers of the own team")
COST = ("customer", "view_cost", "Can see cost and margin")
IMPORT = ("customer", "import_data", "Can import and undo imports")
EDITED = ("productgroup", "product", "customer", "delegation", "actual", "budget", "matrixentry", "price")


class Migration(migrations.Migration):
    dependencies = [("masterdata", "0002_actual_revisions"), ("accounts", "0002_roles")]

    operations = [
        migrations.RunPython(
            grants(
                "masterdata",
                {
                    "sales_rep": [],
                    "manager": [TEAM, COST],
                    "viewer": [ALL, COST],
                    "admin": [
                        ALL,
                        COST,
                        IMPORT,
                        *(permission for model in EDITED for permission in model_permissions(model)),
                        *model_permissions("importrun", "view"),
                    ],
                },
            ),
            migrations.RunPython.noop,
        )
    ]
