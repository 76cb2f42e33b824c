"""The trail: entries of what happened, and the blocks that seal them. Both can only grow.

The tables are made by hand in the first migration (partitions, triggers, rights), hence `managed = False`.
"""

from typing import Any, Self

from django.conf import settings
from django.db import models

from audit.querysets import TrackedQuerySet

__all__ = ["Entry", "SealBlock", "SinkMark", "Tombstone", "TrackedQuerySet"]


class EntryQuerySet(models.QuerySet["Entry"]):
    """Words for choosing entries. Entries are written by `audit.services` only."""

    def visible_to(self, user: Any) -> Self:
        """All entries for those who may read the trail, else those of one's own acts."""
        if user.has_perm("audit.view_entry"):
            return self
        return self.by(user)

    def by(self, user: Any) -> Self:
        """What `user` did."""
        return self.filter(actor_id=user.pk)

    def grave(self) -> Self:
        """What an admin should notice."""
        grave = (Entry.Severity.WARNING, Entry.Severity.ERROR, Entry.Severity.CRITICAL)
        return self.filter(severity__in=grave)

    def about(self, entity_type: str, entity_id: str) -> Self:
        """What happened to one object."""
        return self.filter(entity_type=entity_type, entity_id=entity_id)


class Entry(models.Model):
    """What one transaction did to one object: who, when, from where, before and after."""

    class Severity(models.TextChoices):
        INFO = "INFO", "Info"
        WARNING = "WARNING", "Warning"
        ERROR = "ERROR", "Error"
        CRITICAL = "CRITICAL", "Critical"

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField(help_text="Start of the transaction.")
    tx = models.UUIDField(help_text="Names the transaction; entries with the same one were committed together.")
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.DO_NOTHING, null=True, db_constraint=False, related_name="+"
    )
    actor_label = models.TextField()
    on_behalf_of = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.DO_NOTHING, null=True, db_constraint=False, related_name="+"
    )
    on_behalf_label = models.TextField()
    action = models.TextField()
    entity_type = models.TextField()
    entity_id = models.TextField()
    label = models.TextField()
    changes = models.JSONField(help_text="{field: [before, after]}")
    ip = models.GenericIPAddressField(null=True)
    user_agent = models.TextField()
    source = models.TextField()
    request_id = models.TextField()
    severity = models.TextField(choices=Severity.choices)
    specificity = models.SmallIntegerField(help_text="How much the action tells, for merging within a transaction.")

    objects = EntryQuerySet.as_manager()

    class Meta:
        managed = False
        db_table = "audit_entry"
        ordering = ["-at", "-id"]
        default_permissions = ("view",)
        verbose_name_plural = "entries"

    def __str__(self) -> str:
        return f"{self.action} {self.label}".strip()


# The bound of a block's ids when there is none.
FARTHEST = 2**63 - 1


class SealBlock(models.Model):
    """What was sealed together, chained to the block before it by its hash. Written by the database's functions only.

    Entries of one month whose transactions have numbers from `from_xact` (with it) to `to_xact` (without it) and whose
    ids lie above `after_id`, up to `until_id`; or, of the kind retention, that a month was dropped.
    """

    class Kind(models.TextChoices):
        ENTRIES = "entries", "Entries"
        RETENTION = "retention", "Dropped month"

    number = models.BigAutoField(primary_key=True)
    kind = models.TextField(choices=Kind.choices)
    from_xact = models.BigIntegerField()
    to_xact = models.BigIntegerField()
    after_id = models.BigIntegerField()
    until_id = models.BigIntegerField()
    month = models.DateField(null=True)
    entries = models.BigIntegerField()
    first_at = models.DateTimeField(null=True)
    last_at = models.DateTimeField(null=True)
    last_id = models.BigIntegerField(help_text="The largest id sealed so far.")
    root = models.TextField(help_text="Hash of the digests of the entries.")
    previous_hash = models.TextField()
    hash = models.TextField()
    sealed_at = models.DateTimeField()

    class Meta:
        managed = False
        db_table = "audit_sealblock"
        ordering = ["number"]
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"Block {self.number}"

    @property
    def tail(self) -> tuple[int, int]:
        """What comes after this block when it is the last: transactions from a number on, and ids above one."""
        return (self.to_xact, self.after_id) if self.until_id == FARTHEST else (0, self.until_id)


class SinkMark(models.Model):
    """The last block that a place outside the database was told of."""

    sink = models.TextField(primary_key=True)
    number = models.BigIntegerField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.sink}: block {self.number}"


class Tombstone(models.Model):
    """What is left of a month that retention dropped; chained as a block of its own. Written by the database only."""

    month = models.DateField(primary_key=True)
    entries = models.BigIntegerField()
    blocks = models.BigIntegerField(help_text="How many blocks held the entries.")
    last_hash = models.TextField(help_text="The last hash of the chain before the month was dropped.")
    archive = models.TextField(help_text="Name of the file that holds the entries; empty where there is none.")
    archive_hash = models.TextField(help_text="SHA-256 of that file.")
    archive_bytes = models.BigIntegerField()
    dropped_by = models.TextField()
    dropped_at = models.DateTimeField()

    class Meta:
        managed = False
        db_table = "audit_tombstone"
        ordering = ["month"]
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"{self.month:%B %Y}"
