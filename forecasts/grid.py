"""What the grid of one customer shows: its lines with their cells, what was sold, and whether input is open.

The page (`grid_html.py`), the form without JavaScript and the summary before submitting all read it here.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.db.models import Count, Exists, Max, Min, OuterRef, Q, Subquery, Sum

from cycles.models import Cycle, Participant
from forecasts.figures import HANDED_IN
from forecasts.metrics import added, revenue
from forecasts.models import Line
from forecasts.services.opening import LOOK_BACK, sold_since
from forecasts.services.problems import Problem, problems
from forecasts.services.writing import closed_sentence, require_input
from forecasts.versus import Earlier, earlier_plans
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
    "decision_comment", "product__item_code", "product__description", "product__uom", "product__weight",
)  # fmt: skip


@dataclass
class Row:
    """One line of the grid with what stands beside its cells.

    All in the unit that is shown. average, last12: what was sold. earlier: what the plan the cycle started from held over
    the mandatory months where `covered` is true; change: the line against it. None when nothing was carried over.
    """

    line: Line
    editable: bool
    problems: list[Problem]
    average: Decimal | None = None
    last12: Decimal | None = None
    earlier: Decimal | None = None
    change: Decimal | None = None
    covered: tuple[bool, ...] = ()
    # The same in money, for the totals of lines whose quantities cannot be added.
    amounts: "Amounts | None" = None

    @property
    def ready(self) -> bool:
        """Whether the line is handed in, or could be as it stands."""
        return self.line.status in HANDED_IN or (self.line.status == Line.Status.DRAFT and not self.problems)

    @property
    def sent_back(self) -> bool:
        """Whether a manager said what to change and the line was not handed in again since."""
        return bool(self.line.decision_comment) and self.line.status in Line.INPUT


@dataclass(frozen=True)
class Amounts:
    """What stands beside a line's cells, in money."""

    average: Decimal | None
    last12: Decimal | None
    earlier: Decimal | None
    change: Decimal | None


@dataclass
class Grid:
    """The grid of one customer in one cycle. `closed_because` says why nothing can be typed, "" when it can.

    several: whether the customer's lines, folded ones included, have several units of measure. may_add: whether a
    folded line that is not shown takes input; told only where no line that is shown does.
    """

    cycle: Cycle
    customer: Customer
    show: str
    rows: list[Row]
    dormant_rows: list[Row]
    live: int
    ready: int
    dormant: int
    page: int
    pages: int
    closed_because: str
    several: bool
    may_add: bool = False
    recallable: list[Line] = field(default_factory=list)

    @property
    def all_rows(self) -> list[Row]:
        return self.rows + self.dormant_rows

    @property
    def can_edit(self) -> bool:
        return self.may_add or any(row.editable for row in self.all_rows)


def customer_for(user: Any, cycle: Cycle, pk: int) -> Customer | None:
    """The customer, if this person may open its grid of `cycle`: they may read it, or a line of it."""
    readable = Customer.objects.visible_to(user).filter(pk=pk).first()
    if readable is not None or not Line.objects.visible_to(user).filter(cycle=cycle, customer=pk).exists():
        return readable
    return Customer.objects.get(pk=pk)


def lines_of(user: Any, cycle: Cycle, customer: Customer) -> Any:
    """The lines of a customer with what the grid needs, by item code, and `mine`: whether the person may type in it."""
    extension = Participant.objects.filter(cycle=OuterRef("cycle"), rep=OuterRef("owner")).values("deadline_extension")
    return (
        Line.objects.visible_to(user)
        .filter(cycle=cycle, customer=customer)
        .select_related("product", "decided_by")
        .only(*_NEEDED)
        .marked_for(user)
        .annotate(extension=Subquery(extension[:1]), now=SqlNow())
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
    only: Collection[int] | None = None,
) -> Grid:
    """The grid as `user` may see it; the number of queries does not depend on the number of lines.

    dormant: also the folded lines. find: only those folded lines whose name or code holds this text. only: just these
    lines, folded or not, whatever page they are on.
    """
    everything = lines_of(user, cycle, customer)
    dormant_count, several = _kinds(everything)
    live = [_row(line, cycle, customer) for line in everything.filter(live=True)]
    live.sort(key=lambda row: (not row.sent_back, not (row.problems and row.line.status in Line.INPUT)))
    pages = max(1, -(-len(live) // page_lines))
    page = min(max(page, 1), pages)
    shown = live[(page - 1) * page_lines : page * page_lines]
    folded = _folded(everything, find) if dormant or find else Line.objects.none()
    if only is not None:
        shown = [row for row in live if row.line.pk in only]
        folded = everything.filter(live=False, pk__in=only)
    folded_rows = [_row(line, cycle, customer) for line in folded[:page_lines]]
    hidden: list[Row] = []
    if dormant_count and not any(row.editable for row in live + folded_rows):
        # All folded lines of a customer are alike in this, so one tells of all.
        hidden = [_row(line, cycle, customer) for line in everything.filter(live=False)[:1]]
    grid = Grid(
        cycle=cycle,
        customer=customer,
        show=show,
        rows=shown,
        dormant_rows=folded_rows,
        live=len(live),
        ready=sum(row.ready for row in live),
        dormant=dormant_count,
        several=several,
        page=page,
        pages=pages,
        closed_because=_closed_because(user, cycle, live + folded_rows + hidden),
    )
    for row in grid.all_rows:
        row.editable = row.editable and not grid.closed_because
    grid.may_add = any(row.editable for row in hidden) and not grid.closed_because
    if not grid.closed_because:
        grid.recallable = [
            row.line for row in live if row.line.status == Line.Status.SUBMITTED and row.line.submitted_by_id == user.pk
        ]
    _add_figures(user, grid)
    return grid


def dormant_rows(user: Any, cycle: Cycle, customer: Customer, *, show: str, find: str, limit: int) -> Grid:
    """Only the folded rows, for the page that unfolds them; `find` as in `load`."""
    everything = lines_of(user, cycle, customer)
    rows = [_row(line, cycle, customer) for line in _folded(everything, find)[:limit]]
    because = _closed_because(user, cycle, rows)
    grid = Grid(cycle, customer, show, [], rows, 0, 0, len(rows), 1, 1, because, _kinds(everything)[1])
    for row in rows:
        row.editable = row.editable and not because
    _add_figures(user, grid)
    return grid


def _kinds(lines: Any) -> tuple[int, bool]:
    """How many of the lines are folded, and whether they have several units of measure."""
    folded = Count("pk", filter=Q(live=False))
    row = lines.order_by().aggregate(folded=folded, first=Min("product__uom"), last=Max("product__uom"))
    return row["folded"], row["first"] != row["last"]


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
    return Row(line, bool(takes_text), problems(line) if line.live else [])


def _closed_because(user: Any, cycle: Cycle, rows: Sequence[Row]) -> str:
    """Why this person cannot type in any of the rows; "" when they can, or when only their status keeps them out."""
    if not cycle.is_open:
        return closed_sentence(cycle)
    own = [row.line for row in rows if row.line.mine]  # type: ignore[attr-defined]
    if not own:
        return "You can read these lines but not change them." if rows else ""
    try:
        require_input(cycle, own, max(line.now for line in own))  # type: ignore[attr-defined]
    except Conflict as conflict:
        return conflict.detail
    return ""


def _add_figures(user: Any, grid: Grid) -> None:
    """What stands beside the cells of every row, in the unit that is shown; where units differ, in money as well."""
    show = QUANTITY if grid.show == PRICE else grid.show
    rows = {row.line.pk: row for row in grid.all_rows}
    sold = _sold(user, grid)
    plans = earlier_plans(rows, grid.cycle.mandatory)
    for row in rows.values():
        plan = plans.get(row.line.pk)
        row.covered = plan.covered if plan else ()
        row.average, row.last12 = sold[show].get(row.line.product_id, (None, None))
        row.earlier, row.change = _against(row.line, plan, show)
        if grid.several and show == QUANTITY:
            average, last12 = sold[REVENUE].get(row.line.product_id, (None, None))
            row.amounts = Amounts(average, last12, *_against(row.line, plan, REVENUE))


def _sold(user: Any, grid: Grid) -> dict[str, dict[int, tuple[Decimal, Decimal]]]:
    """By measure and product: a month's average of the last 3 months of loaded actuals, and the last 12 together."""
    since = sold_since(grid.cycle)
    late = Q(period__gte=periods.shift(since, LOOK_BACK - QUARTER))
    rows = (
        Actual.objects.visible_to(user)
        .counting_for(customer=grid.customer)
        .filter(period__gte=since, period__lt=grid.cycle.first_period)
        .order_by()
        # By the product that it counts for, which may have taken the place of the one sold.
        .values_list("product__heirs__heir")
        .annotate(
            Sum("quantity"), Sum("amount"), late_quantity=Sum("quantity", filter=late), late_amount=Sum("amount", filter=late)
        )
    )  # fmt: skip
    found: dict[str, dict[int, tuple[Decimal, Decimal]]] = {QUANTITY: {}, REVENUE: {}}
    for product, quantity, amount, late_quantity, late_amount in rows:
        found[QUANTITY][product] = (late_quantity or Decimal(0)) / QUARTER, quantity
        found[REVENUE][product] = (late_amount or Decimal(0)) / QUARTER, amount
    return found


def _against(line: Line, plan: Earlier | None, show: str) -> tuple[Decimal | None, Decimal | None]:
    """What the earlier plan held of the line, and the line against it."""
    if plan is None:
        return None, None
    before = plan.money if show == REVENUE else plan.sum(plan.quantity)
    return before, plan.sum(shown_values(line, show)) - before


def shown_values(line: Line, show: str) -> list[Decimal | None]:
    """The line's 16 quantities, prices, or quantity times price (None where either is blank)."""
    if show == QUANTITY:
        return line.quantity
    if show == PRICE:
        return line.unit_price
    return revenue(line.quantity, line.unit_price)


def next_total(line: Line, show: str) -> Decimal:
    """The sum over the mandatory months, of revenue when that is shown, else of quantity."""
    return added(shown_values(line, REVENUE if show == REVENUE else QUANTITY)[: line.cycle.mandatory])
