"""Pages of the admin that only show."""

from typing import Any

from django.http import HttpRequest

from sop_portal.accounts.admin_trail import TrailHistory


class ReadOnly(TrailHistory):
    """Nothing is added, changed or deleted; `reader` is the permission to look. Goes before ModelAdmin or an inline."""

    reader = ""
    can_delete = False
    extra = 0

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.has_perm(self.reader))
