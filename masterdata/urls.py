"""Addresses of master data; the rows themselves are edited in the admin."""

from django.urls import path

from masterdata import views

app_name = "masterdata"

urlpatterns = [path("imports/", views.import_list, name="import_list")]
