"""What is kept on the record of an import of old workbooks, as plain values for the page, the API and the command."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from forecasts.excel.legacy_files import ReadFile
from forecasts.excel.legacy_outcome import FileOutcome, Outcome
from masterdata.models import ImportRun


def describe(run: ImportRun, files: Sequence[ReadFile], outcome: Outcome) -> None:
    """Put what was found on the run."""
    run.rows_created, run.rows_updated = outcome.count("created"), outcome.count("updated")
    run.rows_unchanged = outcome.count("unchanged")
    run.rows_read = run.rows_created + run.rows_updated + run.rows_unchanged
    refused = [file for file in files if file.refused]
    run.rows_refused = sum(1 for warning in outcome.warnings if warning.left_out) + len(refused)
    books = [file.book for file in files if file.book is not None]
    several = len(files) > 1
    run.control_totals = {
        "sentence": all_in_a_sentence(files, outcome) if several else books[0].sentence,
        "sheets": outcome.sheets,
        "customers": outcome.customers,
        "lines": outcome.lines,
        "cells": outcome.cells,
        "volume": str(outcome.volume),
        "prices": outcome.prices,
        "budget_rows": outcome.budget_rows,
        "budget_cells": outcome.budget_cells,
        "budget_quantity": str(outcome.budget_quantity),
        "budget_amount": str(outcome.budget_amount),
        "budget_by_period": {
            period: [str(value) for value in sums] for period, sums in sorted(outcome.budget_by_period.items())
        },
        "changed": outcome.changed,
        "by_period": {period: str(value) for period, value in sorted(outcome.by_period.items())},
        "tallies": {
            kind: [tally.created, tally.updated, tally.unchanged] for kind, tally in sorted(outcome.tallies.items())
        },
        "unknown": outcome.unknown,
        "owner": outcome.owner,
        "cycle": outcome.cycle_name,
        "cycles": [[pk, name] for pk, name in outcome.cycles.items()],
        "unknown_reps": outcome.unknown_reps,
        "mapped_reps": outcome.mapped_reps,
        "open_names": outcome.open_names,
        "files": files_told(files, outcome),
        "refused_files": len(refused),
        "reports": [
            [report.name, report.title, report.sentence, report.taken, book.file if several else ""]
            for book in books for report in book.reports
        ],
    }  # fmt: skip
    run.findings = [
        {"code": "refused_file", "place": file.file, "sentence": file.refused, "informative": False} for file in refused
    ] + [
        {
            "code": warning.code,
            "place": warning.address,
            "sentence": warning.sentence,
            "informative": warning.informative,
        }
        for warning in outcome.warnings
    ]


def all_in_a_sentence(files: Sequence[ReadFile], outcome: Outcome) -> str:
    """What several files hold together."""
    read = sum(1 for file in files if file.book is not None)
    refused = sum(1 for file in files if file.refused)
    left = f"; {refused} cannot be read" if refused else ""
    return (
        f"{read} of {len(files)} files were read{left}. Together they hold {outcome.volume:,.0f} cases in "
        f"{outcome.cells:,} cells of {outcome.lines:,} lines, and {outcome.budget_rows:,} budget rows."
    )


def files_told(files: Sequence[ReadFile], outcome: Outcome) -> list[dict[str, Any]]:
    """What became of each file."""
    by_file = {file.file: file for file in outcome.files}
    return [_told(file, by_file.get(file.file), outcome) for file in files]


def _told(file: ReadFile, found: FileOutcome | None, outcome: Outcome) -> dict[str, Any]:
    if found is None:
        state = "refused" if file.refused else "left"
        return {"file": file.file, "state": state, "sentence": file.refused or file.left}
    mine = [warning for warning in outcome.warnings if warning.file == file.file or len(outcome.files) == 1]
    return {
        "file": file.file,
        "state": "read",
        "kind": found.kind,
        "sentence": found.sentence,
        "rep": found.rep,
        "sheets": found.sheets,
        "customers": found.customers,
        "lines": found.lines,
        "cells": found.cells,
        "volume": plain_number(found.volume),
        "budget_rows": found.budget_rows,
        "warnings": len(mine),
        "to_check": sum(1 for warning in mine if not warning.informative),
    }


def plain_number(value: Decimal) -> int | float:
    """A sum for JSON: a whole number where it is one."""
    return int(value) if value == value.to_integral_value() else float(value)
