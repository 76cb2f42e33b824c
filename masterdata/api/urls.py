"""Addresses of the operations about master data; those below a code come before the code alone."""

from masterdata.api import budget, customers, excel, figures, matrix, products, sales
from sop_portal.lib.api.routes import route

urlpatterns = [
    *route("customers", customers.CustomerList, "customers"),
    *route("customers/bulk", customers.CustomerBulk, "customers-bulk"),
    *route("customers/statistics", customers.CustomerFigures, "customer-statistics"),
    *route("customers/<code:customer_id>/products", matrix.CustomerProducts, "customer-products"),
    *route("customers/<code:customer_id>/sales", sales.CustomerSales, "customer-sales"),
    *route("customers/<code:customer_id>", customers.CustomerDetail, "customer"),
    *route("products", products.ProductList, "products"),
    *route("products/bulk", products.ProductBulk, "products-bulk"),
    *route("products/statistics", products.ProductFigures, "product-statistics"),
    *route("products/<code:item_code>", products.ProductDetail, "product"),
    *route("product-groups", products.GroupList, "product-groups"),
    *route("matrix", matrix.MatrixList, "matrix"),
    *route("matrix/bulk", matrix.MatrixBulk, "matrix-bulk"),
    *route("matrix/<int:pk>", matrix.MatrixDetail, "matrix-entry"),
    *route("matrix/<int:pk>/prices", matrix.PriceList, "matrix-prices"),
    *route("sales-history", sales.ActualList, "sales-history"),
    *route("sales-history/bulk", sales.ActualBulk, "sales-history-bulk"),
    *route("sales-history/statistics", figures.SalesFigures, "sales-statistics"),
    *route("sales-history/by-month", figures.SalesByMonth, "sales-by-month"),
    *route("sales-history/top-products", figures.TopProducts, "sales-top-products"),
    *route("sales-history/top-customers", figures.TopCustomers, "sales-top-customers"),
    *route("sales-history/<int:pk>", sales.ActualDetail, "actual"),
    *route("budget", budget.BudgetList, "budget"),
    *route("budget/bulk", budget.BudgetBulk, "budget-bulk"),
    *route("excel/import/<slug:kind>", excel.Import, "excel-import"),
    *route("excel/imports", excel.RunList, "excel-imports"),
    *route("excel/imports/<int:pk>", excel.RunDetail, "excel-run"),
    *route("excel/imports/<int:pk>/errors", excel.RunErrors, "excel-errors"),
    *route("excel/imports/<int:pk>/apply", excel.RunApply, "excel-apply"),
    *route("excel/imports/<int:pk>/undo", excel.RunUndo, "excel-undo"),
    *route("excel/templates/<slug:kind>", excel.Template, "excel-template"),
    *route("excel/export/<slug:kind>", excel.Export, "excel-export"),
]
