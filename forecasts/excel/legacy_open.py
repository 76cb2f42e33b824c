"""Putting the plan of an old workbook into the open cycle, on behalf of the rep, for the months that both plan."""

from collections.abc import Sequence
from typing import Any

from cycles.models import Cycle
from forecasts.excel.legacy_model import Warning
from forecasts.models import Line, QuantitySource
from forecasts.services import LineEdit, set_cells
from forecasts.services.legacy import PlanRow
from forecasts.services.writing import line_label
from masterdata.upserts import Tally
from sop_portal.lib.errors import Conflict


def open_cycle() -> Cycle:
    """The cycle that takes input. Raises Conflict when there is none."""
    cycle = Cycle.objects.open().first()
    if cycle is None:
        raise Conflict("No cycle is open, so the plan has nowhere to go; import it as an earlier plan instead.")
    return cycle


def fill_open_cycle(cycle: Cycle, rows: Sequence[PlanRow], *, by: Any) -> tuple[Tally, list[PlanRow], list[Warning]]:
    """Write the cells of `rows` (by position in `cycle`) into its lines, as the one function for edits does.

    Lines that take no input, and pairs without a line, are left out and named. Blank cells change nothing.
    Returns the tally, the rows that were taken, and what was left out.
    """
    lines = {
        (line.customer_id, line.product_id): line
        for line in Line.objects.filter(cycle=cycle, customer__in={row.customer.pk for row in rows}).select_related(
            "customer", "product", "cycle"
        )
    }
    edits, taken, left_out = [], [], []
    for row in rows:
        line = lines.get((row.customer.pk, row.product.pk))
        label = f"{row.customer.label} · {row.product}"
        if line is None:
            left_out.append(Warning("no_line", label, "", f"{cycle} has no line of this pair; it was left out."))
        elif line.status not in Line.INPUT:
            sentence = f"The line is {line.get_status_display().lower()} and takes no input; it was left out."
            left_out.append(Warning("takes_no_input", line_label(line), "", sentence))
        else:
            taken.append(row)
            edits.append(
                LineEdit(
                    line.pk,
                    line.revision,
                    {
                        period: value
                        for period, value in zip(cycle.periods, row.quantity, strict=True)
                        if value is not None
                    },
                    {
                        period: value
                        for period, value in zip(cycle.periods, row.unit_price, strict=True)
                        if value is not None
                    },
                    row.risk_class,
                )
            )
    before = {edit.line_id: edit.revision for edit in edits}
    written = set_cells(cycle.pk, edits, by=by, source=QuantitySource.LEGACY)
    updated = sum(1 for line in written if line.revision != before[line.pk])
    return Tally(updated=updated, unchanged=len(written) - updated), taken, left_out
