"""Import old planning workbooks from the command line: a dry run unless --apply is given."""

import json
from argparse import ArgumentParser
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from audit.context import acting
from forecasts.excel.legacy_apply import Outcome
from forecasts.excel.legacy_model import LegacyBook
from forecasts.excel.legacy_runs import import_file, named_rep
from sop_portal.lib.errors import DomainError


class Command(BaseCommand):
    help = "Try out old planning workbooks, or import them with --apply. Each file is taken as a whole or not at all."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("files", nargs="+", metavar="FILE")
        parser.add_argument("--rep", metavar="EMAIL", help="the rep whose plans these are")
        parser.add_argument("--apply", action="store_true", help="write what was found; without it nothing is written")
        parser.add_argument("--json", action="store_true", help="end with one line of JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        totals = _Totals()
        with acting("system", source="command"):
            try:
                rep = named_rep(options["rep"]) if options["rep"] else None
            except DomainError as refusal:
                raise CommandError(refusal.detail) from refusal
            for name in options["files"]:
                try:
                    with Path(name).open("rb") as stream:
                        book, outcome = import_file(name, stream, rep=rep, apply=options["apply"])
                except OSError as problem:
                    totals.refuse(name, f"The file cannot be read: {problem.strerror}.")
                except DomainError as refusal:
                    totals.refuse(name, refusal.detail)
                else:
                    totals.add(outcome, applied=options["apply"])
                    self._print(name, book, outcome, applied=options["apply"])
        for file, sentence in totals.refused:
            self.stderr.write(f"{Path(file).name}: {sentence}")
        if options["json"]:
            self.stdout.write(totals.json())
        if totals.refused:
            raise SystemExit(1)

    def _print(self, name: str, book: LegacyBook, outcome: Outcome, *, applied: bool) -> None:
        write = self.stdout.write
        write(f"{Path(name).name}: {book.sentence}")
        for report in book.reports:
            write(f"  {report.name}: {report.sentence}")
        for warning in outcome.warnings:
            write(f"  {warning.address}: {warning.sentence}")
        for text in outcome.unknown:
            write(f"  new: {text}")
        write(
            f"  {outcome.sheets} sheets, {outcome.customers} customers, {outcome.lines} lines, {outcome.cells} cells, "
            f"{outcome.volume.normalize():,f} cases, {outcome.prices} prices"
            + (f" in {outcome.cycle_name}" if outcome.cycle_name else "")
        )
        verb = "changed" if applied else "would change; nothing was written, use --apply"
        write(f"  {outcome.changed} rows {verb}")


class _Totals:
    """The sums over all files, for the last line."""

    def __init__(self) -> None:
        self.counts = dict.fromkeys(("sheets", "customers", "lines", "cells", "prices", "unknown", "warnings"), 0)
        self.volume = Decimal(0)
        self.changed = self.would_change = 0
        self.refused: list[tuple[str, str]] = []
        self.findings: list[str] = []
        self.unknown: list[str] = []

    def refuse(self, file: str, sentence: str) -> None:
        self.refused.append((file, sentence))

    def add(self, outcome: Outcome, *, applied: bool) -> None:
        for key in ("sheets", "customers", "lines", "cells", "prices"):
            self.counts[key] += getattr(outcome, key)
        self.counts["unknown"] += len(outcome.unknown)
        self.counts["warnings"] += len(outcome.warnings)
        self.volume += outcome.volume
        self.changed += outcome.changed if applied else 0
        self.would_change += 0 if applied else outcome.changed
        self.findings.extend(f"{warning.address}: {warning.sentence}" for warning in outcome.warnings)
        self.unknown.extend(outcome.unknown)

    def json(self) -> str:
        volume = self.volume.normalize()
        return json.dumps(
            {
                **self.counts,
                "volume": int(volume) if volume == volume.to_integral_value() else float(volume),
                "changed": self.changed,
                "would_change": self.would_change,
                "findings": self.findings,
                "new": self.unknown,
                "refused": [{"file": Path(file).name, "sentence": sentence} for file, sentence in self.refused],
            },
            ensure_ascii=False,
        )
