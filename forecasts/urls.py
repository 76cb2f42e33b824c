"""Addresses of lines: the grid, submitting, reviewing, history, consolidated workbook, old workbooks."""

from django.urls import path

from forecasts.views import board, compare, consolidated, grid, legacy, line, prices, remind, review, submit

app_name = "forecasts"

urlpatterns = [
    path("forecast/", grid.customer_list, name="list"),
    path("forecast/<int:cycle_pk>/save/", grid.save, name="save"),
    path("forecast/<int:cycle_pk>/submit/", submit.submit, name="submit"),
    path("forecast/<int:cycle_pk>/recall/", submit.recall, name="recall"),
    path("forecast/<int:cycle_pk>/<int:customer_pk>/", grid.grid, name="grid"),
    path("forecast/<int:cycle_pk>/<int:customer_pk>/form/", grid.save_form, name="save_form"),
    path("review/", review.review, name="review"),
    path("review/decide/", review.decide, name="decide"),
    path("board/", board.submission_board, name="board"),
    path("board/remind/", remind.remind, name="remind"),
    path("board/file/<slug:form>/", board.board_file, name="board_file"),
    path("cycles/compare/", compare.compare_cycles, name="compare"),
    path("cycles/compare/file/<slug:form>/", compare.compare_file, name="compare_file"),
    path("lines/<int:pk>/", line.line_detail, name="line"),
    path("lines/<int:pk>/adjust/", line.adjust, name="adjust"),
    path("cycles/<int:pk>/consolidated/", consolidated.consolidated, name="consolidated"),
    path("cycles/<int:pk>/prices/", prices.prices, name="prices"),
    path("imports/legacy/", legacy.legacy_upload, name="legacy_upload"),
    path("imports/legacy/<int:pk>/", legacy.legacy_run, name="legacy_run"),
    path("imports/legacy/<int:pk>/names/", legacy.legacy_names, name="legacy_names"),
    path("imports/legacy/<int:pk>/cancel/", legacy.legacy_cancel, name="legacy_cancel"),
    path("imports/legacy/<int:pk>/again/", legacy.legacy_again, name="legacy_again"),
]
