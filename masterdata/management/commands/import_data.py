"""Import a file of master data or facts from the command line: a dry run unless --apply is given."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from audit.context import acting
from masterdata.imports.kinds import KINDS
from masterdata.imports.outcome import Outcome
from masterdata.imports.runs import import_path
from masterdata.models import ImportRun
from sop_portal.lib.errors import DomainError

# Sentences that are printed; the JSON and the run hold more.
SHOWN = 50


class Command(BaseCommand):
    help = (
        "Check a file, or import it with --apply: all of it or nothing. Exit code 0: nothing was refused (or the good "
        "rows were imported with --only-good); 1: refused rows or a file that cannot be read, nothing was written."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("kind", choices=list(KINDS), metavar="KIND", help=", ".join(KINDS))
        parser.add_argument("file", metavar="FILE")
        parser.add_argument("--apply", action="store_true", help="write what was found; without it nothing is written")
        parser.add_argument(
            "--only-good", action="store_true", help="leave refused rows out instead of writing nothing"
        )
        parser.add_argument("--sum-duplicates", action="store_true", help="add up rows with the same key")
        parser.add_argument("--clear-blanks", action="store_true", help="let blank cells empty what they leave alone")
        parser.add_argument("--decimal-mark", choices=[".", ","], default=".", help="for numbers with two readings")
        parser.add_argument("--valid-from", default="", metavar="DAY", help="for prices without a day; this month")
        parser.add_argument("--sheet", default="", help="the sheet to read, where several hold such a table")
        parser.add_argument("--json", action="store_true", help="end with one line of JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        chosen = {
            name: options[name]
            for name in ("sum_duplicates", "clear_blanks", "decimal_mark", "sheet", "valid_from")
            if options[name] and options[name] != "."
        }
        with acting("system", source="command"):
            try:
                outcome, run = import_path(
                    Path(options["file"]),
                    kind=options["kind"],
                    apply=options["apply"],
                    only_good=options["only_good"],
                    options=chosen,
                )
            except (DomainError, OSError) as refusal:
                self._refuse(refusal, as_json=options["json"])
        if not options["json"]:
            self._print(outcome)
        self.stdout.write(_line(outcome, run) if options["json"] else _sentence(outcome, run, options["apply"]))
        if outcome.refused and not outcome.written:
            raise SystemExit(1)

    def _refuse(self, refusal: DomainError | OSError, *, as_json: bool) -> None:
        sentence = (
            refusal.detail if isinstance(refusal, DomainError) else f"The file cannot be read: {refusal.strerror}."
        )
        self.stderr.write(sentence)
        if as_json:
            self.stdout.write(json.dumps({"written": False, "refused": sentence}, ensure_ascii=False))
        raise SystemExit(1)

    def _print(self, outcome: Outcome) -> None:
        for remark in outcome.remarks:
            self.stdout.write(f"{remark.place}: {remark.sentence}" if remark.place else remark.sentence)
        for problem in outcome.problems[:SHOWN]:
            self.stderr.write(f"{problem.place}: {problem.sentence}")
        if outcome.problem_count > SHOWN:
            self.stderr.write(f"... and {outcome.problem_count - SHOWN:,} more.")


def _sentence(outcome: Outcome, run: ImportRun | None, apply: bool) -> str:
    counts = (
        f"{outcome.rows_read:,} rows: {outcome.created:,} new, {outcome.updated:,} changed, "
        f"{outcome.unchanged:,} unchanged, {outcome.refused:,} refused"
    )
    if outcome.written and run is not None:
        return f"{counts}; imported as run {run.pk}."
    if apply and run is not None:
        return f"{counts}; nothing was written. Run {run.pk} keeps the file and what is wrong with it."
    return f"{counts}; nothing was written, use --apply."


def _line(outcome: Outcome, run: ImportRun | None) -> str:
    return json.dumps(
        {
            "written": outcome.written,
            "run": run.pk if run else None,
            "batch": outcome.batch,
            "rows": outcome.rows_read,
            "new": outcome.created,
            "changed": outcome.updated,
            "unchanged": outcome.unchanged,
            "refused": outcome.refused,
            "tallies": outcome.tallies,
            "totals": outcome.totals,
            "remarks": [remark.plain() for remark in outcome.remarks],
            "errors": [
                {
                    "place": each.place,
                    "row": each.row,
                    "column": each.column,
                    "value": each.value,
                    "sentence": each.sentence,
                }
                for each in outcome.problems
            ],
            "error_count": outcome.problem_count,
        },
        ensure_ascii=False,
    )
