"""Addresses of the notices."""

from django.urls import path

from sop_portal.mail import views

app_name = "mail"

urlpatterns = [
    path("", views.notice_list, name="notices"),
    path("read/", views.notice_read, name="read_all"),
    path("<int:pk>/read/", views.notice_read, name="read"),
]
