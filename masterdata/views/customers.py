"""The list of customers, and the page of one: sales, products with prices, history."""

from typing import Any
from urllib.parse import urlencode

from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from masterdata import details, lists, sales
from masterdata.filters import CustomerFilter
from masterdata.models import Customer, MatrixEntry, Product
from masterdata.views import listing
from masterdata.views.history import told_about
from sop_portal.lib.paging import pager

PER_PAGE = 100


@require_safe
def customer_list(request: HttpRequest) -> HttpResponse:
    """The customers in scope."""
    form = CustomerFilter(request.GET, request.user)
    return listing.list_with_sales(
        request, form, by="customer", related="sales_rep", sorts=lists.CUSTOMERS, what="Sales to"
    )


def _customer(request: HttpRequest, pk: int) -> Customer:
    customers = Customer.objects.visible_to(request.user).select_related("sales_rep", "replaced_by")
    customer: Customer = get_object_or_404(customers, pk=pk)
    return customer


def _frame(request: HttpRequest, customer: Customer, tab: str) -> dict[str, Any]:
    """What every tab of a customer shows."""
    return {"customer": customer, "tab": tab}


@require_safe
def customer_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """Facts, and 36 months of sales with the newest plan."""
    customer = _customer(request, pk)
    user, today = request.user, listing.today()
    readable = Customer.objects.visible_to(user)
    picture = details.picture(user, today, show=request.GET.get("show", ""), customer=customer)
    entries = MatrixEntry.objects.visible_to(user).filter(customer=customer)
    rows = sales.history(user, customer=customer)
    matrix = details.matrix(entries, rows, details.PRODUCT, picture.known)
    context = _frame(request, customer, "overview") | {
        "picture": picture,
        "top": matrix[:TOP],
        "pairs": len(matrix),
        "replaces": readable.filter(replaced_by=customer).order_by("name", "pk"),
        "successor": readable.filter(pk=customer.replaced_by_id).first() if customer.replaced_by_id else None,
    }
    return render(request, "masterdata/customer_detail.html", context)


# Products that the first tab names.
TOP = 8


@require_safe
def customer_products(request: HttpRequest, pk: int) -> HttpResponse:
    """The customer's matrix: each product with the price in force, its past, and what was sold."""
    customer = _customer(request, pk)
    user, today = request.user, listing.today()
    entries = MatrixEntry.objects.visible_to(user).filter(customer=customer)
    find = request.GET.get("q", "").replace("\x00", "").strip()[:100]
    if find:
        entries = entries.filter(product__in=Product.objects.visible_to(user).matching(find))
    rows = sales.history(user, customer=customer)
    known = sales.loaded(today)
    found = details.matrix(entries, rows, details.PRODUCT, known, sort=request.GET.get("sort", ""))
    page = Paginator(found, PER_PAGE).get_page(request.GET.get("page"))
    shown = list(page.object_list)
    details.add_prices(shown, today)
    context = _frame(request, customer, "products") | {
        "rows": shown,
        "find": find,
        "last": known.last,
        "pager": pager(page, request.GET, "product"),
        "file_query": urlencode({"customer": customer.customer_id, "product": find}),
    }
    return render(request, "masterdata/customer_products.html", context)


@require_safe
def customer_history(request: HttpRequest, pk: int) -> HttpResponse:
    """What was changed in the customer's facts."""
    customer = _customer(request, pk)
    context = _frame(request, customer, "history") | {"told": told_about(request.user, "customer", customer.pk)}
    return render(request, "masterdata/customer_history.html", context)


@require_safe
def pair(request: HttpRequest, pk: int, product_pk: int) -> HttpResponse:
    """One customer and one product: prices over time, what was sold, what is planned."""
    user, today = request.user, listing.today()
    entries = MatrixEntry.objects.visible_to(user).select_related(
        "customer__sales_rep", "product__group", "product__replaced_by", "proposed_by"
    )
    entry = entries.filter(customer=pk, product=product_pk).first()
    if entry is None:
        raise Http404("This customer does not have this product.")
    changes = details.changes_of([entry.pk]).get(entry.pk, [])
    row = details.MatrixRow(entry, sales.Share(product_pk))
    details.add_prices([row], today)
    context = {
        "entry": entry,
        "row": row,
        "changes": changes[::-1],
        "price_plot": details.price_plot(entry, changes, today),
        "picture": details.picture(
            user, today, show=request.GET.get("show", "quantity"), customer=entry.customer, product=entry.product
        ),
        "today": today,
    }
    return render(request, "masterdata/pair.html", context)
