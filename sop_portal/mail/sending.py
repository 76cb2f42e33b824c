"""Sending what the outbox holds: by any number of workers, each mail by one of them at a time.

A worker claims mails under a lease and commits that before it talks to the mail server, so no transaction waits for
the network. A worker that dies leaves its lease to run out, after which the next one takes the mails up.
"""

import datetime as dt
import time
import uuid
from collections import Counter
from typing import Any

import structlog
from celery.exceptions import SoftTimeLimitExceeded
from django.db import DatabaseError, transaction
from django.db.models import Case, F, Q, Value, When

from audit.services import Event, record
from sop_portal import conf
from sop_portal.lib.clock import portal_now
from sop_portal.lib.errors import NotAllowed
from sop_portal.mail import kinds, rendering, services
from sop_portal.mail.models import OutboxMail
from sop_portal.mail.signals import about_to_send
from sop_portal.mail.wire import Outcome, Result, Wire, message, where, wire

log = structlog.get_logger(__name__)

BATCH = 50
# A run stops taking up mails after this, well before Celery's soft limit of 240 s: one more mail to a server that
# answers each command at the last moment must still fit.
BUDGET = 120.0
# Longer than a task may live at all (300 s), so nobody sends what somebody else is still sending.
LEASE = dt.timedelta(seconds=360)
# Until the next attempt: doubled each time. A server that is away is asked again soon, since that costs one connection;
# a mailbox that is full, or a server that greylists, is given time.
FIRST_WAIT = dt.timedelta(seconds=30)
LONGEST_WAIT = dt.timedelta(minutes=4)
LONGEST_WAIT_FOR_MAILBOX = dt.timedelta(hours=1)
# After so many broken connections in a row the rest waits for the next run.
BREAKS = 3

State = OutboxMail.State


def send_due(budget: float = BUDGET) -> Counter[str]:
    """Send what is due and return how many mails were sent, put off, failed or suppressed."""
    about_to_send.send(sender=OutboxMail)
    told: Counter[str] = Counter()
    until = time.monotonic() + budget
    with wire() as line:
        while time.monotonic() < until:
            lease, mails = claim()
            if not mails:
                break
            try:
                goes_on = _send(mails, lease, line, until, told)
            finally:
                # Whatever ended this run, what it did not get to is the next one's.
                release(lease)
            if not goes_on:
                break
    return told


@transaction.atomic
def claim(size: int = BATCH) -> tuple[uuid.UUID, list[OutboxMail]]:
    """Take up to `size` mails that are due under a new lease; mails that others are claiming are passed over."""
    now, lease = portal_now(), uuid.uuid4()
    urgent = [kind.name for kind in kinds.KINDS.values() if kind.account]
    due = Q(state=State.PENDING, next_attempt_at__lte=now) | Q(state=State.SENDING, leased_until__lt=now)
    mails = list(
        OutboxMail.objects.filter(due)
        .order_by(Case(When(kind__in=urgent, then=Value(0)), default=Value(1)), "next_attempt_at", "pk")
        .select_related("user")
        .select_for_update(skip_locked=True, of=("self",))[:size]
    )
    OutboxMail.objects.filter(pk__in=[mail.pk for mail in mails]).update(
        state=State.SENDING, lease=lease, leased_until=now + LEASE, attempts=F("attempts") + 1
    )
    for mail in mails:
        mail.attempts += 1
    return lease, mails


def release(lease: uuid.UUID) -> None:
    """Give back what was claimed under `lease` and not decided."""
    OutboxMail.objects.filter(lease=lease).update(
        state=State.PENDING, lease=None, leased_until=None, attempts=F("attempts") - 1
    )


TEST = kinds.declare(
    kinds.Kind(
        name="mail_test",
        colour="accent",
        help="To an administrator who tries the mail server; it is sent at once and does not stand in the outbox.",
        sample={"url": "/admin/mail/outboxmail/"},
        account=True,
        notice=False,
    )
)


def send_test(to: Any) -> Result:
    """Send a mail to `to` now, past the outbox, and say what came of it in a sentence.

    Raises NotAllowed without permission.
    """
    if not services.may_send(to):
        raise NotAllowed("Only administrators try the mail server.")
    mail = OutboxMail(message_id=services.new_message_id())
    with wire() as line:
        result = line.send(message(mail, rendering.render(TEST, to, TEST.sample), to.email))
    if result.outcome is Outcome.SENT:
        result = Result(Outcome.SENT, f"The test mail to {to.email} was taken, {where()}.")
    record(Event(action="mail_tested", entity_type="mail", label=to.email, changes={"answer": (None, result.sentence)}))
    return result


def _send(mails: list[OutboxMail], lease: uuid.UUID, line: Wire, until: float, told: Counter[str]) -> bool:
    """Send claimed mails one by one; False when the server is not worth asking for more now."""
    broken = 0
    for mail in mails:
        if time.monotonic() >= until:
            return False
        why = _withheld(mail)
        if why:
            _note(mail, lease, told, state=State.SUPPRESSED, error=why)
            continue
        if mail.give_up_at < portal_now():
            _note(mail, lease, told, state=State.FAILED, error=f"It was given up, being too late. {mail.error}".strip())
            continue
        result = _attempt(mail, line)
        if result.outcome is Outcome.SENT:
            broken = 0
            _note(mail, lease, told, state=State.SENT, sent_at=portal_now(), address=mail.user.email, error="")
        elif result.outcome is Outcome.REFUSED:
            _note(mail, lease, told, state=State.FAILED, error=result.sentence)
        else:
            longest = LONGEST_WAIT_FOR_MAILBOX if result.outcome is Outcome.LATER else LONGEST_WAIT
            wait = min(FIRST_WAIT * 2 ** min(mail.attempts - 1, 12), longest)
            _note(mail, lease, told, state=State.PENDING, next_attempt_at=portal_now() + wait, error=result.sentence)
            broken = broken + 1 if result.outcome is Outcome.BROKEN else 0
            if result.outcome in (Outcome.AWAY, Outcome.SENDER) or broken >= BREAKS:
                return False
    return True


def _withheld(mail: OutboxMail) -> str:
    """Why the mail must not go any more, or ""."""
    if not mail.user.is_active:
        return "The person is not active any more."
    kind = kinds.KINDS.get(mail.kind)
    if not (kind and kind.account) and not conf.get("notification_email_enabled"):
        return services.SWITCHED_OFF
    return ""


def _attempt(mail: OutboxMail, line: Wire) -> Result:
    try:
        made = message(mail, services.written(mail), mail.user.email)
    except (SoftTimeLimitExceeded, DatabaseError):
        # These are about the run and not about the mail, which the next run takes up.
        raise
    except Exception:
        # One mail that cannot be written must not hold up those behind it; it is shown as failed, and logged with its
        # place.
        log.exception("mail not written", mail=mail.pk, kind=mail.kind)
        return Result(Outcome.REFUSED, "The portal could not write this mail. The log tells why.")
    return line.send(made)


def _note(mail: OutboxMail, lease: uuid.UUID, told: Counter[str], **fields: object) -> None:
    """Store what became of a mail at once, so that nothing that happens to this process sends it again."""
    changed = OutboxMail.objects.filter(pk=mail.pk, lease=lease).update(**fields, lease=None, leased_until=None)
    if not changed:
        log.error("a mail was taken up by somebody else meanwhile", mail=mail.pk)
    state = str(fields["state"])
    told["put off" if state == State.PENDING else state] += 1
    if state == State.FAILED:
        log.warning("mail failed", mail=mail.pk, kind=mail.kind, problem=fields["error"])
