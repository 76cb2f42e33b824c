"""The tables of the consolidated workbook: lines with their months, and sums by group and by customer."""

import datetime as dt
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from xlsxwriter.format import Format
from xlsxwriter.utility import xl_col_to_name

from cycles.models import HORIZON, MANDATORY, Cycle
from forecasts.excel.plan_reader import PlanLine, Total
from forecasts.models import Line
from masterdata.models.customers import RISK_LABELS
from sop_portal.lib.sheets import Book, Sheet, cell

LEAD = (
    ("Rep", 16), ("Customer", 26), ("Item", 10), ("Description", 34), ("Customer ID", 12), ("Group", 22), ("Unit", 6),
    ("Risk", 11), ("State", 11),
)  # fmt: skip
TOTAL_12 = "Total 12 months"
# How many product codes a cell names before it says how many more there are.
_NAMED = 12

_ACCENT, _ACCENT_SOFT, _SUNK, _LINE = "#0B6157", "#4E857D", "#EEF0ED", "#C9D0CB"
_STATE_COLOURS = {"approved": "#1F6A38", "submitted": "#0B6157", "rejected": "#A0282B", "missed": "#8A5200"}
_MISSED_FILL = "#FDF1DA"
QUANTITY, PRICE, MONEY, WEIGHT = "#,##0", "#,##0.00##", "#,##0", "#,##0"


def risk_label(risk_class: int) -> str:
    """ "2 Customer": sorts by the class and says what it is."""
    return f"{risk_class} {RISK_LABELS[risk_class]}"


def state_label(status: str) -> str:
    return Line.Status(status).label


class Styles:
    """The formats of one book, made once."""

    def __init__(self, book: Book) -> None:
        self.title = book.text_style(bold=True, font_size=16, font_color=_ACCENT)
        self.note = book.text_style(font_color="#5B6661")
        self.label = book.text_style(font_color="#5B6661", valign="top")
        self.value = book.text_style(text_wrap=True, valign="top")
        self.strong = book.text_style(bold=True, text_wrap=True, valign="top")
        self.heading = book.text_style(bold=True, font_size=12, font_color=_ACCENT, bottom=1, bottom_color=_LINE)
        head = {"bold": True, "font_color": "#FFFFFF", "valign": "vcenter", "text_wrap": True}
        self.head = book.text_style(**head, bg_color=_ACCENT)
        self.head_number = book.text_style(**head, bg_color=_ACCENT, align="right")
        self.month = book.month_style(**head, bg_color=_ACCENT, align="right")
        self.month_optional = book.month_style(**head, bg_color=_ACCENT_SOFT, align="right")
        self.band = book.text_style(bold=True, font_color=_ACCENT, font_size=9)
        total = {"bold": True, "bg_color": _SUNK, "bottom": 1, "bottom_color": _LINE}
        self.total_text = book.text_style(**total)
        self.total_quantity = book.style(**total, num_format=QUANTITY)
        self.total_money = book.style(**total, num_format=MONEY)
        self.text = book.text_style()
        self.count = book.style(num_format=QUANTITY)
        self.quantity = book.style(num_format=QUANTITY)
        self.quantity_sum = book.style(
            num_format=QUANTITY, bold=True, left=1, right=1, left_color=_LINE, right_color=_LINE
        )
        self.price = book.style(num_format=PRICE)
        self.money = book.style(num_format=MONEY)
        self.money_sum = book.style(num_format=MONEY, bold=True, left=1, left_color=_LINE)
        self.weight = book.style(num_format=WEIGHT)
        self.percent = book.style(num_format="0.0%")
        self.percent_total = book.style(**total, num_format="0.0%")
        self.factor = book.style(num_format="0.0#")
        self.states = {
            status: book.text_style(bold=status == "missed", font_color=_STATE_COLOURS.get(status, "#5B6661"))
            for status in Line.Status.values
        }
        missed = {"bg_color": _MISSED_FILL}
        self.missed_text = book.text_style(**missed)
        self.missed_state = book.text_style(**missed, bold=True, font_color=_STATE_COLOURS["missed"])
        self.missed_quantity = book.style(**missed, num_format=QUANTITY)
        self.missed_quantity_sum = book.style(
            **missed, num_format=QUANTITY, bold=True, left=1, right=1, left_color=_LINE, right_color=_LINE
        )
        self.missed_price = book.style(**missed, num_format=PRICE)
        self.missed_money = book.style(**missed, num_format=MONEY)
        self.missed_money_sum = book.style(**missed, num_format=MONEY, bold=True, left=1, left_color=_LINE)


class _Table:
    """What tables of months share: a title, total rows that stay in sight, headings, and the range they sum."""

    def __init__(
        self,
        book: Book,
        styles: Styles,
        cycle: Cycle,
        name: str,
        *,
        title: str,
        note: str,
        totals: Sequence[Total],
        rows: int,
        unit_column: int,
    ) -> None:
        self.sheet: Sheet = book.sheet(name)
        self.styles = styles
        self.periods = cycle.periods
        self.totals = list(totals)
        self.unit_column = unit_column
        # Title, note, total rows, bands, headings; a second total row only where units differ.
        self.first_total = 2
        self.several = len(self.totals) > 1
        total_rows = len(self.totals) + (1 if self.several else 0)
        self.band_row = self.first_total + max(1, total_rows)
        self.head_row = self.band_row + 1
        self.first_row = self.row = self.head_row + 1
        self.last_row = self.first_row + max(rows, 1) - 1
        self.sheet.height(0, 24)
        self.sheet.text(0, 0, title, styles.title)
        self.sheet.text(1, 0, note, styles.note)

    def months(self, column: int) -> None:
        """Headings of sixteen months from `column` on, the optional ones lighter."""
        for position, period in enumerate(self.periods):
            style = self.styles.month if position < MANDATORY else self.styles.month_optional
            self.sheet.date(self.head_row, column + position, period, style)

    def sum_formula(self, column: int, total_row: int | None) -> str:
        """The sum of a column: of the rows in the unit named in `total_row`, or of all when that is None."""
        letter = xl_col_to_name(column)
        values = f"{letter}${self.first_row + 1}:{letter}${self.last_row + 1}"
        if total_row is None:
            return f"=SUM({values})"
        unit = xl_col_to_name(self.unit_column)
        units = f"${unit}${self.first_row + 1}:${unit}${self.last_row + 1}"
        return f"=SUMPRODUCT(--EXACT({units},${unit}{total_row + 1}),{values})"

    def write_totals(
        self,
        label: str,
        last_column: int,
        columns: Sequence[tuple[int, str, bool, Format]],
        unweighed_column: int | None = None,
    ) -> None:
        """One row per unit, and where units differ one for what may be added across them.

        columns: (column, which sum of a Total, whether it adds up across units, style), from left to right.
        unweighed_column: where the products that are no part of a weight are named.
        """
        rows: list[tuple[str, str, Total | None, list[Total]]] = []
        for total in self.totals:
            rows.append((label, total.unit, total, [total]))
        if self.several:
            rows.append((label, "", None, self.totals))
        for row, (text, unit, only, summed) in enumerate(rows, self.first_total):
            self.sheet.fill(row, 0, last_column, self.styles.total_text)
            self.sheet.text(row, 0, text, self.styles.total_text)
            self.sheet.text(row, self.unit_column, unit or "all", self.styles.total_text)
            if unweighed_column is not None:
                codes = sorted({code for total in summed for code in total.without_weight})
                self.sheet.text(row, unweighed_column, named(codes), self.styles.total_text)
            for column, what, additive, style in columns:
                if only is None and not additive:
                    continue
                value = sum((_amount(total, what) for total in summed), Decimal(0))
                by_unit = row if self.several and only is not None else None
                self.sheet.formula(row, column, self.sum_formula(column, by_unit), value, style)


def _amount(total: Total, what: str) -> Decimal:
    """A sum of `total` by its name: "quantity:3", "sales:0", "year_sales", "weight", "lines"."""
    name, _, position = what.partition(":")
    value = getattr(total, name)
    return value[int(position)] if position else Decimal(value)


class LineTable(_Table):
    """One row per live line: who, what, sixteen volumes, prices and sales."""

    def __init__(
        self,
        book: Book,
        styles: Styles,
        cycle: Cycle,
        name: str,
        *,
        title: str,
        note: str,
        totals: Sequence[Total],
        with_rep: bool,
    ) -> None:
        self.lead = LEAD if with_rep else LEAD[1:]
        lines = sum(total.lines for total in totals)
        super().__init__(
            book, styles, cycle, name, title=title, note=note, totals=totals, rows=lines,
            unit_column=[heading for heading, _ in self.lead].index("Unit"),
        )  # fmt: skip
        self.volume = len(self.lead)
        self.volume_sum = self.volume + HORIZON
        self.price = self.volume_sum + 1
        self.sales = self.price + HORIZON
        self.sales_sum = self.sales + HORIZON
        self._volume_12 = (xl_col_to_name(self.volume), xl_col_to_name(self.volume + MANDATORY - 1))
        self._sales_12 = (xl_col_to_name(self.sales), xl_col_to_name(self.sales + MANDATORY - 1))
        self._totals()
        self._headings()

    def _totals(self) -> None:
        style = self.styles
        self.write_totals(
            "Total",
            self.sales_sum,
            [
                *((self.volume + n, f"quantity:{n}", False, style.total_quantity) for n in range(HORIZON)),
                (self.volume_sum, "year_quantity", False, style.total_quantity),
                *((self.sales + n, f"sales:{n}", True, style.total_money) for n in range(HORIZON)),
                (self.sales_sum, "year_sales", True, style.total_money),
            ],
        )

    def _headings(self) -> None:
        sheet, style = self.sheet, self.styles
        for column, band in ((self.volume, "VOLUME"), (self.price, "PRICE"), (self.sales, "SALES")):
            sheet.text(self.band_row, column, band, style.band)
        sheet.height(self.head_row, 30)
        sheet.texts(self.head_row, 0, [heading for heading, _ in self.lead], style.head)
        self.months(self.volume)
        sheet.text(self.head_row, self.volume_sum, TOTAL_12, style.head_number)
        self.months(self.price)
        self.months(self.sales)
        sheet.text(self.head_row, self.sales_sum, TOTAL_12, style.head_number)
        sheet.widths(
            [
                *((column, column, width) for column, (_, width) in enumerate(self.lead)),
                (self.volume, self.volume_sum - 1, 9.5),
                (self.volume_sum, self.volume_sum, 12),
                (self.price, self.sales - 1, 9),
                (self.sales, self.sales_sum - 1, 11),
                (self.sales_sum, self.sales_sum, 14),
            ]
        )
        named = self.lead.index(("Description", 34)) + 1
        item = named - 2
        sheet.freeze(self.first_row, named)
        sheet.filters(self.head_row, 0, self.last_row, self.sales_sum)
        sheet.codes_are_text(self.first_row, item, self.last_row, item + 2)
        sheet.page(wide=3, repeat_rows=(self.head_row, self.head_row), repeat_columns=(0, named - 1))
        sheet.look(zoom=90)

    def add(self, line: PlanLine, lead: Sequence[str], sales: Sequence[Decimal | None]) -> None:
        """The row of one line. lead: the texts of the first nine columns; sales: quantity times price by period."""
        sheet, style, row = self.sheet, self.styles, self.row
        missed = line.status == Line.Status.MISSED
        lead = lead[-len(self.lead) :]
        sheet.texts(row, 0, lead[:-1], style.missed_text if missed else style.text)
        sheet.text(row, len(lead) - 1, lead[-1], style.missed_state if missed else style.states[line.status])
        if missed:
            quantity, price, money = style.missed_quantity, style.missed_price, style.missed_money
            quantity_sum, money_sum = style.missed_quantity_sum, style.missed_money_sum
            blank: Format | None = quantity
        else:
            quantity, price, money = style.quantity, style.price, style.money
            quantity_sum, money_sum, blank = style.quantity_sum, style.money_sum, None
        sheet.numbers(row, self.volume, line.quantity, quantity, blank)
        first, last = self._volume_12
        sheet.formula(
            row, self.volume_sum, f"=SUM({first}{row + 1}:{last}{row + 1})", _sum(line.quantity), quantity_sum
        )
        sheet.numbers(row, self.price, line.unit_price, price, blank)
        sheet.numbers(row, self.sales, sales, money, blank)
        first, last = self._sales_12
        sheet.formula(row, self.sales_sum, f"=SUM({first}{row + 1}:{last}{row + 1})", _sum(sales), money_sum)
        self.row += 1


def _sum(values: Sequence[Decimal | None]) -> Decimal:
    """The total of the mandatory periods; blanks count nothing."""
    return sum((value for value in values[:MANDATORY] if value is not None), Decimal(0))


def write_summary(
    book: Book,
    styles: Styles,
    cycle: Cycle,
    name: str,
    *,
    title: str,
    note: str,
    keys: Sequence[tuple[str, float]],
    rows: Iterable[tuple[Sequence[Any], Sequence[Total]]],
    totals: Sequence[Total],
) -> None:
    """A sheet of sums: one row per key and unit of measure, with volumes, weight and sales by month.

    keys: headings and widths of the first columns. rows: the texts of the key and its totals by unit.
    """
    rows = list(rows)
    count = sum(len(by_unit) for _, by_unit in rows)
    unit = len(keys)
    table = _Table(
        book, styles, cycle, name, title=title, note=note, totals=totals, rows=count, unit_column=unit
    )  # fmt: skip
    lines, volume = unit + 1, unit + 2
    volume_sum = volume + HORIZON
    weight, unweighed, sales = volume_sum + 1, volume_sum + 2, volume_sum + 3
    sales_sum = sales + HORIZON
    sheet = table.sheet
    table.write_totals(
        "Total",
        sales_sum,
        [
            (lines, "lines", True, styles.total_quantity),
            *((volume + n, f"quantity:{n}", False, styles.total_quantity) for n in range(HORIZON)),
            (volume_sum, "year_quantity", False, styles.total_quantity),
            (weight, "weight", True, styles.total_quantity),
            *((sales + n, f"sales:{n}", True, styles.total_money) for n in range(HORIZON)),
            (sales_sum, "year_sales", True, styles.total_money),
        ],
        unweighed,
    )
    sheet.text(table.band_row, volume, "VOLUME", styles.band)
    sheet.text(table.band_row, weight, "WEIGHT, 12 MONTHS", styles.band)
    sheet.text(table.band_row, sales, "SALES", styles.band)
    sheet.height(table.head_row, 30)
    sheet.texts(table.head_row, 0, [*(heading for heading, _ in keys), "Unit"], styles.head)
    sheet.text(table.head_row, lines, "Lines", styles.head_number)
    table.months(volume)
    sheet.text(table.head_row, volume_sum, TOTAL_12, styles.head_number)
    sheet.text(table.head_row, weight, "kg", styles.head_number)
    sheet.text(table.head_row, unweighed, "Products without weight", styles.head)
    table.months(sales)
    sheet.text(table.head_row, sales_sum, TOTAL_12, styles.head_number)
    sheet.widths(
        [
            *((column, column, width) for column, (_, width) in enumerate(keys)),
            (unit, unit, 7), (lines, lines, 7), (volume, volume_sum - 1, 10), (volume_sum, volume_sum, 12),
            (weight, weight, 12), (unweighed, unweighed, 24), (sales, sales_sum - 1, 12), (sales_sum, sales_sum, 14),
        ]
    )  # fmt: skip
    sheet.freeze(table.first_row, lines)
    sheet.filters(table.head_row, 0, table.last_row, sales_sum)
    sheet.page(wide=2, repeat_rows=(table.head_row, table.head_row), repeat_columns=(0, unit))
    sheet.look(zoom=90)
    row = table.first_row
    for texts, by_unit in rows:
        for total in by_unit:
            sheet.texts(row, 0, [*texts, total.unit], styles.text)
            sheet.number(row, lines, total.lines, styles.count)
            sheet.numbers(row, volume, total.quantity, styles.quantity)
            sheet.formula(
                row, volume_sum, _row_sum(row, volume), total.year_quantity, styles.quantity_sum
            )  # fmt: skip
            sheet.number(row, weight, total.weight, styles.weight)
            sheet.text(row, unweighed, named(total.without_weight), styles.text)
            sheet.numbers(row, sales, total.sales, styles.money)
            sheet.formula(row, sales_sum, _row_sum(row, sales), total.year_sales, styles.money_sum)
            row += 1


def _row_sum(row: int, column: int) -> str:
    return f"=SUM({cell(row, column)}:{cell(row, column + MANDATORY - 1)})"


def named(codes: Sequence[str]) -> str:
    """Codes as a list that stays short."""
    if len(codes) <= _NAMED:
        return ", ".join(codes)
    return f"{', '.join(codes[:_NAMED])} and {len(codes) - _NAMED} more"


def write_unsubmitted(
    book: Book, styles: Styles, periods: Sequence[dt.date], lines: Iterable[PlanLine], *, name: str, note: str
) -> None:
    """A sheet of what was typed in missed lines but not submitted, beside what the plan uses instead."""
    sheet = book.sheet(name)
    sheet.height(0, 24)
    sheet.text(0, 0, "Unsubmitted edits of missed lines", styles.title)
    sheet.text(1, 0, note, styles.note)
    lead = (*LEAD[:4], LEAD[6], ("Volumes", 14))
    sheet.texts(3, 0, [heading for heading, _ in lead], styles.head)
    first = len(lead)
    for position, period in enumerate(periods):
        style = styles.month if position < MANDATORY else styles.month_optional
        sheet.date(3, first + position, period, style)
    sheet.text(3, first + HORIZON, TOTAL_12, styles.head_number)
    sheet.widths([*((n, n, width) for n, (_, width) in enumerate(lead)), (first, first + HORIZON, 10)])
    sheet.freeze(4, 4)
    sheet.page(wide=1, repeat_rows=(3, 3))
    sheet.look(zoom=90)
    row = 4
    for line in lines:
        for words, values, text, number in (
            ("in the plan", line.quantity, styles.missed_text, styles.missed_quantity),
            ("not submitted", line.saved or [], styles.text, styles.quantity),
        ):
            texts = [line.rep, line.customer, line.item, line.description, line.unit, words]
            sheet.texts(row, 0, texts, text)
            sheet.numbers(row, first, values, number, number)
            sheet.formula(row, first + HORIZON, _row_sum(row, first), _sum(values), number)
            row += 1
