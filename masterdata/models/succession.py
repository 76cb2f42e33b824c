"""Whose history counts for whom: what was sold and planned of a replaced product or customer counts for its successor.

The two tables are views over `replaced_by`, so SQL and querysets read the rule in one place. A replaced product whose
successor is counted in another unit keeps its history: quantities of different units are never added.
"""

from django.db import models

from masterdata.models.catalogue import Product
from masterdata.models.customers import Customer


class Succession(models.Model):
    """The history of `origin` counts for `heir`: for itself, and for every later link of the chain of replacements.

    is_last: `heir` is the end of that chain. A sum over many must count each history once, and counts it there.
    """

    pk = models.CompositePrimaryKey("origin", "heir")
    is_last = models.BooleanField()

    class Meta:
        abstract = True
        managed = False

    def __str__(self) -> str:
        return f"{self.origin} counts for {self.heir}"  # type: ignore[attr-defined]


class ProductSuccession(Succession):
    """Whose history counts for which product."""

    origin = models.ForeignKey(Product, models.DO_NOTHING, related_name="heirs")
    heir = models.ForeignKey(Product, models.DO_NOTHING, related_name="origins")


class CustomerSuccession(Succession):
    """Whose history counts for which customer."""

    origin = models.ForeignKey(Customer, models.DO_NOTHING, related_name="heirs")
    heir = models.ForeignKey(Customer, models.DO_NOTHING, related_name="origins")
