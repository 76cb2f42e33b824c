"""`manage.py read_audit_archive MONTH`: the entries of a month that left the trail, as JSON or CSV."""

import csv
import datetime as dt
import re
from pathlib import Path
from typing import Any

import orjson
from django.core.management.base import BaseCommand, CommandError, CommandParser

from audit import archives, canonical
from audit.models import Tombstone

_COLUMNS = canonical.ENTRY_COLUMNS[1:]


class Command(BaseCommand):
    """Ends with 1 when the file is not the one that was written, or does not hold what was sealed."""

    help = "Print the entries of an archived month of the audit trail, proved by their seal."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("month", metavar="MONTH", help="such as 2026-03, or the path of a file")
        parser.add_argument("--csv", action="store_true", help="CSV instead of one JSON object a line")

    def handle(self, *args: Any, **options: Any) -> None:
        path = self._proved(options["month"])
        writer = csv.writer(self.stdout, lineterminator="\n")
        if options["csv"]:
            writer.writerow(_COLUMNS)
        try:
            for entry in archives.entries_of(path):
                entry["at"] = (
                    dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=entry["at"])
                ).isoformat()
                if options["csv"]:
                    entry["changes"] = orjson.dumps(entry["changes"]).decode()
                    writer.writerow(["" if entry[name] is None else entry[name] for name in _COLUMNS])
                else:
                    self.stdout.write(orjson.dumps({name: entry[name] for name in _COLUMNS}).decode())
        except (archives.Broken, OSError) as problem:
            raise CommandError(f"{path} {problem}.") from problem

    def _proved(self, month: str) -> Path:
        """The file, which must be the one that the tombstone of its month tells of, if it is a month's."""
        if not re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", month):
            return Path(month)
        stone = Tombstone.objects.filter(pk=dt.date.fromisoformat(f"{month}-01")).first()
        if stone is None or not stone.archive:
            raise CommandError(f"{month} has not left the audit trail, or was not archived.")
        path = archives.folder() / stone.archive
        try:
            sha256 = archives.hash_of(path)
        except OSError as problem:
            raise CommandError(f"{path} cannot be read: {problem.strerror}.") from problem
        if sha256 != stone.archive_hash:
            raise CommandError(f"{path} is not the file that was written when {month} left the trail.")
        return path
