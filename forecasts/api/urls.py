"""Addresses of the operations about lines."""

from forecasts.api import acts, bulk, cycles, lines, workbooks
from sop_portal.lib.api.routes import route

urlpatterns = [
    *route("cycles/<int:pk>/progress", cycles.CycleProgress, "cycle-progress"),
    *route("cycles/<int:pk>/statistics", cycles.CycleStatistics, "cycle-statistics"),
    *route("cycles/<int:pk>/consolidated", cycles.CycleConsolidated, "cycle-consolidated"),
    *route("cycles/<int:pk>/remind", cycles.CycleRemind, "cycle-remind"),
    # Before the address of the other kinds of files, which would take it for one of them.
    *route("excel/import/legacy-workbook", workbooks.OldWorkbookImport, "excel-import-legacy-workbook"),
    *route("forecasts", lines.LineList, "forecasts"),
    *route("forecasts/bulk", bulk.BulkWrite, "forecasts-bulk"),
    *route("forecasts/bulk-submit", bulk.BulkSubmit, "forecasts-bulk-submit"),
    *route("forecasts/bulk-decide", bulk.BulkDecide, "forecasts-bulk-decide"),
    *route("forecasts/<int:pk>", lines.LineDetail, "forecast"),
    *route("forecasts/<int:pk>/history", lines.LineHistory, "forecast-history"),
    *route("forecasts/<int:pk>/submit", acts.LineSubmit, "forecast-submit"),
    *route("forecasts/<int:pk>/recall", acts.LineRecall, "forecast-recall"),
    *route("forecasts/<int:pk>/approve", acts.LineApprove, "forecast-approve"),
    *route("forecasts/<int:pk>/reject", acts.LineReject, "forecast-reject"),
    *route("forecasts/<int:pk>/return", acts.LineReturn, "forecast-return"),
    *route("forecasts/<int:pk>/adjust", acts.LineAdjust, "forecast-adjust"),
]
