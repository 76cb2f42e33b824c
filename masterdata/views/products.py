"""The list of products, and the page of one: sales, customers with prices, history."""

from typing import Any
from urllib.parse import urlencode

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from masterdata import details, lists, sales
from masterdata.filters import ProductFilter
from masterdata.models import Customer, MatrixEntry, Product
from masterdata.views import listing
from masterdata.views.customers import PER_PAGE, TOP
from masterdata.views.history import told_about
from sop_portal.lib.paging import pager


@require_safe
def product_list(request: HttpRequest) -> HttpResponse:
    """The products in scope."""
    form = ProductFilter(request.GET, request.user)
    return listing.list_with_sales(request, form, by="product", related="group", sorts=lists.PRODUCTS, what="Sales of")


def _product(request: HttpRequest, pk: int) -> Product:
    products = Product.objects.visible_to(request.user).select_related("group__parent", "replaced_by")
    product: Product = get_object_or_404(products, pk=pk)
    return product


def _frame(product: Product, tab: str) -> dict[str, Any]:
    """What every tab of a product shows."""
    return {"product": product, "tab": tab}


@require_safe
def product_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """Facts, and 36 months of sales with the newest plan, over the customers in scope."""
    product = _product(request, pk)
    user = request.user
    readable = Product.objects.visible_to(user)
    picture = details.picture(user, listing.today(), show=request.GET.get("show", "quantity"), product=product)
    entries = MatrixEntry.objects.visible_to(user).filter(product=product)
    rows = sales.history(user, product=product)
    matrix = details.matrix(entries, rows, details.CUSTOMER, picture.known)
    context = _frame(product, "overview") | {
        "picture": picture,
        "top": matrix[:TOP],
        "pairs": len(matrix),
        "replaces": readable.filter(replaced_by=product).order_by("item_code"),
        "successor": readable.filter(pk=product.replaced_by_id).first() if product.replaced_by_id else None,
    }
    return render(request, "masterdata/product_detail.html", context)


@require_safe
def product_customers(request: HttpRequest, pk: int) -> HttpResponse:
    """The customers in scope that have the product: each with the price in force, its past, and what was sold."""
    product = _product(request, pk)
    user, today = request.user, listing.today()
    entries = MatrixEntry.objects.visible_to(user).filter(product=product)
    find = request.GET.get("q", "").replace("\x00", "").strip()[:100]
    if find:
        entries = entries.filter(customer__in=Customer.objects.visible_to(user).matching(find))
    rows = sales.history(user, product=product)
    known = sales.loaded(today)
    found = details.matrix(entries, rows, details.CUSTOMER, known, sort=request.GET.get("sort", ""))
    page = Paginator(found, PER_PAGE).get_page(request.GET.get("page"))
    shown = list(page.object_list)
    details.add_prices(shown, today)
    context = _frame(product, "customers") | {
        "rows": shown,
        "find": find,
        "last": known.last,
        "pager": pager(page, request.GET, "customer"),
        "file_query": urlencode({"product": product.item_code, "customer": find}),
    }
    return render(request, "masterdata/product_customers.html", context)


@require_safe
def product_history(request: HttpRequest, pk: int) -> HttpResponse:
    """What was changed in the product's facts; cost only for those who may see it."""
    product = _product(request, pk)
    context = _frame(product, "history") | {"told": told_about(request.user, "product", product.pk)}
    return render(request, "masterdata/product_history.html", context)
