"""`manage.py cleanup_files` deletes old files, or says what it would delete."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from audit.context import SYSTEM, acting
from sop_portal.jobs import cleaning, clock, recording
from sop_portal.jobs.models import counted
from sop_portal.lib.errors import DomainError
from sop_portal.lib.jobs import SCHEDULES


class Command(BaseCommand):
    help = "Delete the files of ended imports, temporary files and files that nothing knows."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="Count only; nothing is deleted.")
        parser.add_argument(
            "--clock-is-right", action="store_true", help="Go on although the clock seems to have jumped."
        )

    def handle(self, *, dry_run: bool, clock_is_right: bool, **options: Any) -> None:
        try:
            with acting(SYSTEM, source="command"):
                if clock_is_right:
                    clock.is_right()
                if dry_run:
                    found = cleaning.clean(dry_run=True)
                else:
                    found = recording.run(SCHEDULES["cleanup_files"], recording.Asked(), cleaning.clean).counts
        except DomainError as refusal:
            raise CommandError(refusal.detail) from refusal
        words = ", ".join(counted(count, name) for name, count in found.items())
        self.stdout.write(f"{'Would delete' if dry_run else 'Deleted'} {words}.")
