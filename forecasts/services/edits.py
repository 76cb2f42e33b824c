"""Editing the cells of lines: the one function that page, API, Excel and admin pass through."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from django.db import transaction

from audit.services import Event, record_many
from cycles.models import Cycle
from forecasts.models import Line, QuantitySource
from forecasts.services.shares import expect
from forecasts.services.values import Change, LineEdit, already_there, apply_edit, check_edit, stale_lines
from forecasts.services.writing import (
    guard_speaks,
    line_label,
    lock_lines,
    require_input,
    require_not_foreign,
    write_cells,
)
from sop_portal.lib.errors import Refused


@transaction.atomic
def set_cells(cycle_id: int, edits: Sequence[LineEdit], *, by: Any, source: str = QuantitySource.ENTERED) -> list[Line]:
    """Write quantities, prices, risk class and notes of lines of one open cycle, all of them or none.

    edits: per line the `revision` its author saw and {period: value}; None clears a cell. A line may occur once.
    source: the provenance of what is written: entered, uploaded or api.
    Returns the lines in the order of `edits`, with their new revisions. An edit that was already saved by the same
    author (a repeated request) is no conflict and changes nothing.
    Raises Conflict when the cycle takes no input now, StaleRevision when somebody else saved in between (`stale` holds
    their values), Refused with position -> sentence (`cells` names each cell) for values that do not make sense.
    """
    if not edits:
        return []
    Cycle.objects.lock_shared(cycle_id)
    wanted = {edit.line_id for edit in edits}
    cycle, lines, now = lock_lines(Line.objects.editable_by(by), cycle_id, wanted)
    require_input(cycle, lines.values(), now)
    require_not_foreign(
        cycle_id,
        wanted - lines.keys(),
        "You can read this line but not change it; its owner or an S&OP admin can.",
        by=by,
    )

    refused: dict[int, str] = {}
    bad_cells: list[dict[str, Any]] = []
    stale: list[Line] = []
    changed: dict[int, Change] = {}
    woken: Counter[int] = Counter()
    seen: set[int] = set()
    for position, edit in enumerate(edits):
        line = lines.get(edit.line_id)
        if line is None:
            refused[position] = "There is no such line among yours in this cycle; reload the page."
            continue
        if line.pk in seen:
            refused[position] = f"{line_label(line)} is listed twice; send each line once."
            continue
        seen.add(line.pk)
        if line.status not in Line.INPUT:
            refused[position] = _taken(line)
            continue
        change = Change()
        sentences = check_edit(line, edit, bad_cells)
        if sentences:
            refused[position] = " ".join(sentences)
            continue
        was_live = line.live
        stale_edit = edit.revision != line.revision
        if stale_edit and not already_there(line, edit, by):
            stale.append(line)
            continue
        if not stale_edit:
            apply_edit(line, edit, source, change)
        if change.fields:
            changed[line.pk] = change
            if line.live and not was_live and line.owner_id:
                woken[line.owner_id] += 1
    if stale:
        raise stale_lines(stale)
    if refused:
        raise Refused(refused, cells=bad_cells)

    written = [lines[pk] for pk in changed]
    if written:
        with guard_speaks(cycle):
            write_cells(written, by=by, now=now)
        record_many(
            Event(
                action="forecast_updated",
                entity_type="forecast",
                entity_id=str(line.pk),
                label=line_label(line),
                changes=changed[line.pk].fields,
                on_behalf_of=line.owner_id if line.owner_id != by.pk else None,
            )
            for line in written
        )
    if woken:
        expect(cycle, woken)
    return [lines[edit.line_id] for edit in edits]


def _taken(line: Line) -> str:
    remedy = {
        Line.Status.SUBMITTED: "recall it to change it",
        Line.Status.APPROVED: "ask your manager to return it",
    }.get(Line.Status(line.status), "it takes no input")
    return f"{line_label(line)} is {line.get_status_display().lower()}; {remedy}."
