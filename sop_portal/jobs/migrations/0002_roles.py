"""Administrators see the runs of jobs and start jobs by hand."""

from django.db import migrations

from sop_portal.lib.permissions import grants, model_permissions


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0001_runs"),
        ("accounts", "0002_roles"),
    ]
    operations = [
        migrations.RunPython(
            grants(
                "jobs",
                {"admin": [("jobrun", "run_job", "Can start jobs by hand"), *model_permissions("jobrun", "view")]},
            ),
            migrations.RunPython.noop,
        ),
    ]
