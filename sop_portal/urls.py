"""The portal's addresses: each app keeps its own, the root is the home page."""

from django.contrib import admin
from django.urls import include, path

from sop_portal import views
from sop_portal.home import home
from sop_portal.search import search

handler400 = "sop_portal.views.bad_request"
handler403 = "sop_portal.views.permission_denied"
handler404 = "sop_portal.views.not_found"
handler500 = "sop_portal.views.server_error"

urlpatterns = [
    path("", home, name="home"),
    path("search/", search, name="search"),
    path("health", views.health, name="health"),
    path("ready", views.ready, name="ready"),
    path("admin/", admin.site.urls),
    path("accounts/", include("sop_portal.accounts.auth_urls")),
    path("accounts/", include("sop_portal.accounts.urls")),
    path("api/", include("sop_portal.api_urls")),
    path("notices/", include("sop_portal.mail.urls")),
    path("audit/", include("audit.urls")),
    path("", include("masterdata.urls")),
    path("", include("cycles.urls")),
    path("", include("forecasts.urls")),
]
