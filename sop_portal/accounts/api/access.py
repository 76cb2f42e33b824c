"""Who asks, how often they may, and what they may not do yet: named by the framework's settings."""

import time
from typing import Any

from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from sop_portal import conf
from sop_portal.accounts import bearer
from sop_portal.accounts.models import User
from sop_portal.lib import ratelimit
from sop_portal.lib.api.problems import CHALLENGE
from sop_portal.lib.net import client_ip

_LONGEST = 4_000


class BearerAuthentication(BaseAuthentication):
    """`Authorization: Bearer ...` with the access token of a sign-in or the token of a program."""

    def authenticate(self, request: Request) -> tuple[User, bearer.Shown] | None:
        """The person and what was shown; None leaves it to the session. Raises AuthenticationFailed."""
        parts = get_authorization_header(request).split()
        if not parts or parts[0].lower() != b"bearer":
            return None
        if len(parts) != 2 or len(parts[1]) > _LONGEST:
            raise exceptions.AuthenticationFailed("The header is 'Authorization: Bearer' and one token.")
        try:
            return bearer.whose(parts[1].decode("ascii"))
        except UnicodeDecodeError as problem:
            raise exceptions.AuthenticationFailed("A token holds ASCII characters only.") from problem
        except bearer.NotSignedIn as refusal:
            raise exceptions.AuthenticationFailed(refusal.detail) from refusal

    def authenticate_header(self, request: Request) -> str:
        """What 401 asks for."""
        return CHALLENGE


class NewPasswordChosen(BasePermission):
    """Whoever has to choose a new password does that first."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """Raises PermissionDenied with what to do."""
        if getattr(request.user, "must_change_password", False) and not view.open_before_new_password:
            raise exceptions.PermissionDenied(
                "Choose a new password first (POST /api/v1/auth/change-password): an administrator asks for it."
            )
        return True


class RequestsPerMinute(BaseThrottle):
    """`rate_limit_requests_per_minute` of a person by whatever they sign in with, else of a network address."""

    def allow_request(self, request: Request, view: Any) -> bool:
        """Counts; raises TooMany beyond the limit. With the cache away nothing is counted."""
        limit = conf.get("rate_limit_requests_per_minute")
        signed_in = request.user.is_authenticated
        who = f"user {request.user.pk}" if signed_in else f"address {client_ip(request._request) or 'unknown'}"
        usage = ratelimit.count(request._request, "api", who, f"{limit}/m")
        count, reset = (usage.count, usage.reset) if usage else (0, 60)
        request._request.limit_headers = {  # type: ignore[attr-defined]
            "X-RateLimit-Limit": str(limit),
            "X-RateLimit-Remaining": str(max(limit - count, 0)),
            "X-RateLimit-Reset": str(int(time.time()) + reset),
        }
        if usage is not None and usage.exceeded:
            raise ratelimit.TooMany(
                f"Rate limit exceeded. Maximum {limit} requests per minute allowed. Try again later.", reset
            )
        return True
