"""Queueing mail and notices, in the transaction of what they tell: no fact without its mail, no mail without its fact."""

import base64
import datetime as dt
import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import QuerySet

from audit.services import Event, record_many
from sop_portal import conf
from sop_portal.lib.clock import portal_now
from sop_portal.lib.errors import NotAllowed
from sop_portal.mail import kinds, rendering
from sop_portal.mail.models import Notification, NotificationQuerySet, OutboxMail
from sop_portal.mail.signals import mail_queued

# A letter carries a calendar entry, not a report: those have a link.
LARGEST_ATTACHMENTS = 200_000
LONGEST_KEY = 200
# How long notices and mails that are done with are kept.
KEPT = dt.timedelta(days=90)
SWITCHED_OFF = "Mail about notices is switched off in the settings."
_OUR_PATH = re.compile(r"/([^/\\]|\Z)")


class Attachment(NamedTuple):
    """A small file that goes along."""

    name: str
    content: bytes
    content_type: str


@dataclass(frozen=True)
class Letter:
    """One mail to one person. key: unique within its kind, the same whenever the same thing is told.

    context: JSON-safe values for the templates; `url`, a path within the portal, is the link of the button and of the
    notice; `colour` replaces that of the kind.
    """

    user: Any
    key: str
    context: Mapping[str, Any]
    attachments: Sequence[Attachment] = field(default=())


def queue(
    kind: str, user: Any, *, key: str, context: Mapping[str, Any], attachments: Sequence[Attachment] = ()
) -> None:
    """Queue one letter; raises what `queue_many` raises."""
    queue_many(kind, [Letter(user, key, context, attachments)])


@transaction.atomic
def queue_many(kind: str, letters: Iterable[Letter]) -> int:
    """Queue mails and notices of one kind in the caller's transaction; a key that exists already queues nothing.

    The number of statements does not depend on that of letters. Returns how many mails were new. Raises KeyError for an
    unknown kind, ValueError for a key that is too long, a link that leaves the portal and attachments that are too large.
    """
    declared = kinds.find(kind)
    # In one order, so that two who queue the same letters wait for each other instead of locking each other out.
    wanted = {letter.key: letter for letter in sorted(letters, key=lambda letter: letter.key)}
    for letter in wanted.values():
        _check(letter)
    if not wanted:
        return 0
    for key in OutboxMail.objects.filter(kind=kind, key__in=wanted).values_list("key", flat=True):
        del wanted[key]
    now = portal_now()
    is_off = not declared.account and not conf.get("notification_email_enabled")
    mails = [_mail(declared, letter, now, is_off) for letter in wanted.values()]
    OutboxMail.objects.bulk_create(mails, ignore_conflicts=True)
    if declared.notice:
        Notification.objects.bulk_create(
            [
                Notification(
                    kind=kind,
                    key=mail.key,
                    user_id=mail.user_id,
                    title=mail.subject,
                    url=wanted[mail.key].context.get("url", ""),
                    created_at=now,
                )
                for mail in mails
            ],
            ignore_conflicts=True,
        )
    # Somebody who queued the same at the same time may have been first.
    queued = OutboxMail.objects.filter(message_id__in=[mail.message_id for mail in mails]).count() if mails else 0
    if queued and not is_off:
        mail_queued.send(sender=OutboxMail)
    return queued


def may_send(user: Any) -> bool:
    """Whether `user` may send mails again and try the mail server."""
    return bool(user.has_perm("mail.send_outboxmail"))


@transaction.atomic
def send_again(mails: QuerySet[OutboxMail], *, by: Any) -> int:
    """Queue once more what failed or was suppressed, and what waits to be sent at once; other mails are left alone.

    Returns how many. Raises NotAllowed without permission.
    """
    if not may_send(by):
        raise NotAllowed("Only administrators send mails again.")
    state = OutboxMail.State
    now = portal_now()
    chosen = list(
        OutboxMail.objects.filter(pk__in=mails.values("pk"), state__in=[state.FAILED, state.SUPPRESSED, state.PENDING])
        .select_for_update()
        .order_by("pk")
    )
    for mail in chosen:
        kind = kinds.KINDS.get(mail.kind)
        mail.give_up_at = now + (kind.lifetime if kind else kinds.LIFETIME)
    record_many(
        Event(
            action="mail_retried",
            entity_type="mail",
            entity_id=str(mail.pk),
            label=mail.subject,
            changes={"state": (mail.state, str(state.PENDING))},
        )
        for mail in chosen
    )
    for mail in chosen:
        mail.state, mail.attempts, mail.next_attempt_at = state.PENDING, 0, now
    OutboxMail.objects.bulk_update(chosen, ["state", "attempts", "next_attempt_at", "give_up_at"])
    if chosen:
        mail_queued.send(sender=OutboxMail)
    return len(chosen)


def mark_read(notices: NotificationQuerySet) -> int:
    """Mark `notices` as read; those that are stay as they are. Returns how many were new."""
    return notices.unread().update(read_at=portal_now())


def forget_old() -> dict[str, int]:
    """Delete notices, and mails that are done with, of more than `KEPT` ago."""
    before = portal_now() - KEPT
    notices, _ = Notification.objects.filter(created_at__lt=before).delete()
    mails, _ = OutboxMail.objects.filter(created_at__lt=before).exclude(pk__in=OutboxMail.objects.waiting()).delete()
    return {"notices": notices, "mails": mails}


def _check(letter: Letter) -> None:
    if len(letter.key) > LONGEST_KEY:
        raise ValueError(f"the key of a letter has up to {LONGEST_KEY} characters: {letter.key}")
    url = letter.context.get("url", "")
    if url and not _OUR_PATH.match(url):
        raise ValueError(f"the link of a letter is a path within the portal, not '{url}'")
    if sum(len(content) for _, content, _ in letter.attachments) > LARGEST_ATTACHMENTS:
        raise ValueError("the attachments of a letter are too large; mail a link instead")


def new_message_id() -> str:
    """A Message-ID of the sender's domain."""
    return f"<{uuid.uuid4().hex}@{conf.get('from_email').rpartition('@')[2]}>"


def _mail(kind: kinds.Kind, letter: Letter, now: Any, is_off: bool) -> OutboxMail:
    mail = OutboxMail(
        kind=kind.name,
        key=letter.key,
        user=letter.user,
        message_id=new_message_id(),
        state=OutboxMail.State.SUPPRESSED if is_off else OutboxMail.State.PENDING,
        error=SWITCHED_OFF if is_off else "",
        attachments=[
            {"name": name, "type": content_type, "content": base64.b64encode(content).decode()}
            for name, content, content_type in letter.attachments
        ],
        created_at=now,
        next_attempt_at=now,
        give_up_at=now + kind.lifetime,
    )
    if kind.account:
        # Written when it is sent, by `written`.
        mail.subject = rendering.subject(kind, letter.user, letter.context)
        mail.context = dict(letter.context)
    else:
        written = rendering.render(kind, letter.user, letter.context)
        mail.subject, mail.text, mail.html = written.subject, written.text, written.html
    return mail


def written(mail: OutboxMail) -> rendering.Rendered:
    """The words of a mail: stored, or for account mail made now, with a link that is stored nowhere."""
    kind = kinds.KINDS.get(mail.kind)
    if kind is None or not kind.account:
        return rendering.Rendered(mail.subject, mail.text, mail.html)
    more = kind.complete(mail.user, mail.context) if kind.complete else {}
    return rendering.render(kind, mail.user, {**mail.context, **more})
