"""Addresses of cycles."""

from django.urls import path

from cycles import views

app_name = "cycles"

urlpatterns = [
    path("cycles/", views.cycle_list, name="list"),
    path("cycles/new/", views.cycle_create, name="create"),
    path("cycles/<int:pk>/", views.cycle_detail, name="detail"),
    path("cycles/<int:pk>/edit/", views.cycle_edit, name="edit"),
    path("cycles/<int:pk>/open/", views.cycle_open, name="open"),
    path("cycles/<int:pk>/close/", views.cycle_close, name="close"),
    path("cycles/<int:pk>/publish/", views.cycle_publish, name="publish"),
    path("cycles/<int:pk>/delete/", views.cycle_delete, name="delete"),
]
