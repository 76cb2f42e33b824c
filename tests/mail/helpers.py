"""What tests of mail share."""

from django.core import mail
from django.core.mail import EmailMessage

from sop_portal.mail import sending


def delivered() -> list[EmailMessage]:
    """Send what the outbox holds; all mails that arrived so far."""
    sending.send_due()
    arrived: list[EmailMessage] = mail.outbox  # type: ignore[attr-defined]
    return arrived
