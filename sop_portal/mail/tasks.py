"""Jobs of mail."""

from celery import shared_task

from sop_portal.lib.jobs import scheduled
from sop_portal.mail import sending


@scheduled("send_outbox", minute="*")
@shared_task(name="mail.tasks.send_outbox")
def send_outbox() -> dict[str, int]:
    """Send the mails that wait."""
    return dict(sending.send_due())
