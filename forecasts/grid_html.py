"""The grid as HTML: one string builder, since a template loop over 5,000 cells takes five times as long.

Every piece goes through format_html, which escapes. Class names are those of static/css/grid.css; static/js/grid/
reads the data attributes, whose meaning stands beside `_row`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache, reduce
from operator import add

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from forecasts import grid as grids
from forecasts.grid import PRICE, QUANTITY, REVENUE, Grid, Row
from forecasts.grid_totals import MONEY, UNIT, WEIGHT, Total, totals
from forecasts.models import NONE, Line
from masterdata.models.customers import RISK_LABELS
from sop_portal.accounts import formats
from sop_portal.lib import periods

QUANTITY_CLASSES = {
    "c": "carried",
    "b": "baseline",
    "e": "entered",
    "u": "uploaded",
    "a": "api",
    "l": "legacy",
    NONE: "",
}
PRICE_CLASSES = QUANTITY_CLASSES | {"m": "carried", "p": "carried"}
# Columns before the periods.
FIXED_COLUMNS = 6
# How many characters fit a month's column as it is and at its widest, and the columns of sums before the months; the
# scripts know them as well (static/js/grid/model.js).
MONTH_FITS, WIDEST, SUM_FITS = 6, 9, 8
# Averages below this show a decimal.
FEW = 10
PLACES = {QUANTITY: 2, PRICE: 4, REVENUE: 0}

_STATUS_LEVEL = {
    Line.Status.SUBMITTED: "ok",
    Line.Status.APPROVED: "ok",
    Line.Status.REJECTED: "warn",
    Line.Status.MISSED: "warn",
}
_VERSUS = "The next 12 months against the plan this cycle started from, over the months that plan covered"
_HEADS = {
    QUANTITY: ("Average of the last 3 months sold", "Sold in the last 12 months", "The next 12 months"),
    PRICE: (
        "Average quantity of the last 3 months sold",
        "Quantity sold in the last 12 months",
        "Next 12 months in quantity",
    ),
    REVENUE: (
        "Average amount of the last 3 months sold",
        "Amount sold in the last 12 months",
        "Next 12 months in money",
    ),
}


@lru_cache(maxsize=20_000)
def number(value: Decimal | None, show: str) -> SafeString:
    """A value as the grid writes it: quantities with up to 2 decimals, prices with 2 to 4, revenue without cents."""
    return format_html("{}", formats.price(value) if show == PRICE else formats.fixed(value, PLACES[show], 0))


@lru_cache(maxsize=20_000)
def average(value: Decimal | None) -> SafeString:
    """A month's average: whole units, with a decimal where they are few."""
    return format_html("{}", formats.fixed(value, 0 if value is None or abs(value) >= FEW else 1, 0))


@lru_cache(maxsize=20_000)
def exact(value: Decimal | None) -> str:
    """A value as JavaScript reads it: digits and a point, "" for a blank."""
    return "" if value is None else format(value.normalize(), "f") if value else "0"


@dataclass(frozen=True)
class _Layout:
    """What all rows of a page share, worked out once."""

    show: str
    keys: tuple[str, ...]
    years: tuple[str, ...]
    mandatory: int
    looks: dict[str, str]
    blank_kind: str

    @classmethod
    def of(cls, grid: Grid) -> "_Layout":
        months = grid.cycle.periods
        return cls(
            show=grid.show,
            keys=tuple(periods.key(month) for month in months),
            years=tuple(" yr" if n and month.month == 1 else "" for n, month in enumerate(months)),
            mandatory=grid.cycle.mandatory,
            looks=PRICE_CLASSES if grid.show == PRICE else QUANTITY_CLASSES,
            blank_kind={QUANTITY: "blank", PRICE: "price", REVENUE: ""}[grid.show],
        )

    @property
    def side(self) -> str:
        """How the figures before the months are written; beside prices stand quantities."""
        return QUANTITY if self.show == PRICE else self.show


@lru_cache(maxsize=20_000)
def _text(text: str) -> SafeString:
    """A text of which a page has many."""
    return format_html("{}", text)


@lru_cache(maxsize=20_000)
def _attribute(name: str, value: str) -> SafeString:
    return format_html(' data-{}="{}"', name, value)


@lru_cache(maxsize=20_000)
def _cell(classes: str, text: str, kept: str, anchor: str) -> SafeString:
    return format_html(
        '<td class="c{}"{}{}>{}</td>',
        classes,
        format_html(' id="{}"', anchor) if anchor else "",
        format_html(' data-v="{}"', kept) if kept else "",
        text,
    )


@lru_cache(maxsize=20_000)
def _value_cell(value: Decimal, show: str, classes: str, anchor: str) -> SafeString:
    """The cell of a value; what is written is rounded, what the scripts read is exact."""
    kept = exact(value) if show != REVENUE and value != round(value, PLACES[show]) else ""
    return _cell(classes, number(value, show), kept, anchor)


def table(grid: Grid) -> SafeString:
    """The whole table: head, live rows, the fold of dormant lines, totals."""
    sums = totals(grid)
    return format_html(
        '<table class="grid{wide}" aria-rowcount="{rows}" aria-colcount="{columns}">'
        '<caption class="visually-hidden">{caption}</caption>{head}'
        "<tbody>{body}{fold}{dormant}</tbody><tfoot>{foot}</tfoot></table>",
        wide=_widths(grid, sums),
        rows=2 + grid.live + grid.dormant,
        columns=FIXED_COLUMNS + grid.cycle.horizon,
        caption=f"{grid.show.capitalize()} of {grid.customer.label} in {grid.cycle}",
        head=_head(grid),
        body=rows_html(grid, grid.rows, 2 + (grid.page - 1) * grids.PAGE_LINES),
        fold=_fold(grid),
        dormant=rows_html(grid, grid.dormant_rows, 2 + grid.live),
        foot=format_html_join("", "{}", ((_total(grid, total),) for total in sums)),
    )


def rows_html(grid: Grid, rows: Iterable[Row], first_index: int) -> SafeString:
    """Rows alone; `first_index` is the row's number in the whole table for people who hear it read."""
    layout = _Layout.of(grid)
    return format_html_join("", "{}", ((_row(layout, row, index),) for index, row in enumerate(rows, first_index)))


def _widths(grid: Grid, sums: Sequence[Total]) -> str:
    """Classes that give long figures room: `w7`, `w8` or `w9` for the months by characters, `long` for the sums before
    them; and `no-sold` where no line has a sale to show."""
    typed = {value for row in grid.rows for value in grids.shown_values(row.line, grid.show)}
    shown = [number(value, grid.show) for value in typed] + [text for total in sums for text in _sums(total, grid.show)]
    longest = max(map(len, shown), default=0)
    beside = (number(value, _side(total, grid.show)) for total in sums for value in (total.last12, total.next12))
    longest_sum = max(map(len, beside), default=0)
    names = [f"w{min(longest, WIDEST)}"] if longest > MONTH_FITS else []
    if longest_sum > SUM_FITS:
        names.append("long")
    if grid.rows and all(row.last12 is None for row in grid.all_rows):
        names.append("no-sold")
    return "".join(f" {name}" for name in names)


def _sums(total: Total, show: str) -> list[SafeString]:
    """The months of a row of sums. An average of prices says no more with four decimals than with two."""
    if show == PRICE:
        return [number(value and round(value, 2), show) for value in total.cells]
    return [number(value, show if total.kind == UNIT else REVENUE) for value in total.cells]


def _side(total: Total, show: str) -> str:
    """How the figures before the months of a row of sums are written."""
    return REVENUE if total.kind in (MONEY, WEIGHT) else QUANTITY if show == PRICE else show


def _head(grid: Grid) -> SafeString:
    mandatory = grid.cycle.mandatory
    months = format_html_join(
        "",
        '<th scope="col" class="p {}{}" title="{}"><span class="m">{}</span><span class="y">{}</span></th>',
        (
            (
                "mand" if n < mandatory else "opt",
                breaks,
                f"{periods.long_label(period)}, {'must be answered' if n < mandatory else 'may stay blank'}",
                f"{period:%b}",
                period.year,
            )
            for n, (period, breaks) in enumerate(zip(grid.cycle.periods, _Layout.of(grid).years, strict=True))
        ),
    )
    average_head, last12, next12 = _HEADS[grid.show]
    return format_html(
        '<thead><tr><th scope="col" class="g-prod">Product</th><th scope="col" class="g-risk">Risk</th>'
        '<th scope="col" class="g-avg" title="{}">Avg 3&nbsp;mo</th><th scope="col" class="g-last12" title="{}">Last<br>12</th>'
        '<th scope="col" class="g-next12" title="{}">Next&nbsp;12</th><th scope="col" class="g-vs" title="{}">vs last cycle</th>'
        "{}</tr></thead>",
        average_head, last12, next12, _VERSUS, months,
    )  # fmt: skip


def _row(layout: _Layout, row: Row, index: int) -> SafeString:
    """One line. For the scripts: data-line and data-rev (what a save names), data-ro (takes no text), data-uom,
    data-source (where each of its 16 values came from), data-base (what the earlier plan held), data-covered (its
    months, when not all), data-other (the other of quantity and price) and data-psource (where the prices came from);
    the last two are one value when all are the same. Where units differ also data-weight (of one unit, in kg) and
    data-worth (what the earlier plan held in money)."""
    line, show = row.line, layout.show
    product = line.product
    return format_html(
        '<tr class="g-row{dormant}" id="l{line}" aria-rowindex="{index}" data-line="{line}" data-rev="{revision}"'
        ' data-status="{status}" data-source="{source}"{extra}>'
        '<th scope="row" class="g-prod" title="{name}"><div><span class="code">{code}</span>'
        ' <span class="name">{name}</span>{pills}</div></th>'
        '<td class="g-risk{muted}">{risk}</td><td class="g-avg">{average}</td><td class="g-last12">{last12}</td>'
        '<td class="g-next12">{next12}</td>{change}{cells}</tr>',
        dormant=_text("" if line.live else " is-dormant"),
        line=_text(str(line.pk)),
        index=_text(str(index)),
        revision=_text(str(line.revision)),
        status=_text(line.status),
        source=_text(line.price_source if show == PRICE else line.quantity_source),
        extra=reduce(add, (_attribute(name, value) for name, value in _extra(layout, row))),
        code=_text(product.item_code),
        name=_text(product.description),
        pills=pills(row),
        muted=_text(" carried" if line.risk_is_default else ""),
        risk=_text(RISK_LABELS[line.risk_class]),
        average=average(row.average),
        last12=number(row.last12, layout.side),
        next12=number(grids.next_total(line, show), layout.side) if line.live else "",
        change=_change(row, layout),
        cells=reduce(add, _cells(layout, row)),
    )


def _extra(layout: _Layout, row: Row) -> Iterable[tuple[str, str]]:
    line = row.line
    yield "uom", line.product.uom
    if not row.editable:
        yield "ro", ""
    if row.earlier is not None:
        yield "base", exact(row.earlier)
        if not all(row.covered):
            yield "covered", "".join("1" if known else "0" for known in row.covered)
    if row.amounts is not None:
        yield "weight", exact(line.product.weight)
        if row.amounts.earlier is not None:
            yield "worth", exact(row.amounts.earlier)
    if layout.show != REVENUE:
        others = line.unit_price if layout.show == QUANTITY else line.quantity
        yield "other", exact(others[0]) if others.count(others[0]) == len(others) else ",".join(map(exact, others))
    if layout.show == QUANTITY and line.live:
        yield "psource", line.price_source if len(set(line.price_source)) > 1 else line.price_source[0]


def pills(row: Row) -> SafeString:
    """Words beside the product's name: what became of the line, and a missing price."""
    words = []
    line = row.line
    if line.status != Line.Status.DRAFT:
        words.append((_STATUS_LEVEL.get(Line.Status(line.status), "plain"), "", line.get_status_display().lower()))
    elif row.sent_back:
        words.append(("warn", line.decision_comment, "sent back"))
    if any(problem.kind == "price" for problem in row.problems):
        words.append(("bad", "A price is missing where a quantity is planned", "price"))
    return format_html_join("", ' <span class="pill pill-{}" title="{}">{}</span>', words) if words else _text("")


@lru_cache(maxsize=5_000)
def _change_cell(direction: str, text: str) -> SafeString:
    return format_html('<td class="g-vs {}">{}</td>', direction, text)


def _change(row: Row, layout: _Layout) -> SafeString:
    if row.change is None or not row.line.live:
        return _change_cell("flat", "new" if row.line.live else "")
    return _change_cell(formats.direction(row.change), formats.signed(number(row.change, layout.side)))


def _cells(layout: _Layout, row: Row) -> Iterable[SafeString]:
    line, show = row.line, layout.show
    troubled = {problem.position: problem.kind for problem in row.problems}
    values = grids.shown_values(line, show)
    source = line.price_source if show == PRICE else line.quantity_source
    read_only = " ro" if not row.editable and line.status in Line.INPUT else ""
    for n, value in enumerate(values):
        anchor = f"l{line.pk}-{layout.keys[n]}" if n in troubled else ""
        if value is not None:
            look, text = layout.looks[source[n]], ""
        elif troubled.get(n) == layout.blank_kind:
            look, text = "missing", "?"
        else:
            look, text = "optional" if n >= layout.mandatory and show == QUANTITY else "", ""
        classes = f" {look}{layout.years[n]}{read_only}" if look else f"{layout.years[n]}{read_only}"
        yield _cell(classes, text, "", anchor) if value is None else _value_cell(value, show, classes, anchor)


def _fold(grid: Grid) -> SafeString:
    """The row that stands for the products without forecast: unfold them, or find one to add."""
    if not grid.dormant:
        return SafeString("")
    count = f"{grid.dormant} product{'' if grid.dormant == 1 else 's'} without forecast"
    return format_html(
        '<tr class="g-fold"><td colspan="{}"><div><a href="?show={}&amp;dormant=1" data-unfold data-count="{}">▸ {}</a>'
        '<input type="search" form="find" name="find" maxlength="60" placeholder="{}"'
        ' aria-label="Find a product without forecast by name or code" autocomplete="off" data-find>'
        '<span class="muted" data-found role="status"></span></div></td></tr>',
        FIXED_COLUMNS + grid.cycle.horizon, grid.show, grid.dormant, count,
        "type to add one: name or code" if grid.can_edit else "find one: name or code",
    )  # fmt: skip


def _total(grid: Grid, total: Total) -> SafeString:
    """A row of sums; data-sum says of what, data-uom of which unit, for the scripts that keep it right."""
    years, side = _Layout.of(grid).years, _side(total, grid.show)
    cells = [_cell(years[n], text, "", "") for n, text in enumerate(_sums(total, grid.show))]
    return format_html(
        '<tr class="g-total" data-sum="{}" data-uom="{}"><th scope="row" class="g-prod">{}</th><td class="g-risk"></td>'
        '<td class="g-avg">{}</td>'
        '<td class="g-last12">{}</td><td class="g-next12">{}</td><td class="g-vs {}">{}</td>{}</tr>',
        total.kind, total.unit, _total_label(grid, total), average(total.average), number(total.last12, side),
        number(total.next12, side), formats.direction(total.change), formats.signed(number(total.change, side)),
        reduce(add, cells),
    )  # fmt: skip


def _total_label(grid: Grid, total: Total) -> str:
    if total.kind == PRICE:
        return f"Average price, {total.unit}"
    if total.kind != MONEY:
        return f"{grid.customer.label}, {total.unit}"
    return f"{grid.customer.label}, in money" if grid.show == QUANTITY else grid.customer.label
