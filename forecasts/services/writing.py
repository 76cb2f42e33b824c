"""How lines are read under lock and written: one statement each, whatever the number of lines."""

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

from django.db import Error, IntegrityError, connection
from django.db.models import OuterRef, Subquery

from cycles.models import Cycle, Participant
from cycles.services import deadline_text
from forecasts.models import Line
from masterdata.models.customers import SqlNow
from sop_portal.lib import periods
from sop_portal.lib.clock import portal_now
from sop_portal.lib.errors import Conflict

# The columns that editing and moving need; the rest of customer and product stays in the database.
_NEEDED = (
    "cycle", "customer__name", "customer__short_name", "product__item_code", "product__description", "owner", "status",
    "live", "risk_class", "risk_is_default", "revision", "notes", "change_reason", "quantity", "quantity_source",
    "unit_price", "price_source", "edited_by", "submitted_by", "decided_by", "decision_comment",
)  # fmt: skip


@contextmanager
def past_the_guard() -> Iterator[None]:
    """Let this transaction write lines that take no input: deciding, closing, opening, importing old plans.

    The trigger of the database refuses such writes on every other path.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('sop.line_move', 'on', true)")
        broken = False
        try:
            yield
        except Error:
            # The transaction takes no more statements, and its rollback takes the flag away by itself.
            broken = True
            raise
        finally:
            if not broken and not connection.needs_rollback:
                cursor.execute("SELECT set_config('sop.line_move', '', true)")


@contextmanager
def guard_speaks(cycle: Cycle) -> Iterator[None]:
    """Turn a refusal of the guard into a sentence: the deadline passed between our look at the clock and the write."""
    try:
        yield
    except IntegrityError as refusal:
        diagnosis = getattr(refusal.__cause__, "diag", None)
        if getattr(diagnosis, "constraint_name", None) != "line_takes_input":
            raise
        raise Conflict(f"The time for input to {cycle} has just run out.", cycle=cycle.pk) from refusal


def lock_lines(scope: Any, cycle_id: int, line_ids: Iterable[int]) -> tuple[Cycle, dict[int, Line], dt.datetime]:
    """The cycle, those of the lines that lie in `scope`, locked in the order of their keys, and the database's clock.

    The cycle's shared lock must be held already. Each line carries `extension`, the own deadline of its owner.
    """
    extension = Participant.objects.filter(cycle=OuterRef("cycle"), rep=OuterRef("owner")).values("deadline_extension")
    rows = (
        scope.filter(cycle_id=cycle_id, pk__in=list(line_ids))
        .select_related("cycle", "customer", "product")
        .only(*_NEEDED, *(f"cycle__{field.attname}" for field in Cycle._meta.concrete_fields))
        .annotate(extension=Subquery(extension[:1]), now=SqlNow())
        .order_by("pk")
        .select_for_update(of=("self",))
    )
    lines = {line.pk: line for line in rows}
    if lines:
        first = next(iter(lines.values()))
        for line in lines.values():
            line.cycle = first.cycle
        return first.cycle, lines, max(line.now for line in lines.values())
    return Cycle.objects.get(pk=cycle_id), {}, portal_now()


def require_input(cycle: Cycle, lines: Iterable[Line], now: dt.datetime) -> None:
    """Refuse writing lines of a cycle that is not open, or after the deadline of one of their owners."""
    if not cycle.is_open:
        raise Conflict(closed_sentence(cycle), cycle=cycle.pk)
    for line in lines:
        if not cycle.takes_input(now, line.extension):  # type: ignore[attr-defined]
            deadline = cycle.deadline_with(line.extension)  # type: ignore[attr-defined]
            when = deadline_text(deadline) if deadline else "a past day"
            raise Conflict(f"{cycle} took input until {when}; ask an S&OP admin for more time.", cycle=cycle.pk)


def closed_sentence(cycle: Cycle) -> str:
    """Why `cycle` takes no input: "S&OP Dec 2026 closed on 27 Nov 2026 18:00 (New York)"."""
    if cycle.status == Cycle.Status.DRAFT:
        return f"{cycle} is not open yet."
    when = f" closed on {deadline_text(cycle.closed_at)}" if cycle.closed_at else " is closed"
    return f"{cycle}{when}; its lines take no more input."


def line_label(line: Line) -> str:
    """ "Elm Supply · 110009 Peeled garlic 4x5": how a line is named in sentences, audit and files."""
    return f"{line.customer.label} · {line.product}"


def cell_label(line: Line, position: int) -> str:
    """ "Peeled garlic 4x5, March 2027": how a cell is named in sentences."""
    return f"{line.product.description}, {periods.long_label(line.cycle.periods[position])}"


def array_literal(values: Sequence[Decimal | None]) -> str:
    """A PostgreSQL array of numbers, written out; None becomes NULL."""
    return "{" + ",".join("NULL" if value is None else format(value, "f") for value in values) + "}"


_WRITE_CELLS = """
UPDATE forecasts_line AS line
   SET quantity = new.quantity::numeric(18, 6)[], quantity_source = new.quantity_source,
       unit_price = new.unit_price::numeric(14, 4)[], price_source = new.price_source,
       risk_class = new.risk_class, risk_is_default = new.risk_is_default, notes = new.notes,
       status = new.status, live = new.live, revision = new.revision,
       edited_by_id = %s, edited_at = %s, confirmed_by_id = NULL, confirmed_at = NULL
  FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[], %s::text[], %s::smallint[], %s::boolean[], %s::text[],
              %s::text[], %s::boolean[], %s::integer[])
    AS new(id, quantity, quantity_source, unit_price, price_source, risk_class, risk_is_default, notes, status, live,
           revision)
 WHERE line.id = new.id
"""


def write_cells(lines: Sequence[Line], *, by: Any, now: dt.datetime) -> None:
    """Write the cells, risk class, status and revision of `lines` in one statement. by: None on the command line."""
    with connection.cursor() as cursor:
        cursor.execute(
            _WRITE_CELLS,
            [
                by.pk if by else None,
                now,
                [line.pk for line in lines],
                [array_literal(line.quantity) for line in lines],
                [line.quantity_source for line in lines],
                [array_literal(line.unit_price) for line in lines],
                [line.price_source for line in lines],
                [line.risk_class for line in lines],
                [line.risk_is_default for line in lines],
                [line.notes for line in lines],
                [line.status for line in lines],
                [line.live for line in lines],
                [line.revision for line in lines],
            ],
        )


_SNAPSHOT = """
INSERT INTO forecasts_snapshot (line_id, event, status, live, risk_class, quantity, quantity_source, unit_price,
                                price_source, owner_id, actor_id, comment, at)
SELECT id, %s, status, live, risk_class, quantity, quantity_source, unit_price, price_source, owner_id, %s,
       CASE %s WHEN 'submit' THEN change_reason ELSE %s END, %s
  FROM forecasts_line WHERE """


def take_snapshots(line_ids: Sequence[int], event: str, *, by: Any, now: dt.datetime, comment: str = "") -> None:
    """Copy the cells of the lines, as they stand in the database now, in one statement.

    What was handed in keeps the reason of its change as its comment.
    """
    values = [event, by.pk if by else None, event, comment, now, list(line_ids)]
    with connection.cursor() as cursor:
        cursor.execute(f"{_SNAPSHOT} id = ANY(%s)", values)


def snapshot_cycle(cycle: Cycle, event: str, *, by: Any, now: dt.datetime) -> None:
    """The same for every line of a cycle."""
    with connection.cursor() as cursor:
        cursor.execute(f"{_SNAPSHOT} cycle_id = %s", [event, by.pk if by else None, event, "", now, cycle.pk])
