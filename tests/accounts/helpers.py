"""What tests of accounts share."""

import re
from typing import Any

from django.core.mail import EmailMessage
from django.test import Client
from django.urls import reverse

from audit.models import Entry

LOGIN = "/accounts/login/"


def sign_in(client: Client, name: str, password: str, **extra: Any) -> Any:
    return client.post(LOGIN, {"login": name, "password": password}, **extra)


def is_signed_in(client: Client) -> bool:
    return client.get(reverse("accounts:profile")).status_code == 200


def actions(**filters: Any) -> list[str]:
    """Actions of the trail, oldest first."""
    return list(Entry.objects.filter(**filters).order_by("id").values_list("action", flat=True))


def link_in(message: EmailMessage) -> str:
    """The path of the one-use link in a mail."""
    found = re.search(r"https?://[^/\s]+(/accounts/password/reset/key/\S+)", str(message.body))
    assert found, message.body
    return found.group(1)


def choose_password(client: Client, link: str, password: str) -> Any:
    """Follow a one-use link and choose `password`; the answer to the form."""
    page = client.get(link, follow=True)
    if not page.redirect_chain:
        return page
    return client.post(page.redirect_chain[-1][0], {"password1": password, "password2": password})
