"""One-use links with which a person chooses a password."""

from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.urls import reverse
from django.utils.http import base36_to_int, int_to_base36

from sop_portal.accounts.models import User
from sop_portal.mail.rendering import absolute


class PasswordLinkGenerator(PasswordResetTokenGenerator):
    """Tokens that die when used, when the person signs in, and when e-mail address, roles or activity change."""

    key_salt = "sop_portal.accounts.tokens.PasswordLinkGenerator"

    def _make_hash_value(self, user: User, timestamp: int) -> str:  # type: ignore[override]
        return f"{super()._make_hash_value(user, timestamp)}{user.access_version}"


def password_link(user: User) -> str:
    """A link with which `user` chooses a password, once, within PASSWORD_RESET_TIMEOUT seconds."""
    key = PasswordLinkGenerator().make_token(user)
    return absolute(reverse("account_reset_password_from_key", kwargs={"uidb36": int_to_base36(user.pk), "key": key}))


def owner_of_link(key: str) -> User | None:
    """Whose link ends with `key` ("<user>-<token>"), while it can be used."""
    number, _, token = key.partition("-")
    try:
        user: User | None = User.objects.active().filter(pk=base36_to_int(number)).first()
    except (ValueError, OverflowError):
        return None
    return user if user is not None and PasswordLinkGenerator().check_token(user, token) else None
