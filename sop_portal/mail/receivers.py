"""What follows from queued mail: it is sent once the fact is committed."""

from typing import Any

import structlog
from django.db import transaction
from django.dispatch import receiver
from kombu.exceptions import OperationalError

from sop_portal.mail.signals import mail_queued
from sop_portal.mail.tasks import send_outbox

log = structlog.get_logger(__name__)


@receiver(mail_queued, dispatch_uid="mail.send_soon")
def send_soon(sender: Any, **kwargs: Any) -> None:
    """Tell a worker. With the broker away the mails go with the run of the next minute."""
    transaction.on_commit(_tell)


def _tell() -> None:
    try:
        send_outbox.apply_async(retry=False)
    except OperationalError as problem:
        log.warning("broker away, mails wait for the next run", problem=str(problem))
