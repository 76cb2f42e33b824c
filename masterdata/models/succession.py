"""Whose history counts for whom: what was sold and planned of a replaced product or customer counts for its successor.

The two tables are views over `replaced_by`, so SQL and querysets read the rule in one place. A replaced product whose
successor is counted in another unit keeps its history: quantities of different units are never added.
"""

from collections.abc import Iterable
from typing import Any

from django.db import models
from django.db.models import F

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

    @classmethod
    def replaced(cls) -> list[tuple[int, int, bool]]:
        """(origin, heir, is_last) of those who were replaced, who are few; in one query."""
        rows: Any = cls._default_manager
        return list(rows.exclude(origin=F("heir")).values_list("origin_id", "heir_id", "is_last"))

    @classmethod
    def origins(cls, keys: Iterable[int], *, once: bool = False) -> dict[int, set[int]]:
        """Whose history counts for each of `keys`, itself included; in one query.

        A sum over many actuals filters by these keys instead of joining the view: keys it finds by index, whatever the
        planner knows of the view. once: each history at the end of its chain only.
        """
        found = {key: {key} for key in keys}
        for origin, heir, is_last in cls.replaced():
            if once and origin in found:
                found[origin].discard(origin)
            if heir in found and (is_last or not once):
                found[heir].add(origin)
        return found


class ProductSuccession(Succession):
    """Whose history counts for which product."""

    origin = models.ForeignKey(Product, models.DO_NOTHING, related_name="heirs")
    heir = models.ForeignKey(Product, models.DO_NOTHING, related_name="origins")


class CustomerSuccession(Succession):
    """Whose history counts for which customer."""

    origin = models.ForeignKey(Customer, models.DO_NOTHING, related_name="heirs")
    heir = models.ForeignKey(Customer, models.DO_NOTHING, related_name="origins")
