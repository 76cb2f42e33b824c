"""The first sheet of the consolidated workbook: what this file is, how complete it is, and what it adds up to."""

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from cycles.missed import CARRY_OVER, missed_policy, missed_words
from cycles.models import Cycle
from cycles.services import deadline_text
from forecasts.excel.consolidated_tables import Styles, named, risk_label, state_label
from forecasts.excel.plan_reader import Total, Totals
from forecasts.models import Line
from sop_portal import conf
from sop_portal.lib import periods
from sop_portal.lib.sheets import Book, Sheet, cell

HANDED_IN = (Line.Status.SUBMITTED, Line.Status.APPROVED)


def write_about(
    book: Book,
    styles: Styles,
    cycle: Cycle,
    totals: Totals,
    *,
    edition: str,
    taken_at: dt.datetime,
    taken_by: Any,
    scope: str,
    dormant: int,
) -> None:
    """Write the sheet `About` as the first of the book."""
    sheet = book.sheet("About")
    sheet.look(gridlines=False, tab="#0B6157")
    sheet.widths([(0, 0, 30), (1, 12, 15)])
    sheet.page(landscape=True, wide=1)
    company = str(conf.get("company_name"))
    sheet.height(0, 26)
    sheet.text(0, 0, f"{cycle}: consolidated plan, {edition}", styles.title)
    sheet.text(1, 0, company or str(conf.get("app_name")), styles.note)
    row = 3
    for label, words in _facts(cycle, totals, edition, taken_at, taken_by, scope, dormant):
        sheet.text(row, 0, label, styles.label)
        sheet.text(row, 1, words, styles.note if label == "" else styles.text)
        row += 1
    row = _progress(sheet, styles, row + 1, totals)
    row = _volumes(sheet, styles, row + 1, totals)
    _risk(sheet, styles, row + 1, totals, cycle)


def _facts(
    cycle: Cycle, totals: Totals, edition: str, taken_at: dt.datetime, taken_by: Any, scope: str, dormant: int
) -> list[tuple[str, str]]:
    first, last = cycle.periods[0], cycle.periods[-1]
    state = {
        Cycle.Status.OPEN: f"open for input until {_when(cycle.closes_at)}",
        Cycle.Status.CLOSED: f"closed on {_when(cycle.closed_at)}, not published yet",
        Cycle.Status.ARCHIVED: f"published on {_when(cycle.archived_at)}: the plan of record",
    }.get(Cycle.Status(cycle.status), str(cycle.get_status_display()))
    every = list(totals.by_unit.values())
    missed = sum(total.lines for total in totals.by_status.get(Line.Status.MISSED, []))
    unweighed = sorted({code for total in every for code in total.without_weight})
    facts = [
        ("Cycle", f"{cycle}, {state}"),
        ("Edition", edition if edition == "FINAL" else "INTERIM: numbers may still change"),
        ("Taken", f"{_when(taken_at)} by {taken_by}"),
        ("Scope", scope),
        (
            "Months",
            f"{periods.label(first)} to {periods.label(last)}; the first {cycle.mandatory} must be answered and make up "
            "the totals of 12, the lighter ones are optional",
        ),
        (
            "Lines",
            f"{totals.lines:,} live; {dormant:,} dormant, which are 0 in the plan and left out of the sheets",
        ),
        (
            "Missed lines",
            f"{missed:,}, tinted on every sheet. {_policy(cycle)}" if missed else "none",
        ),
        ("Amounts", f"in {conf.get('currency')}; sales are volume times price, without price they are blank"),
        ("Volumes", "in the unit of each product; different units are never added"),
    ]
    blank, unpriced = sum(total.blank_cells for total in every), sum(total.unpriced_cells for total in every)
    if blank:
        facts.append(("Not answered", f"{_cells(blank, 'mandatory ')} still blank, counted as nothing"))
    if unpriced:
        facts.append(("Without price", f"{_cells(unpriced)} planned without a price; the sales are missing"))
    if unweighed:
        facts.append(("Without weight", f"{named(unweighed)}: not part of the weights"))
    return facts


def _policy(cycle: Cycle) -> str:
    words = f"The plan uses {missed_words(cycle)}"
    if missed_policy(cycle) == CARRY_OVER:
        words += "; edits that were not submitted are listed on a sheet of their own"
    return f"{words}."


def _cells(number: int, kind: str = "") -> str:
    return f"{number:,} {kind}cell{' is' if number == 1 else 's are'}"


def _when(instant: dt.datetime | None) -> str:
    return deadline_text(instant) if instant else "an unknown day"


def _progress(sheet: Sheet, styles: Styles, row: int, totals: Totals) -> int:
    """Lines and money by state, and how much of both was handed in."""
    sheet.text(row, 0, "How complete it is", styles.heading)
    sheet.fill(row, 1, 4, styles.heading)
    row += 1
    sheet.text(row, 0, "State", styles.head)
    for column, heading in enumerate(("Lines", "of lines", "Sales, 12 months", "of sales"), 1):
        sheet.text(row, column, heading, styles.head_number)
    first = row + 1
    states = [(status, totals.by_status.get(status, [])) for status in Line.Status.values]
    last = first + len(states) - 1
    all_lines, all_sales = Decimal(totals.lines), totals.year_sales

    def share(row: int, lines: Decimal, sales: Decimal, style: Any) -> None:
        for column, part, whole in ((2, lines, all_lines), (4, sales, all_sales)):
            over, under = cell(row, column - 1), cell(last + 1, column - 1, fixed=True)
            sheet.formula(row, column, f"=IF({under}=0,0,{over}/{under})", part / whole if whole else 0, style)

    for row, (status, parts) in enumerate(states, first):
        lines, sales = Decimal(sum(part.lines for part in parts)), _sales(parts)
        sheet.text(row, 0, state_label(status), styles.states[status])
        sheet.number(row, 1, lines, styles.count)
        sheet.number(row, 3, sales, styles.money)
        share(row, lines, sales, styles.percent)
    row = last + 1
    sheet.fill(row, 0, 4, styles.total_text)
    sheet.text(row, 0, "Total", styles.total_text)
    sheet.formula(row, 1, f"=SUM({cell(first, 1)}:{cell(last, 1)})", all_lines, styles.total_quantity)
    sheet.formula(row, 3, f"=SUM({cell(first, 3)}:{cell(last, 3)})", all_sales, styles.total_money)
    share(row, all_lines, all_sales, styles.percent_total)
    for words, statuses in (("Submitted or approved", HANDED_IN), ("Approved", (Line.Status.APPROVED,))):
        row += 1
        rows = [first + n for n, (status, _) in enumerate(states) if status in statuses]
        parts = [part for status in statuses for part in totals.by_status.get(status, [])]
        lines, sales = Decimal(sum(part.lines for part in parts)), _sales(parts)
        sheet.text(row, 0, words, styles.strong)
        for column, value, style in ((1, lines, styles.count), (3, sales, styles.money)):
            sheet.formula(row, column, "=" + "+".join(cell(n, column) for n in rows), value, style)
        share(row, lines, sales, styles.percent)
    return row + 1


def _sales(parts: Sequence[Total]) -> Decimal:
    return sum((part.year_sales for part in parts), Decimal(0))


def _volumes(sheet: Sheet, styles: Styles, row: int, totals: Totals) -> int:
    """What the plan adds up to, per unit of measure."""
    sheet.text(row, 0, "What it adds up to, first 12 months", styles.heading)
    sheet.fill(row, 1, 4, styles.heading)
    row += 1
    sheet.text(row, 0, "Unit of measure", styles.head)
    for column, heading in enumerate(("Lines", "Volume", "Weight, kg", "Sales"), 1):
        sheet.text(row, column, heading, styles.head_number)
    first = row + 1
    for unit, total in totals.by_unit.items():
        row += 1
        sheet.text(row, 0, unit, styles.text)
        sheet.number(row, 1, total.lines, styles.count)
        sheet.number(row, 2, total.year_quantity, styles.quantity)
        sheet.number(row, 3, total.weight, styles.weight)
        sheet.number(row, 4, total.year_sales, styles.money)
    last, row = row, row + 1
    if not totals.by_unit:
        return row
    sheet.fill(row, 0, 4, styles.total_text)
    sheet.text(row, 0, "Total", styles.total_text)
    every = list(totals.by_unit.values())
    weight = sum((total.weight for total in every), Decimal(0))
    for column, value, style in (
        (1, Decimal(totals.lines), styles.total_quantity),
        (3, weight, styles.total_quantity),
        (4, totals.year_sales, styles.total_money),
    ):
        sheet.formula(row, column, f"=SUM({cell(first, column)}:{cell(last, column)})", value, style)
    return row + 1


def _risk(sheet: Sheet, styles: Styles, row: int, totals: Totals, cycle: Cycle) -> None:
    """How sure the plan is: each risk class with its weight, and totals that count it so."""
    sheet.text(row, 0, "How sure it is, first 12 months", styles.heading)
    units = list(totals.by_unit)
    last_column = 4 + 2 * len(units)
    sheet.fill(row, 1, last_column, styles.heading)
    row += 1
    weights = {
        int(key): Decimal(str(value)) for key, value in (cycle.settings.get("risk_weights") or _weights()).items()
    }
    sheet.text(row, 0, "Risk class", styles.head)
    headings = ["Weight", "Lines", "Sales", "Sales weighted"]
    for unit in units:
        headings += [f"Volume {unit}", f"{unit} weighted"]
    for column, heading in enumerate(headings, 1):
        sheet.text(row, column, heading, styles.head_number)
    sheet.height(row, 30)
    first = row + 1
    sums = [Decimal(0)] * len(headings)
    for risk_class in sorted(weights):
        row += 1
        parts = {part.unit: part for part in totals.by_risk.get(risk_class, [])}
        weight = weights[risk_class]
        sheet.text(row, 0, risk_label(risk_class), styles.text)
        sheet.number(row, 1, weight, styles.factor)
        lines = Decimal(sum(part.lines for part in parts.values()))
        sheet.number(row, 2, lines, styles.count)
        sums[1] += lines
        volumes = [parts[unit].year_quantity if unit in parts else Decimal(0) for unit in units]
        for column, value, style in [
            (3, _sales(list(parts.values())), styles.money),
            *((5 + 2 * n, volume, styles.quantity) for n, volume in enumerate(volumes)),
        ]:
            sheet.number(row, column, value, style)
            weighted = f"={cell(row, column)}*{cell(row, 1)}"
            sheet.formula(row, column + 1, weighted, value * weight, style)
            sums[column - 1] += value
            sums[column] += value * weight
    last, row = row, row + 1
    sheet.fill(row, 0, last_column, styles.total_text)
    sheet.text(row, 0, "Total", styles.total_text)
    for column, value in enumerate(sums[1:], 2):
        style = styles.total_money if column in (3, 4) else styles.total_quantity
        sheet.formula(row, column, f"=SUM({cell(first, column)}:{cell(last, column)})", value, style)


def _weights() -> dict[str, float]:
    weights: dict[str, float] = conf.get("risk_weights")
    return weights
