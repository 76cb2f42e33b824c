"""Jobs of mail."""

from celery import shared_task

from sop_portal.lib.jobs import scheduled
from sop_portal.mail import sending, services


@scheduled("send_outbox", minute="*")
@shared_task(name="mail.tasks.send_outbox")
def send_outbox() -> dict[str, int]:
    """Send the mails that wait."""
    return dict(sending.send_due())


@scheduled("forget_old_mail", hour="2", minute="50", forgets=True)
@shared_task(name="mail.tasks.forget_old_mail")
def forget_old_mail() -> dict[str, int]:
    """Delete notices and sent mails from more than 90 days ago."""
    return services.forget_old()
