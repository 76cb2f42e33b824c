"""How lines are read under lock and written: one statement each, whatever the number of lines."""

import datetime as dt
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import orjson
from django.db import Error, IntegrityError, connection
from django.db.models import F, OuterRef, Subquery

from cycles.models import Cycle, Participant
from cycles.services import deadline_text
from forecasts.models import Line
from masterdata.models import Customer, Product
from masterdata.models.customers import SqlNow
from sop_portal.lib import periods
from sop_portal.lib.errors import Conflict, NotAllowed
from sop_portal.lib.keys import among

# The columns that editing and moving need of a line.
_NEEDED = (
    "cycle", "customer", "product", "owner", "status", "live", "risk_class", "risk_is_default", "revision", "notes",
    "change_reason", "quantity", "quantity_source", "unit_price", "price_source", "edited_by", "submitted_by",
    "decided_by", "decision_comment",
)  # fmt: skip
# What names a line; the rest of customer and product stays in the database.
_NAMES = {"customer": (Customer, ("name", "short_name")), "product": (Product, ("item_code", "description"))}


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
        scope.filter(cycle_id=cycle_id, pk__in=among(line_ids))
        .only(*_NEEDED)
        .annotate(
            extension=Subquery(extension[:1]),
            **{f"{key}_{name}": F(f"{key}__{name}") for key, (_, names) in _NAMES.items() for name in names},
        )
        .order_by("pk")
        .select_for_update(of=("self",))
    )
    lines = {line.pk: line for line in rows}
    # Read last, so that the clock is that of after the wait for the lines.
    cycle = Cycle.objects.annotate(now=SqlNow()).get(pk=cycle_id)
    _share_objects(lines.values(), cycle)
    return cycle, lines, cycle.now  # type: ignore[attr-defined]


def require_not_foreign(cycle_id: int, line_ids: Collection[int], sentence: str, *, by: Any) -> None:
    """Raises NotAllowed when `by` may read one of these lines, which they may not write; what they may not even read is
    refused as missing. One query, however many there are."""
    if line_ids and Line.objects.visible_to(by).filter(cycle_id=cycle_id, pk__in=among(line_ids)).exists():
        raise NotAllowed(sentence)


def _share_objects(lines: Iterable[Line], cycle: Cycle) -> None:
    """Give the lines their cycle, customer and product, each made once: joined to every line they cost more than it."""
    fields: dict[str, Any] = {key: Line._meta.get_field(key) for key in ("cycle", *_NAMES)}
    known: dict[tuple[str, int], Any] = {}
    for line in lines:
        fields["cycle"].set_cached_value(line, cycle)
        for key, (model, names) in _NAMES.items():
            pk = getattr(line, f"{key}_id")
            if (key, pk) not in known:
                values = [getattr(line, f"{key}_{name}") for name in names]
                known[key, pk] = model.from_db(line._state.db, ["id", *names], [pk, *values])
            fields[key].set_cached_value(line, known[key, pk])


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


def array_literal(values: Sequence[Decimal | int | None]) -> str:
    """A PostgreSQL array of numbers, written out; None becomes NULL."""
    return "{" + ",".join("NULL" if value is None else str(value) for value in values) + "}"


# One JSON text costs the driver a fifth of eleven arrays; the numbers in it stay literals of arrays, which are read
# faster than arrays of JSON.
_WRITE_CELLS = """
UPDATE forecasts_line AS line
   SET quantity = new.quantity, quantity_source = new.quantity_source,
       unit_price = new.unit_price, price_source = new.price_source,
       risk_class = new.risk_class, risk_is_default = new.risk_is_default, notes = new.notes,
       status = new.status, live = new.live, revision = new.revision,
       edited_by_id = %s, edited_at = %s, confirmed_by_id = NULL, confirmed_at = NULL
  FROM json_to_recordset(%s::json)
    AS new(id bigint, quantity numeric(18, 6)[], quantity_source text, unit_price numeric(14, 4)[], price_source text,
           risk_class smallint, risk_is_default boolean, notes text, status text, live boolean, revision integer)
 WHERE line.id = new.id
"""


def write_cells(lines: Sequence[Line], *, by: Any, now: dt.datetime) -> None:
    """Write the cells, risk class, status and revision of `lines` in one statement. by: None on the command line."""
    rows = [
        {
            "id": line.pk,
            "quantity": array_literal(line.quantity),
            "quantity_source": line.quantity_source,
            "unit_price": array_literal(line.unit_price),
            "price_source": line.price_source,
            "risk_class": line.risk_class,
            "risk_is_default": line.risk_is_default,
            "notes": line.notes,
            "status": line.status,
            "live": line.live,
            "revision": line.revision,
        }
        for line in lines
    ]
    with connection.cursor() as cursor:
        cursor.execute(_WRITE_CELLS, [by.pk if by else None, now, orjson.dumps(rows).decode()])


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
