"""Writing the declared schedules into django-celery-beat's tables, where admins see and change them."""

from typing import Any

from django.utils.module_loading import autodiscover_modules

from audit.context import acting
from sop_portal import conf
from sop_portal.lib.jobs import SCHEDULES


def sync(**kwargs: Any) -> None:
    """Add what is not there yet. A row that exists is an admin's to change and stays as it is."""
    from django_celery_beat.models import CrontabSchedule, PeriodicTask

    autodiscover_modules("tasks")
    known = set(PeriodicTask.objects.values_list("name", flat=True))
    with acting("system", source="system"):
        for schedule in SCHEDULES.values():
            if schedule.name in known:
                continue
            crontab, _ = CrontabSchedule.objects.get_or_create(
                minute=schedule.minute,
                hour=schedule.hour,
                day_of_week=schedule.day_of_week,
                day_of_month="*",
                month_of_year="*",
                timezone=conf.get("business_time_zone"),
            )
            PeriodicTask.objects.create(
                name=schedule.name, task=schedule.task, crontab=crontab, description=schedule.description
            )
