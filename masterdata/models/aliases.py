"""Other names under which customers and reps are known, so that a file need not be mapped twice."""

import unicodedata

from django.conf import settings
from django.db import models
from django.db.models import Q

from audit.models import TrackedQuerySet
from masterdata.models.customers import Customer
from sop_portal.lib.text import NameField


def alias_key(name: str) -> str:
    """The form in which names are compared: NFKC, one space between words, case ignored, 200 characters at most."""
    return " ".join(unicodedata.normalize("NFKC", name).split()).casefold()[:200]


class CustomerAlias(models.Model):
    """A name that old workbooks use for a customer: their sheet names. It stays when the customer is renamed."""

    key = NameField(max_length=200, unique=True)
    name = NameField(max_length=200)
    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="aliases")

    objects = TrackedQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "customer aliases"
        ordering = ["key"]
        constraints = [
            models.CheckConstraint(
                condition=~Q(key=""), name="customeralias_has_key", violation_error_message="An alias needs a name."
            )
        ]

    def __str__(self) -> str:
        return f"{self.name} is {self.customer}"

    def clean(self) -> None:
        self.key = alias_key(self.name)


class RepAlias(models.Model):
    """A name that old workbooks use for a sales rep; somebody said once who that is."""

    key = NameField(max_length=200, unique=True)
    name = NameField(max_length=200)
    rep = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="rep_aliases")

    objects = TrackedQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "rep aliases"
        ordering = ["key"]
        constraints = [
            models.CheckConstraint(
                condition=~Q(key=""), name="repalias_has_key", violation_error_message="An alias needs a name."
            )
        ]

    def __str__(self) -> str:
        return f"{self.name} is {self.rep}"

    def clean(self) -> None:
        self.key = alias_key(self.name)
