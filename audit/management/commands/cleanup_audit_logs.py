"""`manage.py cleanup_audit_logs`: archive and drop the months of the audit trail that are old enough."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from audit import retention
from audit.context import SYSTEM, acting
from sop_portal import conf
from sop_portal.lib.errors import Conflict


class Command(BaseCommand):
    help = "Archive and drop the months of the audit trail that are older than audit_log_retention_days."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="say what would go and what stands in the way")

    def handle(self, *args: Any, **options: Any) -> None:
        with acting(SYSTEM, source="command"):
            if options["dry_run"]:
                self._tell_due()
            else:
                self._clean()

    def _tell_due(self) -> None:
        months = retention.due()
        for month in months:
            fate = month.refusal or (
                "would be archived and dropped" if conf.get("audit_archive") else "would be dropped"
            )
            self.stdout.write(f"{month.month:%B %Y}, {month.entries:,} entries: {fate}")
        if not months:
            self.stdout.write("No month is older than the trail is kept.")

    def _clean(self) -> None:
        try:
            done = retention.clean(who="manage.py cleanup_audit_logs")
        except (Conflict, OSError) as problem:
            raise CommandError(str(problem)) from problem
        for dropped in done:
            where = f"archived in {dropped.archive.name} and dropped" if dropped.archive else "dropped"
            self.stdout.write(f"{dropped.month:%B %Y}, {dropped.entries:,} entries: {where}")
        if not done:
            self.stdout.write("No month is older than the trail is kept.")
