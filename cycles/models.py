"""The S&OP cycle: one monthly round, its months, its deadline and who takes part."""

import datetime as dt
import functools
from typing import Any, ClassVar, Self

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import connection, models
from django.db.models import F, Max, Q

from audit.models import TrackedQuerySet
from sop_portal.lib import periods
from sop_portal.lib.text import NameField

USER = settings.AUTH_USER_MODEL
HORIZON = 16
MANDATORY = 12
REASON_LIMIT = 300
# First key of the advisory locks that order writers of lines and the closer of their cycle; the second is the cycle.
LOCK_CLASS = 5_010


class CycleQuerySet(TrackedQuerySet["Cycle"]):
    """Words about cycles, and the two locks that order writing and closing."""

    def visible_to(self, user: Any) -> Self:
        """Cycles `user` may see: all but other people's drafts for those who do not run cycles."""
        if user.has_perm("cycles.move_cycle"):
            return self.all()
        if user.has_perm("cycles.view_cycle"):
            return self.exclude(status=Cycle.Status.DRAFT)
        return self.none()

    def open(self) -> Self:
        return self.filter(status=Cycle.Status.OPEN)

    def lock_shared(self, cycle_id: int) -> None:
        """Wait until nobody moves this cycle, and keep it from moving until the transaction ends.

        Writers of lines take this first and read the cycle in a later statement: in one statement the clock and the
        status would be read before the wait.
        """
        _advisory_lock("pg_advisory_xact_lock_shared", cycle_id)

    def lock_exclusive(self, cycle_id: int) -> "Cycle":
        """Wait for all writers of this cycle's lines, keep new ones out, and read the cycle after that."""
        _advisory_lock("pg_advisory_xact_lock", cycle_id)
        return self.select_for_update().get(pk=cycle_id)


def _advisory_lock(function: str, cycle_id: int) -> None:
    with connection.cursor() as cursor:
        # The name of the function is one of two literals above, never input.
        cursor.execute(f"SELECT {function}(%s, %s)", [LOCK_CLASS, cycle_id])


class Cycle(models.Model):
    """One monthly round: 16 periods from `first_period`, open for input until `closes_at`."""

    class Kind(models.TextChoices):
        NORMAL = "normal", "Normal"
        LEGACY = "legacy", "From old workbooks"

    class Status(models.TextChoices):
        DRAFT = "draft", "Draft"
        OPEN = "open", "Open for input"
        CLOSED = "closed", "Closed"
        ARCHIVED = "archived", "Published"

    # Every legal move; a pair missing here is refused at every entrance.
    MOVES: ClassVar[dict[str, set[str]]] = {
        Status.DRAFT: {Status.OPEN},
        Status.OPEN: {Status.CLOSED},
        Status.CLOSED: {Status.OPEN, Status.ARCHIVED},
        Status.ARCHIVED: set(),
    }

    name = NameField(max_length=100, blank=True)
    kind = models.CharField(max_length=10, choices=Kind.choices, default=Kind.NORMAL)
    first_period = models.DateField()
    horizon = models.PositiveSmallIntegerField(default=HORIZON)
    mandatory = models.PositiveSmallIntegerField(default=MANDATORY)
    opens_at = models.DateTimeField(null=True, blank=True)
    closes_at = models.DateTimeField(null=True, blank=True)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.DRAFT)
    opened_at = models.DateTimeField(null=True, blank=True)
    # The deadline it opened with, however often it was extended; the next cycle is proposed after it.
    first_deadline = models.DateTimeField(null=True, blank=True)
    # How often it was opened for input: once, and once more for each reopening. Mails of each opening are their own.
    times_opened = models.PositiveSmallIntegerField(default=0)
    override_reason = NameField(max_length=REASON_LIMIT, blank=True)
    extend_reason = NameField(max_length=REASON_LIMIT, blank=True)
    reopened_at = models.DateTimeField(null=True, blank=True)
    reopen_reason = NameField(max_length=REASON_LIMIT, blank=True)
    # When it was last worked out again which lines are live, after actuals that came late.
    refreshed_at = models.DateTimeField(null=True, blank=True)
    # Since when the job that opens cycles could not open this one; admins hear of it once.
    opening_refused_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)
    close_reason = NameField(max_length=REASON_LIMIT, blank=True)
    archived_at = models.DateTimeField(null=True, blank=True)
    # Copied when the cycle opens, so that changing a setting never rewrites history.
    settings = models.JSONField(default=dict, blank=True)
    created_by = models.ForeignKey(USER, on_delete=models.PROTECT, null=True, related_name="+")

    objects = CycleQuerySet.as_manager()

    class Meta:
        ordering = ["-first_period", "-pk"]
        permissions = [("move_cycle", "Can create, open, close and publish cycles")]
        constraints = [
            models.UniqueConstraint(
                fields=["status"],
                condition=Q(status="open"),
                name="cycle_at_most_one_open",
                violation_error_message="Another cycle is already open.",
            ),
            models.UniqueConstraint(
                fields=["first_period"],
                condition=Q(kind="normal") & ~Q(status="archived"),
                name="cycle_first_period_unique",
                violation_error_message="There is already a cycle that starts in this month.",
            ),
            models.UniqueConstraint(
                fields=["first_period"],
                condition=Q(kind="legacy"),
                name="cycle_legacy_first_period_unique",
                violation_error_message="There is already a plan from old workbooks that starts in this month.",
            ),
            models.CheckConstraint(
                condition=Q(first_period__day=1),
                name="cycle_starts_on_first_of_month",
                violation_error_message="A cycle starts with the first day of a month.",
            ),
            models.CheckConstraint(
                condition=Q(horizon=HORIZON, mandatory=MANDATORY),
                name="cycle_horizon_fixed",
                violation_error_message="A cycle has 16 periods, 12 of them mandatory.",
            ),
            models.CheckConstraint(
                condition=Q(kind="legacy") | Q(closes_at__isnull=False),
                name="cycle_has_deadline",
                violation_error_message="Enter the deadline.",
            ),
            models.CheckConstraint(
                condition=Q(opens_at__isnull=True) | Q(closes_at__isnull=True) | Q(closes_at__gt=F("opens_at")),
                name="cycle_closes_after_opening",
                violation_error_message="The deadline must be later than the opening.",
            ),
            models.CheckConstraint(
                condition=~Q(kind="legacy") | Q(status__in=["closed", "archived"]),
                name="cycle_legacy_never_open",
                violation_error_message="A plan from old workbooks takes no input.",
            ),
        ]

    def __str__(self) -> str:
        return self.name or self.default_name()

    def default_name(self) -> str:
        """ "S&OP Dec 2026", or "Legacy plan Nov 2025" for plans from old workbooks."""
        prefix = "Legacy plan" if self.kind == self.Kind.LEGACY else "S&OP"
        return f"{prefix} {periods.label(self.first_period)}"

    def clean(self) -> None:
        if self.first_period:
            self.first_period = periods.first_of_month(self.first_period)
            self.name = self.name or self.default_name()
        if self.opens_at and self.closes_at and self.closes_at <= self.opens_at:
            raise ValidationError({"closes_at": "The deadline must be later than the opening."})

    @property
    def periods(self) -> list[dt.date]:
        """The 16 periods of the horizon, in order."""
        return periods.span(self.first_period, self.horizon)

    @functools.cached_property
    def positions(self) -> dict[dt.date, int]:
        """The position of each period in the horizon, 0 to 15; the months of an opened cycle never change."""
        return {period: position for position, period in enumerate(self.periods)}

    @property
    def is_open(self) -> bool:
        return self.status == self.Status.OPEN

    @property
    def is_closed(self) -> bool:
        return self.status == self.Status.CLOSED

    def can_move_to(self, status: str) -> bool:
        """Whether the table of moves allows `status` next."""
        return status in self.MOVES[self.status]

    def deadline_with(self, extension: dt.datetime | None) -> dt.datetime | None:
        """The deadline that applies to a rep whose own one was moved to `extension`."""
        if self.closes_at is None or extension is None:
            return self.closes_at
        return max(self.closes_at, extension)

    def takes_input(self, now: dt.datetime, extension: dt.datetime | None = None) -> bool:
        """Whether input is open at `now` (the database's clock) for a rep with this extension."""
        deadline = self.deadline_with(extension)
        return self.is_open and deadline is not None and now < deadline

    def last_deadline(self) -> dt.datetime | None:
        """When the time of the last participant ends: the deadline, or the latest extension of one of them."""
        return self.deadline_with(self.participants.aggregate(last=Max("deadline_extension"))["last"])


class ParticipantQuerySet(TrackedQuerySet):
    """Words about shares of a cycle."""

    def visible_to(self, user: Any) -> Self:
        """Shares `user` may see: all, those of the team, or the own one."""
        if user.has_perm("masterdata.view_all_customers"):
            return self.all()
        scope = Q(rep=user)
        if user.has_perm("masterdata.view_team_customers"):
            scope |= Q(rep__manager=user)
        return self.filter(scope)


class Participant(models.Model):
    """One rep's share of a cycle; `lines_expected` is the denominator of every progress figure."""

    cycle = models.ForeignKey(Cycle, on_delete=models.CASCADE, related_name="participants")
    rep = models.ForeignKey(USER, on_delete=models.PROTECT, related_name="participations")
    lines_expected = models.PositiveIntegerField(default=0)
    deadline_extension = models.DateTimeField(null=True, blank=True)
    extension_reason = NameField(max_length=REASON_LIMIT, blank=True, default="", db_default="")
    # Kept by `cycles.seen`.
    first_seen_at = models.DateTimeField(null=True, blank=True)
    last_seen_at = models.DateTimeField(null=True, blank=True)
    # How it stood when the cycle closed: {"submitted": 5, "approved": 3, "missed": 2, ...}.
    counts_at_close = models.JSONField(default=dict, blank=True)

    objects = ParticipantQuerySet.as_manager()

    class Meta:
        ordering = ["cycle_id", "rep_id"]
        constraints = [
            models.UniqueConstraint(
                fields=["cycle", "rep"],
                name="participant_once_per_cycle",
                violation_error_message="This rep already takes part in the cycle.",
            )
        ]

    def __str__(self) -> str:
        return f"{self.rep} in {self.cycle}"


class ExtensionRequestQuerySet(TrackedQuerySet):
    """Words about requests for more time."""

    def visible_to(self, user: Any) -> Self:
        """All for those who run cycles, else the own ones."""
        return self.all() if user.has_perm("cycles.move_cycle") else self.filter(rep=user)

    def waiting(self) -> Self:
        """Those that nobody answered, of cycles that are open."""
        return self.filter(state=ExtensionRequest.State.WAITING, cycle__status=Cycle.Status.OPEN)


class ExtensionRequest(models.Model):
    """A rep asks for more time in an open cycle; whoever runs cycles grants or declines it."""

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        GRANTED = "granted", "Granted"
        DECLINED = "declined", "Declined"
        LAPSED = "lapsed", "Lapsed: the cycle closed first"

    cycle = models.ForeignKey(Cycle, on_delete=models.CASCADE, related_name="extension_requests")
    rep = models.ForeignKey(USER, on_delete=models.PROTECT, related_name="+")
    wanted_until = models.DateTimeField()
    text = NameField(max_length=REASON_LIMIT, blank=True)
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    asked_at = models.DateTimeField()
    answered_by = models.ForeignKey(USER, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    answered_at = models.DateTimeField(null=True, blank=True)
    answer = NameField(max_length=REASON_LIMIT, blank=True)

    objects = ExtensionRequestQuerySet.as_manager()

    class Meta:
        ordering = ["asked_at", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["cycle", "rep"],
                condition=Q(state="waiting"),
                name="extensionrequest_one_waiting",
                violation_error_message="This rep waits for an answer already.",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["waiting", "granted", "declined", "lapsed"]),
                name="extensionrequest_state_known",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.rep} asks for more time in {self.cycle}"

    @property
    def is_waiting(self) -> bool:
        return self.state == self.State.WAITING
