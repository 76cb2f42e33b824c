"""Addresses of cycles."""

from django.urls import path

from cycles.views import moves, pages, requests

app_name = "cycles"

urlpatterns = [
    path("cycles/", pages.cycle_list, name="list"),
    path("cycles/new/", pages.cycle_create, name="create"),
    path("cycles/<int:pk>/", pages.cycle_detail, name="detail"),
    path("cycles/<int:pk>/edit/", pages.cycle_edit, name="edit"),
    path("cycles/<int:pk>/preflight/", pages.cycle_preflight, name="preflight"),
    path("cycles/<int:pk>/open/", moves.cycle_open, name="open"),
    path("cycles/<int:pk>/extend/", moves.cycle_extend, name="extend"),
    path("cycles/<int:pk>/refresh/", moves.cycle_refresh, name="refresh"),
    path("cycles/<int:pk>/close/", moves.cycle_close, name="close"),
    path("cycles/<int:pk>/reopen/", moves.cycle_reopen, name="reopen"),
    path("cycles/<int:pk>/publish/", moves.cycle_publish, name="publish"),
    path("cycles/<int:pk>/delete/", moves.cycle_delete, name="delete"),
    path("cycles/<int:pk>/more-time/", requests.ask_for_time, name="ask"),
    path("cycles/requests/<int:pk>/grant/", requests.grant, name="grant"),
    path("cycles/requests/<int:pk>/decline/", requests.decline, name="decline"),
]
