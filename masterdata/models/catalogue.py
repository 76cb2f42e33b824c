"""Products and the groups they belong to."""

from typing import Any, Self

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Exists, F, OuterRef, Q

from audit.models import TrackedQuerySet
from masterdata.models.chains import circle
from masterdata.models.codes import Coded
from masterdata.models.customers import Customer
from masterdata.models.numbers import NOT_NEGATIVE, numbers
from sop_portal.lib.keys import one_of
from sop_portal.lib.text import NameField


class ProductGroupQuerySet(TrackedQuerySet):
    """Words about groups of products."""

    def visible_to(self, user: Any) -> Self:
        """All of them: any product may be offered to any customer."""
        return self.all()


class ProductGroup(models.Model):
    """A product family; groups have at most two levels."""

    code = NameField(max_length=30, unique=True)
    name = NameField(max_length=200)
    parent = models.ForeignKey("self", on_delete=models.PROTECT, null=True, blank=True, related_name="children")

    objects = ProductGroupQuerySet.as_manager()

    class Meta:
        ordering = ["code"]
        constraints = [
            models.CheckConstraint(
                condition=~Q(code=""), name="productgroup_has_code", violation_error_message="A group needs a code."
            ),
            models.CheckConstraint(
                condition=~Q(parent=F("id")),
                name="productgroup_not_own_parent",
                violation_error_message="A group cannot be its own parent.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.code} {self.name}"

    def clean(self) -> None:
        if self.parent_id is None:
            return
        if self.parent_id == self.pk:
            raise ValidationError({"parent": "A group cannot be its own parent."})
        if self.parent is not None and self.parent.parent_id is not None:
            raise ValidationError({"parent": "Groups have two levels; choose a group that has no parent itself."})
        if self.pk and ProductGroup.objects.filter(parent=self.pk).exists():
            raise ValidationError({"parent": "This group has groups below it, so it must stay on the upper level."})


class ProductQuerySet(TrackedQuerySet):
    """Words about products."""

    def visible_to(self, user: Any) -> Self:
        """Products `user` may read: the active ones, since they may be offered to any customer, and those that a
        customer in their scope has in the matrix or bought; all for those who see every customer."""
        if user.has_perm("masterdata.view_all_customers"):
            return self.all()
        scope, itself = Customer.objects.visible_to(user), Product.objects.filter(pk=OuterRef("pk"))
        return self.filter(
            Q(is_active=True)
            | Exists(itself.filter(matrix__customer__in=scope))
            | Exists(itself.filter(actuals__customer__in=scope))
        )

    def in_scope_of(self, user: Any) -> Self:
        """The rows of `visible_to`, for lists: of the inactive products, which are few, those that count are looked up
        first, by the keys of the customers. Within one query a planner that knows nothing of a table yet may look through
        all customers for each product."""
        if user.has_perm("masterdata.view_all_customers"):
            return self.all()
        customers = one_of("customer", Customer.objects.visible_to(user).order_by().values_list("pk", flat=True))
        inactive = Product.objects.filter(is_active=False).order_by()
        keys = set(inactive.values_list("pk", flat=True))
        kept: set[int] = set()
        for name in ("matrix", "actuals"):
            rows: Any = Product._meta.get_field(name).related_model
            left = one_of("product", keys - kept)
            kept |= set(
                rows._default_manager.filter(customers, left).order_by().values_list("product", flat=True).distinct()
            )
        return self.filter(Q(is_active=True) | one_of("pk", kept))

    def matching(self, text: str) -> Self:
        """The product with exactly this item code, else those whose code or description holds `text`."""
        exact = self.filter(item_code__iexact=text)
        if exact.exists():
            return exact
        return self.filter(Q(item_code__icontains=text) | Q(description__icontains=text))

    def active(self) -> Self:
        return self.filter(is_active=True)


class Product(Coded):
    """What is sold, in one unit of measure."""

    code_field = "item_code"

    item_code = NameField(max_length=50, unique=True)
    description = NameField(max_length=300)
    group = models.ForeignKey(ProductGroup, on_delete=models.PROTECT, related_name="products")
    manufacturing_location = NameField(max_length=100, blank=True)
    production_line = NameField(max_length=100, blank=True)
    pack_size = NameField(max_length=50, blank=True)
    weight = models.DecimalField(
        max_digits=12,
        decimal_places=4,
        null=True,
        blank=True,
        validators=[NOT_NEGATIVE],
        help_text="Of one unit, in kg.",
    )
    uom = NameField("unit of measure", max_length=10, default="CS")
    list_price = models.DecimalField(max_digits=14, decimal_places=4, null=True, blank=True, validators=[NOT_NEGATIVE])
    cost_price = models.DecimalField(max_digits=14, decimal_places=4, null=True, blank=True, validators=[NOT_NEGATIVE])
    replaced_by = models.ForeignKey("self", on_delete=models.PROTECT, null=True, blank=True, related_name="replaces")
    is_active = models.BooleanField(default=True)

    objects = ProductQuerySet.as_manager()

    class Meta:
        ordering = ["item_code"]
        # The orders of the list, each from its first page on.
        indexes = [
            models.Index(fields=["description", "id"], name="product_description"),
            models.Index(fields=["manufacturing_location", "item_code"], name="product_location"),
            models.Index(fields=["production_line", "item_code"], name="product_line"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=~Q(item_code=""),
                name="product_has_code",
                violation_error_message="A product needs an item code.",
            ),
            models.CheckConstraint(
                condition=~Q(uom=""),
                name="product_has_uom",
                violation_error_message="A product needs a unit of measure.",
            ),
            models.CheckConstraint(
                condition=~Q(replaced_by=F("id")),
                name="product_not_replaced_by_itself",
                violation_error_message="A product cannot replace itself.",
            ),
            *[
                models.CheckConstraint(
                    condition=Q(**{f"{name}__isnull": True}) | Q(**{f"{name}__gte": 0}),
                    name=f"product_{name}_not_negative",
                    violation_error_message="Must be 0 or more.",
                )
                for name in ("weight", "list_price", "cost_price")
            ],
            *numbers("product", weight=(12, 4), list_price=(14, 4), cost_price=(14, 4)),
        ]

    def __str__(self) -> str:
        return f"{self.item_code} {self.description}"

    def clean(self) -> None:
        if self.replaced_by_id is None:
            return
        if sentence := circle(self):
            raise ValidationError({"replaced_by": sentence})
        if self.replaced_by is not None and self.replaced_by.uom != self.uom:
            raise ValidationError(
                {
                    "replaced_by": f"{self} is counted in {self.uom} and {self.replaced_by} in {self.replaced_by.uom}; "
                    "what was sold cannot follow into another unit. Give both the same unit of measure first."
                }
            )
