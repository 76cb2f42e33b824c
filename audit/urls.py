"""Addresses of the trail."""

from django.urls import path

from audit import views

app_name = "audit"

urlpatterns = [
    path("", views.entry_list, name="list"),
    path("entries.csv", views.entry_csv, name="csv"),
    path("critical/", views.entry_critical, name="critical"),
    path("statistics/", views.entry_statistics, name="statistics"),
    path("seal/", views.seal_state, name="seal"),
    path("mine/", views.entry_mine, name="mine"),
    path("<slug:entity_type>/<path:entity_id>/", views.entry_history, name="history"),
]
