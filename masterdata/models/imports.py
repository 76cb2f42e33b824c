"""The record of an import: what came in, from whom, and what became of it."""

from typing import Any, Self

from django.conf import settings
from django.db import models

from audit.models import TrackedQuerySet
from sop_portal.lib.text import NameField


class ImportRunQuerySet(TrackedQuerySet):
    """Words about imports."""

    def visible_to(self, user: Any) -> Self:
        """All of them for those who import, none for others."""
        return self.all() if user.has_perm("masterdata.import_data") else self.none()


class ImportRun(models.Model):
    """One uploaded file: first its dry run, then, if applied, what it wrote."""

    class Kind(models.TextChoices):
        LEGACY = "legacy", "Legacy planning workbook"

    class State(models.TextChoices):
        CHECKED = "checked", "Checked, nothing written"
        APPLIED = "applied", "Applied"
        REFUSED = "refused", "Refused"

    kind = models.CharField(max_length=20, choices=Kind.choices)
    state = models.CharField(max_length=20, choices=State.choices)
    file_name = NameField(max_length=255)
    file_size = models.PositiveBigIntegerField()
    file_sha256 = models.CharField(max_length=64)
    stored_as = models.CharField(max_length=100, blank=True)
    uploaded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="import_runs"
    )
    options = models.JSONField(default=dict)
    rows_read = models.PositiveIntegerField(default=0)
    rows_created = models.PositiveIntegerField(default=0)
    rows_updated = models.PositiveIntegerField(default=0)
    rows_unchanged = models.PositiveIntegerField(default=0)
    rows_refused = models.PositiveIntegerField(default=0)
    control_totals = models.JSONField(default=dict)
    findings = models.JSONField(default=list)
    created_at = models.DateTimeField(auto_now_add=True)
    applied_at = models.DateTimeField(null=True)

    objects = ImportRunQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-pk"]
        indexes = [models.Index(fields=["-created_at", "-id"], name="importrun_newest")]

    def __str__(self) -> str:
        return f"{self.file_name} ({self.get_state_display()})"
