"""Rows that come as JSON instead of a file: staged, checked and written by the same steps, all of them or none."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, repeat
from typing import Any

from django.db import transaction

from masterdata.imports.engine import LOADERS, take_turn
from masterdata.imports.job import Job
from masterdata.imports.keeping import require_importer
from masterdata.imports.kinds import Kind
from masterdata.imports.layout import JSON, Found
from masterdata.imports.outcome import PROBLEMS_KEPT, Outcome
from masterdata.imports.progress import Watch
from masterdata.imports.runs import PATIENCE, clean_options
from masterdata.imports.staging import staged
from sop_portal.lib.errors import Refused
from sop_portal.lib.workbook.copytext import BLANK

# Lines of one block for COPY.
BLOCK = 5_000


@dataclass(frozen=True)
class Items(Found):
    """A list of items as a table: rows are counted from 0, as JSON pointers do, and places are pointers."""

    def place(self, row: int, name: str = "") -> str:
        return f"/items/{row}/{name}" if name else f"/items/{row}"


def write_items(
    kind: Kind,
    fields: Mapping[str, Sequence[str]],
    number: int,
    *,
    options: Mapping[str, Any],
    by: Any,
    plain: Collection[str] = (),
) -> Outcome:
    """Write `number` items, all of them or none.

    fields: name of a column -> the field of each item as COPY takes it. options: those of an import. plain: columns
    whose fields are numbers that fit `plain_pattern`, every one of them.
    Raises NotAllowed, Busy while another import is written, and Refused with ("items", position, column) -> sentence.
    """
    require_importer(by, kind)
    chosen = clean_options(kind, options)
    names = [column.name for column in kind.columns if column.name in fields or column.required]
    found = Items(index=0, sheet="", header_row=0, columns={name: at for at, name in enumerate(names)})
    with transaction.atomic():
        take_turn(Watch(), PATIENCE)
        with staged(kind, found, JSON, ".") as staging:
            staging.fill(_blocks([fields.get(name) or repeat(BLANK, number) for name in names]), Watch())
            staging.plain.update(plain)
            staging.filled.update(name for name, column in fields.items() if BLANK not in column)
            outcome = LOADERS[kind.key](staging, Job(chosen, by=by, shows=False))
            if outcome.refused:
                raise _refusal(staging.problems(PROBLEMS_KEPT), outcome.refused, number)
    return outcome


def _blocks(columns: Sequence[Iterable[str]]) -> Iterable[bytes]:
    lines = list(map("\t".join, zip(map(str, count()), *columns, strict=False)))
    for start in range(0, len(lines), BLOCK):
        yield ("\n".join(lines[start : start + BLOCK]) + "\n").encode()


def _refusal(problems: Iterable[Any], refused: int, number: int) -> Refused:
    sentences: dict[Any, list[str]] = {}
    for problem in problems:
        place = ("items", problem.row, problem.column) if problem.column else ("items", problem.row)
        sentences.setdefault(place, []).append(problem.sentence)
    items = f"{refused:,} of {number:,} items {'is' if refused == 1 else 'are'}"
    return Refused(
        {place: " ".join(dict.fromkeys(said)) for place, said in sentences.items()},
        f"{items} refused, so nothing was saved. The errors say what to correct.",
    )
