"""Addresses of master data; the rows themselves are edited in the admin."""

from django.urls import path

from masterdata.views import imports

app_name = "masterdata"

urlpatterns = [path("imports/", imports.import_list, name="import_list")]
