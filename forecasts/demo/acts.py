"""What people did to lines of past cycles, written for many lines at once: one INSERT of snapshots and one UPDATE.

The services refuse to act in the past, so the demo writes what they would have written, with the same flag that they
set for the guard of the database.
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson
from django.db import connection

from forecasts.demo.habits import Cells
from forecasts.services.writing import array_literal, past_the_guard

# EDIT saves without handing in, and leaves no snapshot.
EDIT, SUBMIT, APPROVE, REJECT, RETURN, ADJUST = "edit", "submit", "approve", "reject", "return", "adjust"
_STATUS_AFTER = {
    EDIT: "draft", SUBMIT: "submitted", APPROVE: "approved", REJECT: "rejected", RETURN: "draft", ADJUST: "approved",
}  # fmt: skip
_DECISIONS = {APPROVE, REJECT, RETURN, ADJUST}


@dataclass(frozen=True, slots=True)
class Act:
    """One event of one line. cells, sources, risk_class: as they stand after it; typed: whether it changed them."""

    line_id: int
    kind: str
    at: dt.datetime
    actor_id: int
    cells: Cells
    sources: str
    risk_class: int | None
    typed: bool = False
    comment: str = ""

    def then(self, kind: str, at: dt.datetime, actor_id: int, comment: str = "") -> "Act":
        """The next event of the line, which leaves its cells alone."""
        return replace(self, kind=kind, at=at, actor_id=actor_id, comment=comment, typed=False)


# Acts come as one JSON text, their cells as literals of arrays in it: no other way is read faster.
_SNAPSHOTS = """
INSERT INTO forecasts_snapshot (line_id, event, status, live, risk_class, quantity, quantity_source, unit_price,
                                price_source, owner_id, actor_id, comment, at)
SELECT line.id, act.kind, act.status, true, coalesce(act.risk, line.risk_class), act.cells, act.sources,
       line.unit_price, line.price_source, line.owner_id, act.actor, act.comment, act.at
  FROM json_to_recordset(%s::json)
       AS act(turn integer, line bigint, kind text, status text, risk smallint, cells numeric(18, 6)[], sources text,
              actor bigint, comment text, at timestamptz)
  JOIN forecasts_line AS line ON line.id = act.line
 ORDER BY act.turn
"""
_UPDATE = """
UPDATE forecasts_line AS line
   SET status = act.status, revision = line.revision + act.steps,
       quantity = coalesce(act.cells, line.quantity), quantity_source = coalesce(act.sources, line.quantity_source),
       risk_class = coalesce(act.risk, line.risk_class), risk_is_default = line.risk_is_default AND act.risk IS NULL,
       edited_by_id = coalesce(act.edited_by, line.edited_by_id), edited_at = coalesce(act.edited_at, line.edited_at),
       submitted_by_id = coalesce(act.submitted_by, line.submitted_by_id),
       submitted_at = coalesce(act.submitted_at, line.submitted_at), change_reason = coalesce(act.reason, line.change_reason),
       decided_by_id = coalesce(act.decided_by, line.decided_by_id),
       decided_at = coalesce(act.decided_at, line.decided_at),
       decision_comment = coalesce(act.comment, line.decision_comment)
  FROM json_to_recordset(%s::json)
       AS act(line bigint, status text, steps integer, cells numeric(18, 6)[], sources text, risk smallint,
              edited_by bigint, edited_at timestamptz, submitted_by bigint, submitted_at timestamptz, reason text,
              decided_by bigint, decided_at timestamptz, comment text)
 WHERE line.id = act.line
"""


def perform(stories: Iterable[Sequence[Act]]) -> None:
    """Write the acts of many lines. stories: the acts of one line each, in the order in which they happened."""
    stories = [story for story in stories if story]
    # A line's snapshots are numbered in their order, whatever other lines do.
    kept = [act for story in stories for act in story if act.kind != EDIT]
    snapshots = [
        {
            "turn": turn, "line": act.line_id, "kind": act.kind, "status": _STATUS_AFTER[act.kind],
            "risk": act.risk_class, "cells": array_literal(act.cells), "sources": act.sources, "actor": act.actor_id,
            "comment": act.comment, "at": act.at,
        }
        for turn, act in enumerate(kept)
    ]  # fmt: skip
    with connection.cursor() as cursor, past_the_guard():
        cursor.execute(_SNAPSHOTS, [orjson.dumps(snapshots).decode()])
        cursor.execute(_UPDATE, [orjson.dumps([_standing(story) for story in stories]).decode()])


def _standing(story: Sequence[Act]) -> dict[str, Any]:
    """How a line stands after its story; what is left out it keeps."""
    last = story[-1]
    stands: dict[str, Any] = {
        "line": last.line_id, "status": _STATUS_AFTER[last.kind], "steps": len(story), "risk": last.risk_class,
    }  # fmt: skip
    edited = next((act for act in reversed(story) if act.typed), None)
    if edited:
        stands |= {
            "cells": array_literal(last.cells), "sources": last.sources, "edited_by": edited.actor_id, "edited_at": edited.at,
        }  # fmt: skip
    submitted = next((act for act in reversed(story) if act.kind == SUBMIT), None)
    if submitted:
        stands |= {
            "submitted_by": submitted.actor_id, "submitted_at": submitted.at, "reason": submitted.comment,
        }  # fmt: skip
    if last.kind in _DECISIONS:
        stands |= {"decided_by": last.actor_id, "decided_at": last.at, "comment": last.comment}
    return stands
