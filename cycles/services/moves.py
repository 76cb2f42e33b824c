"""Moves of a cycle: open, refresh, close, publish. Each announces itself, and the lines follow in the same transaction."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, transaction

from audit.context import action
from audit.services import Event, record
from cycles.models import Cycle, ExtensionRequest
from cycles.services.access import require_mover
from cycles.services.preflight import red_findings
from cycles.services.reasons import reason_text
from cycles.signals import cycle_moved
from sop_portal import conf
from sop_portal.lib.clock import portal_now
from sop_portal.lib.errors import Conflict, Refused

# What a cycle copies from the settings when it opens.
COPIED_SETTINGS = ("missing_forecast_policy", "risk_weights", "currency", "business_time_zone")


def step(cycle: Cycle, status: str) -> None:
    """Give `cycle` its next status. Raises Conflict for a step that the table of moves does not hold."""
    if not cycle.can_move_to(status):
        state = cycle.get_status_display().lower()
        raise Conflict(f"{cycle} is {state}, so it cannot become {Cycle.Status(status).label.lower()}.")
    cycle.status = status


def announce(cycle: Cycle, move: str, *, by: Any, now: dt.datetime, **details: Any) -> dict[str, Any]:
    """Let the lines follow a move; returns the details with what the receivers added."""
    cycle_moved.send(sender=Cycle, cycle=cycle, move=move, by=by, now=now, details=details)
    return details


@transaction.atomic
def open_cycle(cycle_id: int, *, by: Any, override: str = "") -> Cycle:
    """Open a draft for input: lines are made and prefilled, participants frozen (by receivers of `cycle_moved`).

    override: why it is opened although pre-flight has red findings; kept with the cycle when there are any.
    Opening the open cycle again changes nothing. Raises Conflict when another one is open, Refused when the deadline
    has passed, or for red findings that nobody overrides.
    """
    require_mover(by)
    override = reason_text(override, field="override")
    cycle = Cycle.objects.lock_exclusive(cycle_id)
    if cycle.is_open:
        return cycle
    return open_locked(cycle, by=by, override=override)


def open_locked(cycle: Cycle, *, by: Any, override: str = "") -> Cycle:
    """Open a draft whose exclusive lock is held. by: None for the job."""
    if cycle.status != Cycle.Status.DRAFT:
        raise Conflict(f"{cycle} is {cycle.get_status_display().lower()}; only a draft can be opened.")
    require_alone(cycle, "opening")
    now = portal_now()
    if cycle.closes_at is None or cycle.closes_at <= now:
        raise Refused({"closes_at": "The deadline of this cycle has passed; edit it before opening."})
    found = red_findings(cycle)
    if found.red and not override:
        raise Refused(
            {"override": f"{found.sentence}. Mend that first, or say why {cycle} is opened all the same."},
            red=found.red,
        )
    step(cycle, Cycle.Status.OPEN)
    cycle.opened_at, cycle.times_opened, cycle.opening_refused_at = now, 1, None
    cycle.first_deadline = cycle.closes_at
    cycle.override_reason = override if found.red else ""
    cycle.settings = {key: conf.get(key) for key in COPIED_SETTINGS}
    save_open(cycle, "cycle_opened", "opened_at", "settings", "override_reason", "opening_refused_at", "first_deadline")
    if found.red:
        record(
            Event(
                action="cycle_opened", entity_type="cycle", entity_id=str(cycle.pk), label=str(cycle),
                changes={"overridden": [None, found.sentence]},
            )
        )  # fmt: skip
    announce(cycle, "open", by=by, now=now)
    return cycle


def require_alone(cycle: Cycle, doing: str) -> None:
    """Refuse to open `cycle` beside another open one."""
    other = Cycle.objects.open().exclude(pk=cycle.pk).first()
    if other is not None:
        raise Conflict(f"{other} is still open; close it before {doing} {cycle}.")


def save_open(cycle: Cycle, name: str, *fields: str) -> None:
    """Store a cycle that just became the open one."""
    try:
        with transaction.atomic(), action(name):
            cycle.save(update_fields=["status", "times_opened", *fields])
    except IntegrityError as race:
        raise Conflict("Another cycle was opened at the same moment; close it first.") from race


@dataclass(frozen=True)
class Refreshed:
    """How many lines a refresh woke, because something was sold of them, and how many it put to sleep."""

    cycle: Cycle
    woken: int = 0
    slept: int = 0


@transaction.atomic
def refresh_cycle(cycle_id: int, *, by: Any) -> Refreshed:
    """Work out again which lines of the open cycle are live, after actuals that came late.

    Lines that people touched never go dormant. Where nothing changes, nothing is written.
    """
    require_mover(by)
    cycle = Cycle.objects.lock_exclusive(cycle_id)
    if not cycle.is_open:
        raise Conflict(f"{cycle} is {cycle.get_status_display().lower()}; only an open cycle is refreshed.")
    now = portal_now()
    details = announce(cycle, "refresh", by=by, now=now, woken={}, slept={})
    woken, slept = sum(details["woken"].values()), sum(details["slept"].values())
    if woken or slept:
        cycle.refreshed_at = now
        cycle.save(update_fields=["refreshed_at"])
    return Refreshed(cycle, woken, slept)


@transaction.atomic
def close_cycle(cycle_id: int, *, by: Any, reason: str = "") -> Cycle:
    """Close the open cycle for input. `closed_at` is stamped after the lock is held, so no write lies behind it.

    Closing a closed cycle again changes nothing.
    """
    require_mover(by)
    cycle = Cycle.objects.lock_exclusive(cycle_id)
    if cycle.is_closed:
        return cycle
    return close_locked(cycle, by=by, reason=reason_text(reason))


def close_locked(cycle: Cycle, *, by: Any, reason: str) -> Cycle:
    """Close a cycle whose exclusive lock is held. by: None for the job."""
    step(cycle, Cycle.Status.CLOSED)
    cycle.closed_at = now = portal_now()
    cycle.close_reason = reason
    with action("cycle_closed"):
        cycle.save(update_fields=["status", "closed_at", "close_reason"])
    cycle.extension_requests.filter(state=ExtensionRequest.State.WAITING).update(
        state=ExtensionRequest.State.LAPSED, answered_at=now
    )
    announce(cycle, "close", by=by, now=now, reason=reason)
    return cycle


@transaction.atomic
def publish_cycle(cycle_id: int, *, by: Any) -> Cycle:
    """Archive a closed cycle as the plan of record: a `final` snapshot of every line, read-only for ever.

    Lines nobody decided are accepted as they are. Publishing twice changes nothing.
    """
    require_mover(by)
    cycle = Cycle.objects.lock_exclusive(cycle_id)
    if cycle.status == Cycle.Status.ARCHIVED:
        return cycle
    if cycle.kind == Cycle.Kind.LEGACY:
        raise Conflict("A plan from old workbooks is not published; it is only carried over.")
    step(cycle, Cycle.Status.ARCHIVED)
    cycle.archived_at = now = portal_now()
    with action("cycle_archived"):
        cycle.save(update_fields=["status", "archived_at"])
    announce(cycle, "publish", by=by, now=now)
    return cycle
