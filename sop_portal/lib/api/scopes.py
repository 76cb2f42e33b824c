"""What a token may be used for."""

from typing import Any

from rest_framework import exceptions
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

READING = ("GET", "HEAD", "OPTIONS")


class TokenScope(BasePermission):
    """Whether the token that was shown may be used for this: reading or writing. A session may do both."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """Raises PermissionDenied with what the token lacks."""
        scopes = getattr(request.auth, "scopes", None)
        needed = view.token_scope or ("read" if request.method in READING else "write")
        if scopes is not None and needed not in scopes:
            raise exceptions.PermissionDenied(f"This token may not {needed}; make one with the scope '{needed}'.")
        return True
