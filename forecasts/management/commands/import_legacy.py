"""Import old planning workbooks from the command line: a dry run unless --apply is given."""

import json
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from audit.context import acting
from forecasts.excel.legacy_files import ReadFile
from forecasts.excel.legacy_outcome import Outcome
from forecasts.excel.legacy_report import files_told, plain_number
from forecasts.excel.legacy_runs import import_paths, named_rep
from sop_portal.lib.errors import DomainError


class Command(BaseCommand):
    help = (
        "Try out old planning workbooks, or import them with --apply: files, folders and zips of them. All of them are "
        "one import: either everything is written or nothing."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("files", nargs="+", metavar="FILE", help="workbooks, zips, or folders that hold them")
        parser.add_argument("--rep", metavar="EMAIL", help="the rep whose plans these are")
        parser.add_argument("--apply", action="store_true", help="write what was found; without it nothing is written")
        parser.add_argument(
            "--skip-unreadable", action="store_true", help="with --apply, write the others when a file cannot be read"
        )
        parser.add_argument("--json", action="store_true", help="end with one line of JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        with acting("system", source="command"):
            try:
                rep = named_rep(options["rep"]) if options["rep"] else None
                files, outcome = import_paths(
                    [Path(name) for name in options["files"]],
                    rep=rep,
                    apply=options["apply"],
                    skip_unreadable=options["skip_unreadable"],
                )
            except DomainError as refusal:
                raise CommandError(refusal.detail) from refusal
        applied = options["apply"] and outcome is not None
        self._print(files, outcome or Outcome(), applied=applied)
        if options["json"]:
            self.stdout.write(as_json(files, outcome or Outcome(), applied=applied))
        if any(file.refused for file in files):
            raise SystemExit(1)

    def _print(self, files: Sequence[ReadFile], outcome: Outcome, *, applied: bool) -> None:
        write = self.stdout.write
        for file in files:
            if file.book is None:
                self.stderr.write(f"{file.file}: {file.refused or file.left}")
                continue
            write(f"{file.file}: {file.book.sentence}")
            for report in file.book.reports:
                write(f"  {report.name}: {report.sentence}")
        for warning in outcome.warnings:
            write(f"  {warning.address}: {warning.sentence}")
        for text in outcome.unknown:
            write(f"  new: {text}")
        for text in outcome.unknown_reps:
            write(f"  unknown rep: {text}")
        write(
            f"{outcome.sheets} sheets, {outcome.customers} customers, {outcome.lines} lines, {outcome.cells} cells, "
            f"{outcome.volume.normalize():,f} cases, {outcome.prices} prices, {outcome.budget_rows} budget rows"
            + (f" in {outcome.cycle_name}" if outcome.cycle_name else "")
        )
        verb = "changed" if applied else "would change; nothing was written"
        unread = sum(1 for file in files if file.refused)
        if unread and not applied:
            verb += f", for {unread} of {len(files)} files cannot be read (--skip-unreadable takes the others)"
        elif not applied:
            verb += ", use --apply"
        write(f"{outcome.changed} rows {verb}")


def as_json(files: Sequence[ReadFile], outcome: Outcome, *, applied: bool) -> str:
    """The last line of output: one object over all files."""
    return json.dumps(
        {
            "sheets": outcome.sheets,
            "customers": outcome.customers,
            "lines": outcome.lines,
            "cells": outcome.cells,
            "volume": plain_number(outcome.volume),
            "prices": outcome.prices,
            "prospects": outcome.prospects,
            "budget_rows": outcome.budget_rows,
            "budget_cells": outcome.budget_cells,
            "budget_quantity": plain_number(outcome.budget_quantity),
            "budget_amount": plain_number(outcome.budget_amount),
            "unknown": len(outcome.unknown),
            "unknown_reps": outcome.unknown_reps,
            "warnings": len(outcome.warnings),
            "changed": outcome.changed if applied else 0,
            "would_change": 0 if applied else outcome.changed,
            "files": files_told(files, outcome),
            "findings": [f"{warning.address}: {warning.sentence}" for warning in outcome.warnings],
            "new": outcome.unknown,
            "refused": [{"file": file.file, "sentence": file.refused} for file in files if file.refused],
        },
        ensure_ascii=False,
    )
