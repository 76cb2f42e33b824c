"""Addresses of the operations about master data; those below a code come before the code alone."""

from masterdata.api import customers, products
from sop_portal.lib.api.routes import route

urlpatterns = [
    *route("customers", customers.CustomerList, "customers"),
    *route("customers/bulk", customers.CustomerBulk, "customers-bulk"),
    *route("customers/statistics", customers.CustomerFigures, "customer-statistics"),
    *route("customers/<code:customer_id>", customers.CustomerDetail, "customer"),
    *route("products", products.ProductList, "products"),
    *route("products/bulk", products.ProductBulk, "products-bulk"),
    *route("products/statistics", products.ProductFigures, "product-statistics"),
    *route("products/<code:item_code>", products.ProductDetail, "product"),
    *route("product-groups", products.GroupList, "product-groups"),
]
