"""Moving lines: submit, recall, approve, reject, return, adjust. One function per act, all or none of the list."""

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import CharField, F, Func, JSONField, Value
from django.db.models.functions import Cast, Coalesce

from audit.services import Event, record_many
from cycles.models import Cycle
from forecasts.models import Line, QuantitySource, Snapshot
from forecasts.reasons import Reason
from forecasts.services.problems import problems
from forecasts.services.values import Change, LineEdit, already_there, apply_edit, check_edit, stale_lines
from forecasts.services.writing import (
    closed_sentence,
    guard_speaks,
    line_label,
    lock_lines,
    past_the_guard,
    require_input,
    require_not_foreign,
    take_snapshots,
    write_cells,
)
from forecasts.signals import lines_moved
from sop_portal.lib.errors import Conflict, Refused
from sop_portal.lib.keys import one_of
from sop_portal.lib.text import normal, plain_note

Status = Line.Status


@dataclass(frozen=True)
class LineRef:
    """A line as its reader saw it."""

    line_id: int
    revision: int


@dataclass(frozen=True)
class Adjustment:
    """New cells of one line of a closed cycle."""

    line_id: int
    revision: int
    quantity: Mapping[dt.date, Decimal | None] = field(default_factory=dict)
    unit_price: Mapping[dt.date, Decimal | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Act:
    """What a person does to lines: from which statuses it leads where, and in which states of the cycle.

    Several acts lead to the same status, so `Line.MOVES` alone does not tell which of them is meant; every step of an
    act stands in that table, too. An act of the owner has no `cycle`: it asks whether input is open.
    """

    verb: str
    before: frozenset[str]
    after: str
    action: str
    event: str | None = None
    cycle: frozenset[str] = frozenset()


_OPEN, _CLOSED = Cycle.Status.OPEN, Cycle.Status.CLOSED
_UNDECIDED = frozenset({Status.SUBMITTED})

SUBMIT = Act("submit", frozenset({Status.DRAFT}), Status.SUBMITTED, "forecast_submitted", Snapshot.Event.SUBMIT)
RECALL = Act("recall", _UNDECIDED, Status.DRAFT, "forecast_recalled")
APPROVE = Act(
    "approve", _UNDECIDED, Status.APPROVED, "forecast_approved", Snapshot.Event.APPROVE, frozenset({_OPEN, _CLOSED})
)
REJECT = Act("reject", _UNDECIDED, Status.REJECTED, "forecast_rejected", Snapshot.Event.REJECT, frozenset({_OPEN}))
RETURN = Act(
    "return", _UNDECIDED | {Status.APPROVED}, Status.DRAFT, "forecast_returned", Snapshot.Event.RETURN,
    frozenset({_OPEN}),
)  # fmt: skip
ADJUST = Act(
    "adjust", _UNDECIDED | {Status.APPROVED, Status.MISSED}, Status.APPROVED, "forecast_adjusted",
    Snapshot.Event.ADJUST, frozenset({_CLOSED}),
)  # fmt: skip
ACTS = (SUBMIT, RECALL, APPROVE, REJECT, RETURN, ADJUST)


def _read(
    cycle_id: int, refs: Iterable[Any], scope: Any, by: Any, done: Callable[[Any, Line], bool]
) -> tuple[Cycle, list[tuple[int, Any, Line]], dt.datetime, dict[int, str]]:
    """The lines of `refs` under lock with their positions; what is not in scope is refused by position.

    Lines for which the act is `done` are left out before anything else is asked: the answer to a first request may have
    been lost, and its repetition is no refusal, even when the cycle has closed since.
    """
    refs = list(refs)
    Cycle.objects.lock_shared(cycle_id)
    wanted = {ref.line_id for ref in refs}
    cycle, lines, now = lock_lines(scope, cycle_id, wanted)
    require_not_foreign(cycle_id, wanted - lines.keys(), "You can read this line, but this is not yours to do.", by=by)
    found: list[tuple[int, Any, Line]] = []
    refused: dict[int, str] = {}
    seen: set[int] = set()
    for position, ref in enumerate(refs):
        line = lines.get(ref.line_id)
        if line is None:
            refused[position] = "There is no such line in this cycle; reload the page."
        elif line.pk in seen:
            refused[position] = f"{line_label(line)} is listed twice; send each line once."
        else:
            seen.add(line.pk)
            if not done(ref, line):
                found.append((position, ref, line))
    return cycle, found, now, refused


def _sort(
    act: Act,
    found: Sequence[tuple[int, Any, Line]],
    refused: dict[int, str],
    check: Callable[[Line], str] = lambda line: "",
) -> list[tuple[Any, Line]]:
    """The lines that move; all of them must be allowed to."""
    moving, stale = [], []
    for position, ref, line in found:
        if line.status not in act.before or not line.can_move_to(act.after):
            state = line.get_status_display().lower()
            refused[position] = f"{line_label(line)} is {state}, so you cannot {act.verb} it."
        elif ref.revision != line.revision:
            stale.append(line)
        elif sentence := check(line):
            refused[position] = sentence
        else:
            moving.append((ref, line))
    if stale:
        raise stale_lines(stale)
    if refused:
        raise Refused(refused)
    return moving


def _write(
    act: Act,
    lines: Sequence[Line],
    *,
    by: Any,
    now: dt.datetime,
    comment: str = "",
    changes: Mapping[int, Mapping[str, Any]] | None = None,
    **fields: Any,
) -> list[Line]:
    """Move `lines` in one statement, with snapshots and audit. changes: what else changed, per line."""
    if not lines:
        return []
    before = {line.pk: line.status for line in lines}
    ids = [line.pk for line in lines]
    rows = Line.objects.filter(one_of("pk", ids))
    values = {"status": act.after, "revision": F("revision") + 1, **fields}
    if act is SUBMIT:
        # Handing in is input, so the guard of the database watches the deadline once more.
        with guard_speaks(lines[0].cycle):
            rows.untracked().update(**values)
    else:
        with past_the_guard():
            rows.untracked().update(**values)
    if act.event:
        take_snapshots(ids, act.event, by=by, now=now, comment=comment)
    record_many(
        Event(
            action=act.action,
            entity_type="forecast",
            entity_id=str(line.pk),
            label=line_label(line),
            changes={
                **((changes or {}).get(line.pk) or {}),
                "status": [before[line.pk], act.after],
                **({"comment": [None, comment]} if comment else {}),
            },
            on_behalf_of=line.owner_id if not act.cycle and line.owner_id != by.pk else None,
        )
        for line in lines
    )
    for line in lines:
        line.status, line.revision = act.after, line.revision + 1
    lines_moved.send(sender=Line, verb=act.verb, cycle=lines[0].cycle, lines=lines, by=by, comment=comment)
    return list(lines)


def _comment(text: str, *, required: str = "") -> str:
    text = normal(text)
    try:
        plain_note(text)
    except ValidationError as problem:
        raise Refused({"comment": " ".join(problem.messages)}) from problem
    if required and not text:
        raise Refused({"comment": required})
    return text


@transaction.atomic
def submit_lines(
    cycle_id: int, refs: Iterable[LineRef], *, by: Any, reasons: Mapping[int, Reason] | None = None
) -> list[Line]:
    """Hand in lines: all of them or none. Lines that `by` already submitted are left as they are.

    reasons: line -> why it changed much; a line that is not named keeps the reason it has.
    Raises Conflict after the deadline or close, Refused with position -> sentence naming line and month.
    """
    reasons = reasons or {}

    def done(ref: LineRef, line: Line) -> bool:
        return line.status == Status.SUBMITTED and line.submitted_by_id == by.pk

    cycle, found, now, refused = _read(cycle_id, refs, Line.objects.editable_by(by), by, done)
    if found or refused:
        require_input(cycle, [line for _, _, line in found], now)

    def check(line: Line) -> str:
        if not line.live:
            return f"{line_label(line)} has no forecast; enter a quantity before submitting it."
        # Lines of several customers may be handed in together.
        sentences = [f"{line.customer.label}: {problem.sentence}" for problem in problems(line)]
        if line.pk in reasons and (sentence := reasons[line.pk].problem):
            sentences.append(f"{line_label(line)}: {sentence}")
        return " ".join(sentences)

    lines = [line for _, line in _sort(SUBMIT, found, refused, check)]
    given = {line.pk: str(reasons[line.pk]) for line in lines if line.pk in reasons}
    told: dict[str, Any] = {"change_reason": _by_line(given, "change_reason")} if given else {}
    return _write(
        SUBMIT,
        lines,
        by=by,
        now=now,
        changes={
            line.pk: {"change_reason": [line.change_reason, given[line.pk]]}
            for line in lines
            if line.change_reason != given.get(line.pk, line.change_reason)
        },
        submitted_by=by,
        submitted_at=now,
        decided_by=None,
        decided_at=None,
        decision_comment="",
        **told,
    )


def _by_line(texts: Mapping[int, str], column: str) -> Coalesce:
    """A text for each line named, whatever their number, as one parameter; the others keep their `column`."""
    found = Func(
        Value(dict(texts), JSONField()), Cast("pk", CharField()), function="jsonb_extract_path_text",
        output_field=CharField(),
    )  # fmt: skip
    return Coalesce(found, F(column))


@transaction.atomic
def recall_lines(cycle_id: int, refs: Iterable[LineRef], *, by: Any) -> list[Line]:
    """Take back lines that `by` submitted and nobody decided, while input is open.

    A draft that changed since it was seen and that nobody gave back was taken back before, and is left as it is.
    """

    def done(ref: LineRef, line: Line) -> bool:
        taken_back = line.submitted_by_id is None and line.decided_by_id is None
        return line.status == Status.DRAFT and taken_back and ref.revision < line.revision

    cycle, found, now, refused = _read(cycle_id, refs, Line.objects.editable_by(by), by, done)
    if found or refused:
        require_input(cycle, [line for _, _, line in found], now)

    def check(line: Line) -> str:
        if line.submitted_by_id != by.pk:
            return f"{line_label(line)} was submitted by somebody else, who alone can recall it."
        return ""

    moving = _sort(RECALL, found, refused, check)
    return _write(RECALL, [line for _, line in moving], by=by, now=now, submitted_by=None, submitted_at=None)


def _not_own(line: Line, by: Any) -> str:
    """Nobody decides what they submitted or edited last."""
    if line.was_worked_on_by(by):
        return f"You submitted or edited {line_label(line)} yourself, so somebody else has to decide it."
    return ""


def _require_state(cycle: Cycle, act: Act) -> None:
    """Refuse an act that the state of the cycle does not allow."""
    if cycle.kind == Cycle.Kind.LEGACY:
        raise Conflict(f"{cycle} comes from old workbooks; its lines stay as they were imported.")
    if cycle.status in act.cycle:
        return
    if cycle.status == Cycle.Status.ARCHIVED:
        raise Conflict(f"{cycle} is published, so its lines stay as they are.")
    if cycle.is_open:
        raise Conflict(f"{cycle} is still open for input; this is done after it has closed.")
    raise Conflict(closed_sentence(cycle))


def _decide(act: Act, cycle_id: int, refs: Iterable[LineRef], *, by: Any, comment: str) -> list[Line]:
    """Approve, reject or return: somebody else's lines, in the state of the cycle that the act asks for."""

    def done(ref: LineRef, line: Line) -> bool:
        return line.status == act.after and line.decided_by_id == by.pk

    cycle, found, now, refused = _read(cycle_id, refs, Line.objects.decidable_by(by), by, done)
    if found or refused:
        _require_state(cycle, act)
    moving = _sort(act, found, refused, lambda line: _not_own(line, by))
    return _write(
        act,
        [line for _, line in moving],
        by=by,
        now=now,
        comment=comment,
        decided_by=by,
        decided_at=now,
        decision_comment=comment,
    )


@transaction.atomic
def approve_lines(cycle_id: int, refs: Iterable[LineRef], *, by: Any, comment: str = "") -> list[Line]:
    """Accept submitted lines, in an open or closed cycle."""
    return _decide(APPROVE, cycle_id, refs, by=by, comment=_comment(comment))


@transaction.atomic
def reject_lines(cycle_id: int, refs: Iterable[LineRef], *, by: Any, comment: str) -> list[Line]:
    """Refuse submitted lines with a comment, so that their owner revises them; the cycle must be open."""
    comment = _comment(comment, required="Say why you reject; the rep reads it beside the line.")
    return _decide(REJECT, cycle_id, refs, by=by, comment=comment)


@transaction.atomic
def return_lines(cycle_id: int, refs: Iterable[LineRef], *, by: Any, comment: str) -> list[Line]:
    """Give submitted or approved lines back to their owner as drafts, with a comment; the cycle must be open."""
    comment = _comment(comment, required="Say why you return it; the rep reads it beside the line.")
    return _decide(RETURN, cycle_id, refs, by=by, comment=comment)


@transaction.atomic
def adjust_lines(cycle_id: int, adjustments: Sequence[Adjustment], *, by: Any, reason: str) -> list[Line]:
    """Change and approve lines of a closed cycle; what was submitted stays beside it as a snapshot.

    Allowed for submitted, approved and missed lines, also for those `by` edited: the reason stands for it.
    """
    reason = _comment(reason, required="Say why you adjust; the rep reads it beside the line.")

    def done(wanted: Adjustment, line: Line) -> bool:
        same = line.status == ADJUST.after and line.decided_by_id == by.pk and line.decision_comment == reason
        return same and already_there(line, LineEdit(line.pk, 0, wanted.quantity, wanted.unit_price), by)

    cycle, found, now, refused = _read(cycle_id, adjustments, Line.objects.decidable_by(by), by, done)
    if found or refused:
        _require_state(cycle, ADJUST)
    moving = _sort(ADJUST, found, refused)
    bad_cells: list[dict[str, Any]] = []
    changes: dict[int, dict[str, Any]] = {}
    for position, (wanted, line) in enumerate(moving):
        edit = LineEdit(line.pk, line.revision, wanted.quantity, wanted.unit_price)
        sentences = check_edit(line, edit, bad_cells)
        change = Change()
        if not sentences:
            revision = line.revision
            apply_edit(line, edit, QuantitySource.ENTERED, change)
            line.revision = revision
            sentences = [problem.sentence for problem in problems(line)]
        if sentences:
            refused[position] = " ".join(sentences)
        changes[line.pk] = change.fields
    if refused:
        raise Refused(refused, cells=bad_cells)
    lines = [line for _, line in moving]
    if not lines:
        return []
    with past_the_guard():
        write_cells(lines, by=by, now=now)
    return _write(
        ADJUST,
        lines,
        by=by,
        now=now,
        comment=reason,
        changes=changes,
        decided_by=by,
        decided_at=now,
        decision_comment=reason,
    )
