"""What was sold and what was budgeted, by month."""

from decimal import Decimal
from typing import Any, Self

from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import Q

from audit.models import TrackedQuerySet
from masterdata.models.catalogue import Product
from masterdata.models.customers import Customer, OfCustomersQuerySet
from masterdata.models.numbers import numbers
from masterdata.models.succession import CustomerSuccession
from sop_portal.lib.keys import one_of
from sop_portal.lib.text import NameField

STARTS_A_MONTH = "A period is written as the first day of its month."


class ActualQuerySet(TrackedQuerySet):
    """Words about actuals."""

    def visible_to(self, user: Any) -> Self:
        """Actuals of the customers `user` may read, and of those that these took the place of."""
        if user.has_perm("masterdata.view_all_customers"):
            return self.all()
        visible = Customer.objects.visible_to(user)
        return self.filter(customer__in=Customer.objects.filter(heirs__heir__in=visible))

    def in_scope_of(self, user: Any) -> Self:
        """The rows of `visible_to`, for sums over many of them: their customers are looked up first, in a query of
        their own, so that the planner knows how few they are and reads them by index."""
        if user.has_perm("masterdata.view_all_customers"):
            return self.all()
        customers = Customer.objects.visible_to(user).order_by().values_list("pk", flat=True)
        return self.filter(one_of("customer", set().union(*CustomerSuccession.origins(customers).values())))

    def counting_for(self, *, customer: Any = None, product: Any = None) -> Self:
        """The history of a customer, a product or (both given) a pair: also what was sold before it took the place of
        another. Each a row or its key; None is all of them."""
        history = self
        if customer is not None:
            history = history.filter(customer__heirs__heir=customer)
        if product is not None:
            history = history.filter(product__heirs__heir=product)
        return history


class Actual(models.Model):
    """What one customer bought of one product in one period; negative for credits.

    Every insert, change and delete is kept as an ActualRevision by triggers of the database, whatever the path.
    """

    # The key finds the rows of a customer.
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="actuals", db_index=False)
    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="actuals")
    period = models.DateField()
    quantity = models.DecimalField(max_digits=18, decimal_places=6)
    amount = models.DecimalField(max_digits=18, decimal_places=4)
    cost = models.DecimalField(max_digits=18, decimal_places=4, null=True, blank=True)

    objects = ActualQuerySet.as_manager()

    class Meta:
        ordering = ["-period", "customer_id", "product_id"]
        indexes = [models.Index(fields=["period", "customer", "product"], name="actual_period_pair")]
        constraints = [
            models.UniqueConstraint(
                fields=["customer", "product", "period"],
                name="actual_key_unique",
                violation_error_message="There is already an actual of this customer, product and period.",
            ),
            models.CheckConstraint(
                condition=Q(period__day=1), name="actual_period_starts_month", violation_error_message=STARTS_A_MONTH
            ),
            *numbers("actual", quantity=(18, 6), amount=(18, 4), cost=(18, 4)),
        ]

    def __str__(self) -> str:
        return f"{self.customer} · {self.product} · {self.period:%b %Y}"

    @property
    def unit_price(self) -> Decimal | None:
        """What one unit was sold for; None where nothing was."""
        return self.amount / self.quantity if self.quantity else None


class ActualRevision(models.Model):
    """One change of an actual: the key, the values before and after, and the batch that made it. Append-only.

    Without an old quantity there was no actual before, without a new one there is none after.
    """

    batch = models.BigIntegerField()
    customer_id = models.BigIntegerField()
    product_id = models.BigIntegerField()
    period = models.DateField()
    old_quantity = models.DecimalField(max_digits=18, decimal_places=6, null=True)
    old_amount = models.DecimalField(max_digits=18, decimal_places=4, null=True)
    old_cost = models.DecimalField(max_digits=18, decimal_places=4, null=True)
    new_quantity = models.DecimalField(max_digits=18, decimal_places=6, null=True)
    new_amount = models.DecimalField(max_digits=18, decimal_places=4, null=True)
    new_cost = models.DecimalField(max_digits=18, decimal_places=4, null=True)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["pk"]
        # Batches grow as rows do, so an index of a thousandth the size finds them, and a load hardly pays for it.
        indexes = [BrinIndex(fields=["batch"], autosummarize=True, name="actualrevision_batch")]

    def __str__(self) -> str:
        return f"batch {self.batch}: {self.old_quantity} -> {self.new_quantity}"


class Budget(models.Model):
    """What was budgeted for a customer, by product or for all of them together (product empty)."""

    version = NameField(max_length=30)
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="budgets")
    product = models.ForeignKey(Product, on_delete=models.PROTECT, null=True, blank=True, related_name="budgets")
    period = models.DateField()
    quantity = models.DecimalField(max_digits=18, decimal_places=6)
    amount = models.DecimalField(max_digits=18, decimal_places=4)

    objects = OfCustomersQuerySet.as_manager()

    class Meta:
        ordering = ["version", "customer_id", "product_id", "period"]
        constraints = [
            models.UniqueConstraint(
                fields=["version", "customer", "product", "period"],
                name="budget_key_unique",
                nulls_distinct=False,
                violation_error_message="This version already has a budget of this customer, product and period.",
            ),
            models.CheckConstraint(
                condition=~Q(version=""), name="budget_has_version", violation_error_message="A budget needs a version."
            ),
            models.CheckConstraint(
                condition=Q(period__day=1), name="budget_period_starts_month", violation_error_message=STARTS_A_MONTH
            ),
            *numbers("budget", quantity=(18, 6), amount=(18, 4)),
        ]

    def __str__(self) -> str:
        return f"{self.version} · {self.customer} · {self.period:%b %Y}"
