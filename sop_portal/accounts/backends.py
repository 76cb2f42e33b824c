"""Sign-in by e-mail address or username with one query and one hash, whoever asks."""

from typing import Any

from allauth.account.auth_backends import AuthenticationBackend
from django.contrib.auth.models import Permission
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from sop_portal.accounts.models import User


class EmailOrUsernameBackend(AuthenticationBackend):
    """allauth's backend tries the password up to three times for a known name and once for an unknown one;
    the difference tells which names exist. Here it is always once, for inactive people too."""

    def authenticate(self, request: HttpRequest | None, **credentials: Any) -> User | None:
        """The active user whom `username` (or `email`) and `password` name, else None."""
        login = credentials.get("username") or credentials.get("email")
        password = credentials.get("password")
        if not login or not password:
            return None
        user = User.objects.named(login)
        if user is None:
            User().set_password(password)
            return None
        return user if user.check_password(password) and self.user_can_authenticate(user) else None

    # Every page asks for permissions; Django reads those of the groups and those given directly one after the other.

    def _get_group_permissions(self, user_obj: User) -> QuerySet[Permission]:
        return Permission.objects.filter(Q(group__user=user_obj) | Q(user=user_obj)).distinct()

    def _get_user_permissions(self, user_obj: User) -> QuerySet[Permission]:
        return Permission.objects.none()
