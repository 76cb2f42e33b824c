"""Mail about accounts, and mail to administrators about the portal itself.

One-use links are made when a mail is sent, so none is stored, and whoever asks for one learns nothing from the time
that the answer takes.
"""

import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from django.conf import settings
from django.db import transaction
from django.urls import reverse

from sop_portal.accounts.formats import instant_in
from sop_portal.accounts.models import PasswordRequest, User
from sop_portal.accounts.tokens import password_link
from sop_portal.jobs.models import JobRun
from sop_portal.lib.clock import portal_now
from sop_portal.lib.jobs import SCHEDULES
from sop_portal.mail import health
from sop_portal.mail.kinds import Kind, declare
from sop_portal.mail.services import Letter, queue, queue_many
from sop_portal.mail.signals import mail_queued


def _with_link(user: Any, context: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"link": password_link(user), "minutes": settings.PASSWORD_RESET_TIMEOUT // 60}


SAMPLE_LINK = {"link": "https://sop.example.com/accounts/password/reset/key/a-one-use-link/", "minutes": 60}
WELCOME = declare(
    Kind(
        name="welcome",
        colour="blue",
        help="To a new user without a password, with a link for choosing one.",
        sample=SAMPLE_LINK,
        account=True,
        complete=_with_link,
        notice=False,
    )
)
RESET = declare(
    Kind(
        name="password_reset",
        colour="accent",
        help="To whoever asked for a new password, or was sent a link by an administrator.",
        sample=SAMPLE_LINK,
        account=True,
        complete=_with_link,
        notice=False,
    )
)
CHANGED = declare(
    Kind(
        name="password_changed",
        colour="orange",
        help="To somebody whose password was changed, by whatever way.",
        sample={"when": "Fri 27 Nov 2026, 18:04 (New York)", "url": "/accounts/password/reset/"},
        account=True,
    )
)
STUCK = declare(
    Kind(
        name="mail_stuck",
        colour="red",
        help="To administrators, once a day while mails wait longer than they should.",
        sample={
            "url": "/admin/mail/outboxmail/?state__exact=pending",
            "count_words": "41 mails",
            "since": "Fri 27 Nov 2026, 09:04 (New York)",
            "error": "The mail server smtp.example.com:587 did not answer in time.",
        },
    )
)
JOB_FAILED = declare(
    Kind(
        name="job_failed",
        colour="red",
        help="To administrators when a job fails; of one that runs every few minutes once a day.",
        sample={
            "url": "/admin/jobs/jobrun/",
            "job": "cleanup_files",
            "description": "Delete files of ended imports and temporary files.",
            "when": "Fri 27 Nov 2026, 02:00 (New York)",
            "error": "OSError: No space left on device",
            "frequent": False,
            "died": False,
        },
    )
)


def send_password_links(users: Iterable[User], *, welcome: bool = False) -> int:
    """Mail each of `users` a one-use link for choosing a password; `welcome` introduces the portal to new users."""
    letters = [Letter(user, f"{user.pk}:{uuid.uuid4().hex}", {}) for user in users]
    return queue_many((WELCOME if welcome else RESET).name, letters)


@transaction.atomic
def ask_for_link(email: str) -> None:
    """Somebody asked for a link at this address. Whether anybody has it is looked up by the job that sends mail."""
    PasswordRequest.objects.create(email=email.lower(), asked_at=portal_now())
    mail_queued.send(sender=PasswordRequest)


@transaction.atomic
def answer_requests(**kwargs: Any) -> None:
    """Queue a link for each request from an address that an active user has; every request is forgotten."""
    requests = list(PasswordRequest.objects.select_for_update(skip_locked=True).order_by("asked_at"))
    users = User.objects.active().in_bulk_by_email([request.email for request in requests])
    letters = [
        Letter(users[request.email], f"{users[request.email].pk}:{request.pk.hex}", {})
        for request in requests
        if request.email in users
    ]
    queue_many(RESET.name, letters)
    PasswordRequest.objects.filter(pk__in=[request.pk for request in requests]).delete()


def tell_of_stuck_mail(**kwargs: Any) -> None:
    """Tell those who look after mail that some of it waits too long, once a day while it does."""
    found = health.stuck()
    if found is None:
        return
    url = f"{reverse('admin:mail_outboxmail_changelist')}?state__exact=pending"
    day = portal_now().date()
    letters = [
        Letter(
            user,
            f"{user.pk}:{day}",
            {
                "url": url,
                "count_words": found.words,
                "since": instant_in(found.since, user.time_zone),
                "error": found.error,
            },
        )
        for user in User.objects.active().with_permission("mail.view_outboxmail")
    ]
    queue_many(STUCK.name, letters)


def tell_of_failed_job(run: JobRun, **kwargs: Any) -> None:
    """Tell those who look after jobs that one failed or lost its worker."""
    schedule = SCHEDULES.get(run.job)
    frequent = schedule is not None and schedule.is_frequent
    ended = run.ended_at or portal_now()
    # A job of every minute that fails would otherwise fill mailboxes.
    about = f"{run.job}:{ended.date()}" if frequent else str(run.pk)
    letters = [
        Letter(
            user,
            f"{about}:{user.pk}",
            {
                "url": reverse("admin:jobs_jobrun_change", args=[run.pk]),
                "job": run.job,
                "description": schedule.description if schedule else "",
                "when": instant_in(ended, user.time_zone),
                "error": run.error,
                "frequent": frequent,
                "died": run.state == JobRun.State.DIED,
            },
        )
        for user in User.objects.active().with_permission("jobs.run_job")
    ]
    queue_many(JOB_FAILED.name, letters)


def tell_of_changed_password(user: User) -> None:
    """Mail `user` that their password is another one now."""
    context = {"when": instant_in(portal_now(), user.time_zone), "url": reverse("account_reset_password")}
    queue(CHANGED.name, user, key=f"{user.pk}:{user.access_version}", context=context)
