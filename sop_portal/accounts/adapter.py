"""How allauth behaves here: no sign-up, links only to addresses on file, our client address."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.hashers import check_password
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest
from django.urls import reverse

from audit.context import acting, current
from sop_portal.accounts.models import User
from sop_portal.lib.errors import Conflict
from sop_portal.lib.net import client_ip


class AccountAdapter(DefaultAccountAdapter):
    """Accounts are made by administrators."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def get_client_ip(self, request: HttpRequest) -> str:
        return client_ip(request) or "0.0.0.0"

    def clean_password(self, password: str, user: Any = None) -> str:
        """The rules for passwords; whoever has to choose a new one does not keep the old one."""
        if user is not None and user.must_change_password and check_password(password, user.password):
            raise ValidationError("This is the password you have had so far; choose another one.")
        cleaned: str = super().clean_password(password, user)
        return cleaned

    def set_password(self, user: AbstractBaseUser, password: str) -> None:
        """Set the password that a person chose; the model ends the sessions of the old one.

        Raises Conflict when their access changed since `user` was read: the old password or the link by which they chose
        it is not theirs any more.
        """
        # By a link nobody is signed in, but whoever holds it acts as its owner.
        with transaction.atomic(), acting(user, source=current().source):
            if User.objects.hold_access(user.pk) != user.access_version:  # type: ignore[attr-defined]
                raise Conflict("Your access was changed at this moment. Sign in with the new password, or have another "
                               "link mailed.")  # fmt: skip
            user.set_password(password)
            user.must_change_password = False  # type: ignore[attr-defined]
            user.save(update_fields=["password", "must_change_password"])  # type: ignore[misc]

    def get_password_change_redirect_url(self, request: HttpRequest) -> str:
        return reverse("accounts:profile")
