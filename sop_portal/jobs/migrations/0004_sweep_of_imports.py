"""The sweep of imports is a part of sweep_queue; its schedule would send a task that is gone. Reversing it leaves that
to the sync of schedules."""

from typing import Any

from django.db import migrations


def forget(apps: Any, schema_editor: Any) -> None:
    apps.get_model("django_celery_beat", "PeriodicTask").objects.filter(name="sweep_imports").delete()
    apps.get_model("jobs", "DeclaredSchedule").objects.filter(name="sweep_imports").delete()


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0003_clock"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]
    operations = [migrations.RunPython(forget, migrations.RunPython.noop)]
