"""`manage.py verify_audit`: prove that the audit trail is what it was when it was sealed."""

import dataclasses
from pathlib import Path
from typing import Any

import orjson
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error as DatabaseError

from audit import verifying
from audit.context import SYSTEM, acting
from audit.services import Event, record


class Command(BaseCommand):
    """Ends with 0 when nothing was found, with 1 when something does not fit, with 2 when it could not be looked at."""

    help = "Prove that no entry of the audit trail was altered, removed or added since it was sealed."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print the report as JSON")
        parser.add_argument(
            "--sink", type=Path, metavar="FILE", help="a file of hashes to compare with, instead of AUDIT_SEAL_SINK"
        )

        parser.add_argument(
            "--without-archives", action="store_true", help="leave out the files of months that were dropped"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with acting(SYSTEM, source="command"):
                report = verifying.verify(sink_file=options["sink"], with_archives=not options["without_archives"])
                self._record(report)
        except (OSError, DatabaseError) as problem:
            raise CommandError(f"The trail could not be verified: {problem}", returncode=2) from problem
        if options["json"]:
            told = {"ok": report.ok, **dataclasses.asdict(report)}
            self.stdout.write(orjson.dumps(told, option=orjson.OPT_INDENT_2).decode())
        else:
            self._tell(report)
        if not report.ok:
            raise SystemExit(1)

    @staticmethod
    def _record(report: verifying.Report) -> None:
        """The trail tells who looked when, and what came of it."""
        record(
            Event(
                action="audit_verified",
                entity_type="audit_seal",
                label="Intact" if report.ok else "Tampered with",
                changes={"entries": (None, report.entries), "blocks": (None, report.blocks),
                         "problems": (None, report.problem_count)},
                severity="INFO" if report.ok else "CRITICAL",
            )
        )  # fmt: skip

    def _tell(self, report: verifying.Report) -> None:
        for problem in report.problems:
            self.stdout.write(problem.sentence)
        if report.problem_count > len(report.problems):
            self.stdout.write(f"... and {report.problem_count - len(report.problems):,} more.")
        blocks, entries = (f"{number:,}" for number in (report.blocks, report.entries))
        if report.ok:
            self.stdout.write(f"The audit trail is intact: {entries} entries in {blocks} blocks.")
            self.stdout.write(f"Last hash: {report.last_hash or 'none, nothing is sealed yet'}")
        else:
            self.stdout.write(f"The audit trail was tampered with: {report.problem_count:,} problems.")
        if report.tombstones:
            self.stdout.write(
                f"Dropped: {report.tombstones:,} months; {report.archived:,} of their entries proved in archives."
            )
        if report.unsealed:
            since = f"{report.unsealed_since:%d %b %Y, %H:%M:%S} UTC"
            self.stdout.write(f"Not sealed yet: {report.unsealed:,} entries, the oldest of {since}.")
