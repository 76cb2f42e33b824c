"""Sign-in by e-mail address or username with one query and one hash, whoever asks."""

import functools
from typing import Any

from allauth.account.auth_backends import AuthenticationBackend
from django.contrib.auth.models import Group, Permission
from django.db import connection
from django.db.models import Q
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

    def _get_permissions(self, user_obj: User, obj: Any, from_name: str) -> set[str]:
        """Those of groups and those given directly, at once: Django reads them one after the other, and every request
        asks."""
        if from_name == "user" or not user_obj.is_active or user_obj.is_anonymous or obj is not None:
            return set()
        if user_obj.is_superuser:
            return super()._get_permissions(user_obj, obj, from_name)  # type: ignore[misc,no-any-return]
        if not hasattr(user_obj, "_group_perm_cache"):
            with connection.cursor() as cursor:
                # What the ORM compiled, never input.
                cursor.execute(_permissions(), [user_obj.pk, user_obj.pk])
                names = {f"{app}.{codename}" for app, codename in cursor.fetchall()}
            user_obj._group_perm_cache = names  # type: ignore[attr-defined]
        return user_obj._group_perm_cache  # type: ignore[attr-defined,no-any-return]


@functools.cache
def _permissions() -> str:
    """The SQL of what the user of a key may do, compiled once: by the ORM that costs more than reading it."""
    of_groups = Group.permissions.through.objects.filter(group__user=0).values("permission")
    direct = User.user_permissions.through.objects.filter(user=0).values("permission")
    given = Permission.objects.filter(Q(pk__in=of_groups) | Q(pk__in=direct)).order_by()
    return given.values_list("content_type__app_label", "codename").query.sql_with_params()[0]
