"""The rows of a block of a budget: customers, perhaps with items, told from sums and from the labels of reps."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from forecasts.excel.legacy_budget_heads import Block
from forecasts.excel.legacy_notes import Notes
from forecasts.excel.legacy_values import clean, is_sum_of, item_code
from sop_portal.lib.workbook import Cell, ErrorCell, Sheet, cell_name

_NOBODY = {"(blank)", "(en blanco)", "blank", "#n/a", "n/a", "0", "-"}
# Sums that a pivot shows are exact but for the noise of binary fractions.
_SAME = 0.01


@dataclass(frozen=True, slots=True)
class BudgetRow:
    """A row whose figures are a customer's, for one item where `code` says so, else for all together."""

    row: int
    customer: str
    code: str = ""
    description: str = ""


def budget_rows(sheet: Sheet, block: Block, header_row: int, notes: Notes) -> Iterator[BudgetRow]:
    """The rows of `block` below its headings; figures of nobody are named by their address."""
    rows = [
        row for row in range(header_row + 1, len(sheet.rows))
        if any(_figure(sheet.at(row, head.column)) for head in block.heads)
    ]  # fmt: skip
    return (
        _one_column(sheet, block, rows) if block.label is not None else _columns(sheet, block, rows, header_row, notes)
    )


def _columns(sheet: Sheet, block: Block, rows: Sequence[int], header_row: int, notes: Notes) -> Iterator[BudgetRow]:
    """Customers in a column of their own; in a pivot with items the name stands in its first row only."""
    customer_column, first, last = block.customer or 0, block.heads[0].column, block.heads[-1].column
    heading = clean(sheet.at(header_row, customer_column)).casefold()
    wanted = set(rows)
    customer = ""
    seen: set[str] = set()
    for row in range(header_row + 1, len(sheet.rows)):
        label = clean(sheet.at(row, customer_column))
        beside = [clean(cell) for cell in sheet.rows[row][max(0, customer_column - 2) : first] if isinstance(cell, str)]
        code = item_code(sheet.at(row, block.code)) if block.code is not None else ""
        description = clean(sheet.at(row, block.description)) if block.description is not None else ""
        is_sum = any(is_sum_of(text, seen) for text in beside)
        seen.update(text.casefold() for text in beside)
        if is_sum or label.casefold() == heading:
            continue
        customer = label or customer
        if row not in wanted:
            continue
        name = label or (customer if code or description else "")
        nobody = not name or name.casefold() in _NOBODY
        if nobody or (block.code is not None and description and not code):
            missing = "customer" if nobody else "item code"
            notes.add(
                "budget_unplaced", f"{cell_name(row, first)}:{cell_name(row, last)}",
                f"The row has figures but no {missing}; it was left out. Give it its {missing} and import the file again.",
            )  # fmt: skip
            continue
        yield BudgetRow(row, name, code, description)


def _one_column(sheet: Sheet, block: Block, rows: Sequence[int]) -> Iterator[BudgetRow]:
    """Labels of all levels in one column, as a compact pivot has them: reps, their customers, their items.

    A rep's row is the sum of the customers below it; the grand total tells whether there are such rows at all.
    """
    column = block.label or 0
    labels = {row: clean(sheet.at(row, column)) for row in rows}
    items = {
        row for row in rows if isinstance(sheet.at(row, column), int | float) or re.fullmatch(r"\d{4,}", labels[row])
    }
    values = {row: [_number(sheet.at(row, head.column)) for head in block.heads] for row in rows}
    seen = {label.casefold() for label in labels.values()}
    sums = {row for row in rows if is_sum_of(labels[row], seen)}
    total = next((values[row] for row in reversed(rows) if row in sums), None)
    names = [row for row in rows if labels[row] and row not in items and row not in sums]
    if total is not None and not _same(_added(values, names), total):
        names = _below_reps(names, values)
    customer = 0
    with_items = set()
    for row in rows:
        if row in names:
            customer = row
        elif row in items and customer:
            with_items.add(customer)
    for row in rows:
        if row in names:
            customer = row
            if row not in with_items:
                yield BudgetRow(row, labels[row])
        elif row in items and customer in with_items:
            yield BudgetRow(row, labels[customer], item_code(sheet.at(row, column)))


def _below_reps(names: Sequence[int], values: dict[int, list[float]]) -> list[int]:
    """`names` without the rows that are the sum of those below them; all of them when they do not divide that way."""
    below: list[int] = []
    at = 0
    while at < len(names):
        end = next(
            (
                end
                for end in range(at + 2, len(names) + 1)
                if _same(_added(values, names[at + 1 : end]), values[names[at]])
            ),
            None,
        )
        if end is None:
            return list(names)
        # Customers without figures may follow those that make up the sum.
        while end < len(names) and not any(values[names[end]]):
            end += 1
        below += names[at + 1 : end]
        at = end
    return below


def _figure(cell: Cell) -> bool:
    return cell is not None and (not isinstance(cell, str) or bool(cell.strip(" -–—")))


def _number(cell: Cell) -> float:
    return float(cell) if isinstance(cell, int | float) and not isinstance(cell, bool | ErrorCell) else 0.0


def _added(values: dict[int, list[float]], rows: Sequence[int]) -> list[float]:
    return [sum(column) for column in zip(*(values[row] for row in rows), strict=True)] if rows else []


def _same(one: Sequence[float], other: Sequence[float]) -> bool:
    return len(one) == len(other) and all(abs(a - b) <= _SAME for a, b in zip(one, other, strict=True))
