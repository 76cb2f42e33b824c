"""Which histories of master data a person may read, and what they may not see in them."""

from collections.abc import Collection
from typing import Any

from masterdata.models import Product

# Names of the fields and columns that tell a cost.
COSTS = frozenset({"cost_price", "cost"})


def product_history(user: Any, entity_id: str) -> bool | Collection[str]:
    """The history of a product in scope, without its cost for those who may not see costs."""
    if (
        not (entity_id.isascii() and entity_id.isdigit())
        or not Product.objects.visible_to(user).filter(pk=entity_id).exists()
    ):
        return False
    return () if user.has_perm("masterdata.view_cost") else COSTS
