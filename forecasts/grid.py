"""What the grid of one customer shows: its lines with their cells, what was sold, and whether input is open.

The page (`grid_html.py`), the form without JavaScript and the summary before submitting all read it here.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.db.models import Exists, OuterRef, Q, Subquery, Sum

from cycles.models import Cycle, Participant
from forecasts.models import Line, QuantitySource, Snapshot
from forecasts.services.moves import Problem, problems
from forecasts.services.opening import LOOK_BACK, sold_since
from forecasts.services.writing import closed_sentence, require_input
from masterdata.models import Actual, Customer
from masterdata.models.customers import SqlNow
from sop_portal.lib import periods
from sop_portal.lib.errors import Conflict

QUANTITY, PRICE, REVENUE = "quantity", "price", "revenue"
SHOWS = (QUANTITY, PRICE, REVENUE)
# Lines on one page; the rest is reached by paging and search.
PAGE_LINES = 500
FORM_LINES = 50
QUARTER = 3

_NEEDED = (
    "cycle_id", "customer_id", "owner_id", "status", "live", "risk_class", "risk_is_default", "revision", "quantity",
    "quantity_source", "unit_price", "price_source", "submitted_by_id", "decided_by__full_name", "decided_at",
    "decision_comment", "product__item_code", "product__description", "product__uom",
)  # fmt: skip


@dataclass
class Row:
    """One line of the grid with what stands beside its cells.

    average, last12: what was sold, in the unit that is shown. earlier: the sum of the plan the cycle started from over
    the mandatory months where `covered` is true; None when nothing was carried over.
    """

    line: Line
    editable: bool
    problems: list[Problem]
    average: Decimal | None = None
    last12: Decimal | None = None
    earlier: Decimal | None = None
    covered: tuple[bool, ...] = ()

    @property
    def sent_back(self) -> bool:
        """Whether a manager said what to change and the line was not handed in again since."""
        return bool(self.line.decision_comment) and self.line.status in Line.INPUT


@dataclass
class Grid:
    """The grid of one customer in one cycle. `closed_because` says why nothing can be typed, "" when it can."""

    cycle: Cycle
    customer: Customer
    show: str
    rows: list[Row]
    dormant_rows: list[Row]
    live: int
    dormant: int
    page: int
    pages: int
    closed_because: str
    recallable: list[Line] = field(default_factory=list)
    previous: int | None = None
    next: int | None = None

    @property
    def all_rows(self) -> list[Row]:
        return self.rows + self.dormant_rows

    @property
    def ready(self) -> int:
        """Live lines of this page that are handed in or could be."""
        return sum(1 for row in self.rows if row.line.status not in Line.INPUT or
                   (row.line.status == Line.Status.DRAFT and not row.problems))  # fmt: skip

    @property
    def can_edit(self) -> bool:
        return any(row.editable for row in self.all_rows)


def visible_customers(user: Any, cycle: Cycle) -> Any:
    """Customers whose grid of `cycle` this person may open: those they may read, and those with a line they may."""
    with_lines = Line.objects.visible_to(user).filter(cycle=cycle, customer=OuterRef("pk"))
    return Customer.objects.filter(Exists(with_lines) | Q(pk__in=Customer.objects.visible_to(user).values("pk")))


def lines_of(user: Any, cycle: Cycle, customer: Customer) -> Any:
    """The lines of a customer with what the grid needs, by item code, and `mine`: whether the person may type in it."""
    extension = Participant.objects.filter(cycle=OuterRef("cycle"), rep=OuterRef("owner")).values("deadline_extension")
    return (
        Line.objects.visible_to(user)
        .filter(cycle=cycle, customer=customer)
        .select_related("product", "decided_by")
        .only(*_NEEDED)
        .annotate(
            extension=Subquery(extension[:1]),
            now=SqlNow(),
            mine=Exists(Line.objects.editable_by(user).filter(pk=OuterRef("pk"))),
        )
        .order_by("product__item_code", "pk")
    )


def load(
    user: Any,
    cycle: Cycle,
    customer: Customer,
    *,
    show: str = QUANTITY,
    dormant: bool = False,
    find: str = "",
    page: int = 1,
    page_lines: int = PAGE_LINES,
) -> Grid:
    """The grid as `user` may see it; the number of queries does not depend on the number of lines.

    dormant: also the folded lines. find: only those folded lines whose name or code holds this text.
    """
    everything = lines_of(user, cycle, customer)
    dormant_count = Line.objects.visible_to(user).filter(cycle=cycle, customer=customer, live=False).count()
    live = [_row(line, cycle, customer) for line in everything.filter(live=True)]
    live.sort(key=lambda row: (not row.sent_back, not (row.problems and row.line.status in Line.INPUT)))
    pages = max(1, -(-len(live) // page_lines))
    page = min(max(page, 1), pages)
    shown = live[(page - 1) * page_lines : page * page_lines]
    folded = _folded(everything, find) if dormant or find else Line.objects.none()
    folded_rows = [_row(line, cycle, customer) for line in folded[:page_lines]]
    grid = Grid(
        cycle=cycle, customer=customer, show=show, rows=shown, dormant_rows=folded_rows, live=len(live),
        dormant=dormant_count, page=page, pages=pages, closed_because=_closed_because(user, cycle, live + folded_rows),
    )  # fmt: skip
    for row in grid.all_rows:
        row.editable = row.editable and not grid.closed_because
    if not grid.closed_because:
        grid.recallable = [
            row.line for row in live if row.line.status == Line.Status.SUBMITTED and row.line.submitted_by_id == user.pk
        ]
    _add_sold(user, grid)
    _add_earlier(grid)
    return grid


def dormant_rows(user: Any, cycle: Cycle, customer: Customer, *, show: str, find: str, limit: int) -> Grid:
    """Only the folded rows, for the page that unfolds them; `find` as in `load`."""
    folded = _folded(lines_of(user, cycle, customer), find)[:limit]
    rows = [_row(line, cycle, customer) for line in folded]
    because = _closed_because(user, cycle, rows)
    grid = Grid(cycle, customer, show, [], rows, 0, len(rows), 1, 1, because)
    for row in rows:
        row.editable = row.editable and not because
    _add_sold(user, grid)
    _add_earlier(grid)
    return grid


def neighbours(user: Any, cycle: Cycle, customer: Customer) -> tuple[Customer | None, Customer | None]:
    """The customers of the same rep before and after this one, by name, among those with lines in the cycle."""
    with_lines = Line.objects.visible_to(user).filter(cycle=cycle, customer=OuterRef("pk"))
    near = Customer.objects.filter(Exists(with_lines), sales_rep=customer.sales_rep_id).order_by("name", "pk")
    ordered = list(near.only("pk", "name", "short_name"))
    place = next((n for n, other in enumerate(ordered) if other.pk == customer.pk), None)
    if place is None:
        return None, None
    return ordered[place - 1] if place else None, ordered[place + 1] if place + 1 < len(ordered) else None


def _folded(lines: Any, find: str) -> Any:
    folded = lines.filter(live=False)
    find = find.strip().replace("\x00", "")
    for word in find.split()[:5]:
        folded = folded.filter(Q(product__description__icontains=word) | Q(product__item_code__icontains=word))
    return folded


def _row(line: Line, cycle: Cycle, customer: Customer) -> Row:
    line.cycle, line.customer = cycle, customer
    takes_text = line.mine and line.status in Line.INPUT  # type: ignore[attr-defined]
    return Row(line, takes_text, problems(line) if line.live else [])


def _closed_because(user: Any, cycle: Cycle, rows: Sequence[Row]) -> str:
    """Why this person cannot type in any of the rows; "" when they can, or when only their status keeps them out."""
    if not cycle.is_open:
        return closed_sentence(cycle)
    own = [row.line for row in rows if row.line.mine]  # type: ignore[attr-defined]
    if not own:
        return "You can read these lines but not change them." if rows else ""
    try:
        require_input(cycle, own, max(line.now for line in own))
    except Conflict as conflict:
        return conflict.detail
    return ""


def _add_sold(user: Any, grid: Grid) -> None:
    """What was sold of each product in the last 12 months of loaded actuals, and a month's average of the last 3."""
    amount = "amount" if grid.show == REVENUE else "quantity"
    since = sold_since(grid.cycle)
    quarter = periods.shift(since, LOOK_BACK - QUARTER)
    sold = (
        Actual.objects.visible_to(user)
        .filter(customer=grid.customer, period__gte=since, period__lt=grid.cycle.first_period)
        .order_by()
        .values_list("product_id")
        .annotate(Sum(amount), quarter=Sum(amount, filter=Q(period__gte=quarter)))
    )
    sums = {product: (total, late) for product, total, late in sold}
    for row in grid.all_rows:
        row.last12, late = sums.get(row.line.product_id, (None, None))
        row.average = (late or Decimal(0)) / QUARTER if row.last12 is not None else None


def _add_earlier(grid: Grid) -> None:
    """The sum of what each line was prefilled with from an earlier plan, over the mandatory months it covered."""
    mandatory = grid.cycle.mandatory
    lines = {row.line.pk: row for row in grid.all_rows}
    snapshots = (
        Snapshot.objects.filter(line__in=list(lines), event=Snapshot.Event.OPEN)
        .order_by("line_id", "-pk")
        .distinct("line_id")
        .values_list("line_id", "quantity", "quantity_source", "unit_price")
    )
    for line_id, quantity, source, price in snapshots:
        covered = tuple(letter == QuantitySource.CARRIED.value for letter in source[:mandatory])
        if not any(covered):
            continue
        values = [
            (q or 0) * (p or 0) if grid.show == REVENUE else (q or 0)
            for q, p in zip(quantity[:mandatory], price[:mandatory], strict=True)
        ]
        row = lines[line_id]
        row.covered = covered
        row.earlier = sum((v for v, known in zip(values, covered, strict=True) if known), Decimal(0))


def now_where_covered(row: Row, show: str) -> Decimal:
    """The line's sum over the months that the earlier plan covered, to compare with `row.earlier`."""
    cells = zip(shown_values(row.line, QUANTITY if show == PRICE else show), row.covered, strict=False)
    return sum((value or Decimal(0) for value, known in cells if known), Decimal(0))


def shown_values(line: Line, show: str) -> list[Decimal | None]:
    """The line's 16 quantities, prices, or quantity times price (None where either is blank)."""
    if show == QUANTITY:
        return line.quantity
    if show == PRICE:
        return line.unit_price
    return [
        None if q is None or (p is None and q) else q * (p or 0)
        for q, p in zip(line.quantity, line.unit_price, strict=True)
    ]


def next_total(line: Line, show: str) -> Decimal:
    """The sum over the mandatory months, of revenue when that is shown, else of quantity."""
    values = shown_values(line, REVENUE if show == REVENUE else QUANTITY)
    return sum((value for value in values[: line.cycle.mandatory] if value is not None), Decimal(0))


@dataclass
class Total:
    """The sums of all rows of one unit of measure; `cells` has one figure per period."""

    uom: str
    average: Decimal
    last12: Decimal
    next12: Decimal
    change: Decimal | None
    cells: list[Decimal | None]


def totals(grid: Grid) -> list[Total]:
    """One total per unit of measure, since different units are never added; money is one total.

    In the price view the cells are average prices weighted by quantity.
    """
    kinds: dict[str, list[Row]] = {}
    for row in grid.rows + [row for row in grid.dormant_rows if row.line.live]:
        kinds.setdefault("" if grid.show == REVENUE else row.line.product.uom, []).append(row)
    return [_total(uom, rows, grid) for uom, rows in sorted(kinds.items())]


def _total(uom: str, rows: Sequence[Row], grid: Grid) -> Total:
    size = grid.cycle.horizon
    if grid.show == PRICE:
        money = [sum((shown_values(row.line, REVENUE)[n] or 0 for row in rows), Decimal(0)) for n in range(size)]
        priced = [
            sum((row.line.quantity[n] or 0 for row in rows if row.line.unit_price[n] is not None), Decimal(0))
            for n in range(size)
        ]
        cells: list[Decimal | None] = [m / q if q else None for m, q in zip(money, priced, strict=True)]
    else:
        shown = [shown_values(row.line, grid.show) for row in rows]
        cells = [sum((values[n] or 0 for values in shown), Decimal(0)) for n in range(size)]
    compared = [row for row in rows if row.earlier is not None]
    change = sum((now_where_covered(row, grid.show) - (row.earlier or 0) for row in compared), Decimal(0))
    return Total(
        uom,
        sum((row.average or 0 for row in rows), Decimal(0)),
        sum((row.last12 or 0 for row in rows), Decimal(0)),
        sum((next_total(row.line, grid.show) for row in rows), Decimal(0)),
        change if compared else None,
        cells,
    )


def position_of(cycle: Cycle, key: str) -> int | None:
    """The position of the period written YYYY-MM in the horizon, or None."""
    try:
        period: dt.date = periods.parse(key)
    except ValueError:
        return None
    position = periods.between(cycle.first_period, period)
    return position if 0 <= position < cycle.horizon else None
