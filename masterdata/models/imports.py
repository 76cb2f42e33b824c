"""The record of an import: what came in, from whom, what became of it, and what it takes to undo it."""

from typing import Any, Self

from django.conf import settings
from django.db import models
from django.db.models import Q

from audit.models import TrackedQuerySet
from sop_portal.lib.text import NameField


class ImportRunQuerySet(TrackedQuerySet):
    """Words about imports."""

    def visible_to(self, user: Any) -> Self:
        """Those of all kinds that one may import; the sample of changes is read only when asked for."""
        if not user.has_perm("masterdata.import_data"):
            return self.none()
        hidden = [kind for kind, needed in ImportRun.FURTHER.items() if not user.has_perm(needed)]
        return (self.exclude(kind__in=hidden) if hidden else self).defer("sample")

    def last_applied(self) -> Self:
        """Of each kind the run that was applied last and stands."""
        return self.filter(state="applied").order_by("kind", "-applied_at").distinct("kind")


class ImportRun(models.Model):
    """One uploaded file: first its dry run, then, if applied, what it wrote."""

    class Kind(models.TextChoices):
        LEGACY = "legacy", "Legacy planning workbook"
        CUSTOMERS = "customers", "Customers"
        PRODUCTS = "products", "Products"
        MATRIX = "matrix", "Pricing matrix"
        ACTUALS = "actuals", "Actuals"
        BUDGET = "budget", "Budget"
        USERS = "users", "Users"

    class State(models.TextChoices):
        QUEUED = "queued", "Waiting to be checked"
        CHECKING = "checking", "Being checked"
        CHECKED = "checked", "Checked, nothing written"
        APPLYING = "applying", "Being applied"
        APPLIED = "applied", "Applied"
        REFUSED = "refused", "Refused"
        FAILED = "failed", "Failed, nothing written"
        CANCELLED = "cancelled", "Cancelled, nothing written"
        UNDOING = "undoing", "Being undone"
        UNDONE = "undone", "Undone"

    # What it takes besides the permission to import, for reading a run as for making it.
    FURTHER = {Kind.USERS: "accounts.manage_users"}
    # Every legal step. What ended without a write may be checked again as long as its file is kept.
    MOVES = {
        State.QUEUED: {State.CHECKING, State.FAILED, State.CANCELLED},
        State.CHECKING: {State.CHECKED, State.REFUSED, State.FAILED, State.CANCELLED},
        State.CHECKED: {State.QUEUED, State.APPLYING, State.CANCELLED},
        State.APPLYING: {State.APPLIED, State.CHECKED, State.REFUSED, State.FAILED, State.CANCELLED},
        State.APPLIED: {State.UNDOING},
        State.REFUSED: {State.QUEUED},
        State.FAILED: {State.QUEUED},
        State.CANCELLED: {State.QUEUED},
        State.UNDOING: {State.UNDONE, State.APPLIED},
        State.UNDONE: set(),
    }
    # Somebody works on it, or should.
    BUSY = (State.QUEUED, State.CHECKING, State.APPLYING, State.UNDOING)

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
    layout = models.JSONField(default=dict, help_text="Sheet, header row and columns as they were found.")
    rows_read = models.PositiveIntegerField(default=0)
    rows_created = models.PositiveIntegerField(default=0)
    rows_updated = models.PositiveIntegerField(default=0)
    rows_unchanged = models.PositiveIntegerField(default=0)
    rows_refused = models.PositiveIntegerField(default=0)
    control_totals = models.JSONField(default=dict)
    findings = models.JSONField(default=list)
    sample = models.JSONField(default=dict, help_text="The first new and changed rows, with old and new values.")
    reason = models.TextField(blank=True, help_text="Why it was refused, failed or could not be undone.")
    batch = models.BigIntegerField(null=True, help_text="The data version that it made of the actuals.")
    undo_batch = models.BigIntegerField(null=True, help_text="The data version that undoing it made.")
    created_at = models.DateTimeField(auto_now_add=True)
    applied_at = models.DateTimeField(null=True)
    applied_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    undone_at = models.DateTimeField(null=True)
    undone_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")

    objects = ImportRunQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-pk"]
        indexes = [
            models.Index(fields=["-created_at", "-id"], name="importrun_newest"),
            # What the sweep looks for every few minutes: a handful among thousands.
            models.Index(
                fields=["id"],
                condition=Q(state__in=["queued", "checking", "applying", "undoing"]),
                name="importrun_busy",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.file_name} ({self.get_state_display()})"

    @property
    def is_busy(self) -> bool:
        """Whether somebody works on it, or should."""
        return self.state in self.BUSY


class ImportProgress(models.Model):
    """How far the work on a run is. Written beside the transaction of the work, so that others see it meanwhile."""

    run = models.OneToOneField(ImportRun, on_delete=models.CASCADE, primary_key=True, related_name="progress")
    step = models.CharField(max_length=100, blank=True)
    rows_done = models.PositiveIntegerField(default=0)
    rows_all = models.PositiveIntegerField(null=True, help_text="Empty while nobody knows.")
    cancel = models.BooleanField(default=False, help_text="Somebody asked to stop.")
    attempts = models.PositiveSmallIntegerField(default=0)
    updated_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"{self.step}: {self.rows_done} of {self.rows_all}"


class ImportProblem(models.Model):
    """One cell or row that was refused, with the place, the value and what to do."""

    run = models.ForeignKey(ImportRun, on_delete=models.CASCADE, related_name="problems", db_index=False)
    row = models.PositiveIntegerField(help_text="Counted from 1, as spreadsheets do.")
    column = models.CharField(max_length=50, blank=True, help_text="The name of the column; empty: the whole row.")
    place = models.CharField(max_length=100)
    value = models.TextField(blank=True)
    sentence = models.TextField()

    class Meta:
        ordering = ["run", "row", "pk"]
        indexes = [models.Index(fields=["run", "row", "id"], name="importproblem_by_row")]

    def __str__(self) -> str:
        return f"{self.place}: {self.sentence}"


class ImportChange(models.Model):
    """What a run did to one row: the fields it changed as they were (none for a row it made), the row as it left it."""

    run = models.ForeignKey(ImportRun, on_delete=models.CASCADE, related_name="changes", db_index=False)
    entity = models.CharField(max_length=50, help_text="The model, as app.model.")
    object_id = models.BigIntegerField()
    before = models.JSONField(null=True)
    after = models.JSONField()

    class Meta:
        ordering = ["run", "entity", "object_id"]
        constraints = [
            models.UniqueConstraint(
                fields=["run", "entity", "object_id"],
                name="importchange_row_unique",
                violation_error_message="A run changes a row once.",
            )
        ]

    def __str__(self) -> str:
        return f"{self.entity} {self.object_id}"


class ImportHeading(models.Model):
    """A heading that somebody mapped by hand, so that nobody need do it again. `column` empty: leave it."""

    kind = models.CharField(max_length=20, choices=ImportRun.Kind.choices)
    key = models.CharField(max_length=200, help_text="The heading as it is compared.")
    heading = NameField(max_length=200)
    column = models.CharField(max_length=50, blank=True)

    objects = TrackedQuerySet.as_manager()

    class Meta:
        ordering = ["kind", "key"]
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "key"],
                name="importheading_key_unique",
                violation_error_message="This heading is already mapped.",
            ),
            models.CheckConstraint(
                condition=~Q(key=""), name="importheading_has_key", violation_error_message="A heading needs a name."
            ),
        ]

    def __str__(self) -> str:
        return f"{self.heading} is {self.column or 'left out'}"
