"""Customers, who serves them, and who stands in for whom."""

import functools
from typing import Any, Self

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Q
from django.db.models.expressions import RawSQL

from audit.models import TrackedQuerySet
from masterdata.models.chains import circle
from masterdata.models.codes import Coded
from masterdata.models.numbers import NOT_NEGATIVE, numbers
from sop_portal.lib.keys import one_of
from sop_portal.lib.risk import RISK_CLASSES as RISK_CLASSES
from sop_portal.lib.risk import RISK_LABELS as RISK_LABELS
from sop_portal.lib.text import NameField, NoteField


class SqlNow(models.Func):
    """The portal's clock inside a query (see `sop_portal.lib.clock`)."""

    function = "portal_now"
    template = "%(function)s()"
    output_field = models.DateTimeField()


class DelegationQuerySet(TrackedQuerySet):
    """Words about who stands in for whom."""

    def in_force(self) -> Self:
        """Delegations that hold at this minute, by the database's clock."""
        return self.filter(valid_from__lte=SqlNow(), valid_to__gt=SqlNow())

    def to(self, user: Any) -> Self:
        """Delegations that let `user` act now."""
        return self.in_force().filter(to_user=user)


class Delegation(models.Model):
    """`to_user` acts for `from_user` between two instants, for all customers or some."""

    from_user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="delegations_given")
    to_user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="delegations_received", db_index=False
    )
    all_customers = models.BooleanField(default=True)
    customers: models.ManyToManyField = models.ManyToManyField("Customer", blank=True, related_name="delegations")
    valid_from = models.DateTimeField()
    valid_to = models.DateTimeField()
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")

    objects = DelegationQuerySet.as_manager()

    class Meta:
        ordering = ["-valid_from", "pk"]
        indexes = [models.Index(fields=["to_user", "valid_to"], name="delegation_to_valid")]
        constraints = [
            models.CheckConstraint(
                condition=Q(valid_to__gt=F("valid_from")),
                name="delegation_ends_after_start",
                violation_error_message="A delegation must end after it starts.",
            ),
            models.CheckConstraint(
                condition=~Q(from_user=F("to_user")),
                name="delegation_to_someone_else",
                violation_error_message="Choose someone else to stand in.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.from_user} to {self.to_user}"

    def clean(self) -> None:
        if self.valid_from and self.valid_to and self.valid_to <= self.valid_from:
            raise ValidationError({"valid_to": "A delegation must end after it starts."})
        if self.from_user_id and self.from_user_id == self.to_user_id:
            raise ValidationError({"to_user": "Choose someone else to stand in."})


@functools.cache
def _standing_in() -> tuple[str, str]:
    """The SQL of the people who let the user of a key act now for all customers, and of the customers they name.

    Compiled once: a page asks for its scope many times, and by the ORM that costs more than reading its rows.
    """
    delegated = Delegation.objects.to(0).order_by()
    named = delegated.filter(all_customers=False)
    some = Customer.objects.filter(delegations__in=named, sales_rep=F("delegations__from_user")).order_by()
    everybody = delegated.filter(all_customers=True).values("from_user")
    return everybody.query.sql_with_params()[0], some.values("pk").query.sql_with_params()[0]


def delegators(user: Any) -> RawSQL:
    """Keys, for an `__in`, of the people who let `user` act now for all their customers."""
    # What the ORM compiled, never input.
    return RawSQL(_standing_in()[0], [user.pk])


def served_by(user: Any, prefix: str = "") -> Q:
    """The customers `user` serves: their own and those delegated to them now.

    prefix: the path from the filtered model to the customer, such as "customer__".
    """
    # What the ORM compiled, never input.
    named = RawSQL(_standing_in()[1], [user.pk])
    return (
        Q(**{f"{prefix}sales_rep": user})
        | Q(**{f"{prefix}sales_rep__in": delegators(user)})
        | Q(**{f"{prefix}pk__in": named})
    )


class CustomerQuerySet(TrackedQuerySet):
    """Words about customers."""

    def visible_to(self, user: Any) -> Self:
        """Customers `user` may read: all, or those they serve, or those of their team."""
        if user.has_perm("masterdata.view_all_customers"):
            return self.all()
        scope = served_by(user)
        if user.has_perm("masterdata.view_team_customers"):
            scope |= Q(sales_rep__manager=user)
        return self.filter(scope)

    def matching(self, text: str) -> Self:
        """The customer with exactly this ID, else those whose ID or name holds `text`."""
        exact = self.filter(customer_id__iexact=text)
        if exact.exists():
            return exact
        return self.filter(Q(customer_id__icontains=text) | Q(name__icontains=text) | Q(short_name__icontains=text))

    def active(self) -> Self:
        return self.filter(is_active=True)


class OfCustomersQuerySet(TrackedQuerySet):
    """Words about rows that are each about one customer."""

    def visible_to(self, user: Any) -> Self:
        """Rows of the customers `user` may read."""
        if user.has_perm("masterdata.view_all_customers"):
            return self.all()
        return self.filter(customer__in=Customer.objects.visible_to(user))

    def in_scope_of(self, user: Any) -> Self:
        """The rows of `visible_to`, for lists: their customers are looked up first, so that the few rows of a rep are found
        by index."""
        if user.has_perm("masterdata.view_all_customers"):
            return self.all()
        customers = Customer.objects.visible_to(user).order_by()
        return self.filter(one_of("customer", customers.values_list("pk", flat=True)))


class Customer(Coded):
    """Who is sold to; one sales rep serves them."""

    code_field = "customer_id"

    customer_id = NameField("customer ID", max_length=50, unique=True)
    name = NameField(max_length=200)
    short_name = NameField(max_length=60, blank=True, help_text="Used on S&OP reports; the name when blank.")
    sales_rep = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="customers"
    )
    region = NameField(max_length=100, blank=True)
    territory = NameField(max_length=100, blank=True)
    corporate_group = NameField(max_length=100, blank=True)
    contact_person = NameField(max_length=200, blank=True)
    contact_email = models.EmailField(blank=True)
    contact_phone = NameField(max_length=50, blank=True)
    payment_terms = NameField(max_length=100, blank=True)
    credit_limit = models.DecimalField(
        max_digits=14, decimal_places=2, null=True, blank=True, validators=[NOT_NEGATIVE]
    )
    address = NameField(max_length=300, blank=True)
    city = NameField(max_length=100, blank=True)
    state = NameField(max_length=100, blank=True)
    postal_code = NameField(max_length=20, blank=True)
    country = NameField(max_length=100, blank=True)
    default_risk_class = models.PositiveSmallIntegerField(choices=RISK_CLASSES, null=True, blank=True)
    is_prospect = models.BooleanField(default=False)
    replaced_by = models.ForeignKey("self", on_delete=models.PROTECT, null=True, blank=True, related_name="replaces")
    notes = NoteField(blank=True)
    is_active = models.BooleanField(default=True)

    objects = CustomerQuerySet.as_manager()

    class Meta:
        ordering = ["name", "pk"]
        permissions = [
            ("view_all_customers", "Can see every customer"),
            ("view_team_customers", "Can see the customers of the own team"),
            ("view_cost", "Can see cost and margin"),
            ("import_data", "Can import and undo imports"),
        ]
        # The orders of the list, each from its first page on.
        indexes = [
            models.Index(fields=["name", "id"], name="customer_name"),
            models.Index(fields=["region", "name", "id"], name="customer_region"),
            models.Index(fields=["territory", "name", "id"], name="customer_territory"),
            models.Index(fields=["corporate_group", "name", "id"], name="customer_corporate_group"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=~Q(customer_id=""), name="customer_has_id", violation_error_message="A customer needs an ID."
            ),
            models.CheckConstraint(
                condition=~Q(name=""), name="customer_has_name", violation_error_message="A customer needs a name."
            ),
            models.CheckConstraint(
                condition=~Q(replaced_by=F("id")),
                name="customer_not_replaced_by_itself",
                violation_error_message="A customer cannot replace itself.",
            ),
            models.CheckConstraint(
                condition=Q(default_risk_class__isnull=True) | Q(default_risk_class__lte=3),
                name="customer_risk_class_known",
                violation_error_message="The risk class must be 0 to 3.",
            ),
            models.CheckConstraint(
                condition=Q(credit_limit__isnull=True) | Q(credit_limit__gte=0),
                name="customer_credit_limit_not_negative",
                violation_error_message="Must be 0 or more.",
            ),
            *numbers("customer", credit_limit=(14, 2)),
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        if self.replaced_by_id is not None and (sentence := circle(self)):
            raise ValidationError({"replaced_by": sentence})

    @property
    def label(self) -> str:
        """The name used where space is short."""
        return self.short_name or self.name
