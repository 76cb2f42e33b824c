"""How allauth behaves here: no sign-up, links only to addresses on file, our client address."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from django.contrib.auth.base_user import AbstractBaseUser
from django.http import HttpRequest
from django.urls import reverse

from sop_portal.accounts import mail
from sop_portal.accounts.models import User
from sop_portal.lib.net import client_ip


class AccountAdapter(DefaultAccountAdapter):
    """Accounts are made by administrators."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def get_client_ip(self, request: HttpRequest) -> str:
        return client_ip(request) or "0.0.0.0"

    def send_password_reset_mail(self, user: User, email: str, context: dict[str, Any]) -> None:
        """Mail the link; a mail server that is away must not tell who has an account."""
        mail.send_password_link(user)

    def set_password(self, user: AbstractBaseUser, password: str) -> None:
        """Set the password; the model ends the sessions of the old one."""
        user.set_password(password)
        user.save(update_fields=["password"])

    def get_password_change_redirect_url(self, request: HttpRequest) -> str:
        return reverse("accounts:profile")
