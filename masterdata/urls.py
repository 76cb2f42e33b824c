"""Addresses of master data; the rows themselves are edited in the admin."""

from django.urls import path
from django.views.generic import RedirectView

from masterdata.views import budgets, customers, exports, import_books, import_run, imports, products, sales

app_name = "masterdata"

urlpatterns = [
    path("data/", RedirectView.as_view(pattern_name="masterdata:customer_list"), name="data"),
    path("data/customers/", customers.customer_list, name="customer_list"),
    path("data/customers/<int:pk>/", customers.customer_detail, name="customer"),
    path("data/customers/<int:pk>/products/", customers.customer_products, name="customer_products"),
    path("data/customers/<int:pk>/products/<int:product_pk>/", customers.pair, name="pair"),
    path("data/customers/<int:pk>/history/", customers.customer_history, name="customer_history"),
    path("data/products/", products.product_list, name="product_list"),
    path("data/products/<int:pk>/", products.product_detail, name="product"),
    path("data/products/<int:pk>/customers/", products.product_customers, name="product_customers"),
    path("data/products/<int:pk>/history/", products.product_history, name="product_history"),
    path("data/budget/", budgets.budget_list, name="budget_list"),
    path("data/sales/", sales.sales_history, name="sales_history"),
    path("data/export/<slug:kind>.<slug:form>", exports.export, name="export"),
    path("imports/", imports.import_list, name="import_list"),
    path("imports/any/", imports.import_any, name="import_any"),
    path("imports/new/<slug:kind>/", imports.import_start, name="import_start"),
    path("imports/template/<slug:kind>/", import_books.import_template, name="import_template"),
    path("imports/<int:pk>/", import_run.import_run, name="import_run"),
    path("imports/<int:pk>/apply/", import_run.import_apply, name="import_apply"),
    path("imports/<int:pk>/undo/", import_run.import_undo, name="import_undo"),
    path("imports/<int:pk>/cancel/", import_run.import_cancel, name="import_cancel"),
    path("imports/<int:pk>/headings/", import_run.import_headings, name="import_headings"),
    path("imports/<int:pk>/again/", import_run.import_again, name="import_again"),
    path("imports/<int:pk>/errors/", import_books.import_errors, name="import_errors"),
]
