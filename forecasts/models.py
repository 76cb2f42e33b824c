"""Lines of a cycle and the immutable copies of their cells.

A line is one row: its 16 cells are arrays, position n is the n-th period of the cycle's horizon. That is what is edited,
submitted, versioned and audited as one thing.
"""

import datetime as dt
from decimal import Decimal
from typing import Any, ClassVar, Self

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Exists, ExpressionWrapper, OuterRef, Q, Value

from audit.models import TrackedQuerySet
from cycles.models import HORIZON, Cycle
from forecasts.reasons import Reason
from masterdata.models import Customer, Delegation, Product
from masterdata.models.customers import delegators, served_by
from masterdata.prices import OF_CUSTOMER, OF_LIST, OF_NOBODY
from sop_portal.accounts.models import User
from sop_portal.lib import periods
from sop_portal.lib.keys import one_of
from sop_portal.lib.numbers import MAX_QUANTITY as MAX_QUANTITY
from sop_portal.lib.risk import DEFAULT_RISK_CLASS, RISK_CLASSES
from sop_portal.lib.text import NameField, NoteField

MAX_PRICE = Decimal("9999999999.9999")

# Provenance is one letter per period, so that a line's sixteen stay sixteen bytes.
NONE = OF_NOBODY


class QuantitySource(models.TextChoices):
    """Where a quantity came from."""

    CARRIED = "c", "carried"
    BASELINE = "b", "baseline"
    ENTERED = "e", "entered"
    UPLOADED = "u", "uploaded"
    API = "a", "api"
    LEGACY = "l", "legacy"


class PriceSource(models.TextChoices):
    """Where a price came from; kept apart from the quantity's."""

    CUSTOMER = OF_CUSTOMER, "customer"
    LIST = OF_LIST, "list"
    CARRIED = "c", "carried"
    ENTERED = "e", "entered"
    UPLOADED = "u", "uploaded"
    API = "a", "api"
    LEGACY = "l", "legacy"


# Provenances that a person or another system gave, as against those worked out by the portal.
GIVEN = frozenset("eual")


def _numbers(digits: int, places: int) -> ArrayField:
    return ArrayField(models.DecimalField(max_digits=digits, decimal_places=places, null=True), size=HORIZON)


def _person(related_name: str = "+") -> models.ForeignKey:
    """Who did something. Users are never deleted, so no index has to find the rows of one."""
    return models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, db_index=False, related_name=related_name
    )


def blank_cells() -> list[None]:
    """Sixteen cells that nobody answered."""
    return [None] * HORIZON


def blank_sources() -> str:
    return NONE * HORIZON


def _answered_by(user: Any) -> Q:
    """Lines whose owner is `user`, or delegated them to `user`."""
    delegated = Delegation.objects.to(user)
    # One delegation must name both owner and customer: two of them may not lend each other theirs.
    some = delegated.filter(all_customers=False, from_user=OuterRef("owner"), customers=OuterRef("customer"))
    return Q(owner=user) | Q(owner__in=delegators(user)) | Q(Exists(some))


def _edited_by(user: Any) -> Q | None:
    """Lines that `user` may edit, whatever their state; None when there are none."""
    if user.has_perm("forecasts.edit_any_line"):
        return Q(owner__isnull=False)
    return _answered_by(user) if user.has_perm("forecasts.edit_own_lines") else None


class LineQuerySet(TrackedQuerySet):
    """Words about lines: who may read, edit and decide which."""

    def visible_to(self, user: Any) -> Self:
        """Lines `user` may read: all with view_all_lines, else those of own, delegated and the team's customers.

        Of customers that moved on only what they submitted themselves, and in the open cycle what they still answer for.
        """
        if user.has_perm("forecasts.view_all_lines"):
            return self.all()
        scope = served_by(user, "customer__") | Q(submitted_by=user)
        if user.has_perm("forecasts.edit_own_lines"):
            scope |= Q(cycle__status=Cycle.Status.OPEN) & _answered_by(user)
        if user.has_perm("forecasts.view_team_lines"):
            scope |= Q(customer__sales_rep__manager=user) | Q(owner__manager=user)
        return self.filter(scope)

    def in_scope_of(self, user: Any) -> Self:
        """The lines of `visible_to`, for lists over many cycles: whose they are is looked up first, in queries of their
        own, so that the planner knows how few they are and reads them by index."""
        if user.has_perm("forecasts.view_all_lines"):
            return self.all()
        served, scope = served_by(user), Q(submitted_by=user)
        if user.has_perm("forecasts.view_team_lines"):
            served |= Q(sales_rep__manager=user)
            scope |= Q(owner__in=list(User.objects.filter(manager=user).order_by().values_list("pk", flat=True)))
        customers = list(Customer.objects.filter(served).order_by().values_list("pk", flat=True))
        if user.has_perm("forecasts.edit_own_lines"):
            owners = [user.pk, *Delegation.objects.to(user).order_by().values_list("from_user", flat=True)]
            # Of customers that moved on: the few that the rest does not find.
            left = Line.objects.filter(_answered_by(user), cycle__status=Cycle.Status.OPEN, owner__in=owners)
            left = left.exclude(one_of("customer", customers)).order_by()
            scope |= one_of("pk", left.values_list("pk", flat=True))
        return self.filter(one_of("customer", customers) | scope)

    def editable_by(self, user: Any) -> Self:
        """Lines `user` may edit and submit: own ones, those whose owner delegated them, all with edit_any_line.

        All of them may be read while their cycle is open; pages that look further back ask `visible_to` as well.
        """
        scope = _edited_by(user)
        return self.none() if scope is None else self.filter(scope)

    def marked_for(self, user: Any) -> Self:
        """The same lines, each with `mine`: whether `user` may edit it."""
        scope = _edited_by(user)
        return self.annotate(mine=Value(False) if scope is None else ExpressionWrapper(scope, models.BooleanField()))

    def decidable_by(self, user: Any) -> Self:
        """Lines `user` may approve, reject, return and adjust: the team's, or all."""
        if user.has_perm("forecasts.decide_any_line"):
            return self.filter(owner__isnull=False)
        if not user.has_perm("forecasts.decide_team_lines"):
            return self.none()
        return self.filter(Q(owner__manager=user) | Q(customer__sales_rep__manager=user), owner__isnull=False)

    def not_worked_on_by(self, user: Any) -> Self:
        """Lines that `user` neither submitted nor edited last, and so may decide."""
        return self.exclude(Q(submitted_by=user) | Q(edited_by=user))

    def live(self) -> Self:
        return self.filter(live=True)


class Line(models.Model):
    """One customer and product in a cycle, owned by one rep."""

    class Status(models.TextChoices):
        DRAFT = "draft", "Draft"
        SUBMITTED = "submitted", "Submitted"
        APPROVED = "approved", "Approved"
        REJECTED = "rejected", "Rejected"
        MISSED = "missed", "Missed"

    # Every legal move of a line; a pair missing here is refused at every entrance.
    MOVES: ClassVar[dict[str, set[str]]] = {
        Status.DRAFT: {Status.SUBMITTED, Status.MISSED},
        Status.SUBMITTED: {Status.DRAFT, Status.APPROVED, Status.REJECTED},
        Status.REJECTED: {Status.DRAFT, Status.MISSED},
        Status.APPROVED: {Status.DRAFT, Status.APPROVED},
        Status.MISSED: {Status.APPROVED, Status.DRAFT},
    }
    # Statuses in which the owner types.
    INPUT: ClassVar[set[str]] = {Status.DRAFT, Status.REJECTED}

    # A saved line is written into every index, so those that another one covers, or nobody asks by, are left out
    # (tests/test_indexes.py).
    cycle = models.ForeignKey(Cycle, on_delete=models.PROTECT, db_index=False, related_name="lines")
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, db_index=False, related_name="lines")
    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="lines")
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, db_index=False, related_name="lines"
    )
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.DRAFT)
    live = models.BooleanField(default=True)
    risk_class = models.PositiveSmallIntegerField(choices=RISK_CLASSES, default=DEFAULT_RISK_CLASS)
    # Nobody chose the class yet: shown muted, blocks nothing.
    risk_is_default = models.BooleanField(default=True)
    revision = models.PositiveIntegerField(default=1)
    notes = NoteField(blank=True)
    change_reason = NameField(max_length=200, blank=True)

    quantity = _numbers(18, 6)
    quantity_source = models.CharField(max_length=HORIZON, default=blank_sources)
    unit_price = _numbers(14, 4)
    price_source = models.CharField(max_length=HORIZON, default=blank_sources)
    # Frozen at opening, never typed.
    baseline = ArrayField(models.DecimalField(max_digits=18, decimal_places=6, null=True), size=HORIZON, null=True)
    baseline_low = ArrayField(models.DecimalField(max_digits=18, decimal_places=6, null=True), size=HORIZON, null=True)
    baseline_high = ArrayField(models.DecimalField(max_digits=18, decimal_places=6, null=True), size=HORIZON, null=True)

    edited_by = _person()
    edited_at = models.DateTimeField(null=True)
    confirmed_by = _person()
    confirmed_at = models.DateTimeField(null=True)
    submitted_by = _person("submitted_lines")
    submitted_at = models.DateTimeField(null=True)
    decided_by = _person()
    decided_at = models.DateTimeField(null=True)
    decision_comment = NoteField(blank=True)

    objects = LineQuerySet.as_manager()

    class Meta:
        ordering = ["customer_id", "product_id"]
        permissions = [
            ("view_all_lines", "Can see every line"),
            ("view_team_lines", "Can see the lines of the own team"),
            ("edit_own_lines", "Can edit and submit own lines"),
            ("edit_any_line", "Can edit and submit lines on behalf of a rep"),
            ("decide_team_lines", "Can approve, reject, return and adjust lines of the own team"),
            ("decide_any_line", "Can approve, reject, return and adjust every line"),
        ]
        indexes = [
            models.Index(fields=["cycle", "owner", "status"], name="line_cycle_owner_status"),
            # What programs ask for that keep a copy: what was edited since they looked.
            models.Index(fields=["edited_at"], name="line_edited_at"),
            models.Index(fields=["submitted_by"], name="line_submitted_by", condition=Q(submitted_by__isnull=False)),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["customer", "cycle", "product"],
                name="line_pair_once_per_cycle",
                violation_error_message="This customer already has a line of this product in the cycle.",
            ),
            models.CheckConstraint(
                condition=Q(status__in=["draft", "submitted", "approved", "rejected", "missed"]),
                name="line_status_known",
            ),
            models.CheckConstraint(condition=Q(risk_class__lte=3), name="line_risk_class_known"),
            models.CheckConstraint(
                condition=Q(quantity_source__regex=r"^[-cbeual]{16}$"), name="line_quantity_source_known"
            ),
            models.CheckConstraint(
                condition=Q(price_source__regex=r"^[-mpceual]{16}$"), name="line_price_source_known"
            ),
            models.CheckConstraint(
                condition=~Q(status="rejected") | ~Q(decision_comment=""),
                name="line_rejected_has_comment",
                violation_error_message="A rejection needs a comment.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.customer} · {self.product} · {self.cycle}"

    @property
    def reason(self) -> Reason:
        """Why the line changed much, as the person who handed it in said."""
        return Reason.kept(self.change_reason)

    def can_move_to(self, status: str) -> bool:
        """Whether the table of moves allows `status` next."""
        return status in self.MOVES[self.status]

    def was_worked_on_by(self, user: Any) -> bool:
        """Whether `user` submitted the line or edited it last; nobody decides what they worked on themselves."""
        return user.pk in (self.submitted_by_id, self.edited_by_id)


class SnapshotQuerySet(models.QuerySet["Snapshot"]):
    """Words about snapshots; they are written by set-based services and never changed."""

    def visible_to(self, user: Any) -> Self:
        return self.filter(line__in=Line.objects.visible_to(user))


class Snapshot(models.Model):
    """Immutable copy of a line's cells at an event; the database refuses every change of it."""

    class Event(models.TextChoices):
        OPEN = "open", "Opened"
        SUBMIT = "submit", "Submitted"
        APPROVE = "approve", "Approved"
        REJECT = "reject", "Rejected"
        RETURN = "return", "Returned"
        ADJUST = "adjust", "Adjusted"
        CLOSE = "close", "Closed"
        FINAL = "final", "Published"

    line = models.ForeignKey(Line, on_delete=models.CASCADE, db_index=False, related_name="snapshots")
    event = models.CharField(max_length=10, choices=Event.choices)
    status = models.CharField(max_length=10, choices=Line.Status.choices)
    live = models.BooleanField()
    risk_class = models.PositiveSmallIntegerField()
    quantity = _numbers(18, 6)
    quantity_source = models.CharField(max_length=HORIZON)
    unit_price = _numbers(14, 4)
    price_source = models.CharField(max_length=HORIZON)
    owner = _person()
    actor = _person()
    comment = NoteField(blank=True)
    at = models.DateTimeField()

    objects = SnapshotQuerySet.as_manager()

    class Meta:
        ordering = ["line_id", "pk"]
        indexes = [models.Index(fields=["line", "event", "-id"], name="snapshot_line_event")]

    def __str__(self) -> str:
        return f"{self.get_event_display()} {self.at:%Y-%m-%d %H:%M}"


class KeptPrice(models.Model):
    """What an admin decided against: the prices in force that a line was not to take over. They are offered again as
    soon as they change."""

    line = models.OneToOneField(Line, on_delete=models.CASCADE, related_name="kept_price")
    in_force = _numbers(14, 4)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField()

    objects = TrackedQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.line} keeps its prices"


def cell_position(cycle: Cycle, period: dt.date) -> int | None:
    """The position of `period` in the horizon of `cycle`, 0 to 15, or None when it lies outside."""
    position = periods.between(cycle.first_period, period)
    return position if 0 <= position < cycle.horizon and period.day == 1 else None
