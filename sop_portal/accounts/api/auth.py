"""Signing in and out, and one's own password."""

from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.signals import password_reset
from django.contrib.auth import authenticate
from django.contrib.auth import logout as end_session
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.core.exceptions import ValidationError
from drf_spectacular.utils import OpenApiExample, extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.parsers import FormParser, MultiPartParser
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from sop_portal.accounts import bearer, throttling
from sop_portal.accounts.forms import LONGEST_PASSWORD, NOT_ACCEPTED, ResetPasswordForm
from sop_portal.accounts.models import User
from sop_portal.accounts.tokens import owner_of_link
from sop_portal.lib import ratelimit
from sop_portal.lib.api.bodies import JSONParser
from sop_portal.lib.api.shapes import Shape, read
from sop_portal.lib.api.views import ApiView
from sop_portal.lib.errors import Conflict, Refused

TAG = "Authentication"


class Credentials(Shape):
    """Who signs in."""

    username = serializers.CharField(max_length=254, help_text="E-mail address or username.")
    password = serializers.CharField(max_length=LONGEST_PASSWORD, trim_whitespace=False)


class Tokens(serializers.Serializer):
    """The tokens of a sign-in."""

    access = serializers.CharField(help_text="For `Authorization: Bearer ...`, for some minutes.")
    refresh = serializers.CharField(help_text="For /auth/refresh, once; keep it secret.")
    token_type = serializers.CharField(help_text="Always Bearer.")
    expires_in = serializers.IntegerField(help_text="Seconds until the access token expires.")
    refresh_expires_in = serializers.IntegerField(help_text="Seconds until the sign-in ends.")


class Renewal(Shape):
    """A refresh token."""

    refresh = serializers.CharField(max_length=4_000, trim_whitespace=False)


class Leaving(Shape):
    """Which sign-in ends; nothing for the one that the request was made with."""

    refresh = serializers.CharField(max_length=4_000, required=False, trim_whitespace=False)


class NewPassword(Shape):
    """One's old password and the new one."""

    old_password = serializers.CharField(max_length=LONGEST_PASSWORD, trim_whitespace=False)
    new_password = serializers.CharField(max_length=LONGEST_PASSWORD, trim_whitespace=False)


class Forgotten(Shape):
    """Whose password is forgotten."""

    email = serializers.EmailField(max_length=254)


class Chosen(Shape):
    """A new password by a mailed link."""

    key = serializers.CharField(
        max_length=200, help_text="What stands in the link behind /reset/key/, without slashes."
    )
    new_password = serializers.CharField(max_length=LONGEST_PASSWORD, trim_whitespace=False)


class Me(serializers.Serializer):
    """The person who is signed in."""

    id = serializers.IntegerField()
    email = serializers.CharField()
    username = serializers.CharField()
    full_name = serializers.CharField()
    employee_id = serializers.CharField(allow_null=True)
    manager_id = serializers.IntegerField(allow_null=True)
    time_zone = serializers.CharField()
    roles = serializers.ListField(child=serializers.CharField())
    permissions = serializers.ListField(child=serializers.CharField())
    must_change_password = serializers.BooleanField()


Said = inline_serializer("Said", {"detail": serializers.CharField()})


def _sent(pair: bearer.Pair) -> dict[str, Any]:
    return {
        "access": pair.access,
        "refresh": pair.refresh,
        "token_type": "Bearer",
        "expires_in": pair.access_expires_in,
        "refresh_expires_in": pair.refresh_expires_in,
    }


class Login(ApiView):
    """Sign in."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    parser_classes = (JSONParser, FormParser, MultiPartParser)

    @extend_schema(
        operation_id="auth_login", tags=[TAG], auth=[], request=Credentials, responses={200: Tokens},
        examples=[OpenApiExample("By e-mail address", request_only=True,
                                 value={"username": "rep1@example.com", "password": "a long password"})],
    )  # fmt: skip
    def post(self, request: Request) -> Response:
        """Sign in by e-mail address or username; the answer holds an access and a refresh token.

        Failures are counted as on the sign-in page: after five the name waits at this address.
        """
        throttling.limit_address(request._request, "login", throttling.LOGINS_PER_ADDRESS)
        given = read(Credentials, request.data)
        inner = request._request
        # Its session is not ours to fill; see `receivers.signed_in`.
        inner.signs_in_by_token = True  # type: ignore[attr-defined]
        user = authenticate(inner, username=given["username"], password=given["password"])
        if user is None:
            if wait := throttling.seconds_to_wait(inner):
                raise ratelimit.TooMany(throttling.wait_sentence(wait), wait)
            if getattr(inner, "axes_locked_out", False):
                seconds = throttling.seconds_locked(inner, {"username": given["username"]})
                minutes = -(-seconds // 60)
                raise ratelimit.TooMany(
                    f"Too many attempts failed. Wait {minutes} minute{'' if minutes == 1 else 's'}, then try again.",
                    seconds,
                )
            raise bearer.NotSignedIn(NOT_ACCEPTED)
        inner.user = user
        user_logged_in.send(sender=User, request=inner, user=user)
        return Response(_sent(bearer.issue(user)))  # type: ignore[arg-type]


class Refresh(ApiView):
    """Renew a sign-in."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    @extend_schema(operation_id="auth_refresh", tags=[TAG], auth=[], request=Renewal, responses={200: Tokens})
    def post(self, request: Request) -> Response:
        """Exchange a refresh token for new tokens. It works once: sent again it ends the whole sign-in."""
        throttling.limit_address(request._request, "refresh", throttling.REFRESHES_PER_ADDRESS)
        return Response(_sent(bearer.refresh(read(Renewal, request.data)["refresh"])))


class Logout(ApiView):
    """End a sign-in."""

    open_before_new_password = True

    @extend_schema(operation_id="auth_logout", tags=[TAG], request=Leaving, responses={204: None})
    def post(self, request: Request) -> Response:
        """End the sign-in that the request, or the refresh token in it, belongs to, with all its tokens.

        A token of a program is not ended by this; delete it at /tokens.
        """
        given = read(Leaving, request.data)
        if "refresh" in given:
            left = bearer.revoke(given["refresh"])
        elif isinstance(request.auth, bearer.Shown):
            if request.auth.family_id is None:
                raise Conflict("A token of a program does not sign in or out; delete it at /tokens.")
            left = bearer.end(request.auth.family_id)
        else:
            end_session(request._request)
            left = None
        if left is not None:
            user_logged_out.send(sender=User, request=request._request, user=left)
        return Response(status=204)


class WhoAmI(ApiView):
    """The person who is signed in."""

    open_before_new_password = True

    @extend_schema(operation_id="auth_me", tags=[TAG], responses={200: Me})
    def get(self, request: Request) -> Response:
        """Who is signed in, with roles and permissions."""
        user: Any = request.user
        return Response(
            {
                "id": user.pk,
                "email": user.email,
                "username": user.username,
                "full_name": user.full_name,
                "employee_id": user.employee_id,
                "manager_id": user.manager_id,
                "time_zone": user.time_zone,
                "roles": sorted(user.groups.values_list("name", flat=True)),
                "permissions": sorted(user.get_all_permissions()),
                "must_change_password": user.must_change_password,
            }
        )


class ChangePassword(ApiView):
    """A new password."""

    open_before_new_password = True

    @extend_schema(operation_id="auth_change_password", tags=[TAG], request=NewPassword, responses={204: None})
    def post(self, request: Request) -> Response:
        """Choose a new password. Every session and token of the person ends, this one too: sign in again."""
        user: Any = request.user
        if isinstance(request.auth, bearer.Shown) and request.auth.token_id is not None:
            raise Conflict("A token of a program cannot change the password; sign in for that.")
        ratelimit.limit(
            request._request, "password_change", str(user.pk), throttling.RESETS_PER_ADDRESS,
            "There were too many attempts. Wait a minute and try again.",
        )  # fmt: skip
        given = read(NewPassword, request.data)
        if not user.check_password(given["old_password"]):
            raise Refused({"old_password": "This is not the password you have had so far."})
        _set_password(user, given["new_password"])
        return Response(status=204)


class PasswordReset(ApiView):
    """A link for a forgotten password."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    @extend_schema(operation_id="auth_password_reset", tags=[TAG], auth=[], request=Forgotten, responses={202: Said})
    def post(self, request: Request) -> Response:
        """Have a one-use link mailed. The answer is the same whether somebody has this address or not."""
        throttling.limit_address(request._request, "password_reset", throttling.RESETS_PER_ADDRESS)
        email = read(Forgotten, request.data)["email"]
        throttling.limit_resets(request._request, email)
        form = ResetPasswordForm(data={"email": email})
        if form.is_valid():
            form.save(request._request)
        return Response({"detail": "If somebody has this address, a link is on its way to it."}, status=202)


class PasswordResetConfirm(ApiView):
    """A new password by a mailed link."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    @extend_schema(
        operation_id="auth_password_reset_confirm", tags=[TAG], auth=[], request=Chosen, responses={204: None}
    )
    def post(self, request: Request) -> Response:
        """Choose a new password with the key of a mailed link; it works once and for an hour."""
        throttling.limit_address(request._request, "password_link", throttling.LOGINS_PER_ADDRESS)
        given = read(Chosen, request.data)
        user = owner_of_link(given["key"])
        if user is None:
            raise Refused({"key": "This link was used before or is too old; have a new one mailed."})
        _set_password(user, given["new_password"])
        password_reset.send(sender=User, request=request._request, user=user)
        return Response(status=204)


def _set_password(user: User, password: str) -> None:
    adapter = get_adapter()
    try:
        adapter.clean_password(password, user)
    except ValidationError as problem:
        raise Refused({"new_password": " ".join(problem.messages)}) from problem
    adapter.set_password(user, password)
