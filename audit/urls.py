"""Addresses of the trail."""

from django.urls import path

from audit import views

app_name = "audit"

urlpatterns = [
    path("", views.entry_list, name="list"),
    path("entries.csv", views.entry_csv, name="csv"),
    path("mine/", views.entry_mine, name="mine"),
    path("<slug:entity_type>/<path:entity_id>/", views.entry_history, name="history"),
]
