"""Accounts: users, roles, sign-in. Also the admin site, whose doors are the portal's own sign-in."""

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig


class AccountsConfig(AppConfig):
    name = "sop_portal.accounts"
    label = "accounts"
    verbose_name = "Users and roles"

    def ready(self) -> None:
        from sop_portal.accounts import mail, receivers, tracked  # noqa: F401

        tracked.declare()
        receivers.connect()


class PortalAdminConfig(AdminConfig):
    default_site = "sop_portal.accounts.site.PortalAdminSite"
