"""Lines that come after a cycle has opened: added by a rep for an own customer, deleted again by an admin."""

from typing import Any

from django.db import IntegrityError, connection, transaction

from audit.services import Event, record
from cycles.models import Cycle, Participant
from forecasts.models import Line
from forecasts.services.shares import expect
from forecasts.services.values import stale_lines
from forecasts.services.writing import closed_sentence, guard_speaks, line_label, require_input
from masterdata.models import Customer, Product
from masterdata.models.customers import SqlNow
from masterdata.prices import ORIGIN_OF_MONTHS, PRICE_JOINS, PRICE_OF_MONTHS, PRICE_TABLES
from masterdata.services.proposing import entry_for
from sop_portal.lib.errors import Conflict, NotAllowed, Refused
from sop_portal.lib.risk import DEFAULT_RISK_CLASS

_PRICES = f"""
WITH {PRICE_TABLES}, entry AS (SELECT %(entry)s::bigint AS id, %(list_price)s::numeric AS list_price)
SELECT {PRICE_OF_MONTHS}, {ORIGIN_OF_MONTHS} FROM entry {PRICE_JOINS}
"""


@transaction.atomic
def add_line(cycle_id: int, customer: Customer, product: Product, *, by: Any) -> Line:
    """A line of an active product for a customer that `by` serves, in the open cycle; blank, with the prices in force.

    It belongs to the customer's rep and counts among the lines expected of them. A pair that is not in the matrix gets an
    entry there, marked as proposed when a rep adds it.
    Raises Conflict when the cycle takes no input or the pair has a line already (`line` is its id), NotAllowed for a
    customer that somebody else serves, Refused for what is not sold any more.
    """
    Cycle.objects.lock_shared(cycle_id)
    customer = (
        Customer.objects.select_for_update(no_key=True, of=("self",)).select_related("sales_rep").get(pk=customer.pk)
    )
    cycle = Cycle.objects.annotate(now=SqlNow()).get(pk=cycle_id)
    if not cycle.is_open:
        raise Conflict(closed_sentence(cycle), cycle=cycle.pk)
    _require_offer(customer, product)
    taken = Line.objects.filter(cycle=cycle, customer=customer, product=product).first()
    if taken is not None:
        raise Conflict(f"{customer.label} has a line of {product} in {cycle} already; edit that one.", line=taken.pk)
    line = Line(
        cycle=cycle,
        customer=customer,
        product=product,
        owner=customer.sales_rep,
        risk_class=DEFAULT_RISK_CLASS if customer.default_risk_class is None else customer.default_risk_class,
        quantity=[None] * cycle.horizon,
    )
    share = Participant.objects.filter(cycle=cycle, rep=customer.sales_rep).first()
    line.extension = share.deadline_extension if share else None  # type: ignore[attr-defined]
    require_input(cycle, [line], cycle.now)  # type: ignore[attr-defined]
    entry = entry_for(customer, product, by=by)
    line.unit_price, line.price_source = _prices(cycle, entry.pk, product)
    try:
        with guard_speaks(cycle), transaction.atomic():
            Line.objects.untracked().bulk_create([line])
    except IntegrityError as race:
        raise Conflict(f"Somebody just added this line of {customer.label}; reload the page.") from race
    if not Line.objects.editable_by(by).filter(pk=line.pk).exists():
        raise NotAllowed(f"{customer.label} is served by somebody else, who can add the line.")
    _tell("forecast_created", line, {"status": [None, line.status], "live": [None, True]}, by)
    if line.owner_id:
        expect(cycle, {line.owner_id: 1})
    return line


def _require_offer(customer: Customer, product: Product) -> None:
    if not customer.is_active:
        raise Refused({"customer_id": f"{customer.label} is inactive; an S&OP admin can activate it."})
    if customer.sales_rep is None or not customer.sales_rep.is_active:
        raise Refused({"customer_id": f"{customer.label} has no active rep who could own the line."})
    if not product.is_active:
        raise Refused({"item_code": f"{product} is inactive, so it is not planned any more."})


def _prices(cycle: Cycle, entry_id: int, product: Product) -> tuple[list[Any], str]:
    with connection.cursor() as cursor:
        cursor.execute(
            _PRICES,
            {
                "entry": entry_id,
                "list_price": product.list_price,
                "first": cycle.first_period,
                "last": cycle.periods[-1],
            },
        )
        prices, sources = cursor.fetchone()
    return prices, sources


@transaction.atomic
def delete_line(line_id: int, *, by: Any, revision: int | None = None) -> None:
    """Delete a line that was added after the opening and never handed in.

    revision: what its reader saw, None when they do not say. Raises NotAllowed without the right to edit every line,
    StaleRevision when somebody saved in between, Conflict for any other line: it is part of the plan.
    """
    if not by.has_perm("forecasts.edit_any_line"):
        raise NotAllowed("Only an S&OP admin deletes lines; a rep answers 0.")
    cycle_id = Line.objects.values_list("cycle_id", flat=True).get(pk=line_id)
    Cycle.objects.lock_shared(cycle_id)
    line = Line.objects.select_related("cycle", "customer", "product").select_for_update(of=("self",)).get(pk=line_id)
    if not line.cycle.is_open:
        raise Conflict(closed_sentence(line.cycle), cycle=cycle_id)
    if revision not in (None, line.revision):
        raise stale_lines([line])
    if line.status != Line.Status.DRAFT or line.snapshots.exists():
        raise Conflict(f"{line_label(line)} was part of the cycle from its opening, or handed in, so it is kept.")
    label, live, owner = line_label(line), line.live, line.owner_id
    with guard_speaks(line.cycle):
        Line.objects.untracked().filter(pk=line.pk).delete()
    record(
        Event(
            action="forecast_deleted",
            entity_type="forecast",
            entity_id=str(line_id),
            label=label,
            changes={"status": [line.status, None], "live": [live, None]},
            on_behalf_of=owner if owner != by.pk else None,
        )
    )
    if live and owner:
        expect(line.cycle, {owner: -1})


def _tell(action: str, line: Line, changes: dict[str, Any], by: Any) -> None:
    record(
        Event(
            action=action,
            entity_type="forecast",
            entity_id=str(line.pk),
            label=line_label(line),
            changes=changes,
            on_behalf_of=line.owner_id if line.owner_id != by.pk else None,
        )
    )
