"""The sales history: own actuals over all customers in scope, added up over everything the filters leave."""

from typing import Any

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from masterdata import details, drawing, lists, sales
from masterdata.filters import SalesFilter
from masterdata.models import Customer, Product
from masterdata.sales import YEAR
from masterdata.views import listing
from sop_portal.lib import keyset, periods
from sop_portal.lib.paging import pager

MONTHS, CUSTOMERS, PRODUCTS, ROWS = "months", "customers", "products", "rows"
TABS = {MONTHS: "Months", CUSTOMERS: "Customers", PRODUCTS: "Products", ROWS: "Every row"}
SHARES = {
    "name": "name", "total": "total", "last12": "last12", "change": "change", "average6": "average6",
    "average12": "average12", "average24": "average24",
}  # fmt: skip
PER_PAGE = 100


@require_safe
def sales_history(request: HttpRequest) -> HttpResponse:
    """Totals, plot and averages of what the filters leave, and it by month, customer, product or row."""
    user: Any = request.user
    known = sales.loaded(listing.today())
    form = SalesFilter(request.GET, user, *details.usual_months(known))
    rows = form.apply()
    first, last = form.first, form.last
    length = periods.between(first, last) + 1
    # Far enough back for the averages and for the year before, as far as anything is known.
    reach = max(min(periods.shift(first, -YEAR), periods.shift(last, 1 - 2 * YEAR)), min(first, known.first))
    with_cost = user.has_perm("masterdata.view_cost")
    months = sales.by_month(rows, reach, last, with_cost=with_cost)
    totals = sales.totals(months, first, last)
    shows = [drawing.MONEY, drawing.WEIGHT, *([drawing.QUANTITY] if totals.one_unit else [])]
    show = request.GET.get("show", "")
    show = show if show in shows else drawing.MONEY
    tab = request.GET.get("by", MONTHS)
    tab = tab if tab in TABS else MONTHS
    amounts = [month.amount for month in months]
    without_weight, more_without_weight = sales.without_weight(rows, first, last)
    context: dict[str, Any] = {
        "form": form,
        "first": first,
        "last": last,
        "length": length,
        "totals": totals,
        "finding": drawing.sales_finding(amounts, months),
        "year": sales.totals(months, periods.shift(last, 1 - YEAR), last),
        "averages": [(number, sales.average(amounts, number)) for number in (6, 12, 24)],
        "plot": drawing.sales_plot(
            months,
            length,
            show=show,
            uom=totals.one_unit[0] if totals.one_unit else "",
            of_range=True,
            has_table=tab != MONTHS,
        ),
        "show": show,
        "shows": shows,
        "tab": tab,
        "tabs": TABS.items(),
        "without_weight": without_weight,
        "more_without_weight": more_without_weight,
        "query": listing.address(request),
        "show_query": listing.address(request, "show"),
        "tab_query": listing.address(request, "by", "sort"),
        "kept": listing.kept(request, "by", "show", "sort", "size"),
        "with_cost": with_cost,
    }
    if tab == MONTHS:
        context["month_rows"] = details.month_rows(months, first)
    elif tab == ROWS:
        context |= _rows(request, form.in_months(rows))
    else:
        context |= _shares(request, rows, tab, form, known)
    return render(request, "masterdata/sales_history.html", context, status=200 if form.is_valid() else 422)


def _rows(request: HttpRequest, rows: Any) -> dict[str, Any]:
    """One page of actuals, one by one."""
    order = lists.order(request.GET.get("sort", ""), lists.SALES)
    page = listing.page_of(request, rows.select_related("customer", "product"), order)
    total = keyset.count_text(rows, "row")
    return {
        "rows": page.rows,
        "pager": keyset.pager(page, request.GET, total),
        "linked_customers": listing.linked(Customer, request.user, (row.customer_id for row in page.rows)),
        "linked_products": listing.linked(Product, request.user, (row.product_id for row in page.rows)),
    }


def _shares(request: HttpRequest, rows: Any, tab: str, form: SalesFilter, known: sales.Loaded) -> dict[str, Any]:
    """Customers or products with what each adds up to, the largest first."""
    by = "customer" if tab == CUSTOMERS else "product"
    found = sales.shares(rows, by, form.first, form.last, known, with_quantity=by == "product")
    sort = request.GET.get("sort", "")
    sort = sort if sort.removeprefix("-") in SHARES else "-total"
    everybody = sort.removeprefix("-") == "name"
    names: dict[int, str] = {}
    if everybody:
        things = sales.things(by, [share.key for share in found])
        names = {key: str(thing) for key, thing in things.items()}
    page = Paginator(sales.ranked(found, sort, names), PER_PAGE).get_page(request.GET.get("page"))
    keys = [share.key for share in page.object_list]
    if not everybody:
        things = sales.things(by, keys)
    everything = sum((share.total for share in found), sales.ZERO)
    return {
        "shares": [
            (share, things[share.key], share.total / everything if everything else None) for share in page.object_list
        ],
        "everything": everything,
        "linked": listing.linked(Customer if by == "customer" else Product, request.user, keys),
        "pager": pager(page, request.GET, by),
    }
