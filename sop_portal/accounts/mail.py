"""Mail of accounts: the one-use links. Sent at once, by Django's mail backend."""

import smtplib
from typing import Any

import structlog
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string

from sop_portal.accounts.models import User
from sop_portal.accounts.tokens import password_link
from sop_portal.mail import kinds
from sop_portal.mail.wire import sender

kinds.declare(
    kinds.Kind(
        name="mail_stuck",
        colour="red",
        help="To administrators, once a day while mails wait longer than they should.",
        sample={
            "url": "/admin/mail/outboxmail/?state=pending",
            "count_words": "41 mails",
            "since": "Fri 27 Nov 2026, 09:04 (Miami)",
            "error": "The mail server smtp.example.com did not answer.",
        },
    )
)

log = structlog.get_logger(__name__)


def send(kind: str, user: User, context: dict[str, Any]) -> bool:
    """Send the mail `templates/account/email/<kind>_{subject,message}.*` to `user`.

    False when the mail server could not be reached or refused it; that is logged and nothing raised.
    """
    context = {"user": user, **context}
    subject = " ".join(render_to_string(f"account/email/{kind}_subject.txt", context).split())
    message = EmailMultiAlternatives(
        subject, render_to_string(f"account/email/{kind}_message.txt", context).strip() + "\n", sender(), [user.email]
    )
    message.attach_alternative(render_to_string(f"account/email/{kind}_message.html", context), "text/html")
    try:
        message.send()
    except (smtplib.SMTPException, OSError) as problem:
        log.error("mail not sent", kind=kind, user_id=user.pk, problem=str(problem))
        return False
    return True


def send_password_link(user: User, *, welcome: bool = False) -> bool:
    """Mail `user` a one-use link for choosing a password; `welcome` introduces the portal to a new user."""
    kind = "welcome" if welcome else "password_reset_key"
    return send(kind, user, {"password_reset_url": password_link(user)})
