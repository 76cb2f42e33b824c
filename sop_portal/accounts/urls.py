"""Pages about oneself, under /accounts/."""

from django.urls import path

from sop_portal.accounts import views

app_name = "accounts"
urlpatterns = [path("profile/", views.profile, name="profile")]
