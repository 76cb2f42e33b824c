"""Where things stand on a budget sheet: blocks of labels and months, side by side, and which month each column is.

Real budgets are pivots with a block of quantities and a block of sales, each with labels of its own, whose headings
name months without a year ("Sum of Q-11"); plain tables with dates are read too.
"""

import datetime as dt
import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from forecasts.excel.legacy_consol import CUSTOMER, NUMBER, REP
from forecasts.excel.legacy_headings import CODE, HEADER_ROWS
from forecasts.excel.legacy_values import clean, month_head
from sop_portal.lib.workbook import Cell, Sheet

Kind = Literal["quantity", "amount", "price"]
# How figures without a word about them follow each other, as in consolidated plans.
_IN_ORDER: tuple[Kind, Kind, Kind] = ("quantity", "price", "amount")
# Of a heading, which a month must stand beside; and of a title, which stands alone and may say anything.
_HEADINGS: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    ("price", re.compile(r"\b(prices?|precios?|p)\b")),
    ("quantity", re.compile(r"\b(q|qty|quantit(y|ies)|vol|volumes?|volumen|cases|boxes|cs|units)\b")),
    ("amount", re.compile(r"\b(sales|amounts?|revenues?|values?|ventas|usd|s)\b|\$")),
)
_TITLES: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    ("price", re.compile(r"\b(prices?|precios?)\b")),
    ("quantity", re.compile(r"\b(qty|quantit(y|ies)|volumes?|volumen|cases|boxes)\b")),
    ("amount", re.compile(r"\b(sales(?! ?(rep|person))|amounts?|revenues?|ventas|usd)\b|\$")),
)
_SUM = re.compile(r"^(sum|suma|total) (of|de)\s+")
_NO_SUM = re.compile(r"^(average|count|max|min|promedio|cuenta) (of|de)\s+")
# Excel tells equal headings apart by a figure behind them: "Nov-25", "Nov-252", "Nov-253".
_TWIN = re.compile(r"(.*\D(?:\d{2}|\d{4}))([23])")
_QUARTER = re.compile(r"q[1-4](\s*[-/' ]?\s*(20)?\d{2})?")
_LABELS = re.compile(r"row labels|etiquetas de fila")
_WORDS = re.compile(r"\b(budget|bud|bgt|presupuesto|in|of|de)\b|[()]")
_YEARS = (
    re.compile(r"\b(fy\s?'?\d{2,4}|20\d{2})\b", re.IGNORECASE),
    re.compile(r"\bbudget\D{0,3}(\d{2}|20\d{2})\b", re.IGNORECASE),
    re.compile(r"\b(\d{2})\D{0,2}budget\b", re.IGNORECASE),
)
# Excel's day 0.
_EPOCH = dt.date(1899, 12, 30)


@dataclass(frozen=True, slots=True)
class Head:
    """A column of figures: what they are, and its month, with a year (`period`) or without (`month`).

    `day` is the date in the heading, `twin` the figure Excel put behind a heading that stood there before.
    """

    column: int
    kind: Kind | None
    period: dt.date | None
    month: int | None = None
    day: dt.date | None = None
    twin: int = 0


@dataclass(frozen=True, slots=True)
class Block:
    """Labels with the figures right of them; `label` is the one column of a pivot that holds labels of all levels."""

    customer: int | None
    code: int | None
    description: int | None
    label: int | None
    heads: tuple[Head, ...] = ()


@dataclass(frozen=True, slots=True)
class BudgetHeader:
    """The last heading row, the blocks, and a sentence about what was decided by position."""

    row: int
    blocks: tuple[Block, ...]
    decided: str = ""


def budget_year(sheet: Sheet, header_row: int) -> tuple[str, int] | None:
    """The version and year that the sheet's name, or a text above its headings, gives the budget: ("FY26", 2026)."""
    titles = [
        clean(cell)
        for row in sheet.rows[:header_row]
        for cell in row
        if isinstance(cell, str) and "budget" in clean(cell).casefold()
    ]
    for text in (clean(sheet.name), *titles):
        found = next((found for pattern in _YEARS if (found := pattern.search(text.replace("_", " ")))), None)
        if found:
            name = found[1]
            year = int(re.sub(r"\D", "", name))
            year += 2000 if year < 100 else 0
            return (f"FY{year % 100:02d}" if name.casefold().startswith("fy") else str(year)), year
    return None


def find_budget(sheet: Sheet, date1904: bool) -> BudgetHeader | None:
    """The headings within the first 15 rows: those of the row that names most months; None when none does."""
    found = [(row, _heads(sheet.rows[row], date1904)) for row in range(min(HEADER_ROWS, len(sheet.rows)))]
    row, heads = max(found, key=lambda one: len(one[1]), default=(0, []))
    if not heads:
        return None
    last, heads = _kinds_below(sheet, row, heads)
    blocks = _blocks(_labels(sheet, row) or _labels(sheet, last), heads)
    kinds, decided = _kinds(sheet, row, [head for block in blocks for head in block.heads])
    named = [
        replace(block, heads=tuple(replace(head, kind=kinds.get(head.column)) for head in block.heads))
        for block in blocks
    ]
    return BudgetHeader(last, tuple(named), decided)


def _heads(cells: Sequence[Cell], date1904: bool) -> list[Head]:
    heads = [head for column, cell in enumerate(cells) if (head := _head(column, cell, date1904)) is not None]
    serials = [head.day for head in heads if head.day and isinstance(cells[head.column], int | float)]
    # Sums of money look like the serial numbers of days; those of headings step by a month.
    steps = [(after - before).days for before, after in itertools.pairwise(serials)]
    if serials and not (len(serials) >= 3 and all(28 <= step <= 31 for step in steps)):
        return [head for head in heads if not isinstance(cells[head.column], int | float)]
    return heads


def _head(column: int, cell: Cell, date1904: bool) -> Head | None:
    """The heading of a column of figures; None for labels, totals, quarters, averages and data."""
    found = month_head(cell, date1904) if not isinstance(cell, str) else None
    if found is not None and found.period is not None:
        if isinstance(cell, int | float):
            return Head(column, None, found.period, day=_EPOCH + dt.timedelta(days=int(cell)))
        return Head(column, None, found.period, day=cell.date() if isinstance(cell, dt.datetime) else cell)  # type: ignore[arg-type]
    text = clean(cell).casefold() if isinstance(cell, str) else ""
    if not text or _NO_SUM.match(text) or "total" in _SUM.sub("", text):
        return None
    text, twin = _SUM.sub("", text), 0
    if _QUARTER.fullmatch(text):
        return None
    pair = _TWIN.fullmatch(text)
    if pair and month_head(text) is None and month_head(pair[1]) is not None:
        text, twin = pair[1], int(pair[2])
    kind = _first_kind(text, _HEADINGS)
    for _, pattern in _HEADINGS:
        text = pattern.sub(" ", text)
    rest = _WORDS.sub(" ", text).strip(" -_:.,'")
    if kind is not None and (number := re.fullmatch(r"(?:m|month|mes)?\s*-?\s*(0?[1-9]|1[0-2])", rest)):
        return Head(column, kind, None, int(number[1]))
    named = month_head(rest)
    if named is None:
        return None
    if named.period is None:
        of_year = month_head(f"{rest} 2001")
        return Head(column, kind, None, of_year.period.month) if of_year and of_year.period else None
    return Head(column, kind, named.period, twin=twin)


def _first_kind(text: str, patterns: Sequence[tuple[Kind, re.Pattern[str]]]) -> Kind | None:
    return next((kind for kind, pattern in patterns if pattern.search(text)), None)


def _kinds_below(sheet: Sheet, row: int, heads: list[Head]) -> tuple[int, list[Head]]:
    """Months over "Qty" and "Sales" in the row below them; a month stands over all columns up to the next."""
    if row + 1 >= len(sheet.rows) or any(head.kind for head in heads):
        return row, heads
    found = []
    for column, cell in enumerate(sheet.rows[row + 1]):
        text = _SUM.sub("", clean(cell).casefold()) if isinstance(cell, str) else ""
        over = [head for head in heads if head.column <= column]
        kind = _first_kind(text, _HEADINGS) if len(text) <= 30 else None
        if over and kind:
            found.append(replace(over[-1], column=column, kind=kind))
    return (row + 1, found) if found else (row, heads)


def _labels(sheet: Sheet, row: int) -> dict[int, str]:
    """What the label columns of a heading row hold: customer (or its number), code, description, rep, or any level."""
    found = {}
    words = {column: clean(cell).casefold() for column, cell in enumerate(sheet.rows[row]) if isinstance(cell, str)}
    for column, word in words.items():
        if _LABELS.fullmatch(word):
            found[column] = "label"
        elif word and REP.fullmatch(word):
            found[column] = "rep"
        elif word and CUSTOMER.fullmatch(word):
            found[column] = "number" if NUMBER.search(word) else "customer"
        elif word and CODE.fullmatch(word):
            found[column] = "code"
        elif "descri" in word or word in ("product", "product name"):
            found[column] = "description"
    return found


def _blocks(labels: dict[int, str], heads: Sequence[Head]) -> list[Block]:
    """Each run of months with the labels left of it; a run without labels of its own shares those before it."""
    blocks: list[Block] = []
    after = -1
    for head in heads:
        left = {what: column for column, what in labels.items() if after < column < head.column}
        if left:
            if "number" in left:
                left.setdefault("customer", left["number"])
            # The labels of a pivot are its customers, or its reps when a column of customers stands beside them.
            one_column = "customer" not in left and "code" not in left
            customer = left.get("customer", None if one_column else left.get("label"))
            blocks.append(
                Block(customer, left.get("code"), left.get("description"), left.get("label") if one_column else None)
            )
        if blocks:
            blocks[-1] = replace(blocks[-1], heads=(*blocks[-1].heads, head))
            after = head.column
    return blocks


def _kinds(sheet: Sheet, row: int, heads: Sequence[Head]) -> tuple[dict[int, Kind | None], str]:
    """What the figures of each column are: by its heading, by a title above it, else by the order of the runs."""
    kinds: dict[int, Kind | None] = {head.column: head.kind for head in heads}
    twins = max((head.twin for head in heads), default=0)
    titles = _titles(sheet, row)
    untold: list[list[Head]] = []
    told_by: dict[int, list[Head]] = {}
    for run in _runs([head for head in heads if head.kind is None]):
        title = max((column for column in titles if column <= run[0].column), default=None)
        if twins == 3:
            kinds |= {head.column: _IN_ORDER[max(head.twin - 1, 0)] for head in run}
        elif title is not None and title not in told_by:
            told_by[title] = run
            kinds |= {head.column: titles[title] for head in run}
        else:
            untold.append(run)
    if told_by or twins or len(untold) not in (2, 3):
        return kinds, ""
    order = _IN_ORDER if len(untold) == 3 else (_IN_ORDER[0], _IN_ORDER[2])
    for run, kind in zip(untold, order, strict=True):
        kinds |= {head.column: kind for head in run}
    words = ", ".join({"quantity": "cases", "price": "prices", "amount": "sales"}[kind] for kind in order)
    return kinds, f"No title says what its figures are; by their order they were read as {words}."


def _titles(sheet: Sheet, header_row: int) -> dict[int, Kind]:
    """The titles above the headings by column, from the nearest row that has any."""
    for row in range(header_row - 1, -1, -1):
        found: dict[int, Kind] = {}
        for column, cell in enumerate(sheet.rows[row]):
            if isinstance(cell, str) and len(cell) <= 60 and (kind := _first_kind(clean(cell).casefold(), _TITLES)):
                found[column] = kind
        if found:
            return found
    return {}


def _runs(heads: Sequence[Head]) -> list[list[Head]]:
    """Neighbouring columns, cut where a gap is or where the months start again."""
    runs: list[list[Head]] = []
    for head in heads:
        last = runs[-1][-1] if runs else None
        again = last is not None and head.period is not None and last.period is not None and head.period < last.period
        if last is None or again or head.column != last.column + 1 or head.twin != last.twin:
            runs.append([])
        runs[-1].append(head)
    return runs
