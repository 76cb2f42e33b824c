"""`manage.py run_job NAME` does the work of a job here and now, and records it as a run."""

from typing import Any

from celery import current_app
from django.core.management.base import BaseCommand, CommandError, CommandParser

from audit.context import SYSTEM, acting
from sop_portal.jobs import recording
from sop_portal.lib.errors import DomainError
from sop_portal.lib.jobs import SCHEDULES


class Command(BaseCommand):
    help = "Run one job and record the run; without a name, list the jobs."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", nargs="?", default="")

    def handle(self, *, name: str, **options: Any) -> None:
        if not name:
            for schedule in sorted(SCHEDULES.values(), key=lambda schedule: schedule.name):
                self.stdout.write(f"{schedule.name}: {schedule.description}")
            return
        if name not in SCHEDULES:
            raise CommandError(f"There is no job '{name}'. The jobs are {', '.join(sorted(SCHEDULES))}.")
        task = current_app.tasks[SCHEDULES[name].task]
        try:
            with acting(SYSTEM, source="command"):
                run = recording.run(SCHEDULES[name], recording.Asked(), task.run)
        except DomainError as refusal:
            raise CommandError(refusal.detail) from refusal
        self.stdout.write(f"{name} {run.get_state_display().lower()}: {run.words}")
