"""Jobs of forecasts: reminders and digests."""

from celery import shared_task

from forecasts.services import reminding
from sop_portal.lib.jobs import scheduled


@scheduled("send_deadline_reminders", hour="9")
@shared_task
def send_deadline_reminders() -> dict[str, int]:
    """Remind reps of lines that are not handed in, and managers of decisions that wait."""
    return reminding.remind_everybody_due()


# Some minutes past the hour, so that who submitted at its end has committed.
@scheduled("send_digests", minute="5")
@shared_task
def send_digests() -> int:
    """Tell managers and S&OP admins what was handed in during the last hours."""
    return reminding.send_digests()
