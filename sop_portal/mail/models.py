"""The outbox and the notices. Rows are made by `services.queue_many` only, in the transaction of what they tell."""

from typing import Any, Self

from django.conf import settings
from django.db import models


class OutboxMailQuerySet(models.QuerySet["OutboxMail"]):
    """The words in which mails are asked for."""

    def waiting(self) -> Self:
        """Those that are still to be sent."""
        return self.filter(state__in=[OutboxMail.State.PENDING, OutboxMail.State.SENDING])


class OutboxMail(models.Model):
    """One mail to one person. Whoever sends it holds a lease on it; what became of it stays visible."""

    class State(models.TextChoices):
        PENDING = "pending", "Pending"
        SENDING = "sending", "Being sent"
        SENT = "sent", "Sent"
        FAILED = "failed", "Failed"
        SUPPRESSED = "suppressed", "Suppressed"

    kind = models.CharField(max_length=64)
    # Unique within the kind: what is told once has one key.
    key = models.CharField(max_length=200)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", verbose_name="to")
    # Where it went. Until then the address is that of the user, who may have got a new one.
    address = models.EmailField("address", max_length=254, blank=True)
    subject = models.CharField(max_length=200)
    # Empty for account mail, which is written when it is sent: a one-use link is nowhere stored.
    text = models.TextField(blank=True)
    html = models.TextField("HTML", blank=True)
    # Of account mail: what it is written from, without secrets.
    context = models.JSONField(default=dict, blank=True)
    # {"name", "type", "content" in base64}
    attachments = models.JSONField(default=list, blank=True)
    # The same at every attempt, so that a mail that arrives twice is seen to be one.
    message_id = models.CharField("Message-ID", max_length=300, unique=True)
    state = models.CharField(max_length=10, choices=State.choices, default=State.PENDING)
    # Why it failed or was suppressed, or what the server said to the last attempt.
    error = models.TextField(blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField("queued")
    next_attempt_at = models.DateTimeField("next attempt")
    # Later than this it is of no use to anybody.
    give_up_at = models.DateTimeField("given up")
    sent_at = models.DateTimeField("sent", null=True, blank=True)
    # Who is sending it, and until when nobody else takes it up.
    lease = models.UUIDField(null=True, blank=True, editable=False)
    leased_until = models.DateTimeField(null=True, blank=True, editable=False)

    objects = OutboxMailQuerySet.as_manager()

    class Meta:
        verbose_name = "mail"
        verbose_name_plural = "mails"
        ordering = ["-created_at", "-pk"]
        default_permissions = ("view",)
        permissions = [("send_outboxmail", "Can send mails again and send a test mail")]
        constraints = [
            models.UniqueConstraint(fields=["kind", "key"], name="outboxmail_once"),
            models.CheckConstraint(
                condition=models.Q(state="sending", lease__isnull=False, leased_until__isnull=False)
                | (~models.Q(state="sending") & models.Q(lease__isnull=True, leased_until__isnull=True)),
                name="outboxmail_leased_while_sending",
            ),
        ]
        indexes = [
            models.Index(
                fields=["next_attempt_at"], condition=models.Q(state__in=["pending", "sending"]), name="outboxmail_open"
            ),
            models.Index(fields=["created_at", "id"], name="outboxmail_queued"),
        ]

    def __str__(self) -> str:
        return self.subject


class NotificationQuerySet(models.QuerySet["Notification"]):
    """The words in which notices are asked for."""

    def visible_to(self, user: Any) -> Self:
        """Notices are read by those they are for, and by nobody else."""
        return self.filter(user=user.pk)

    def unread(self) -> Self:
        """Those not marked as read."""
        return self.filter(read_at=None)


class Notification(models.Model):
    """What a mail says, within the portal: one line with a link to what it is about."""

    kind = models.CharField(max_length=64)
    key = models.CharField(max_length=200)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False)
    title = models.CharField(max_length=200)
    # A path within the portal; "" when there is nothing to look at.
    url = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField()
    read_at = models.DateTimeField(null=True, blank=True)

    objects = NotificationQuerySet.as_manager()

    class Meta:
        verbose_name = "notice"
        ordering = ["-created_at", "-pk"]
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["kind", "key"], name="notification_once"),
            models.CheckConstraint(
                condition=models.Q(url="") | models.Q(url__regex=r"^/([^/\\]|$)"), name="notification_url_is_ours"
            ),
        ]
        indexes = [
            models.Index(fields=["user", "created_at", "id"], name="notification_of_user"),
            models.Index(fields=["user"], condition=models.Q(read_at=None), name="notification_unread"),
            models.Index(fields=["created_at"], name="notification_age"),
        ]

    def __str__(self) -> str:
        return self.title
