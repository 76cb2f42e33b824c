"""The app of jobs."""

from django.apps import AppConfig
from django.db.models.signals import post_delete, post_migrate, post_save


class JobsConfig(AppConfig):
    name = "sop_portal.jobs"
    label = "jobs"
    verbose_name = "Jobs"

    def ready(self) -> None:
        from django.utils.module_loading import autodiscover_modules
        from django_celery_beat import models as beat

        from audit.tracking import exempt, track
        from sop_portal.conf.models import Setting
        from sop_portal.jobs import receivers, schedules

        track(
            beat.PeriodicTask,
            fields=["name", "task", "crontab", "interval", "enabled", "args", "kwargs"],
            entity="schedule",
        )
        for model in (beat.CrontabSchedule, beat.IntervalSchedule, beat.SolarSchedule, beat.ClockedSchedule):
            exempt(model, why="times that the tracked schedules point at")
        exempt(beat.PeriodicTasks, why="tells beat that schedules changed")
        exempt(self.get_model("JobRun"), why="each run that tells something is an entry of its own")
        exempt(self.get_model("DeclaredSchedule"), why="a copy of what was last written into the tracked schedules")
        exempt(self.get_model("ClockWatch"), why="notes of the clock, which nobody changes")
        post_save.connect(receivers.zone_saved, sender=Setting, dispatch_uid="jobs.zone")
        post_delete.connect(receivers.zone_reset, sender=Setting, dispatch_uid="jobs.zone")
        # Pages and commands ask for the declared jobs, not the workers alone.
        autodiscover_modules("tasks")
        post_migrate.connect(schedules.sync, sender=self, dispatch_uid="schedules")
