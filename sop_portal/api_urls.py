"""Addresses of the JSON API: each app keeps its operations, this is their order and their description."""

from django.urls import include, path, re_path
from drf_spectacular.views import SpectacularAPIView, SpectacularJSONAPIView

from audit.api import urls as audit
from cycles.api import urls as cycles
from forecasts.api import urls as forecasts
from masterdata.api import urls as masterdata
from sop_portal import api_docs
from sop_portal.accounts.api import urls as accounts
from sop_portal.conf.api import urls as conf
from sop_portal.guide import guide
from sop_portal.jobs.api import urls as jobs
from sop_portal.lib.api.views import NothingHere
from sop_portal.mail.api import urls as mail

operations = [
    *accounts.urlpatterns,
    *cycles.urlpatterns,
    *forecasts.urlpatterns,
    *mail.urlpatterns,
    *jobs.urlpatterns,
    *conf.urlpatterns,
    *masterdata.urlpatterns,
    *audit.urlpatterns,
]

urlpatterns = [
    path("v1/", include((operations, "api"))),
    path(
        "schema",
        SpectacularAPIView.as_view(throttle_classes=[], generator_class=api_docs.Description),
        name="api-schema",
    ),
    path(
        "openapi.json",
        SpectacularJSONAPIView.as_view(throttle_classes=[], generator_class=api_docs.Description),
        name="api-openapi",
    ),
    path("docs", api_docs.page, name="api-docs"),
    path("guide", guide, name="api-guide"),
    re_path("", NothingHere.as_view(), name="api-nothing"),
]
