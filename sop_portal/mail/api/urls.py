"""Addresses of the operations about notices."""

from sop_portal.lib.api.routes import route
from sop_portal.mail.api import notices

urlpatterns = [
    *route("notifications", notices.NoticeList, "notifications"),
]
