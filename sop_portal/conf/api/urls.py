"""Addresses of the operations about settings."""

from sop_portal.conf.api import settings
from sop_portal.lib.api.routes import route

urlpatterns = [
    *route("settings/public", settings.PublicSettings, "settings-public"),
    *route("settings", settings.SettingList, "settings"),
    *route("settings/<slug:key>", settings.SettingDetail, "setting"),
]
