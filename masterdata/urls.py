"""Addresses of master data; the rows themselves are edited in the admin."""

from django.urls import path
from django.views.generic import RedirectView

from masterdata.views import customers, imports, products, sales

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
    path("data/sales/", sales.sales_history, name="sales_history"),
    path("imports/", imports.import_list, name="import_list"),
]
