"""Jobs of mail."""

from celery import shared_task
from django.db import connection

from sop_portal.lib.jobs import scheduled
from sop_portal.mail import sending

# Key of the advisory lock of whoever sends; any fixed number does.
_SENDER = 7_305_011


@scheduled("send_outbox", minute="*")
@shared_task(name="mail.tasks.send_outbox")
def send_outbox() -> dict[str, int]:
    """Send the mails that wait; one run at a time, so that a mail server that hangs does not hold every worker."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [_SENDER])
        if not cursor.fetchone()[0]:
            # Leases keep two runs apart anyway; what was queued since waits a minute at most.
            return {}
        try:
            return dict(sending.send_due())
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [_SENDER])
