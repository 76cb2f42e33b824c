"""What programs show instead of a session, and the requests they have made."""

import datetime as dt
import uuid
from typing import Any, Self

from django.contrib.postgres.fields import ArrayField
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import F, Q

from audit.models import TrackedQuerySet
from sop_portal.accounts.models.users import User
from sop_portal.lib.text import NameField


class TokenFamily(models.Model):
    """One sign-in by the API: the refresh token that is valid now, after any number of exchanges.

    A refresh token is `current` once. One that comes again was stolen, or its answer was: the family ends.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="token_families")
    # The version of the person's access under which they signed in.
    access_version = models.PositiveIntegerField()
    current = models.CharField(max_length=32)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(db_index=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = TrackedQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "token families"

    def __str__(self) -> str:
        return f"Sign-in of {self.user} at {self.created_at:%Y-%m-%d %H:%M}"


class PersonalTokenQuerySet(TrackedQuerySet):
    """Words about tokens of programs."""

    def visible_to(self, user: Any) -> Self:
        """Nobody sees the tokens of somebody else."""
        return self.filter(user=user.pk)

    def valid(self, now: Any) -> Self:
        """Those that are accepted at `now`."""
        return self.filter(
            Q(expires_at__gt=now), revoked_at=None, user__is_active=True, access_version=F("user__access_version")
        )


class PersonalToken(models.Model):
    """A token that a person made for a program: named, for some uses only, and for some time only.

    Its text is shown once; the table holds a digest of it.
    """

    class Scope(models.TextChoices):
        READ = "read", "Read"
        WRITE = "write", "Write"

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="personal_tokens")
    name = NameField(max_length=100)
    scopes = ArrayField(models.CharField(max_length=10, choices=Scope.choices))
    digest = models.CharField(max_length=64, unique=True)
    # The end of the text, by which its owner tells it apart.
    hint = models.CharField(max_length=8)
    access_version = models.PositiveIntegerField()
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = PersonalTokenQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["user", "name"],
                condition=Q(revoked_at=None),
                name="personaltoken_name_once",
                violation_error_message="You have a token of this name; revoke it first, or choose another name.",
            ),
            models.CheckConstraint(
                condition=Q(scopes__len__gte=1),
                name="personaltoken_has_scope",
                violation_error_message="A token is for reading, writing or both.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} of {self.user}"

    def state(self, now: dt.datetime) -> str:
        """ "valid" at `now`, as `valid` has it, or why not: "revoked", "expired", or "ended" with its person's access."""
        if self.revoked_at is not None:
            return "revoked"
        if self.expires_at <= now:
            return "expired"
        is_in_force = self.user.is_active and self.access_version == self.user.access_version
        return "valid" if is_in_force else "ended"


class IdempotencyKey(models.Model):
    """One POST that its sender named, and the answer it got; written by `lib.api.repeating`."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+", db_index=False)
    key = models.CharField(max_length=200)
    fingerprint = models.CharField(max_length=64)
    at = models.DateTimeField(db_index=True)
    status = models.PositiveSmallIntegerField()
    body = models.BinaryField()
    headers = models.JSONField(encoder=DjangoJSONEncoder)

    objects = TrackedQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="idempotencykey_once")]

    def __str__(self) -> str:
        return self.key
