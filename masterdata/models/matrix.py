"""The pricing matrix: which customer buys which product, and at which price from when."""

import datetime as dt
from typing import Self

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce

from audit.models import TrackedQuerySet
from masterdata.models.catalogue import Product
from masterdata.models.customers import Customer, OfCustomersQuerySet
from masterdata.models.numbers import NOT_NEGATIVE, below, numbers
from sop_portal.lib import periods
from sop_portal.lib.text import NoteField


class PriceQuerySet(TrackedQuerySet):
    """Words about prices."""

    def in_force(self, day: dt.date) -> Self:
        """Of each entry the price that holds on `day`: the latest one that starts on or before it."""
        return self.filter(valid_from__lte=day).order_by("entry_id", "-valid_from").distinct("entry_id")


class MatrixQuerySet(OfCustomersQuerySet):
    """Words about the pricing matrix."""

    def in_use(self) -> Self:
        """Active entries of active products and customers."""
        return self.filter(is_active=True, product__is_active=True, customer__is_active=True)

    def with_price(self, day: dt.date) -> Self:
        """Annotates `price`, which holds on `day`, and `own_price`, None when it is the product's list price."""
        own = Price.objects.filter(entry=OuterRef("pk"), valid_from__lte=day).order_by("-valid_from")
        return self.annotate(
            own_price=Subquery(own.values("unit_price")[:1]), price=Coalesce("own_price", "product__list_price")
        )


class MatrixEntry(models.Model):
    """One customer buys one product."""

    # The pair finds the entries of a customer.
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="matrix", db_index=False)
    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="matrix")
    is_active = models.BooleanField(default=True)
    minimum_order_quantity = models.DecimalField(
        max_digits=18, decimal_places=6, null=True, blank=True, validators=[NOT_NEGATIVE]
    )
    maximum_order_quantity = models.DecimalField(
        max_digits=18, decimal_places=6, null=True, blank=True, validators=[NOT_NEGATIVE]
    )
    lead_time_days = models.PositiveSmallIntegerField(null=True, blank=True)
    proposed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="proposed_entries"
    )
    notes = NoteField(blank=True)

    objects = MatrixQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "matrix entries"
        ordering = ["customer_id", "product_id"]
        constraints = [
            models.UniqueConstraint(
                fields=["customer", "product"],
                name="matrixentry_pair_unique",
                violation_error_message="This customer already has this product in the matrix.",
            ),
            models.CheckConstraint(
                condition=Q(minimum_order_quantity__isnull=True) | Q(minimum_order_quantity__gte=0),
                name="matrixentry_minimum_not_negative",
                violation_error_message="Must be 0 or more.",
            ),
            models.CheckConstraint(
                condition=Q(maximum_order_quantity__isnull=True) | Q(maximum_order_quantity__gte=0),
                name="matrixentry_maximum_not_negative",
                violation_error_message="Must be 0 or more.",
            ),
            models.CheckConstraint(
                condition=Q(maximum_order_quantity__isnull=True)
                | Q(minimum_order_quantity__isnull=True)
                | Q(maximum_order_quantity__gte=F("minimum_order_quantity")),
                name="matrixentry_maximum_not_below_minimum",
                violation_error_message="The maximum order quantity is below the minimum.",
            ),
            *numbers("matrixentry", minimum_order_quantity=(18, 6), maximum_order_quantity=(18, 6)),
        ]

    def __str__(self) -> str:
        return f"{self.customer} · {self.product}"

    def clean(self) -> None:
        if below(self.maximum_order_quantity, self.minimum_order_quantity):
            raise ValidationError({"maximum_order_quantity": "The maximum order quantity is below the minimum."})


class Price(models.Model):
    """The price of a matrix entry from `valid_from` on, until a later one."""

    # The day finds the prices of an entry.
    entry = models.ForeignKey(MatrixEntry, on_delete=models.CASCADE, related_name="prices", db_index=False)
    valid_from = models.DateField()
    unit_price = models.DecimalField(max_digits=14, decimal_places=4, validators=[NOT_NEGATIVE])

    objects = PriceQuerySet.as_manager()

    class Meta:
        ordering = ["entry_id", "valid_from"]
        constraints = [
            models.UniqueConstraint(
                fields=["entry", "valid_from"],
                name="price_valid_from_unique",
                violation_error_message="There is already a price from this day on.",
            ),
            models.CheckConstraint(
                condition=Q(unit_price__gte=0),
                name="price_not_negative",
                violation_error_message="A price must be 0 or more.",
            ),
            *numbers("price", unit_price=(14, 4)),
        ]

    def __str__(self) -> str:
        return f"{self.unit_price} from {self.valid_from}"

    def clean(self) -> None:
        if self.valid_from and not periods.EARLIEST <= self.valid_from <= periods.LATEST:
            raise ValidationError({"valid_from": f"Enter a day from {periods.EARLIEST.year} to {periods.LATEST.year}."})
