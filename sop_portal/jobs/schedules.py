"""Writing the declared schedules into django-celery-beat's tables, where admins see and change them."""

from typing import Any

from django.db import connection, transaction

from audit.context import acting
from sop_portal import conf
from sop_portal.lib.jobs import SCHEDULES, Schedule

_FIELDS = ("minute", "hour", "day_of_week", "day_of_month", "month_of_year")


def sync(**kwargs: Any) -> None:
    """Make the tables say what the code declares. A row that an admin changed stays; what the code no longer has goes.

    A row was changed when it says something else than what was last written into it.
    """
    from sop_portal.jobs.models import DeclaredSchedule

    if DeclaredSchedule._meta.db_table not in connection.introspection.table_names():
        return
    with acting("system", source="system"):
        write(str(conf.get("business_time_zone")))


@transaction.atomic
def write(time_zone: str) -> None:
    """Write every declared schedule that nobody changed, in this time zone."""
    from django_celery_beat.models import PeriodicTask

    from sop_portal.jobs.models import DeclaredSchedule

    written = {row.name: row for row in DeclaredSchedule.objects.select_for_update()}
    rows = {row.name: row for row in PeriodicTask.objects.select_related("crontab")}
    for schedule in SCHEDULES.values():
        wanted = declared(schedule, time_zone)
        row, last = rows.get(schedule.name), written.get(schedule.name)
        if row is None:
            PeriodicTask.objects.create(
                name=schedule.name, task=schedule.task, crontab=crontab_of(wanted), description=schedule.description
            )
        else:
            known = last.crontab if last else wanted | {"timezone": words_of(row.crontab).get("timezone")}
            before = (row.crontab, row.task, row.description)
            if words_of(row.crontab) == known and known != wanted:
                row.crontab = crontab_of(wanted)
            row.task, row.description = schedule.task, schedule.description
            # Each save makes beat read its schedules again.
            if (row.crontab, row.task, row.description) != before:
                row.save()
        DeclaredSchedule.objects.update_or_create(name=schedule.name, defaults={"crontab": wanted})
    gone = written.keys() - SCHEDULES.keys()
    for name in gone & rows.keys():
        rows[name].delete()
    DeclaredSchedule.objects.filter(name__in=gone).delete()


def declared(schedule: Schedule, time_zone: str) -> dict[str, str]:
    """The words of the crontab that the code declares.

    What runs every hour or more often does so in UTC: where clocks are set back, a crontab skips the repeated hour.
    """
    return {
        "minute": schedule.minute,
        "hour": schedule.hour,
        "day_of_week": schedule.day_of_week,
        "day_of_month": "*",
        "month_of_year": "*",
        "timezone": "UTC" if schedule.hour == "*" else time_zone,
    }


def words_of(crontab: Any) -> dict[str, str]:
    """The words of a stored crontab; none for a schedule of another kind."""
    if crontab is None:
        return {}
    return {name: getattr(crontab, name) for name in _FIELDS} | {"timezone": str(crontab.timezone)}


def crontab_of(words: dict[str, str]) -> Any:
    """The stored crontab with these words."""
    from django_celery_beat.models import CrontabSchedule

    crontab = CrontabSchedule.objects.filter(**words).order_by("pk").first()
    return crontab or CrontabSchedule.objects.create(**words)
