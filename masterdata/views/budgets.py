"""The list of budgets: what was budgeted for whom, by version and month, with what it adds up to."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from masterdata import budgets, lists
from masterdata.filters import BudgetFilter
from masterdata.models import Customer, Product
from masterdata.views import listing


@require_safe
def budget_list(request: HttpRequest) -> HttpResponse:
    """The budgets in scope, row by row, and the sums of each version."""
    form = BudgetFilter(request.GET, request.user)
    found = form.apply()
    rows, context = listing.listed(
        request, form, found.select_related("customer", "product"), lists.BUDGETS, "budget row"
    )
    versions = budgets.versions(found)
    context |= {
        "rows": rows,
        "versions": versions,
        "finding": budgets.finding(versions),
        "linked_customers": listing.linked(Customer, request.user, (row.customer_id for row in rows)),
        "linked_products": listing.linked(Product, request.user, (row.product_id for row in rows)),
    }
    return render(request, "masterdata/budget_list.html", context, status=200 if form.is_valid() else 422)
